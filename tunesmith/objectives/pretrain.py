"""Language modelling of plain text, in the way of the network's family.

Causal networks predict every next token; encoder-decoder networks fill spans in (T5: Raffel et al., 2020, section 3.1.4; BART:
Lewis et al., 2020); masked networks fill single tokens in (BERT: Devlin et al., 2019, section 3.1).

Texts longer than the window are read in windows, in which every token is learnt once. What is hidden depends on seed and
place in the stream of examples alone: another choice in every epoch, and the same one after an interruption.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss, Objective, Placed
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.lengths import TooLong
from tunesmith.tokens.noise import hide, masked_spans, sentinelled, spans, words
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import IGNORED, Tokens, masked, seq2seq
from tunesmith.tokens.windows import UNLIMITED, Cutting, Window, kept


@dataclass(frozen=True)
class Pretrain(Objective):
    """Cross-entropy of plain text.

    noise: share of the tokens that are hidden, for networks that fill in.
    span:  mean length of a hidden span in tokens, for encoder-decoder networks.
    prefix: share of the texts that an encoder-decoder network continues instead (prefix language modelling, ibid. table 4): the
           encoder reads the beginning, the decoder says the rest. Many more tokens are learnt of each text.
    whole: share of the texts that the decoder spells out whole, from a source with hidden spans (BART: Lewis et al., 2020, text
           infilling). It teaches a small network to copy, which spans alone do very slowly. BART does it with all texts.
    words: hide whole words, not single tokens; for masked networks.
    ended: whether a text's end is learnt too, for causal networks; of a text in windows it is learnt in the last one. False is
           for rows that are themselves pieces of texts.
    overlap: tokens of the window before that each further window of a text reads again, without learning them; for causal and
           masked networks.
    """

    too_long: ClassVar[TooLong] = "split"

    noise: Annotated[float, Field(gt=0, lt=1)] = 0.15
    span: Annotated[float, Field(ge=1)] = 3.0
    prefix: Annotated[float, Field(ge=0, le=1)] = 0.0
    whole: Annotated[float, Field(ge=0, le=1)] = 0.0
    words: bool = False
    ended: bool = True
    overlap: Annotated[int, Field(ge=0)] = 0

    def within(
        self, examples: Sequence[Example], renderer: Renderer, window: int | None, policy: TooLong, virtual: int, name: str
    ) -> Sequence[Example]:
        """As `Objective.within`; split are texts in ids, so that nothing is lost or spelled anew at a border."""
        if policy != "split":
            return super().within(examples, renderer, window, policy, virtual, name)
        cutting = self._cutting(renderer, UNLIMITED if window is None else window - virtual)
        return kept(examples, lambda example: self._spelt(example, renderer), cutting, name)

    def render(self, placed: Placed, renderer: Renderer) -> Sequence[Tokens]:
        window = placed.example
        if not isinstance(window, Window):
            causal = renderer.family == "causal"
            window = Window((), "", ids=tuple(self._spelt(window, renderer)), context=int(causal))
        if renderer.family == "causal":
            return (window.causal(),)
        dice = random.Random(f"{placed.seed}:{placed.place}")
        if renderer.family == "seq2seq":
            return (self._pair(window, renderer, dice),)
        return (self._masked(window, renderer, dice),)

    def _spelt(self, example: Example, renderer: Renderer) -> list[int]:
        """All ids of a text; of networks that fill in those between what stands around each window."""
        text = plain_text(example)
        return renderer.text(text, ended=self.ended) if renderer.family == "causal" else renderer.spell(text)

    def _cutting(self, renderer: Renderer, limit: int) -> Cutting:
        if renderer.family == "causal":
            return Cutting.causal(limit, self.overlap)
        if renderer.family == "masked":
            return Cutting(limit - len(renderer.head) - len(renderer.tail), self.overlap)
        if self.overlap:
            raise UserError(
                f"`objective.overlap` is {self.overlap}, and an encoder-decoder network learns all that it reads",
                "set `objective.overlap: 0`",
            )
        ends = max(len(renderer.head) + len(renderer.tail), len(renderer.answer_head) + len(renderer.answer_tail))
        spelt = self.noise * (1 + 1 / self.span)  # tokens and sentinels of an answer, for each token of the text
        return Cutting(min(limit - ends, int((limit - 4) / spelt)))

    def _pair(self, window: Window, renderer: Renderer, dice: random.Random) -> Tokens:
        """What the encoder reads and what the decoder says, in one of three ways."""
        way, ids = dice.random(), window.ids
        if way < self.prefix and len(ids) > 2:
            cut = dice.randrange(1, (len(ids) + 1) // 2 + 1)
            said = [*renderer.answer_head, *ids[cut:], *renderer.answer_tail * window.ended]
            return seq2seq([*renderer.head, *ids[:cut], *renderer.tail], said, renderer.start)
        if renderer.sentinels:
            hidden = spans(len(ids), self.noise, self.span, max(1, len(renderer.sentinels) - 1), dice)
            source, answer = sentinelled(ids, renderer.sentinels, hidden)
        elif renderer.mask is not None:
            source = masked_spans(ids, renderer.mask, spans(len(ids), self.noise, self.span, len(ids), dice))
        else:
            hint = "fill spans in with a tokenizer such as T5's or BART's, or set `objective.prefix: 1` to continue texts"
            raise UserError("the tokenizer has neither sentinels (`<extra_id_0>` ...) nor a mask", hint)
        if not renderer.sentinels or way < self.prefix + self.whole:
            answer = [*renderer.answer_head, *ids]
        return seq2seq([*renderer.head, *source, *renderer.tail], [*answer, *renderer.answer_tail], renderer.start)

    def _masked(self, window: Window, renderer: Renderer, dice: random.Random) -> Tokens:
        if renderer.mask is None:
            raise UserError("the tokenizer has no mask token", "masked language modelling needs a tokenizer such as BERT's")
        ids = window.ids
        places = [place for place in range(window.context, len(ids)) if ids[place] not in renderer.specials]
        units = words(renderer.begins(ids), places) if self.words else [[place] for place in places]
        shown, targets = hide(ids, units, renderer.mask, renderer.vocabulary, self.noise, dice)
        before, behind = [IGNORED] * len(renderer.head), [IGNORED] * len(renderer.tail)
        return masked([*renderer.head, *shown, *renderer.tail], [*before, *targets, *behind])

    def loss(self, model: Model, batch: Batch) -> Loss:
        return Loss.of(-(model(batch).logprobs() * batch.weight))


def plain_text(example: Example) -> str:
    """All that is said in an example, as one text."""
    return "\n".join([*(message.content for message in example.messages), example.target])
