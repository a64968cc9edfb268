"""One table of all results under `benchmarks/results`, as Markdown.

    python benchmarks/table.py [--write]

`--write` puts it between the two marks in `docs/benchmarks.md` too.
"""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from record import OURS, RESULTS

PAGE = RESULTS.parents[1] / "docs/benchmarks.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"


def lines(found: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """(benchmark, pair, our seconds, peer, its seconds, times faster, rounds)."""
    for name, pair in found["pairs"].items():
        if "times_faster" not in pair:  # ours alone, at another size
            continue
        rounds = len(pair["seconds"][OURS])
        ours = f"{pair['median'][OURS]:.3g} s"
        peers = pair["times_faster"] or {"": None}
        for peer, ratio in peers.items():
            seconds = f"{pair['median'][peer]:.3g} s" if peer else ""
            yield found["benchmark"], name, ours, peer or "-", seconds, "" if ratio is None else f"{ratio:.2f}", str(rounds)


def table() -> str:
    heads = ("benchmark", "what", "tunesmith", "peer", "its time", "times faster", "rounds")
    rows = [heads, tuple("---" for _ in heads)]
    for path in sorted(RESULTS.glob("*.json")):
        rows += lines(json.loads(path.read_text(encoding="utf-8")))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name} too")
    made = table()
    if parser.parse_args().write:
        head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}{made}{END}{rest.partition(END)[2]}", encoding="utf-8")
    print(made, end="")


if __name__ == "__main__":
    main()
