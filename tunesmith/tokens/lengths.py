"""How long examples are, what a window would cut, and what is done with those that do not fit.

Nothing is cut in silence: a policy that leaves out or shortens says how many, and the end of an answer is never cut.
"""

import logging
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Literal

import numpy as np

from tunesmith.data.example import Example
from tunesmith.data.passes import Arrays, passed
from tunesmith.data.rows import Chosen, Joined
from tunesmith.errors import UserError
from tunesmith.tokens.sequence import IGNORED, Tokens

TooLong = Literal["refuse", "drop", "cut_prompt", "split"]
Render = Callable[[Example], Sequence[Tokens]]
GAP = " ... "  # where the middle of a prompt was cut out
TRIED = 256  # letters that are tried first when a text is cut
QUANTILES = (0.5, 0.9, 0.99, 1.0)

talk = logging.getLogger("tunesmith")


@dataclass(frozen=True)
class Cut:
    """What a policy does to the rows that are too long: how many there are and how many it leaves out, and what is lost."""

    policy: TooLong
    rows: int
    dropped: int = 0
    tokens: int = 0
    learnt: int = 0


@dataclass(frozen=True)
class Lengths:
    """Lengths of sequences in tokens, and what a window does to them.

    prompt:   tokens that are shown and not learnt; answer: tokens that are learnt.
    row:      what the window is held against: tokens of the longer stack, with its virtual tokens.
    shortest: what `row` would be with but one token of the prompt.
    window:   most tokens of a row, None where the network has no limit.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    row: tuple[int, ...]
    shortest: tuple[int, ...]
    window: int | None

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and lines: quantiles of the lengths."""
        lines = []
        for name in ("prompt", "answer", "row"):
            values: tuple[int, ...] = getattr(self, name)
            lines.append([name, *(str(quantile(values, share)) if values else "" for share in QUANTILES), str(sum(values))])
        return ["", "median", "90 %", "99 %", "longest", "all"], lines

    def cuts(self) -> list[Cut]:
        """What each policy would do; nothing where all rows fit."""
        over = [number for number, row in enumerate(self.row) if self.window is not None and row > self.window]
        if self.window is None or not over:
            return []
        hopeless = [number for number in over if self.shortest[number] > self.window]
        shortened = sum(self.row[number] - self.window for number in over if number not in set(hopeless))
        return [
            Cut("refuse", len(over)),
            Cut("drop", len(over), len(over), *self._all_of(over)),
            Cut("cut_prompt", len(over), len(hopeless), shortened + self._all_of(hopeless)[0], self._all_of(hopeless)[1]),
            Cut("split", len(over)),
        ]

    def verdict(self) -> list[str]:
        """A sentence for each policy; one where all rows fit."""
        if self.window is None:
            return [f"{len(self.row)} rows; the network has no limit"]
        if not self.cuts():
            return [f"all {len(self.row)} rows fit into {self.window} tokens"]
        refuse, drop, cut, split_ = self.cuts()
        learnt = max(sum(self.answer), 1)
        return [
            f"{refuse.rows} of {len(self.row)} rows are longer than {self.window} tokens:",
            "refuse: training does not begin",
            f"drop: {drop.dropped} rows left out, with {drop.learnt / learnt:.1%} of the learnt tokens",
            f"cut_prompt: about {cut.tokens} tokens cut out of {cut.rows - cut.dropped} prompts; {cut.dropped} rows left out,"
            f" with {cut.learnt / learnt:.1%} of the learnt tokens",
            f"split: {split_.rows} rows become several, for plain texts only; no token lost",
        ]

    def _all_of(self, numbers: Sequence[int]) -> tuple[int, int]:
        """(tokens, learnt tokens) of some sequences."""
        return sum(self.prompt[n] + self.answer[n] for n in numbers), sum(self.answer[n] for n in numbers)


