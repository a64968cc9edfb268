"""Token ids of one sequence, and which of them are to be learnt.

Dimension key: T tokens read, U tokens of the encoder's source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

IGNORED = -100
PLACEHOLDER = 0  # id under a virtual token; its embedding is overwritten, never used


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a network reads, and what its state at each position should predict.

    inputs:  [T] ids of the only stack, or of the decoder.
    targets: [T] id to be predicted from that position, or IGNORED.
    weights: [T] how much each target counts in the loss; empty means 1 for all.
    source:  [U] ids for the encoder of an encoder-decoder network; empty otherwise.
    extras:  numbers of the sequence that an objective needs (a label, a reference log-probability).
    second:  place where the second text of a pair begins, for networks that tell both apart by a type; 0: no pair.
    prefix:  how many tokens of the sequence before it in its row it reads first, as if they stood before its own; they are
             computed there alone.
    opening: what should be predicted where that prefix ends.
    """

    inputs: tuple[int, ...]
    targets: tuple[int, ...]
    weights: tuple[float, ...] = ()
    source: tuple[int, ...] = ()
    extras: Mapping[str, float] = field(default_factory=dict)
    second: int = 0
    prefix: int = 0
    opening: int = IGNORED

    def __post_init__(self) -> None:
        assert len(self.inputs) == len(self.targets), "a target for every input"
        assert not self.weights or len(self.weights) == len(self.targets), "a weight for every target"

    @property
    def size(self) -> int:
        """Tokens that the network computes on: both stacks."""
        return len(self.inputs) + len(self.source)

    def row(self, virtual: int = 0) -> int:
        """What a network's window is held against: the longer stack, with virtual tokens before whichever it is."""
        return max(len(self.inputs), len(self.source)) + virtual

    @property
    def learnt(self) -> int:
        """Number of targets with a weight above zero."""
        weights = self.weights or (1.0,) * len(self.targets)
        return sum(target != IGNORED and weight > 0 for target, weight in zip(self.targets, weights, strict=True))


def forked(first: Tokens, second: Tokens) -> Tokens | None:
    """The second of two causal sequences as a branch of the first, if both answer the same prompt; else None."""
    prompt = next((place for place, target in enumerate(second.targets) if target != IGNORED), -1) + 1
    plain = not (
        first.source or first.weights or second.weights or first.prefix or second.prefix or first.second or second.second
    )
    shown = first.targets[: prompt - 1] == (IGNORED,) * (prompt - 1) and first.targets[prompt - 1 : prompt] != (IGNORED,)
    if not prompt or not plain or not shown or len(second.inputs) <= prompt or first.inputs[:prompt] != second.inputs[:prompt]:
        return None
    own = (second.inputs[prompt:], second.targets[prompt:])
    return replace(second, inputs=own[0], targets=own[1], prefix=prompt, opening=second.targets[prompt - 1])


def causal(ids: Sequence[int], learnt: Sequence[float]) -> Tokens:
    """A row of ids of which each is predicted from those before it, where its weight in `learnt` is above zero."""
    assert len(ids) == len(learnt) and len(ids) > 1
    targets = tuple(id_ if weight > 0 else IGNORED for id_, weight in zip(ids[1:], learnt[1:], strict=True))
    return Tokens(tuple(ids[:-1]), targets, _weights(learnt[1:], targets))


def answered(shown: Sequence[int], said: Sequence[int]) -> Tokens:
    """A row of ids of which the last ones, all that is said, are learnt: what `causal` makes of weights of 0 and then 1."""
    assert shown, "a causal network needs something to start from"
    return Tokens((*shown, *said[:-1]), (IGNORED,) * (len(shown) - 1) + tuple(said))


def seq2seq(source: Sequence[int], answer: Sequence[int], start: int, learnt: Sequence[float] = ()) -> Tokens:
    """The decoder reads the answer shifted right behind the start id."""
    learnt = learnt or (1.0,) * len(answer)
    targets = tuple(id_ if weight > 0 else IGNORED for id_, weight in zip(answer, learnt, strict=True))
    return Tokens((start, *answer[:-1]), targets, _weights(learnt, targets), source=tuple(source))


def masked(ids: Sequence[int], targets: Sequence[int]) -> Tokens:
    """Ids with masks in them, and what stood under each mask."""
    return Tokens(tuple(ids), tuple(targets))


def _weights(learnt: Sequence[float], targets: Sequence[int]) -> tuple[float, ...]:
    """Empty where every learnt target counts once, the common case."""
    kept = tuple(weight if target != IGNORED else 0.0 for weight, target in zip(learnt, targets, strict=True))
    return () if all(weight in (0.0, 1.0) for weight in kept) else kept
