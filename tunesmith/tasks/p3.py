"""P3 (Bach et al. 2022, "PromptSource"; Sanh et al. 2022, T0), rendered: a file of prompts and completions a template.

    TUNESMITH_DATA=~/data tunesmith show --data p3/glue_mrpc       # reads ~/data/p3_t0_rendered/glue_mrpc_*.jsonl

`p3/DATA_SET` has every wording of a data set whose files have as many rows as its longest: the same row stands in the same line
of each, so rows fall into the splits together. `p3/DATA_SET_TEMPLATE` is one wording. The clusters are those of T0.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tunesmith.data.formats import read
from tunesmith.data.grouping import grouping, plain
from tunesmith.data.published import folders
from tunesmith.data.splits import SPLITS, cut
from tunesmith.data.template import Template
from tunesmith.errors import UserError, did_you_mean
from tunesmith.tasks.fitting import DEFAULTS, shape_of, tokens_for
from tunesmith.tasks.task import Row, Task
from tunesmith.tasks.written import metrics_of

PLACES = ("p3_t0_rendered/", "p3/", "data_per_template/", "")  # folders in which people keep them
END = "<|endoftext|>"  # behind each completion, from the tokenizer that the files were made for
SHARES = {"train": 0.6, "validation": 0.1, "test": 0.3}  # of few rows, of which a cluster that is left out judges
MOST_CHOICES = 12  # answers of a file up to which they are choices


@dataclass(frozen=True)
class Rendered:
    """Rows of several files that stand line by line for the same rows of a data set."""

    paths: tuple[Path, ...]

    def splits(self) -> tuple[str, ...]:
        return SPLITS

    def rows(self, split: str) -> Iterator[Row]:
        """Rows of a split, by a hash of the number of their line: `prompts` and `completions`, one of each wording."""
        return (dict(row) for row in _cut(self.paths, self.fingerprint())[split])

    def fingerprint(self) -> str:
        """A hash of the files' bytes."""
        return hashlib.blake2b(b"".join(path.read_bytes() for path in self.paths), digest_size=16).hexdigest()


@lru_cache(maxsize=64)
def _cut(paths: tuple[Path, ...], _: str) -> dict[str, Sequence[Row]]:
    columns = [lines(path) for path in paths]
    rows = [
        {
            "id": f"line-{number + 1}",
            "prompts": [one["prompt"] for one in row],
            "completions": [said(one) for one in row],
        }
        for number, row in enumerate(zip(*columns, strict=True))
    ]
    return dict(cut(rows, lambda row: str(row["id"]), SHARES))


def said(row: Row) -> str:
    """The answer of a line."""
    return str(row["completion"]).removesuffix(END).strip()


def lines(path: Path) -> list[Row]:
    rows = list(read(path))
    if rows and not {"prompt", "completion"} <= rows[0].keys():
        raise UserError(f"`{path}` has no columns `prompt` and `completion`", "it is no rendering of P3")
    return rows


def found() -> dict[str, Path]:
    """Name of a rendering -> its file, of the first folder that has any."""
    for folder in (Path(one).expanduser() for one in folders()):
        for place in PLACES:
            paths = sorted((folder / place).glob("*.jsonl"))
            if paths and (place or any(plain(path.stem).startswith("glue_") for path in paths)):
                return {path.stem: path for path in paths}
    return {}


def made(name: str) -> Task:
    """`p3/DATA_SET`, or `p3/DATA_SET_TEMPLATE`."""
    wanted, known = name.removeprefix("p3/"), found()
    if not known:
        raise UserError(
            f"`{name}` has no files `{PLACES[0]}{wanted}_*.jsonl` in {', '.join(map(repr, folders()))}",
            "name the folder that holds `p3_t0_rendered`: `TUNESMITH_DATA=/my/data`",
        )
    paths = [known[wanted]] if wanted in known else [path for one, path in known.items() if one.startswith(f"{wanted}_")]
    held = {path: rows for path in paths if (rows := lines(path)) and all(map(said, rows))}
    if not held:
        sets = [f"p3/{one}" for one in grouping("t0").data_sets if any(file.startswith(f"{one}_") for file in known)]
        raise UserError(f"there is no task `{name}`", did_you_mean(name, sets))
    longest = max(map(len, held.values()))
    kept = {path: choices_of(rows) for path, rows in held.items() if len(rows) == longest}
    paths = sorted(kept, key=lambda path: not kept[path])  # wordings with choices first: the first one judges
    source = Rendered(tuple(paths))
    wordings = tuple(wording(path, place, kept[path], wanted) for place, path in enumerate(paths))
    seen = [wordings[0].apply(row) for row in source.rows("train")]
    shape = shape_of(seen)
    cluster = next(iter(grouping("t0").of(wanted)), wanted)
    ask = "choose" if shape == "choice" else "speak"
    return Task(name, source, wordings, metrics_of(DEFAULTS[shape]), cluster, ask, tokens_for(seen))


def wording(path: Path, place: int, choices: Sequence[str], data_set: str) -> Template:
    """What one file says of a row; the place is that of the file among the row's columns."""
    called = path.stem.removeprefix(data_set).strip("_") or path.stem
    return Template(called, f"{{{{prompts[{place}]}}}} ||| {{{{completions[{place}]}}}}", " ||| ".join(choices) or None)


def choices_of(rows: Sequence[Row]) -> list[str]:
    """The answers to choose from, where a few stand in all rows of a file; one alone is no choice."""
    counts = Counter(map(said, rows))
    few = 1 < len(counts) <= MOST_CHOICES and not any("{" in one or "|||" in one or not one for one in counts)
    return sorted(counts) if few else []
