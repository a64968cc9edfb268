"""Where rows come from: a file, a folder of files, or a data set of the Hugging Face hub."""

import hashlib
import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any

from tunesmith.data import standard_input
from tunesmith.data.faults import BadRows, Fault
from tunesmith.data.file_kinds import refuse_node
from tunesmith.data.folders import files_in, named, our_splits, place_of, split_of
from tunesmith.data.formats import SUFFIXES, Read, Row, looked_through, read, suffix_of
from tunesmith.data.passes import MANY, file_hash
from tunesmith.data.rows import Chosen, Joined, Lazy, Made
from tunesmith.data.splits import FRACTIONS, SPLITS, cap, divide
from tunesmith.errors import UserError, did_you_mean

__all__ = ["FileSource", "HubSource", "Row", "group_references", "read", "source_of"]


@dataclass(frozen=True)
class Part:
    """What one file holds, or one split of the hub.

    name:   the file's path.
    lines:  the line of each row; 0, or nothing, where rows are no lines.
    faults: rows that cannot be read.
    """

    name: str
    rows: Sequence[Row]
    lines: Sequence[int] = ()
    faults: tuple[Fault, ...] = ()

    def line(self, number: int) -> int:
        """The line of a row, by its number from 0; 0 where rows are no lines."""
        return int(self.lines[number]) if number < len(self.lines) else 0

    def place(self, number: int, called: str = "") -> str:
        """Words for where a row stands; `called`: instead of the file's path."""
        line, where = self.line(number), called or f"`{self.name}`"
        return f"{where} line {line}" if line else f"{where} row {number + 1}"


