"""What is frozen and computed once an example (`plan.keep`): the arithmetic that it spares, and the room that it takes."""

from dataclasses import dataclass

from tunesmith.methods.method import Method
from tunesmith.models.flat import Which, asked
from tunesmith.models.footprint import imagined
from tunesmith.models.kept import worth_keeping
from tunesmith.models.sites import linear_shape
from tunesmith.planning.ahead import Ahead
from tunesmith.planning.step import Case, Held, standing
from tunesmith.recipe import Recipe
from tunesmith.tokens.batch import Batch


@dataclass(frozen=True)
class Once:
    """The frozen part of a network, as a run will keep what it says.

    products: multiplications of its linear maps for a token that it reads.
    width:    numbers of a state; `stored`, `held`: bytes of a number on the disk, in memory.
    source:   does it read the source of an encoder-decoder network?
    which:    whose states are kept of a sequence.
    most:     bytes that there may be on the disk.
    """

    products: int
    width: int
    stored: int
    held: int
    source: bool
    which: Which
    most: float

    def read(self, batches: tuple[Batch, ...]) -> float:
        """The share of all tokens that the frozen part reads."""
        if not self.source:
            return sum(int(batch.lengths.sum()) for batch in batches) / max(sum(batch.tokens for batch in batches), 1)
        read = sum(int(batch.source_lengths.sum()) for batch in batches if batch.source_lengths is not None)
        return read / max(sum(batch.tokens for batch in batches), 1)

    def states(self, batches: tuple[Batch, ...]) -> float:
        """States of a sequence, on average."""
        if self.source:
            count = sum(int(batch.source_lengths.sum()) for batch in batches if batch.source_lengths is not None)
        else:
            count = sum(int(asked(batch, self.which).sum()) for batch in batches)
        return count / max(sum(batch.sequences for batch in batches), 1)


@dataclass(frozen=True)
class Spared:
    """What keeping changes: seconds are multiplied by `factor`; bytes on the disk, of how many that are wanted; in memory."""

    factor: float
    disk_bytes: int
    wanted_bytes: int
    batch_bytes: int

    def told(self, gigabytes: float) -> str:
        word = "what is frozen is computed once an example (`plan.keep`)"
        if self.wanted_bytes <= self.disk_bytes:
            return f"{word}; its states are in the disk's and the time's figures"
        share = self.disk_bytes / self.wanted_bytes
        return f"{word}, of {share:.0%} of them: the rest finds no room in `plan.keep.gigabytes`, {gigabytes:g}"


def once(case: Case, method: Method) -> Once | None:
    """The frozen part that a run under this method will keep; None where it keeps nothing."""
    keep = case.plan.keep
    if not case.objective.repeats or method.virtual_tokens:
        return None
    with imagined():
        model, adapter = standing(case, case.config, method)
        model.train()
        end, _ = worth_keeping(model.network, list(adapter.deltas), keep)
        if end is None:
            return None
        shapes = [shape for module in end.inside if (shape := linear_shape(module)) is not None]
        half = keep.precision == "half" and case.dtype.itemsize == 4
        return Once(
            products=sum(inputs * outputs for inputs, outputs in shapes),
            width=model.width,
            stored=2 if half else case.dtype.itemsize,
            held=case.dtype.itemsize,
            source=end.side == "source",
            which=model.whose() if end.last else "all",
            most=keep.gigabytes * 1e9,
        )


def spared(part: Once, coming: Ahead, step: Held, recipe: Recipe, reads: float) -> Spared:
    """What keeping makes of a run's time and room.

    reads: tokens of all validations, as a share of those that are learnt from. A token that is learnt from costs the frozen
        part once, and what is trained three times: forwards, and twice backwards.
    """
    each = recipe.plan.examples
    shown = coming.steps * each
    distinct = min(coming.examples, shown) + coming.validation
    sequences = max(sum(batch.sequences for batches in coming.first for batch in batches), 1)
    batches = tuple(batch for batches in coming.first for batch in batches)
    an_example = part.states(batches) * sequences / max(len(coming.first) * each, 1)
    wanted = distinct * an_example * part.width * part.stored
    fits = min(1.0, part.most / wanted) if wanted else 1.0
    whole = step.products / max(step.tokens, 1)
    frozen = min(part.products * part.read(batches), whole)
    rest = whole - frozen
    again = 1 + reads
    computed = fits * min(distinct / max(shown, 1), again) + (1 - fits) * again
    before = rest * (1 + reads / 3) + frozen * again
    after = rest * (1 + reads / 3) + frozen * computed
    largest = max(coming.heaviest, key=lambda batch: batch.input_ids.numel())
    in_memory = part.states((largest,)) * largest.sequences * part.width * part.held
    return Spared(after / before if before else 1.0, round(min(wanted, part.most)), round(wanted), round(in_memory))
