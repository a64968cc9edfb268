"""Special ids of a tokenizer and a network: what stands around a text, what ends an answer, what the decoder begins with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from tunesmith.errors import UserError
from tunesmith.tokens.spelling import Tokenizer

Family = Literal["causal", "seq2seq", "masked"]
Config: TypeAlias = Any  # of transformers
STARTS = ("decoder_start_token_id", "bos_token_id", "pad_token_id")  # what a decoder reads first, best known first


@dataclass(frozen=True)
class Specials:
    """Special ids.

    head, tail: what the tokenizer puts around a text.
    answer_head, answer_tail: what it puts around the answer of an encoder-decoder network.
    end:        what ends an answer and is learnt: always the last id of an answer.
    stops:      where an answer is over.
    start:      what the decoder reads first (seq2seq).
    forced:     what the decoder must say first (seq2seq), or None.
    pad:        padding.
    mask:       what stands for a hidden token, or None.
    sentinels:  T5's <extra_id_0>, <extra_id_1> ... in order; empty where there are none.
    specials:   every special id.
    vocabulary: ids run from 0 to below this.
    """

    head: tuple[int, ...]
    tail: tuple[int, ...]
    answer_head: tuple[int, ...]
    answer_tail: tuple[int, ...]
    end: int
    stops: frozenset[int]
    start: int
    forced: int | None
    pad: int
    mask: int | None
    sentinels: tuple[int, ...] = field(repr=False)
    specials: frozenset[int] = field(repr=False)
    vocabulary: int

    @classmethod
    def found(cls, tokenizer: Tokenizer, family: Family, configs: Sequence[Config], turn_end: str = "") -> "Specials":
        """The special ids of a tokenizer and of its network's configurations, the most telling first.

        Args:
            turn_end: text of the token that ends an assistant's turn, "" where there is no chat template.

        Raises:
            UserError: where the tokenizer lacks what the family needs, or does not belong to the network.
        """
        size = _checked_size(tokenizer, family, configs)
        answer_head, answer_tail = around(tokenizer, answer=True)
        head, tail = around(tokenizer, answer=False)
        stops = {stop for value in _settings(configs, "eos_token_id") for stop in _ids(value)} | set(
            _ids(tokenizer.eos_token_id)
        )
        stops = {stop for stop in stops if stop < size}
        sep = [tokenizer.sep_token_id] if family == "masked" else []
        ends = [*_ids(tokenizer.eos_token_id), *sep, *answer_tail[-1:], *sorted(stops)]
        if turn_end:
            ends = [tokenizer.convert_tokens_to_ids(turn_end)]
        end = _first(ends)
        if end is None:
            raise UserError(
                "the tokenizer has no end-of-sequence token, so no answer could ever end",
                "set `eos_token` in `tokenizer_config.json`, or `eos_token_id` in `config.json`",
            )
        starts = [*(value for name in STARTS for value in _settings(configs, name)), tokenizer.pad_token_id, end]
        pads = [tokenizer.pad_token_id, *_settings(configs, "pad_token_id"), end]
        known = tokenizer.get_vocab()
        names = (f"<extra_id_{number}>" for number in range(1000))
        added = tokenizer.added_tokens_decoder.items()
        return cls(
            head=head,
            tail=tail,
            answer_head=answer_head,
            answer_tail=answer_tail if end in answer_tail else (*answer_tail, end),
            end=end,
            stops=frozenset(stops | {end}),
            start=_first(starts) or 0,
            forced=_first(_settings(configs, "forced_bos_token_id")) if family == "seq2seq" else None,
            pad=_first(pads) or 0,
            mask=tokenizer.mask_token_id,
            sentinels=tuple(known[name] for name in names if name in known),
            specials=frozenset(tokenizer.all_special_ids) | {id_ for id_, token in added if token.special},
            vocabulary=size,
        )


@dataclass(frozen=True)
class Pair:
    """What a tokenizer puts around two texts and between them; `typed`: the network is told which text a token is of."""

    head: tuple[int, ...]
    between: tuple[int, ...]
    tail: tuple[int, ...]
    typed: bool


def pair_of(tokenizer: Tokenizer) -> Pair | None:
    """How a tokenizer puts two texts together; None where nothing stands between them."""
    options = {"truncation": False, "padding": False, "verbose": False}
    one, other = (tokenizer(text, add_special_tokens=False, **options)["input_ids"] for text in ("a", "b"))
    whole = tokenizer("a", "b", return_token_type_ids=True, **options)
    ids, types = whole["input_ids"], whole["token_type_ids"]
    if not one or not other or one[0] not in ids or other[0] not in ids:
        return None
    first, second = ids.index(one[0]), ids.index(other[0])
    between = ids[first + len(one) : second]
    typed = "token_type_ids" in tokenizer.model_input_names and types[second] == 1
    return Pair(tuple(ids[:first]), tuple(between), tuple(ids[second + len(other) :]), typed) if between else None


def around(tokenizer: Tokenizer, answer: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What the tokenizer itself puts before and behind a text, or before and behind an answer."""
    options = {"truncation": False, "padding": False, "verbose": False}
    bare = tokenizer("a", add_special_tokens=False, **options)["input_ids"]
    whole = tokenizer(text_target="a", **options)["input_ids"] if answer else tokenizer("a", **options)["input_ids"]
    for place in range(len(whole) - len(bare) + 1):
        if bare and whole[place : place + len(bare)] == bare:
            return tuple(whole[:place]), tuple(whole[place + len(bare) :])
    return (), ()


def _checked_size(tokenizer: Tokenizer, family: Family, configs: Sequence[Config]) -> int:
    """Size of the vocabulary, after a look at whether tokenizer, family and network go together."""
    if family == "masked" and tokenizer.mask_token_id is None:
        raise UserError("the tokenizer has no mask token", "a masked network needs `mask_token` in `tokenizer_config.json`")
    size = len(tokenizer)
    network = _first(_settings(configs, "vocab_size"))
    if network is not None and size > network:
        raise UserError(
            f"the tokenizer has {size} pieces and the network {network}",
            "the tokenizer belongs to another network; give its own",
        )
    return size


def _settings(configs: Sequence[Config], name: str) -> list[Any]:
    return [getattr(config, name, None) for config in configs]


def _ids(value: int | Iterable[int] | None) -> list[int]:
    """An id, a list of ids or None, as a list."""
    return [] if value is None else [int(v) for v in value] if isinstance(value, Iterable) else [int(value)]


def _first(values: Iterable[int | None]) -> int | None:
    """The first that is there."""
    return next((value for value in values if value is not None), None)
