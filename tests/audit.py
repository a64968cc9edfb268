"""Known faults of the packages that are installed, by pip-audit: `make audit`, and part of `make check`.

It asks a list on the network. Where that cannot be reached it says so and nothing else; `TUNESMITH_AUDIT=required` makes that a
failure, as in CI. A fault for which there is a mended version is a failure; one without is told.
"""

import json
import os
import subprocess
import sys
from typing import Any

COMMAND = ["-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--skip-editable", "--timeout", "10"]
REQUIRED = "TUNESMITH_AUDIT"


def asked() -> list[dict[str, Any]] | None:
    """What is known of each package; None where the list cannot be reached."""
    try:
        done = subprocess.run([sys.executable, *COMMAND], capture_output=True, text=True, check=False, timeout=300)
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return None
    heard = [one for one in packages if "skip_reason" not in one]
    return heard if len(heard) * 2 > len(packages) else None  # else a mirror answers, which knows of no faults


def told(packages: list[dict[str, Any]]) -> tuple[list[str], bool]:
    """A line for each fault, and whether one can be mended."""
    lines, mendable = [], False
    for one in packages:
        for fault in one.get("vulns", ()):
            mended = ", ".join(fault.get("fix_versions", ()))
            mendable = mendable or bool(mended)
            remedy = f"mended in {mended}" if mended else "no mended version yet"
            lines.append(f"{one['name']} {one['version']}: {fault['id']}: {remedy}")
    return lines, mendable


def main() -> int:
    packages = asked()
    if packages is None:
        print("audit: skipped, the list of known faults cannot be reached from here", file=sys.stderr)
        return int(os.environ.get(REQUIRED) == "required")
    lines, mendable = told(packages)
    print("\n".join(lines) or f"audit: {len(packages)} packages, none with a known fault", file=sys.stderr)
    return int(mendable)


if __name__ == "__main__":
    sys.exit(main())
