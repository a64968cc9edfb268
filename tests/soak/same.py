"""What must be the same of two folders, of which one was made without an interruption: everything but clocks and memory."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

KEPT = "were kept from before"  # a note that says why times are not those of this life
CLOCK = re.compile(r"second|memory|latency|efficiency|energy|^commit$|^ts$")  # keys whose values differ between any two runs
PROSE = {".html", ".md", ".svg", ".png", ".log", ".sqlite"}  # made from the rest, with times in it
ROUNDING = 1e-5  # of answers that were asked for beside others than before, relative to the larger of 1 and the number


def differences(made: Path, whole: Path) -> list[str]:
    """What differs between two folders, a line each; empty: they are the same."""
    names, wanted = files(made), files(whole)
    found = [f"`{name}` is left over" for name in sorted(names - wanted)]
    found += [f"`{name}` is missing" for name in sorted(wanted - names)]
    for name in sorted(names & wanted):
        found += [f"`{name}`: {why}" for why in differs(made / name, whole / name)]
    return found


def files(folder: Path) -> set[str]:
    """Every file below a folder, by its path in it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def differs(made: Path, whole: Path) -> Iterator[str]:
    """What differs between two files."""
    if made.suffix in PROSE:
        return
    if made.suffix not in (".json", ".jsonl", ".yaml"):
        if made.read_bytes() != whole.read_bytes():
            yield "other bytes"
        return
    one, other = read(made), read(whole)
    if made.name == "world.json":
        for tree in (one, other):
            tree["notes"] = [note for note in tree.get("notes", ()) if KEPT not in note]
            tree.get("rows", {}).pop("votes", None)  # hash of a file that tells when each vote was cast
    if made.name == "steps.jsonl":
        steps = [record["step"] for record in one]
        if steps != list(range(1, len(steps) + 1)):
            yield f"steps in the order {steps}"
    # Of an answer, numbers are rounded by those that were asked in the same batch.
    rounding = ROUNDING if "answers" in made.parts or made.name == "scores.json" else 0.0
    yield from unlike(one, other, rounding)


def read(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".yaml":
        return yaml.safe_load(text)
    return [json.loads(line) for line in text.split("\n") if line] if path.suffix == ".jsonl" else json.loads(text)


def unlike(one: Any, other: Any, rounding: float, place: str = "") -> Iterator[str]:
    """Where two trees differ; numbers may by `rounding`, and what a clock told is passed over."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = sorted(key for key in one.keys() ^ other.keys() if not CLOCK.search(str(key)))
        if keys:
            yield f"{place or 'top'}: keys {keys}"
        for key in one.keys() & other.keys():
            if not CLOCK.search(str(key)):
                yield from unlike(one[key], other[key], rounding, f"{place}.{key}")
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            yield f"{place or 'top'}: {len(one)} entries, not {len(other)}"
        for number, (first, second) in enumerate(zip(one, other, strict=False)):
            yield from unlike(first, second, rounding, f"{place}[{number}]")
    elif isinstance(one, float) and isinstance(other, float) and abs(one - other) <= rounding * max(1.0, abs(other)):
        return
    elif one != other:
        yield f"{place}: {str(one)[:80]!r}, not {str(other)[:80]!r}"