@dataclass(frozen=True)
class FileSource:
    """A file, or a folder of files; splits that it lacks are cut by a hash of what rows ask (`data/splits.py`).

    In a folder the files whose names say `train`, `validation` (`dev`, `valid`) or `test` are those splits, if all files' names
    do, or one says `train`; else all files together are the rows.

    path:      file or folder.
    splits_at: split -> file or folder, or several, beside or below `path`, where the names do not say it.
    columns:   names for a CSV or TSV without a header line.
    cut_text:  how plain text makes rows (`formats.read`).
    key:       columns that say what a row asks; empty: all but `id`.
    target:    column of the answer: rows of a validation or test split that ask the same and follow one another become one row
               with `references`. Empty: no grouping.
    limit:     most rows of each split, or split -> most rows.
    takes:     says of a row whether it is one at all, so that a limit counts no others.
    layout:    `csv`, `tsv`, `jsonl` ..., where a file's suffix does not say it.
    bad:       what is done with rows that cannot be read.
    left_out:  file (of the hub: split) -> numbers, from 0, of rows that can be read and yet are left out.
    """

    path: str
    splits_at: Mapping[str, str | Sequence[str]] | None = None
    columns: tuple[str, ...] = ()
    cut_text: str | int = "paragraph"
    key: tuple[str, ...] = ()
    target: str = ""
    fractions: Mapping[str, float] = field(default_factory=lambda: FRACTIONS)
    seed: int = 0
    limit: int | Mapping[str, int] | None = None
    takes: Callable[[Row], bool] | None = None
    layout: str | None = None
    bad: BadRows = BadRows()
    left_out: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def splits(self) -> tuple[str, ...]:
        """Of `train`, `validation` and `test`, those that have rows."""
        return tuple(name for name in SPLITS if self._rows.get(name))

    def rows(self, split: str) -> Iterator[Row]:
        """Rows of a split, the same in the same order every time."""
        if split not in self._rows:
            raise UserError(f"`{self.path}` has no split `{split}`", did_you_mean(split, self.splits()))
        return (dict(row) for row in self._rows[split])

    def held(self, split: str) -> Sequence[Row]:
        """As `rows`, to be asked for in any order; a row that is given may not be changed."""
        self.rows(split)
        return self._rows[split]

    def found(self) -> dict[str, Sequence[Row]]:
        """Rows by split as the source has them; rows of no split stand under the empty name."""
        return {split: Joined(self._kept(part.name, part.rows) for part in parts) for split, parts in self.parts().items()}

    def parts(self) -> dict[str, list[Part]]:
        """Split -> what each of its files holds; files of no split stand under the empty name."""
        return {
            split: [Part(str(file), read.rows, read.lines, read.faults) for file in files for read in [self._read(file)]]
            for split, files in self._files().items()
        }

    def placed(self) -> Iterator[tuple[str, Row]]:
        """Every row with words for where it stands."""
        parts = [part for parts in self.parts().values() for part in parts]
        return (
            (self.told(part, number), part.rows[number]) for part in parts for number in self._numbers(part.name, part.rows)
        )

    def told(self, part: "Part", number: int) -> str:
        """Words for where a row of a part stands, by its number there from 0."""
        piped = standard_input.CALLED if self.path == standard_input.NAME and not self.splits_at else ""
        return part.place(number, piped)

    def faults(self) -> tuple[Fault, ...]:
        """The rows that cannot be read and are left out."""
        return tuple(fault for parts in self.parts().values() for part in parts for fault in part.faults)

    def _numbers(self, name: str, rows: Sequence[Row]) -> Sequence[int]:
        """The rows of a file that are not left out."""
        aside = frozenset(self.left_out.get(name, ()))
        return [number for number in range(len(rows)) if number not in aside] if aside else range(len(rows))

    def _kept(self, name: str, rows: Sequence[Row]) -> Sequence[Row]:
        return Chosen(rows, self._numbers(name, rows)) if self.left_out.get(name) else rows

    def fingerprint(self) -> str:
        """A hash of the files' bytes."""
        whole = hashlib.blake2b(digest_size=16)
        for file in sorted(file for files in self._files().values() for file in files):
            whole.update(bytes.fromhex(file_hash(file)))
        return whole.hexdigest()

    def origin(self) -> tuple[object, ...]:
        """A key of the rows, whatever their files are called: their bytes, and how they are read. Empty where there is none."""
        if type(self) is not FileSource or self.takes is not None:
            return ()
        files = {split: [(suffix_of(file), file_hash(file)) for file in files] for split, files in self._files().items()}
        aside = tuple(tuple(numbers) for _, numbers in sorted(self.left_out.items()))
        return (repr(replace(self, path="", splits_at=None, left_out={})), repr(files), aside)

    @cached_property
    def _rows(self) -> dict[str, Sequence[Row]]:
        found = self.found()
        if self.takes is not None:
            found = {
                split: Chosen(rows, (number for number, row in enumerate(rows) if self.takes(row)))
                for split, rows in found.items()
            }
        if not any(map(len, found.values())):
            raise UserError(f"`{self.path}` has no rows")
        origin = self.origin() if sum(map(len, found.values())) >= MANY else ()
        divided = divide(found, self._asked, self.fractions, self.seed, origin)
        if self.target:
            held_out = (name for name in ("validation", "test") if name in divided)
            divided |= {name: group_references(divided[name], self.key, self.target) for name in held_out}
        return {name: cap(rows, self._limit(name), self._asked, self.seed) for name, rows in divided.items()}

    def _asked(self, row: Row) -> str:
        columns = [name for name in self.key if name in row] or [name for name in row if name != "id"]
        return "\n".join(str(row[name]) for name in columns)

    def _limit(self, split: str) -> int | None:
        return self.limit.get(split) if isinstance(self.limit, Mapping) else self.limit

    def _read(self, file: Path) -> Read:
        if not file.is_file():
            return looked_through(file)  # which says so
        state = file.stat()
        how = (self.columns, self.cut_text, self.layout, self.bad)
        told = standard_input.CALLED if self.path == standard_input.NAME else f"`{file}`"
        try:
            found = _read_once(file.resolve(), state.st_mtime_ns, state.st_size, *how)
        except UserError as error:
            problem = error.problem.replace(f"`{file.resolve()}`", told)
            hint = "say what it is with the setting `layout`" if self.path == standard_input.NAME else ""
            raise UserError(problem, error.hint or hint) from None
        if not found.faults:
            return found
        faults = (
            replace(one, file=str(file), problem=one.problem.replace(f"`{file.resolve()}`", told)) for one in found.faults
        )
        return replace(found, faults=tuple(faults))

    def _files(self) -> dict[str, list[Path]]:
        if self.path == standard_input.NAME and not self.splits_at:
            return {"": [standard_input.kept(self.layout)]}
        path, configuration = place_of(self.path)
        refuse_node(path)
        if self.splits_at:
            folder = path if path.is_dir() else path.parent
            given = {split: [files] if isinstance(files, str) else files for split, files in self.splits_at.items()}
            found = {split: [path for file in files for path in named(folder / file, split)] for split, files in given.items()}
            refuse_shared(found)
            return found
        if path.is_file():
            said = split_of(path)
            return {said if said in ("validation", "test") else "": [path]}
        if not path.is_dir():
            beside = path.parent.iterdir() if path.parent.is_dir() else ()
            names = [one.name for one in beside if suffix_of(one) in SUFFIXES]
            raise UserError(f"there is no file or folder `{path}`", did_you_mean(path.name, names) or "look at the path")
        return files_in(path, configuration)


def refuse_shared(found: Mapping[str, Sequence[Path]]) -> None:
    """An error for a file that stands in two splits: what is learnt would be asked."""
    seen: dict[Path, str] = {}
    for split, files in found.items():
        for file in files:
            other = seen.setdefault(file.resolve(), split)
            if other != split:
                raise UserError(
                    f"`{file}` is both `{other}` and `{split}` in `splits`: what is learnt would be asked",
                    "name another file for one of them, or leave it out: then it is cut from the training rows",
                )


@lru_cache(maxsize=256)
def _read_once(
    path: Path,
    changed: int,
    size: int,
    columns: tuple[str, ...],
    cut_text: str | int,
    layout: str | None,
    bad: BadRows,
) -> Read:
    """The rows of a file, read again only when it has changed."""
    return looked_through(path, columns, cut_text, layout, bad)


