"""`make soak`: kill commands at random moments, give each again until it ends, and hold what it made against one that nobody
killed.

    python -m tests.soak --kills 100 --seed 0 --only comparison
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.soak.killing import Begun, Life, Victim, drawn
from tests.soak.same import differences
from tests.soak.scenarios import SCENARIOS, Scenario

MOST = 4  # kills between a beginning and its end


def whole(name: str, scenario: Scenario, root: Path, begun: Begun | None) -> tuple[Path, Life]:
    """The folder of a command that nobody killed, and its life."""
    victim = victim_of(scenario, root / slug(name) / "whole", begun)
    life = victim.live()
    if life.status:
        raise SystemExit(f"{name} fails without being killed, with status {life.status}:\n{life.said}")
    return victim.folder, life


def victim_of(scenario: Scenario, folder: Path, begun: Begun | None = None) -> Victim:
    return Victim(scenario.command, folder, environment=scenario.lay(folder), begun=begun)


def slug(name: str) -> str:
    return "-".join(name.replace(",", "").split())


def killed(victim: Victim, reference: Path, life: Life, kills: int, random_: random.Random) -> tuple[int, list[str]]:
    """Kill a command up to so many times, then let it end: (kills that hit, what is wrong)."""
    hits, told = 0, []
    for _ in range(kills):
        kill = drawn(random_, life)
        lived = victim.live(kill)
        told.append(f"{kill}: status {lived.status}")
        if lived.behind:
            return hits, [*told, f"{len(lived.behind)} processes stayed behind"]
        hits += lived.kills
        if lived.status == 0:
            break
    else:
        lived = victim.live()
        if lived.behind:
            return hits, [*told, f"{len(lived.behind)} processes stayed behind"]
        if lived.status:
            return hits, [*told, f"the last life ended with status {lived.status}:\n{lived.said}"]
    wrong = differences(victim.folder / victim.below, reference / victim.below)
    return hits, [*told, *wrong] if wrong else []


@dataclass
class Tally:
    """What came of it, by scenario."""

    runs: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)

    def table(self) -> str:
        """Figures as Markdown."""
        lines = ["| what was killed | runs | kills | ended the same as without |", "|---|---:|---:|---:|"]
        rows = [(name, self.runs[name], self.kills[name], self.wrong[name]) for name in self.runs]
        rows.append(("all", self.runs.total(), self.kills.total(), self.wrong.total()))
        return "\n".join([*lines, *(f"| {name} | {runs} | {kills} | {runs - bad} |" for name, runs, kills, bad in rows)])


def soak(
    chosen: Mapping[str, Scenario], root: Path, kills: int, random_: random.Random, begun: Begun | None, tally: Tally
) -> None:
    """Kill the scenarios in turn until there were so many kills."""
    references: dict[str, tuple[Path, Life]] = {}
    began = time.monotonic()
    for trial in count(1):
        left = kills - tally.kills.total()
        if left <= 0:
            return
        name = list(chosen)[(trial - 1) % len(chosen)]
        if name not in references:
            references[name] = whole(name, chosen[name], root, begun)
        victim = victim_of(chosen[name], root / slug(name) / f"trial-{trial}", begun)
        hits, wrong = killed(victim, *references[name], min(left, random_.randint(1, MOST)), random_)
        tally.runs[name] += 1
        tally.kills[name] += hits
        tally.wrong[name] += bool(wrong)
        how = "WRONG" if wrong else "the same"
        print(f"{time.monotonic() - began:6.0f} s  {tally.kills.total():4}  {name}: {hits} kills, {how}", flush=True)
        if wrong:
            print("\n".join(f"    {line}" for line in wrong) + f"\n    left in {victim.folder}", flush=True)
        else:
            shutil.rmtree(victim.folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="kills in all (100)")
    parser.add_argument("--seed", type=int, help="of the moments; drawn and printed where it is not given")
    parser.add_argument("--only", action="append", help="scenarios whose names hold this text")
    parser.add_argument(
        "--into", type=Path, help="folder that is kept; else one for temporary files, kept where something is wrong"
    )
    parser.add_argument("--forked", action="store_true", help="fork a process that has read the libraries: three times as fast")
    parser.add_argument("--json", type=Path, help="file for the figures")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    random_ = random.Random(seed)
    root = given.into or Path(tempfile.mkdtemp(prefix="soak-"))
    chosen = {name: one for name, one in SCENARIOS.items() if not given.only or any(text in name for text in given.only)}
    if not chosen:
        raise SystemExit(f"no scenario is called so; there are: {', '.join(SCENARIOS)}")
    tally = Tally()
    with Begun() if given.forked else nullcontext() as begun:
        soak(chosen, root, given.kills, random_, begun, tally)
    print(tally.table())
    if given.json:
        told = {"seed": seed, "kills": dict(tally.kills), "runs": dict(tally.runs), "wrong": dict(tally.wrong)}
        given.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    if not tally.wrong.total() and given.into is None:
        shutil.rmtree(root)
    sys.exit(1 if tally.wrong.total() else 0)


if __name__ == "__main__":
    main()
