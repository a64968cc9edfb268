"""What would fit into cards of some sizes: full tuning, LoRA and QLoRA of a network, by its config alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.models.families import Family, window
from tunesmith.planning.step import Case, Counted, counted, held
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.packing import Room, pack
from tunesmith.tokens.sequence import IGNORED, Tokens

CARDS = (8, 16, 24, 80)  # GiB
LENGTH = 1024  # tokens of a row
TARGETS = 4  # one token in so many is learnt
USABLE, CONTEXT = 0.95, 600e6  # share of a card that blocks of all sizes can fill; bytes of CUDA's own
QUANTISED = 4.127  # bits a weight of nf4 with scales of scales (Dettmers et al., 2023, arXiv:2305.14314, section 3)
MANY = 10**9
LEAST = 256  # tokens of a batch below which nobody would train


@dataclass(frozen=True)
class Fit:
    """One card and one way of tuning: the most tokens of a batch, 0 where it does not fit; `bytes`: with a row of 1,024."""

    gigabytes: int
    method: str
    tokens: int
    bytes: int


def fits(case: Case, low_rank: LoRA) -> tuple[Fit, ...]:
    """For each card, full tuning, LoRA, and LoRA on four bits. In each phase, bytes grow with a batch's tokens along a line."""
    rows = min(LENGTH, window(case.config) or LENGTH)
    full, lora = (_lines(case, method, rows) for method in (Full(), low_rank))
    less = saved(case, counted(case, low_rank))
    lines = {"full": full, "lora": lora, "qlora": [(fixed - less, each) for fixed, each in lora]}
    return tuple(
        Fit(card, name, _tokens(card * 2**30 * USABLE - CONTEXT, of), round(max(fixed + rows * each for fixed, each in of)))
        for card in CARDS
        for name, of in lines.items()
    )


def saved(case: Case, sizes: Counted) -> float:
    """Bytes that four bits a weight save, less the one map that is spelled out to compute with."""
    return sizes.linear_bytes - sizes.linear * QUANTISED / 8 - 2 * sizes.largest


def experts(sizes: Counted) -> tuple[str, ...]:
    """What is to be known of a network of experts."""
    if not sizes.fused:
        return ()
    return (
        f"{sizes.fused:,} of its {sizes.weights:,} weights are experts', in one tensor a layer: LoRA does not stand there, and "
        "`qlora` keeps them whole",
    )


def _lines(case: Case, method: Method, rows: int) -> list[tuple[float, float]]:
    """(bytes without a token, bytes a token) of each phase: from one row and from two."""
    once = 2 if case.objective.per == "pair" else 1
    one, two = (held(case, method, [batch(case.family, rows, count * once, case.objective.carries)]).phases for count in (1, 2))
    tokens = rows * once
    each = {phase: max((two[phase].total - one[phase].total) / tokens, 0.0) for phase in one.keys() & two.keys()}
    return [(one[phase].total - tokens * slope, slope) for phase, slope in each.items()]


def _tokens(room: float, lines: Sequence[tuple[float, float]]) -> int:
    """The most tokens with which no phase takes more than there is; 0 where that is too few to train."""
    found = min(int((room - fixed) / each) if each else MANY * (fixed <= room) for fixed, each in lines)
    return found if found >= LEAST else 0


def batch(family: Family, length: int, rows: int, carries: Sequence[str] = ()) -> Batch:
    """Rows of made-up tokens, of which a quarter are learnt, with the numbers that an objective wants of each."""
    learnt = length // TARGETS
    if family == "seq2seq":
        one = Tokens((0,) * learnt, (1,) * learnt, source=(1,) * (length - learnt))
    else:
        one = Tokens((1,) * length, (IGNORED,) * (length - learnt) + (1,) * learnt)
    return next(pack([[replace(one, extras=dict.fromkeys(carries, 0.0))]] * rows, Room(rows=rows, tokens=2**40)))
