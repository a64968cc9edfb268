"""Lines of a run as they are written: a file is read from the last byte on, and never twice."""

import json
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from threading import Lock
from typing import Any

MOST = 1500  # points that are sent at once; more are sent as means of neighbours
KEPT = 64  # files that are remembered

Values = list[float | None]


@dataclass
class Tail:
    """The numbers of a file of JSON lines, a column a key; where a step stands twice, the later line counts.

    generation: grows when lines that were told are no longer there (a run that went back to a checkpoint).
    """

    path: Path
    generation: int = 0
    columns: dict[str, Values] = field(default_factory=dict)
    rows: int = 0
    _at: int = 0
    _file: int = 0
    _lock: Lock = field(default_factory=Lock)

    def since(self, generation: int, rows: int) -> dict[str, Any]:
        """What is new behind so many rows of a generation; all, where these no longer stand."""
        with self._lock:
            self._read()
            fresh = generation != self.generation or rows > self.rows
            start = 0 if fresh else rows
            new = {name: values[start:] for name, values in self.columns.items()}
            sent, together = thinned(new, self.rows - start)
            return {"generation": self.generation, "rows": self.rows, "fresh": fresh, "together": together, "columns": sent}

    def _read(self) -> None:
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_size < self._at or found.st_ino != self._file:
                    self._begin(found.st_ino)
                file.seek(self._at)
                whole, _, _ = (part := file.read()).rpartition(b"\n")
        except OSError:
            if self.rows:
                self._begin(0)
            return
        if b"\n" in part:
            self._at += len(whole) + 1
            self._take(whole.split(b"\n"))

    def _begin(self, file: int) -> None:
        self.columns, self.rows, self._at, self._file = {}, 0, 0, file
        self.generation += 1

    def _take(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            try:
                record = flat(json.loads(line))
            except ValueError:
                continue
            step = record.get("step")
            if step is None:
                continue
            steps = self.columns.get("step", [])
            if steps and (steps[-1] or 0) >= step:
                self._back(step)
            for name in record:
                if name not in self.columns:
                    self.columns[name] = [None] * self.rows
            for name, values in self.columns.items():
                values.append(record.get(name))
            self.rows += 1

    def _back(self, step: float) -> None:
        """Forget this step and those behind it."""
        steps = self.columns["step"]
        kept = next(place for place, one in enumerate(steps) if (one or 0) >= step)
        for values in self.columns.values():
            del values[kept:]
        self.rows = kept
        self.generation += 1


@dataclass
class Tails:
    """The files that were asked for of late."""

    _kept: OrderedDict[Path, Tail] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def of(self, path: Path) -> Tail:
        with self._lock:
            tail = self._kept.setdefault(path, Tail(path))
            self._kept.move_to_end(path)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return tail


def flat(record: Any) -> dict[str, float | None]:
    """The numbers of a line, those of `shown` too; a number that is none (nan) is None."""
    if not isinstance(record, Mapping):
        return {}
    shown = record.get("shown")
    named = {**record, **{f"shown {name}": value for name, value in (shown.items() if isinstance(shown, Mapping) else ())}}
    return {
        str(name): float(value) if isfinite(value) else None
        for name, value in named.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def thinned(columns: Mapping[str, Sequence[float | None]], rows: int) -> tuple[dict[str, Values], int]:
    """Means of so many neighbours that few enough are left, and how many went into each; of steps the last.

    >>> thinned({"step": list(range(1, 3001)), "loss": [1.0, 3.0] * 1500}, 3000)[0]["loss"][:2]
    [2.0, 2.0]
    """
    together = max(1, -(-rows // MOST))
    if together == 1:
        return {name: list(values) for name, values in columns.items()}, 1
    made: dict[str, Values] = {}
    for name, values in columns.items():
        parts = [[v for v in values[at : at + together] if v is not None] for at in range(0, rows, together)]
        made[name] = [(part[-1] if name == "step" else sum(part) / len(part)) if part else None for part in parts]
    return made, together
