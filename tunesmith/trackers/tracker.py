"""What a tracker is: a sink beside the run's folder, fed with what stands in its files. The folder stays the truth."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from tunesmith.errors import UserError

Row = tuple[int, Mapping[str, float]]  # step, name of the curve -> value


@dataclass(frozen=True)
class Told:
    """What a tracker is told when it begins.

    run:      folder of the run.
    settings: the resolved recipe, flat: dotted name -> value.
    known:    what this tracker wanted remembered when the run was tracked before (`Session.known`); empty at first.
    """

    run: Path
    settings: Mapping[str, Any]
    known: Mapping[str, str]


class Session(ABC):
    """One run in one tracker, open for writing.

    known: what finds the tracker's run again, kept in the run's folder: names and ids, never a secret.
    """

    known: Mapping[str, str]

    def last(self, curve: str) -> int | None:
        """The highest step that the tracker's own store has of a curve, -1 for none; None: it cannot be asked."""
        return None

    @abstractmethod
    def send(self, rows: Sequence[Row]) -> None:
        """Add points to curves; they are in the tracker's store when this returns, or on their way by its own means."""

    @abstractmethod
    def close(self, ended: bool) -> None:
        """Write out everything. ended: the run is finished, and not only interrupted."""


@dataclass(frozen=True)
class Tracker(ABC):
    """A subclass is a frozen dataclass; its fields are its settings, none of which may be a secret.

    needs: the module that must be there; `tunesmith[NAME]` brings it, NAME being the tracker's file.
    """

    needs: ClassVar[str] = ""

    @abstractmethod
    def open(self, told: Told) -> Session:
        """Begin a run in the tracker, or go on with the one that `told.known` names."""

    def require(self) -> None:
        """Refuse, before anything is computed, where the package is missing."""
        if self.needs and find_spec(self.needs.partition(".")[0]) is None:
            name = type(self).__module__.rpartition(".")[2]
            raise UserError(
                f"`track` names `{name}`, and the package `{self.needs}` is not installed", f"pip install 'tunesmith[{name}]'"
            )


def without_password(setting: str, address: str, instead: str) -> str:
    """An address that is kept in a recipe; one with a password in it is refused."""
    place = address.partition("://")[2].partition("/")[0]
    if "@" in place and ":" in place.rpartition("@")[0]:
        raise UserError(f"`{setting}` holds a password, and a recipe is kept in the run's folder", instead)
    return address
