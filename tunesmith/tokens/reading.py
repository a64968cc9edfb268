"""What a head reads of an example, as rows of tokens: no answer stands in them, and places say where the head is asked.

Dimension key: T tokens a row.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.tokens.chat import plain
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import IGNORED, Tokens
from tunesmith.tokens.spelling import spell_with_places

Asked = tuple[Tokens, tuple[int, ...]]  # a row, and the columns at which the head is asked


def read(
    kind: Literal["label", "labels", "number", "tags", "choice", "reward", "value"], renderer: Renderer, example: Example
) -> list[Asked]:
    """The rows of an example for a head of this kind: one, or with `choice` and for a `reward` one a choice."""
    if kind == "tags":
        return [worded(renderer, example)]
    if kind == "reward":
        return [(row, (len(row.inputs) - 1,)) for row in (replied(renderer, *pair) for pair in _replies(example))]
    rows = alternatives(renderer, example) if kind == "choice" else [whole(renderer, example)]
    return [(row, (len(row.inputs) - 1,)) for row in rows]


def whole(renderer: Renderer, example: Example) -> Tokens:
    """The texts of an example, or its prompt where it has none, whole as the network's family reads it."""
    first, *others = example.texts or ("",)
    if len(others) == 1 and renderer.pair is not None:
        return paired(renderer, first, others[0])
    if example.texts:
        ids = renderer.text("\n".join(example.texts))
    else:
        ids = renderer.prompt(example)
        ids = [*ids, *renderer.tail] if renderer.family == "masked" else ids
    return _shown(renderer, ids)


def paired(renderer: Renderer, first: str, second: str) -> Tokens:
    """Two texts as the tokenizer itself puts them together: BERT's `[CLS] first [SEP] second [SEP]`, the second of type 1."""
    assert renderer.pair is not None
    before = [*renderer.pair.head, *renderer.spell(first), *renderer.pair.between]
    ids = (*before, *renderer.spell(second), *renderer.pair.tail)
    return Tokens(ids, (IGNORED,) * len(ids), second=len(before) if renderer.pair.typed else 0)


def alternatives(renderer: Renderer, example: Example) -> list[Tokens]:
    """The prompt with each of its choices, without what ends an answer."""
    if not example.choices:
        raise UserError(f"example `{example.id}` has no choices", "give its template choices")
    prompt = "\n".join(example.texts) if example.texts else plain(example.messages)
    if renderer.family == "masked":
        if renderer.pair is not None:
            return [paired(renderer, prompt, choice) for choice in example.choices]
        return [_shown(renderer, renderer.text(f"{prompt}\n{choice}")) for choice in example.choices]
    rows = []
    for choice in example.choices:
        tokens = renderer.render(example, choice)
        rows.append(replace(tokens, targets=(IGNORED,) * len(tokens.inputs), weights=()))
    return rows


def replied(renderer: Renderer, example: Example, answer: str) -> Tokens:
    """The prompt and a whole answer to it, with what ends an answer: what the reward of that answer is read from."""
    if renderer.family == "masked":
        prompt = plain(example.messages)
        if renderer.pair is not None:
            return paired(renderer, prompt, answer)
        return _shown(renderer, renderer.text(f"{prompt}\n{answer}"))
    tokens = renderer.render(replace(example, weights=()), answer)
    ids = (*tokens.inputs, tokens.targets[-1])
    return replace(tokens, inputs=ids, targets=(IGNORED,) * len(ids), weights=())


def _replies(example: Example) -> list[tuple[Example, str]]:
    """Prompt and answer, for each answer that an example has: both texts of a pair, the choices, or the target."""
    if len(example.texts) == 2:
        return [(replace(example, messages=(Message("user", example.texts[0]),), texts=()), example.texts[1])]
    if not example.choices and not example.target:
        raise UserError(
            f"example `{example.id}` has no answer, and a reward model reads a prompt with its answer",
            "give the answer too: `--second ANSWER`, or a column of the wording",
        )
    return [(example, answer) for answer in example.choices or (example.target,)]


def worded(renderer: Renderer, example: Example) -> Asked:
    """The words of the prompt, parted by blanks, and the place of the first piece of each.

    A word that the tokenizer spells with no piece of its own shares that of the word before it.
    """
    words = words_of(example)
    text, starts = " ".join(words), [0]
    for word in words:
        starts.append(starts[-1] + len(word) + 1)
    spelt = spell_with_places(renderer.tokenizer, text, places=True)
    ids = [*renderer.head, *spelt.ids, *renderer.tail]
    places, piece = [], 0
    for start in starts[:-1]:
        while piece < len(spelt.ids) - 1 and spelt.ends[piece] <= start:
            piece += 1
        places.append(len(renderer.head) + piece)
    row = _shown(renderer, ids)
    if renderer.family == "seq2seq":  # the decoder reads the words too, and knows the whole source at each
        row = replace(row, inputs=tuple(ids), targets=(IGNORED,) * len(ids))
    return row, tuple(places)


def words_of(example: Example) -> list[str]:
    """The words that are tagged."""
    words = plain(example.messages).split()
    if not words:
        raise UserError(f"example `{example.id}` has no words to tag", "leave it out")
    return words


def _shown(renderer: Renderer, ids: Sequence[int]) -> Tokens:
    if renderer.family == "seq2seq":
        return Tokens((renderer.start,), (IGNORED,), source=tuple(ids))
    return Tokens(tuple(ids), (IGNORED,) * len(ids))
