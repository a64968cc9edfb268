"""Adapters that stand on one base, by name: put on, replaced and taken off while others speak.

A name stands for one version at a time. Whoever has begun with a version ends with it: a version that was replaced or dropped
stays on the network until the last row that goes through it has left.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tunesmith.errors import UserError, did_you_mean
from tunesmith.models.identity import unlike
from tunesmith.models.load import adapter_of
from tunesmith.models.model import Model
from tunesmith.models.weights import CONFIG, load_adapter, method_of, read_config


class UnknownError(UserError):
    """No adapter stands under a name."""


@dataclass(frozen=True, slots=True)
class Version:
    """One adapter on the network: `name` is what people call it, `inside` what the network does."""

    name: str
    number: int
    folder: Path
    warnings: tuple[str, ...] = ()

    @property
    def inside(self) -> str:
        return f"{self.name}@{self.number}"


@dataclass
class Shelf:
    """Every version that stands on a model. Only the thread that asks the model may touch it."""

    model: Model
    _standing: dict[str, Version] = field(default_factory=dict)
    _retired: dict[str, Version] = field(default_factory=dict)
    _rows: Counter[str] = field(default_factory=Counter)
    _last: Counter[str] = field(default_factory=Counter)

    def names(self) -> dict[str, Version]:
        """The version that each name stands for."""
        return dict(self._standing)

    def put(self, name: str, folder: Path) -> Version:
        """An adapter of a run's or an adapter's folder stands under this name from now on.

        Raises:
            UserError: the folder holds no adapter, it does not fit the network, or it changes the network's own weights. What
                stood under the name before still does.
        """
        place = adapter_of(str(folder))
        if place is None:
            raise UserError(f"`{folder}` holds no adapter", "name the folder of a run, or one with `adapter_config.json`")
        self._refuse_freed(name, place)
        self._last[name] += 1
        version = Version(name, self._last[name], folder, tuple(unlike(place, self.model)))
        active = self.model.active
        load_adapter(place, self.model, version.inside)
        self.model.active = active
        before = self._standing.get(name)
        self._standing[name] = version
        if before is not None:
            self._retire(before)
        return version

    def _refuse_freed(self, name: str, place: Path) -> None:
        """Before its files are read, since what it sets free would stay as the files have it."""
        freed = len(self.model.frees(method_of(read_config(place), place / CONFIG, self.model.network)))
        if freed:
            raise UserError(
                f"the adapter `{name}` changes weights of the network itself ({freed} of them), which others share",
                "serve it alone: `tunesmith serve` with its own folder as the model",
            )

    def drop(self, name: str) -> Version:
        """Nobody may ask for this name any more."""
        version = self.version(name)
        del self._standing[name]
        self._retire(version)
        return version

    def version(self, name: str) -> Version:
        """What a name stands for; `UnknownError` where that is nothing."""
        if name not in self._standing:
            raise UnknownError(f"there is no adapter `{name}`", did_you_mean(name, self._standing))
        return self._standing[name]

    def take(self, inside: str) -> None:
        """A row goes through this version."""
        if inside:
            self._rows[inside] += 1

    def release(self, inside: str) -> None:
        """A row that went through this version has left."""
        if not inside:
            return
        self._rows[inside] -= 1
        if not self._rows[inside]:
            del self._rows[inside]
            if inside in self._retired:
                self._take_off(inside)

    def _retire(self, version: Version) -> None:
        self._retired[version.inside] = version
        if not self._rows[version.inside]:
            self._take_off(version.inside)

    def _take_off(self, inside: str) -> None:
        del self._retired[inside]
        self.model.detach(inside)
