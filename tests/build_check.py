"""Build wheel and source archive, and try the wheel where nothing else of the project is. `make build-check`.

The wheel must hold every file of the package that git knows. It is installed into an environment of its own, which borrows the
packages that it needs from this one, so no network is asked.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = "import sys; from setuptools import build_meta as b; [print(make('dist')) for make in (b.build_wheel, b.build_sdist)]"
TRAIN = (
    "train", "name=mine", "model.path=town/t5", "tasks.town/dialogues=1.0", "plan.steps=2", "plan.examples=2", "limit.train=8",
    "limit.validation=2", "limit.test=2", "forgetting=none", "--brief",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only-build", action="store_true")
    only = parser.parse_args().only_build
    wheel = build()
    refuse_lacking(wheel)
    if not only:
        with tempfile.TemporaryDirectory() as folder:
            try_out(wheel, Path(folder))
    print(wheel)


def build() -> Path:
    """Made in a copy of what git knows, so that nothing else that lies about gets in."""
    known = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    with tempfile.TemporaryDirectory() as folder:
        for name in filter(None, known):
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, Path(folder) / name)
        subprocess.run([sys.executable, "-c", BUILD], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (ROOT / "dist").mkdir(exist_ok=True)
        made = [Path(shutil.copy2(path, ROOT / "dist")) for path in (Path(folder) / "dist").iterdir()]
    return next(path for path in made if path.suffix == ".whl")


def refuse_lacking(wheel: Path) -> None:
    """Every file of the package that git knows must be inside."""
    known = subprocess.run(
        ["git", "ls-files", "tunesmith"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    with zipfile.ZipFile(wheel) as file:
        lacking = sorted(set(known) - set(file.namelist()))
    if lacking:
        sys.exit(f"the wheel lacks {len(lacking)} files: {', '.join(lacking[:10])}")
    print(f"all {len(known)} files of the package are in the wheel", file=sys.stderr)


def try_out(wheel: Path, folder: Path) -> None:
    """Install it, and use it from a folder where the project is not."""
    venv.create(folder / "venv", with_pip=True)
    python = str(folder / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True, check=True
    )
    # at the end of the path, and without the hooks of an editable install: the wheel's own files come first
    Path(own.stdout.strip(), "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    where = subprocess.run(
        [python, "-c", "import tunesmith; print(tunesmith.__file__)"],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(folder)), f"not the wheel's: {where.stdout}"
    command = str(folder / "venv" / "bin" / "tunesmith")
    for words in (("--version",), ("list", "tasks"), TRAIN):
        done = subprocess.run([command, *words], cwd=folder, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"`tunesmith {' '.join(words)}` failed:\n{done.stderr}")
        print(f"tunesmith {words[0]}: works", file=sys.stderr)
    assert (folder / "runs" / "mine" / "scores.json").is_file()


if __name__ == "__main__":
    main()
