"""Language modelling of plain text, in the way of the network's family.

Causal networks predict every next token; encoder-decoder networks fill spans in (T5: Raffel et al., 2020, section 3.1.4);
masked networks fill single tokens in (BERT: Devlin et al., 2019, section 3.1).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss, Objective, Placed
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import IGNORED, Tokens, causal, masked, seq2seq


@dataclass(frozen=True)
class Pretrain(Objective):
    """Cross-entropy of plain text.

    noise: share of the tokens that are hidden, for networks that fill in.
    span:  mean length of a hidden span in tokens, for encoder-decoder networks.
    prefix: share of the texts that an encoder-decoder network continues instead (prefix language modelling, ibid. table 4): the
           encoder reads the beginning, the decoder says the rest. Many more tokens are learnt of each text.
    whole: share of the texts that the decoder spells out whole, from a source with hidden spans (BART: Lewis et al., 2020, text
           infilling). It teaches a small network to copy, which spans alone do very slowly.
    ended: whether a text's end is learnt too, for causal networks: right for whole documents, wrong for windows of one.
    """

    noise: Annotated[float, Field(gt=0, lt=1)] = 0.15
    span: Annotated[float, Field(ge=1)] = 3.0
    prefix: Annotated[float, Field(ge=0, le=1)] = 0.0
    whole: Annotated[float, Field(ge=0, le=1)] = 0.0
    ended: bool = True

    def render(self, placed: Placed, renderer: Renderer) -> Sequence[Tokens]:
        ids = renderer.text(plain_text(placed.example), ended=self.ended and renderer.family == "causal")
        if renderer.family == "causal":
            return (causal(ids, [0.0] + [1.0] * (len(ids) - 1)),)
        dice = random.Random(f"{placed.seed}:{placed.place}")
        if renderer.family == "seq2seq":
            return (self._pair(ids, renderer, dice),)
        if renderer.mask is None:
            raise UserError("the tokenizer has no mask token", "masked language modelling needs a tokenizer such as BERT's")
        return (hide(ids, renderer.mask, renderer.vocabulary, renderer.specials, self.noise, dice),)

    def _pair(self, ids: list[int], renderer: Renderer, dice: random.Random) -> Tokens:
        """What the encoder reads and what the decoder says, in one of three ways."""
        way = dice.random()
        if way < self.prefix and len(ids) > 3:
            cut = dice.randrange(1, len(ids) // 2 + 1)
            return seq2seq([*ids[:cut], ids[-1]], ids[cut:], renderer.start)
        tokens = corrupt(ids, renderer.sentinels, renderer.start, self.noise, self.span, dice)
        if way < self.prefix + self.whole:
            return seq2seq(tokens.source, ids, renderer.start)
        return tokens

    def loss(self, model: Model, batch: Batch) -> Loss:
        return Loss(-(model(batch).logprobs() * batch.weight).sum())


def plain_text(example: Example) -> str:
    """All that is said in an example, as one text."""
    return "\n".join([*(message.content for message in example.messages), example.target])


def corrupt(ids: Sequence[int], sentinels: Sequence[int], start: int, noise: float, span: float, dice: random.Random) -> Tokens:
    """T5's span corruption: each hidden span becomes a sentinel, and the answer spells sentinel and span in turn.

    The last id is the end of sequence: it stays where it is and closes the answer too.
    """
    if not sentinels:
        raise UserError("the tokenizer has no sentinel pieces (`<extra_id_0>` ...)", "span corruption needs a T5 tokenizer")
    body, end = list(ids[:-1]), ids[-1]
    hidden = max(1, min(round(len(body) * noise), len(body) - 1)) if len(body) > 1 else len(body)
    spans = max(1, min(round(hidden / span), hidden, len(body) - hidden + 1, len(sentinels)))
    hidden_lengths = _parts(hidden, spans, dice)
    # Unlike T5's own noise, which always ends with a hidden span, both ends may be kept: in short texts that matters.
    # Between two spans at least one token is kept; before the first and after the last there may be none.
    kept_lengths = _parts(len(body) - hidden + 2, spans + 1, dice)
    kept_lengths[0] -= 1
    source: list[int] = []
    answer: list[int] = []
    place = 0
    for kept, gone, sentinel in zip(kept_lengths, hidden_lengths, sentinels, strict=False):
        source += [*body[place : place + kept], sentinel]
        answer += [sentinel, *body[place + kept : place + kept + gone]]
        place += kept + gone
    return seq2seq([*source, *body[place:], end], [*answer, end], start)


def _parts(total: int, count: int, dice: random.Random) -> list[int]:
    """`total` as a sum of `count` numbers of at least one, every way equally likely."""
    cuts = sorted(dice.sample(range(1, total), count - 1)) if count > 1 else []
    return [after - before for before, after in zip([0, *cuts], [*cuts, total], strict=True)]


def hide(ids: Sequence[int], mask: int, vocabulary: int, specials: frozenset[int], noise: float, dice: random.Random) -> Tokens:
    """BERT's masking: of the chosen tokens 80 % become the mask, 10 % another token, 10 % stay; all of them are predicted."""
    places = [i for i, id_ in enumerate(ids) if id_ not in specials]
    chosen = set(dice.sample(places, max(1, round(len(places) * noise)))) if places else set()
    shown, targets = list(ids), [IGNORED] * len(ids)
    for i in chosen:
        targets[i] = ids[i]
        fate = dice.random()
        if fate < 0.8:
            shown[i] = mask
        elif fate < 0.9:
            shown[i] = dice.randrange(vocabulary)
    return masked(shown, targets)
