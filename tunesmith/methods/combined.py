"""Several ways of tuning at once, each at its own places: LoRA and the norms, a soft prompt and an adapter ..."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tunesmith.errors import UserError
from tunesmith.methods.full import Full
from tunesmith.methods.method import Delta, Look, Method, Site, Weight


@dataclass(frozen=True)
class Combined(Method):
    """Two or more methods together. Each learns at its own preset's rate, in proportion to that of the first.

    parts: the methods, each a name or a mapping with `kind`.
    """

    parts: tuple[Method, ...] = ()

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            hint = "name them: `parts: [lora, {kind: selective, parts: [norm]}]`"
            raise UserError("`parts` names fewer than two methods", hint)
        if any(isinstance(part, Combined) for part in self.parts):
            raise UserError("a part of `combined` is `combined` itself", "write all parts into one list")
        if any(isinstance(part, Full) for part in self.parts):
            raise UserError(
                "`full` already trains every weight: what stands beside it would only repeat it",
                "leave it out, or take `selective` instead of `full`",
            )
        if len([part for part in self.parts if part.virtual_tokens]) > 1:
            raise UserError(
                "two parts put virtual tokens before the sequence, at the same places", "keep one of them, with more tokens"
            )

    @property
    def _prompt(self) -> Method:
        return next((part for part in self.parts if part.virtual_tokens), self.parts[0])

    @property
    def virtual_tokens(self) -> int:  # type: ignore[override]
        return self._prompt.virtual_tokens

    @property
    def in_decoder(self) -> bool:  # type: ignore[override]
        return self._prompt.in_decoder

    @property
    def preset(self) -> float:
        return self.parts[0].preset

    def trains(self, weight: Weight) -> bool:
        return any(part.trains(weight) for part in self.parts)

    def delta(self, site: Site) -> Delta | None:
        made = [(number, delta) for number, part in enumerate(self.parts) if (delta := part.delta(site)) is not None]
        if len(made) > 1:
            first, second = (type(self.parts[number]).__name__ for number, _ in made[:2])
            raise UserError(
                f"`{first}` and `{second}` both stand at `{site.path}`, and each would have to know of the other",
                "give them different places (`on`, `stack`)",
            )
        for number, delta in made:
            delta.owner = number
            return delta
        return None

    def penalty(self, deltas: Mapping[str, Delta]) -> Tensor:
        own = (self._own(number, deltas) for number in range(len(self.parts)))
        terms = [part.penalty(found) for part, found in zip(self.parts, own, strict=True) if found]
        return sum(terms, torch.zeros(()))

    def begin(self, deltas: Mapping[str, Delta], look: Look) -> None:
        for number, part in enumerate(self.parts):
            part.begin(self._own(number, deltas), look)

    def on_step(self, deltas: Mapping[str, Delta], step: int, steps: int) -> None:
        for number, part in enumerate(self.parts):
            part.on_step(self._own(number, deltas), step, steps)

    def settles(self, steps: int) -> int:
        return max(part.settles(steps) for part in self.parts)

    def rate_of(self, delta: Delta | None, parameter: str) -> float:
        freeing = (part for part in self.parts if type(part).trains is not Method.trains)
        part = self.parts[delta.owner] if delta is not None else next(freeing, self.parts[0])
        return part.rate_of(delta, parameter) * part.preset / self.preset

    def _own(self, number: int, deltas: Mapping[str, Delta]) -> dict[str, Delta]:
        return {path: delta for path, delta in deltas.items() if delta.owner == number}

    @property
    def _beside(self) -> list[Method]:
        """The parts that add something beside the weights."""
        return [part for part in self.parts if type(part).delta is not Method.delta]

    @property
    def peft_type(self) -> str:  # type: ignore[override]
        """That of the only part that adds something, where the others only train weights of the network."""
        return self._beside[0].peft_type if len(self._beside) == 1 else ""

    def peft_config(self, sites: Sequence[Site], deltas: Mapping[str, Delta]) -> dict[str, Any] | None:
        return self._beside[0].peft_config(sites, deltas)

    def as_saved(self) -> Method:
        return Combined(parts=tuple(part.as_saved() for part in self.parts))

    def to_file(self, deltas: Mapping[str, Delta], config: Mapping[str, Any]) -> dict[str, Tensor]:
        return {
            name: tensor
            for number, part in enumerate(self.parts)
            for name, tensor in part.to_file(self._own(number, deltas), config).items()
        }

    def from_file(
        self, tensors: Mapping[str, Tensor], deltas: Mapping[str, Delta], config: Mapping[str, Any]
    ) -> dict[str, dict[str, Tensor]]:
        return {
            path: filled
            for number, part in enumerate(self.parts)
            if (own := self._own(number, deltas))
            for path, filled in part.from_file(tensors, own, config).items()
        }
