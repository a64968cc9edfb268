"""The files of growing, and how they survive a kill: what was answered is on the disk before it is used.

    OUT.jsonl            a row a line, ready to learn from
    OUT.rejected.jsonl   what a filter refused, with the filter
    OUT.requests.jsonl   first what decides the rows (settings, seeds, model), then every request with its answer, as they come

The rows are a function of the answers. So whoever goes on reads the answers, makes the rows again, finds those that are
written already line by line, and adds the next; a line that was cut short is written anew. A row never stands twice, none is
lost, and no answer is asked for again.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from tunesmith.errors import UserError
from tunesmith.synthesis.writer import Request, Said

SUFFIX = ".jsonl"


def rejected_path(out: Path) -> Path:
    return out.with_name(out.name.removesuffix(SUFFIX) + ".rejected.jsonl")


def requests_path(out: Path) -> Path:
    return out.with_name(out.name.removesuffix(SUFFIX) + ".requests.jsonl")


def report_path(out: Path) -> Path:
    return out.with_name(out.name.removesuffix(SUFFIX) + ".report.json")


class Journal:
    """`OUT.requests.jsonl`: what decides the rows, and every answer. One process at a time.

    head: what decides the rows.
    """

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        try:
            _lock(self._file, path)
            self._places = self._known(head)
        except BaseException:
            self._file.close()
            raise
        self.spent = {"shown": 0, "spoken": 0, "requests": 0, "tries": 0, "untold": 0}
        for number in self._places:
            self._count(self.record(number))

    def __len__(self) -> int:
        return len(self._places)

    def find(self, request: Request) -> Said | None:
        """The answer to a request, where it is known."""
        if request.number not in self._places:
            return None
        record = self.record(request.number)
        if record["hash"] != request.hash or record["stage"] != request.stage:
            raise UserError(
                f"`{self.path}`: request {request.number} was put in other words than it would be now",
                "another version wrote this file, or it was changed: grow into another file",
            )
        return Said(**{name: record[name] for name in Said.__match_args__})

    def keep(self, request: Request, said: Said) -> None:
        """Keep an answer; it is on the disk when this returns."""
        told = {"number": request.number, "stage": request.stage, "hash": request.hash, "draw": request.draw}
        record = {**told, **asdict(said), "prompt": request.prompt}
        self._places[request.number] = self._append(record)
        self._count(record)

    def record(self, number: int) -> dict[str, Any]:
        """The line of a request, as it stands in the file."""
        begin, end = self._places[number]
        self._file.seek(begin)
        found: dict[str, Any] = json.loads(self._file.read(end - begin))
        return found

    def close(self) -> None:
        self._file.close()

    def _count(self, record: Mapping[str, Any]) -> None:
        self.spent["requests"] += 1
        self.spent["tries"] += record["tries"]
        self.spent["untold"] += record["shown"] is None or record["spoken"] is None
        self.spent["shown"] += record["shown"] or 0
        self.spent["spoken"] += record["spoken"] or 0

    def _append(self, record: Mapping[str, Any]) -> tuple[int, int]:
        line = json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        begin = self._file.seek(0, os.SEEK_END)
        self._file.write(line)
        _to_disk(self._file)
        return begin, begin + len(line)

    def _known(self, head: Mapping[str, Any]) -> dict[int, tuple[int, int]]:
        """Request -> where its line stands. A line that was cut short is removed; a file of other settings is refused."""
        self._file.seek(0)
        places: dict[int, tuple[int, int]] = {}
        end, known = 0, None
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            record = _parsed(self.path, line, len(places) + 1)
            if known is None:
                known = record
            else:
                places[record["number"]] = end, end + len(line)
            end += len(line)
        self._file.truncate(end)
        if known is None:
            self._append(head)
        else:
            _refuse_other(self.path, known, head)
        return places


class Lines:
    """A file of rows that is made again from its beginning: lines that are there must be the same, then it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        self._file.seek(0)
        self._old: Iterator[bytes] | None = iter(self._file.readline, b"")
        self._end = 0
        self.count = 0

    def add(self, record: Mapping[str, Any]) -> bool:
        """Write a record, unless it is there already. Whether it was new."""
        line = json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        self.count += 1
        if self._old is not None:
            known = next(self._old, b"")
            if known == line:
                self._end += len(line)
                return False
            if known.endswith(b"\n"):
                raise UserError(
                    f"`{self.path}` line {self.count} is not the row that its requests make",
                    "put the file back, or grow into another",
                )
            self._file.truncate(self._end)  # what a kill cut short
            self._old = None
        self._file.seek(0, os.SEEK_END)
        self._file.write(line)
        return True

    def to_disk(self) -> None:
        _to_disk(self._file)

    def close(self) -> None:
        self._file.close()


def refuse_left(path: Path, requests: Path) -> None:
    """Refuse a file of rows that growing would go on from without the requests that made it."""
    if path.exists() and path.stat().st_size and not requests.exists():
        raise UserError(f"`{path}` is there, and `{requests.name}` is not beside it", "name a new file, or put that one back")


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file, without a last one that was cut short."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.endswith(b"\n"):
                yield _parsed(path, line, number)


def _parsed(path: Path, line: bytes, number: int) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        raise UserError(f"`{path}` line {number} is not JSON", "put the file back as it was, or grow into another") from None
    return record


def _refuse_other(path: Path, known: Mapping[str, Any], head: Mapping[str, Any]) -> None:
    hashed = "hash" in head["model"]  # a local model is known by its weights, wherever it lies
    for name, old, new in _differing(known, head):
        if name in PASSING or (hashed and name == "model.name"):
            continue
        raise UserError(
            f"`{path}` was begun with `{name}` {_shown(old)}, and now it is {_shown(new)}",
            "rows of one file are made in one way: give what was given then, or grow into another file",
        )


def _differing(known: Mapping[str, Any], head: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name in dict.fromkeys((*known, *head)):
        old, new = known.get(name), head.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differing(old, new, f"{above}{name}.")
        elif old != new:
            yield f"{above}{name}".removeprefix("settings."), old, new


PASSING = ("begun", "version", "seeds.path")  # told, and not what decides the rows


def _shown(value: object) -> str:
    return "nothing" if value is None else f"`{value}`"


def _lock(file: IO[bytes], path: Path) -> None:
    """Refuse to write where another process does; the lock ends with the process, however that ends."""
    try:
        import fcntl
    except ImportError:  # no such locks on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UserError(f"another process is growing into `{path}`", "wait for it, or name another file") from None


def _to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