def lengths(sequences: Sequence[Tokens], window: int | None, virtual: int = 0) -> Lengths:
    """Lengths of rendered sequences.

    Args:
        window: most tokens that the network reads in a row, None for no limit.
        virtual: virtual tokens at the head of each sequence.
    """
    prompts = [_shown(tokens) for tokens in sequences]
    rows = [tokens.row(virtual) for tokens in sequences]
    return Lengths(
        prompt=tuple(prompts),
        answer=tuple(tokens.learnt for tokens in sequences),
        row=tuple(rows),
        shortest=tuple(
            len(tokens.inputs) if tokens.source else row - prompt + 1
            for tokens, row, prompt in zip(sequences, rows, prompts, strict=True)
        ),
        window=window,
    )


def quantile(values: Sequence[int], share: float) -> int:
    """The smallest of the values that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * share) - 1)]


def fit(
    examples: Sequence[Example],
    render: Render,
    window: int | None,
    policy: TooLong = "refuse",
    virtual: int = 0,
    name: str = "these",
    most: Callable[[Example], float] = lambda example: inf,
    spelled: str = "",
) -> Sequence[Example]:
    """The examples that fit the window, under a policy for the others.

    `refuse` stops; `drop` leaves them out; `cut_prompt` takes the middle out of the longest message that is shown, and leaves
    out what does not fit even so; `split` makes several examples of a plain text, in which every word occurs once.
    What was done is told to the `tunesmith` logger.

    Args:
        render: an example's sequences, as they will be learnt.
        window: most tokens of a row, None for no limit.
        virtual: virtual tokens at the head of each sequence.
        name: whose examples they are, for messages.
        most: as many tokens as a row of an example can have, without virtual ones; it is rendered only where they are too many.
        spelled: a key of all that `render` hangs on; with it the pass over many examples is made once for all runs.

    Raises:
        UserError: under `refuse`, for an example that is too long; under `split`, for one that is no plain text.
    """
    if window is None:
        return examples
    limit = window

    def fits(example: Example) -> bool:
        return all(tokens.row(virtual) <= limit for tokens in render(example))

    def refuse(example: Example) -> UserError:
        return _refused(example, max(tokens.row(virtual) for tokens in render(example)), limit, name)

    def look() -> Arrays:
        found = array("q")
        for number, example in enumerate(examples):
            if most(example) + virtual > limit and not fits(example):
                if policy == "refuse":
                    raise refuse(example)
                found.append(number)
        return {"long": np.array(found, np.int64)}

    key = pass_key(examples, spelled, limit, virtual)
    long = passed(key, len(examples), look, f"{name}, held against the window")["long"].tolist()
    if not long:
        return examples
    if policy == "refuse":
        raise refuse(examples[long[0]])
    numbers = array("q")  # of those that stay, among all examples and then those that were made of them
    made: list[Example] = []
    touched = dropped = end = 0
    for number in long:
        numbers.extend(range(end, number))
        end, example = number + 1, examples[number]
        mended = {"drop": _none, "cut_prompt": _cut, "split": _split}[policy](example, fits)
        numbers.extend(range(len(examples) + len(made), len(examples) + len(made) + len(mended)))
        made += mended
        touched += bool(mended)
        dropped += not mended
    numbers.extend(range(end, len(examples)))
    if dropped:
        talk.warning("%s: %d of %d examples are longer than %d tokens and left out", name, dropped, len(examples), window)
    if touched:
        how = "split into several" if policy == "split" else "shown with the middle of their prompt cut out"
        talk.warning("%s: %d of %d examples are longer than %d tokens and %s", name, touched, len(examples), window, how)
    return Chosen(Joined([examples, made]), numbers)


def pass_key(examples: Sequence[Example], spelled: str, window: int, virtual: int) -> tuple[object, ...]:
    """The key of the pass that holds examples against a window; empty where it cannot be told."""
    origin = getattr(examples, "origin", ()) if spelled else ()
    return origin and (*origin, "too long", spelled, window, virtual)


def split(text: str, fits: Callable[[str], bool]) -> list[str]:
    """A text in as few pieces as fit, cut before blanks where there are any; put together they are the text again."""
    pieces: list[str] = []
    begin = 0
    while begin < len(text):
        end = begin + _piece(text, begin, fits)
        pieces.append(text[begin:end])
        begin = end
    return pieces


def _piece(text: str, begin: int, fits: Callable[[str], bool]) -> int:
    """Letters of the longest piece that fits: all that is left or, where there is a blank to end before, up to that."""
    left = len(text) - begin
    most = _most(left, lambda letters: fits(text[begin : begin + letters]))
    if most == 0:
        raise UserError("not even one letter fits into the window", "set `plan.window` larger")
    if most == left:
        return left
    blank = max((place for place in range(1, most + 1) if text[begin + place].isspace()), default=0)
    return blank if text[begin : begin + blank].strip() else most


def _none(example: Example, fits: Callable[[Example], bool]) -> list[Example]:
    return []


def _cut(example: Example, fits: Callable[[Example], bool]) -> list[Example]:
    """The example with the middle cut out of the longest message for which that is enough."""
    shown = [number for number, message in enumerate(example.messages) if message.role != "assistant"]
    for number in sorted(shown, key=lambda number: -len(example.messages[number].content)):
        shorter = _cut_message(example, number, fits)
        if shorter is not None:
            return [shorter]
    return []


def _cut_message(example: Example, number: int, fits: Callable[[Example], bool]) -> Example | None:
    """Head and tail of a message are kept in equal parts: they hold the instruction and the question."""
    message = example.messages[number]  # no call of a tool: those are an assistant's

    def keeping(letters: int) -> Example:
        head, tail = message.content[: (letters + 1) // 2], message.content[len(message.content) - letters // 2 :]
        shorter = replace(message, content=head.rstrip() + GAP + tail.lstrip())
        return replace(example, messages=(*example.messages[:number], shorter, *example.messages[number + 1 :]))

    letters = _most(len(message.content) - 1, lambda letters: fits(keeping(letters)))
    return keeping(letters) if letters > 0 else None


def _split(example: Example, fits: Callable[[Example], bool]) -> list[Example]:
    if example.messages or example.rejected is not None or example.choices:
        raise UserError(
            f"example `{example.id}` is too long for the window, and it is no plain text that could be split",
            "set `plan.too_long` to `drop` or `cut_prompt`",
        )
    bare = replace(example, references=(), weights=())
    pieces = split(example.target, lambda text: fits(replace(bare, target=text)))
    return [replace(bare, target=piece, id=f"{example.id}#{number}") for number, piece in enumerate(pieces) if piece.strip()]


def _most(high: int, holds: Callable[[int], bool]) -> int:
    """The largest number up to `high` for which it holds, taken to hold for all smaller ones; 0 for none.

    Looked for from below: what is tried is at most twice what is found, or `TRIED`, however large `high` is.
    """
    if high < 1:
        return 0
    low, beyond = 0, min(high, TRIED)
    while holds(beyond):
        if beyond == high:
            return high
        low, beyond = beyond, min(high, 2 * beyond)
    return low + bisect_right(range(low + 1, beyond), 0, key=lambda number: 0 if holds(number) else 1)


def _shown(tokens: Tokens) -> int:
    """Tokens that are shown and not learnt. A causal row's last target is no input: such a row counts one token more."""
    if tokens.source:
        return len(tokens.source)
    return len(tokens.inputs) - tokens.learnt + (tokens.targets[-1] != IGNORED)


def _refused(example: Example, longest: int, window: int, name: str) -> UserError:
    return UserError(
        f"{name}: example `{example.id}` has {longest} tokens and the window holds {window}",
        "set `plan.too_long` to `drop`, `cut_prompt` or (for plain text) `split`; `tunesmith show` tells what each would do",
    )