def group_references(rows: Sequence[Row], by: Sequence[str], target: str) -> Sequence[Row]:
    """Neighbours that agree in the columns `by` become one row, with `references`: each value of `target` once, in order.

    `references_of` names that column, so that a template can word each reference as it words the target. An id that all share
    up to a separator (`test_7_1`, `test_7_2`) is cut there (`test_7`). Where the target is itself what they agree in (plain
    text), rows that differ only elsewhere are one text, told once.
    """
    starts = array("q")  # of the rows that make each row that is given
    for _, group in groupby(enumerate(rows), key=lambda one: [one[1].get(name) for name in by] if by else one[1]):
        numbers, same = zip(*group, strict=True)
        starts.extend(numbers[:1] if _grouped(same, by, target) is not None else numbers)
    starts.append(len(rows))
    return Grouped(rows, starts, tuple(by), target)


class Grouped(Lazy[Row]):
    """Rows of which neighbours are one; `starts`: where each begins, and behind them the number of all."""

    def __init__(self, rows: Sequence[Row], starts: "array[int]", by: Sequence[str], target: str) -> None:
        self.rows, self.starts, self.by, self.target = rows, starts, by, target

    def __len__(self) -> int:
        return len(self.starts) - 1

    def item(self, place: int) -> Row:
        same = [self.rows[number] for number in range(self.starts[place], self.starts[place + 1])]
        return _grouped(same, self.by, self.target) or same[0]


def _grouped(same: Sequence[Row], by: Sequence[str], target: str) -> Row | None:
    """The one row that neighbours become, None where they stay as they are."""
    answers = list(dict.fromkeys(str(row.get(target)) for row in same))
    if len(answers) > 1 and "references" not in same[0]:
        return {**same[0], **_shared_id(same), "references": answers, "references_of": target}
    if target in by and any(row != same[0] for row in same):
        return {**same[0], **_shared_id(same)}
    return None


def _shared_id(rows: Sequence[Row]) -> Row:
    ids = [str(row["id"]) for row in rows if "id" in row]
    shared = "".join(letters[0] for letters in takewhile(lambda letters: len(set(letters)) == 1, zip(*ids, strict=False)))
    if ids and shared.endswith(("_", "-", ".", "/", ":")) and len(shared) > 1:
        return {"id": shared.rstrip("_-./:")}
    return {}


COMMIT = re.compile(r"[@/\\]([0-9a-f]{40})[/\\]")  # in an address, or the folder of what was fetched


@dataclass(frozen=True)
class HubSource(FileSource):
    """A data set of the Hugging Face hub, `owner/name`, `owner/name:configuration` or `owner/name@revision`, fetched when its
    rows are asked for.
    """

    def fingerprint(self) -> str:
        """The commit that the rows are of; where the package does not tell it, its own hash of them."""
        whole = hub_rows(self.path)
        addresses = [one for split in whole.values() for one in getattr(split.info, "download_checksums", None) or ()]
        places = [
            file["filename"] for split in whole.values() for file in getattr(split, "cache_files", ())
        ]  # from `datasets` 4 on
        commits = sorted({found[1] for one in addresses + places if (found := COMMIT.search(str(one)))})
        return " ".join(commits or sorted(str(split._fingerprint) for split in whole.values()))

    def parts(self) -> dict[str, list[Part]]:
        """Split -> the rows that the hub has under it."""
        whole = hub_rows(self.path)
        made = {split: Made(lambda _, row: dict(row), whole[name]) for split, name in our_splits(list(whole)).items()}
        return {split: [Part(split, rows)] for split, rows in made.items()}

    def told(self, part: Part, number: int) -> str:
        return f"`{self.path}` {part.name} row {number + 1}"


def hub_rows(path: str) -> Mapping[str, Any]:
    """The hub's split -> rows of a data set (`HubSource`), fetched or from its cache."""
    try:
        import datasets
    except ImportError:
        hint = "pip install 'tunesmith[hub]', or name a file or folder"
        raise UserError(f"`{path}` is neither a file nor a folder, and the hub's package is not installed", hint) from None
    place, _, configuration = path.partition(":")
    name, _, revision = place.partition("@")
    try:
        whole: Mapping[str, Any] = datasets.load_dataset(name, configuration or None, revision=revision or None)
    except Exception as error:  # the package raises errors of many libraries; all mean that there are no rows
        told = str(error).partition("\n")[0]
        hint = "check the name and the network, or name a file or folder; a configuration is named `owner/name:configuration`"
        raise UserError(f"the data set `{path}` cannot be fetched: {told}", hint) from None
    return whole


def source_of(data: str, **settings: Any) -> FileSource:
    """The source that a person's word means: a file or folder that exists, else a data set of the hub."""
    if data == standard_input.NAME or place_of(data)[0].exists() or settings.get("splits_at"):
        return FileSource(data, **settings)
    if (
        re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w.-]+)?(:[\w.-]+)?", data)
        and Path(data).suffix not in SUFFIXES
        and not data.startswith(".")
    ):
        return HubSource(data, **settings)
    return FileSource(data, **settings)  # which says that there is no such file
