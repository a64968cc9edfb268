"""The only speller of conversations in ids: `render` to learn, `prompt` to ask, `say` to read an answer.

What `prompt` gives is always exactly the beginning of what `render` gives. The whole row is spelled at once; a piece that spans
the end of the prompt belongs to the answer, and whitespace at the end of a prompt is spelled with the answer, because most
vocabularies keep a blank together with the word behind it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from math import inf
from typing import Literal

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.tokens import sequence
from tunesmith.tokens.chat import ChatTemplate, join, plain, told
from tunesmith.tokens.chunks import Chunks
from tunesmith.tokens.sequence import IGNORED, Tokens
from tunesmith.tokens.specials import Config, Family, Pair, Specials, pair_of
from tunesmith.tokens.spelling import ANCHORS, BLANKS, Spelt, Tokenizer, follow, piece, spell_with_places


@dataclass(frozen=True)
class Renderer(Specials):
    """Spells examples for one network; its special ids are at hand too (`Specials`).

    family:    how the network reads: `causal`, `seq2seq` (prompt in the encoder, answer in the decoder) or `masked`.
    tokenizer: a transformers tokenizer, fast or slow.
    chat:      the chat template, None where prompts are plain text.
    """

    family: Family
    tokenizer: Tokenizer = field(repr=False)
    chat: ChatTemplate | None = field(repr=False)

    @classmethod
    def of(
        cls, tokenizer: Tokenizer, family: Family, config: Config, generation_config: Config = None, chat: str = "auto"
    ) -> "Renderer":
        """The renderer of a network.

        Args:
            tokenizer: a transformers tokenizer.
            config: the network's transformers configuration.
            generation_config: its generation configuration, where it has one.
            chat: `auto` (the tokenizer's template, where it has one and the network is causal), `none`, or a Jinja template.

        Raises:
            UserError: where the tokenizer lacks what the family needs, or does not belong to the network.
        """
        template = tokenizer.chat_template if chat == "auto" and family == "causal" else None
        if chat not in ("auto", "none"):
            template = chat
        if template is not None and family != "causal":
            raise UserError(f"a chat template was given for a {family} network", "set `model.chat: none`")
        if isinstance(template, Mapping):
            template = template.get("default") or next(iter(template.values()))
        templated = ChatTemplate.of(tokenizer, template) if template else None
        configs = [known for known in (generation_config, config) if known is not None]
        ids = Specials.found(tokenizer, family, configs, templated.end if templated else "")
        return cls(**vars(ids), family=family, tokenizer=tokenizer, chat=templated)

    def render(
        self,
        example: Example,
        answer: str | None = None,
        prompt_weight: float = 0.0,
        turns: Literal["last", "all"] = "last",
    ) -> Tokens:
        """The example followed by an answer, the answer to be learnt through its end of sequence.

        Args:
            answer: what is said; the example's target where None. It may be empty: then only the end is learnt.
            prompt_weight: loss weight of the prompt's tokens; causal networks only.
            turns: `all` learns the earlier assistant turns of a chat too; causal networks with a chat template only.

        Raises:
            UserError: for an example without a target, and for options that the family cannot follow.
        """
        said = self._answer(example, answer)
        if prompt_weight and self.family != "causal":
            raise UserError(
                f"a prompt weight of {prompt_weight} was given, and a {self.family} network does not predict its prompt",
                "set `objective.prompt_weight: 0`",
            )
        row, learnt = self._shown(example, turns == "all")
        if self.family == "seq2seq":
            if not example.weights:
                return sequence.seq2seq(row, [*self.answer_head, *self.spell(said), *self.answer_tail], self.start)
            spelt = spell_with_places(self.tokenizer, said, places=True)
            ids = [*self.answer_head, *spelt.ids, *self.answer_tail]
            inner = _weights(spelt.starts, example, answer)
            weights = [*[1.0] * len(self.answer_head), *inner, *[1.0] * len(self.answer_tail)]
            return sequence.seq2seq(row, ids, self.start, weights)
        spelt, begin = self._said(example, row, said)
        if self.family == "causal" and not example.weights and not prompt_weight and not any(learnt):
            return sequence.answered(row, spelt.ids if spelt.ids[-1:] == [self.end] else [*spelt.ids, self.end])
        inner = _weights([start - begin for start in spelt.starts], example, answer)
        if self.family == "masked":
            return self._masked(row, spelt.ids, inner, example)
        row_weights = [1.0 if turns == "all" and earlier else prompt_weight for earlier in learnt or [False] * len(row)]
        ends = not spelt.ids or spelt.ids[-1] != self.end
        ids = [*row, *spelt.ids, *[self.end] * ends]
        weights = [*row_weights, *inner, *[1.0] * ends]
        if not ends:
            weights[-1] = 1.0
        return sequence.causal(ids, weights)

    def prompt(self, example: Example) -> list[int]:
        """Ids that are shown before the answer: the row so far, or the source of an encoder-decoder network."""
        return self._shown(example, everything=False)[0]

    def most(self, example: Example) -> float:
        """As many tokens as any row of the example can have, told by its letters alone; infinite where they do not tell it.

        What `render` refuses for the example's sake has no such number either.
        """
        if self.family == "masked" or not example.target or (self.chat is not None and example.messages):
            return inf
        texts = [*(message.content for message in told(example)), example.target]
        ends = (self.head, self.tail, self.answer_head, self.answer_tail)
        # Between texts stand two ends of lines at most. `follow` spells behind an anchor of a few letters; an end, a beginning.
        return sum(self._chunks.most(text) + 2 for text in texts) + sum(map(len, ends)) + max(map(len, ANCHORS)) + 2

    def text(self, text: str, ended: bool = False) -> list[int]:
        """Plain text with the special tokens that the tokenizer puts around it, to model language; `ended` adds the end."""
        ids = [*self.head, *self.spell(text), *self.tail]
        return [*ids, self.end] if ended and ids[-1:] != [self.end] else ids

    def spell(self, text: str) -> list[int]:
        """Bare ids, without special tokens."""
        return list(self._chunks.spell(text))

    def say(self, ids: Iterable[int]) -> str:
        """An answer as text: cut at the first stop token, special tokens dropped, blanks around it stripped."""
        kept: list[int] = []
        for id_ in ids:
            if id_ in self.stops:
                break
            kept.append(int(id_))
        text: str = self.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text.strip()

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """One readable piece an id."""
        return [piece(self.tokenizer, id_) for id_ in ids]

    def begins(self, ids: Sequence[int]) -> list[bool]:
        """Of each id, whether a word begins with it. WordPiece marks pieces that go on, others those behind a blank."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        going_on: str | None = getattr(getattr(backend, "model", None), "continuing_subword_prefix", None)
        pieces: list[str] = self.tokenizer.convert_ids_to_tokens(list(ids))
        return [not text.startswith(going_on) if going_on else text.startswith(BLANKS) for text in pieces]

    @cached_property
    def key(self) -> str:
        """Hash of all that decides how a text is spelled: the name under which spelled text may be kept."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        tree = (
            json.loads(backend.to_str()) if backend is not None else {"vocabulary": sorted(self.tokenizer.get_vocab().items())}
        )
        for passing in ("truncation", "padding"):
            tree.pop(passing, None)  # these follow the latest call, not the vocabulary
        tree["class"] = type(self.tokenizer).__name__
        tree["options"] = [
            self.family,
            self.head,
            self.tail,
            self.answer_head,
            self.answer_tail,
            self.end,
            self.start,
            self.forced,
        ]
        tree["chat"] = None if self.chat is None else self.chat.template
        return blake2b(json.dumps(tree, sort_keys=True).encode(), digest_size=16).hexdigest()

    def _answer(self, example: Example, answer: str | None) -> str:
        said = example.target if answer is None else answer
        if not said and (answer is None or self.family == "masked"):
            raise UserError(
                f"example `{example.id or '(without id)'}` has nothing to learn: its target is empty",
                "fill the target in, or leave the example out",
            )
        return said

    def _shown(self, example: Example, everything: bool) -> tuple[list[int], list[bool]]:
        """The ids before the answer, and for each whether an assistant said it earlier; nothing where none did."""
        earlier = any(message.role == "assistant" for message in example.messages)
        if everything and earlier and self.chat is None:
            raise UserError(
                f"example `{example.id}` has earlier assistant turns, and without a chat template nothing ends a turn",
                "set `model.chat` to a template, or `objective.turns: last`",
            )
        if self.family == "seq2seq":
            return [*self.head, *self._chunks.spell(plain(told(example))), *self.tail], []
        if self.chat is not None and example.messages:
            return self._chatted(self.chat, example, earlier, everything)
        text = plain(told(example)).rstrip()
        ids = [*self.head, *self._chunks.spell(text)] if text else list(self.head)
        if not ids:  # a causal network needs something to start from
            ids = [self.end if self.tokenizer.bos_token_id is None else self.tokenizer.bos_token_id]
        return ids, []

    def _chatted(self, chat: ChatTemplate, example: Example, earlier: bool, everything: bool) -> tuple[list[int], list[bool]]:
        """The conversation up to where the assistant speaks; each earlier turn is spelled as it was when it was said."""
        messages, tools = chat.messages(example), chat.tools(example)
        text = chat.text(messages, True, tools)
        turns = chat.turns(messages, tools) if earlier else []
        if turns is None and everything:
            raise UserError(
                f"example `{example.id}`: the chat template writes earlier turns otherwise than when they were said",
                "such a template (it strips the thinking) can learn one turn at a time: set `objective.turns: last`",
            )
        ids: list[int] = []
        said_before: list[bool] = []
        done = ""
        for turn in turns or []:
            for part, said in ((turn.shown, False), (turn.said, True)):
                more = self._chunks.follow(done, ids, part)
                done += part
                ids += more
                said_before += [said] * len(more)
        more = self._chunks.follow(done, ids, text[len(done) :]) if text[len(done) :] else []
        ids += more
        said_before += [False] * len(more)
        head = [] if self._begins(text) else list(self.head)
        return [*head, *ids], [*[False] * len(head), *said_before]

    def _begins(self, text: str) -> bool:
        """Whether a template has written what the tokenizer would put before a text."""
        written: list[str] = self.tokenizer.convert_ids_to_tokens(list(self.head))
        return text.startswith("".join(written))

    def _said(self, example: Example, row: Sequence[int], said: str) -> tuple[Spelt, int]:
        """The answer's ids behind the row, and where in the spelled text the answer begins."""
        if self.chat is not None and example.messages:
            messages, tools = self.chat.messages(example), self.chat.tools(example)
            shown = self.chat.text(messages, True, tools)
            extra = example.extra if said == example.target else ""
            completion, begin = self.chat.completion(messages, shown, said, extra, tools)
            bare = row if self._begins(shown) else row[len(self.head) :]
            return self._follow(example, shown, bare, completion), begin
        prompt = plain(told(example))
        shown = prompt.rstrip()
        between = prompt[len(shown) :] + join(prompt, said)
        bare = row[len(self.head) :] if shown else []
        return self._follow(example, shown, bare, between + said), len(between)

    def _follow(self, example: Example, shown: str, shown_ids: Sequence[int], said: str) -> Spelt:
        """What is said behind what is shown; places in the text only where the example gives spans of it a weight."""
        if example.weights:
            return follow(self.tokenizer, shown, shown_ids, said, places=True)
        ids = list(self._chunks.follow(shown, shown_ids, said))
        return Spelt(ids, [0] * len(ids), [0] * len(ids))

    @cached_property
    def pair(self) -> Pair | None:
        """How two texts stand in one row of a masked network; None where they can only be one text."""
        return pair_of(self.tokenizer) if self.family == "masked" else None

    @cached_property
    def _chunks(self) -> Chunks:
        return Chunks(self.tokenizer)

    def _masked(self, row: Sequence[int], ids: Sequence[int], weights: Sequence[float], example: Example) -> Tokens:
        """The answer under masks, each to be filled in."""
        assert self.mask is not None
        if not ids:
            raise UserError(
                f"example `{example.id}` has a target that the tokenizer spells with no piece at all", "change the target"
            )
        inputs = [*row, *[self.mask] * len(ids), *self.tail]
        counted = [id_ if weight > 0 else IGNORED for id_, weight in zip(ids, weights, strict=True)]
        targets = [*[IGNORED] * len(row), *counted, *[IGNORED] * len(self.tail)]
        if all(weight in (0.0, 1.0) for weight in weights):
            return sequence.masked(inputs, targets)
        return Tokens(tuple(inputs), tuple(targets), (*[0.0] * len(row), *weights, *[0.0] * len(self.tail)))


def marked(tokens: Tokens, renderer: Renderer) -> list[tuple[str, float]]:
    """Every token of a sequence as a readable piece, with its weight in the loss: what `show` prints.

    Of an encoder-decoder network: the answer alone. Of a masked network: the answer where the masks stand.
    """
    weights = tokens.weights or tuple(float(target != IGNORED) for target in tokens.targets)
    weights = tuple(weight if target != IGNORED else 0.0 for weight, target in zip(weights, tokens.targets, strict=True))
    if renderer.family == "masked":
        ids = [target if target != IGNORED else id_ for id_, target in zip(tokens.inputs, tokens.targets, strict=True)]
        return list(zip(renderer.pieces(ids), weights, strict=True))
    following = [*tokens.inputs[1:], tokens.targets[-1]]
    ids = [target if target != IGNORED else id_ for id_, target in zip(following, tokens.targets, strict=True)]
    shown = [] if tokens.source else [(renderer.pieces(tokens.inputs[:1])[0], 0.0)]
    return shown + [
        (word, weight) for word, weight, id_ in zip(renderer.pieces(ids), weights, ids, strict=True) if id_ != IGNORED
    ]


def _weights(starts: Sequence[int], example: Example, answer: str | None) -> list[float]:
    """Weight of each token: that of the span which covers its first character. Spans belong to the target alone."""
    if answer is not None and answer != example.target:
        return [1.0] * len(starts)
    weights = [1.0] * len(starts)
    for span in example.weights:
        for place, start in enumerate(starts):
            if span.start <= start < span.end:
                weights[place] = span.weight
    return weights
