"""Rows that cannot be used: counted, named by file and line, and the end of it, or left out; a setting says which.

A fault of a whole file (it is cut off, or of another layout than it says) is always the end of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from tunesmith.errors import UserError

T = TypeVar("T")

LONGEST = 1 << 26  # bytes of a line, where no setting says otherwise
FURTHER = 20_000  # rows that are read behind the first bad one, to count others
ENOUGH = 20  # bad rows that are counted where the first one is the end of it
MOST = 100_000  # bad rows of a file that are left out at most, whatever share they are
SHOWN = 3  # that an error or a note names


@dataclass(frozen=True)
class BadRows:
    """What is done with rows that cannot be used.

    do:      `stop`: the first one is an error; `skip`: they are left out, told, and kept in `bad_rows.jsonl` of the run.
    share:   most of a task's rows that may be left out; more are an error.
    longest: most bytes of a line; a longer one is a bad row, and is never held in memory.
    """

    do: Literal["stop", "skip"] = "stop"
    share: Annotated[float, Field(ge=0, lt=1)] = 0.01
    longest: Annotated[int, Field(gt=0)] = LONGEST


@dataclass(frozen=True)
class Fault:
    """A row that cannot be used.

    problem: what is wrong, with file and line.
    line:    its first line in the file, from 1; 0 where rows are no lines.
    row:     its number among the rows of the file that can be read, from 1; 0 where it cannot be read.
    """

    file: str
    problem: str
    hint: str = ""
    line: int = 0
    row: int = 0

    @property
    def place(self) -> str:
        """`line 7`, or `row 7`."""
        return f"line {self.line}" if self.line else f"row {self.row}"

    def tree(self) -> dict[str, Any]:
        """As plain values, for `bad_rows.jsonl`."""
        where = {"line": self.line} if self.line else {"row": self.row}
        return {"file": self.file, **where, "problem": self.problem, "hint": self.hint}


class Faults:
    """The faults of one file, in order.

    bad: what is done with them; None: the first one is an error, and no others are looked for.
    """

    def __init__(self, file: Path | str, bad: BadRows | None = None) -> None:
        self.file, self.bad = str(file), bad
        self.found: list[Fault] = []
        self.longest = LONGEST if bad is None else bad.longest

    def add(self, problem: str, hint: str = "", line: int = 0, row: int = 0) -> None:
        """Take up a fault; an error where it is one too many."""
        self.found.append(Fault(self.file, problem, hint, line, row))
        if self.bad is None or (self.bad.do == "stop" and len(self.found) >= ENOUGH):
            self.refuse()
        if len(self.found) >= MOST:
            raise UserError(f"{MOST:,} rows of `{self.file}` cannot be used; {told(self.found)}", "mend them first")

    def refuse(self) -> None:
        """An error that names the first fault and counts the others, if rows with faults are not left out."""
        if self.found and (self.bad is None or self.bad.do == "stop"):
            raise refusal(self.found, told_skip=self.bad is not None)

    def until_enough(self, rows: Iterator[T]) -> Iterator[T]:
        """The rows; where a bad one is the end of it, not many behind the first."""
        further = 0
        for row in rows:
            yield row
            if self.found and (self.bad is None or self.bad.do == "stop"):
                further += 1
                if further >= FURTHER:
                    return

    def again(self) -> "Faults":
        """For another pass over the same file."""
        return Faults(self.file, self.bad)


def refusal(faults: Sequence[Fault], told_skip: bool = True) -> UserError:
    """The error for rows that may not be left out: the first one, how many others were seen, and what to do."""
    first, *others = faults
    more = ""
    if others:
        shown = ", ".join(fault.place for fault in others[:SHOWN])
        count = "another" if len(others) == 1 else f"{len(others)} {'or more ' * (len(faults) >= ENOUGH)}others"
        more = f" (and {count}: {shown}{' ...' if len(others) > SHOWN else ''})"
    skip = "leave such rows out with `bad_rows.do=skip`" if told_skip else ""
    return UserError(first.problem + more, "; or ".join(filter(None, (first.hint, skip))))


def refuse_many(faults: Sequence[Fault], rows: int, bad: BadRows, name: str) -> None:
    """An error where more rows are left out than may be. rows: of the task, the bad ones among them."""
    if len(faults) > ceil(bad.share * rows):
        share = f"{len(faults) / max(rows, 1):.1%}"
        raise UserError(
            f"{len(faults):,} of {rows:,} rows of `{name}` ({share}) cannot be used, more than `bad_rows.share` "
            f"({bad.share:.1%}) allows; {told(faults)}",
            "mend them, or set `bad_rows.share` higher",
        )


def told(faults: Sequence[Fault]) -> str:
    """The first of some faults, each with its place."""
    more = f"; and {len(faults) - SHOWN:,} others" if len(faults) > SHOWN else ""
    return "the first ones: " * (len(faults) > 1) + "; ".join(fault.problem for fault in faults[:SHOWN]) + more
