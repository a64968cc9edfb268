"""A label of every word (named entities, parts of speech): cross-entropy at its first piece (Devlin et al., 2019, 5.3).

The prompt is the words, the answer one tag for each, both parted by blanks: `Anna lives here ||| B-person O O`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.models.head import Kind
from tunesmith.models.model import Model
from tunesmith.objectives.headed import Named, learnt
from tunesmith.objectives.objective import Loss
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.reading import Asked
from tunesmith.tokens.sequence import Tokens


@dataclass(frozen=True)
class Tag(Named):
    """A tag of every word of the prompt, told by a head: the answer is the tags, parted by blanks.

    label_smoothing: share of the target that is spread over all tags.
    """

    kind: ClassVar[Kind] = "tags"

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def names(self, example: Example) -> list[str]:
        return example.target.split()

    def answered(self, example: Example, rows: Sequence[Asked]) -> list[Tokens]:
        [(row, places)] = rows
        tags = self.names(example)
        if len(tags) != len(places):
            raise UserError(
                f"example `{example.id}` has {len(places)} words and {len(tags)} tags",
                "the prompt must be the words and the answer one tag for each, both parted by blanks",
            )
        # Words of one piece share its place; the first of them is learnt.
        kept = dict(reversed(list(zip(places, tags, strict=True))))
        targets = [self.number(tag, example) for tag in kept.values()]
        return [learnt(row, list(kept), targets, [self.weight(tag) for tag in kept.values()])]

    def loss(self, model: Model, batch: Batch) -> Loss:
        return self.cross_entropy(model(batch).token_values(), batch, self.label_smoothing)
