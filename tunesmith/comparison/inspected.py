"""What tuning did inside a network: how far each map moved and how low-rank that was, and which words soft prompts lie near.

Only numbers, and how they are written; `tunesmith/inspection.py` computes them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from tunesmith.comparison import words
from tunesmith.comparison.markdown import escape
from tunesmith.comparison.markdown import table as markdown_table

if TYPE_CHECKING:
    from rich.console import Group

MOST = 8  # parts that moved most, named one by one
SHORT = {
    "attention_out": "out",
    "mlp_gate": "gate",
    "mlp_up": "up",
    "mlp_down": "down",
    "embedding": "embed",
    "cross_query": "cross q",
    "cross_key": "cross k",
    "cross_value": "cross v",
    "cross_attention_out": "cross out",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What was added to one weight.

    site:      dotted path of its module, or name of the tensor.
    row:       where it stands: `layer 3`, `encoder 0`, or `outside` of the layers.
    role:      the part it plays; maps of cross-attention have `cross_` before theirs.
    relative:  Frobenius norm of the change, as a part of the weight's own.
    singular:  singular values of the change, the largest first; empty for vectors and for no change at all.
    limit:     the highest rank that the change could have.
    stable_rank:    sum of the squared singular values over the largest squared.
    effective_rank: exp of the entropy of the singular values (Roy and Vetterli, 2007).
    rank_90:        the fewest singular values that hold 90 % of the sum of squares.
    given:          the rank that the method gave this place, where it gives places different ones (AdaLoRA).
    """

    site: str
    row: str
    role: str
    shape: tuple[int, ...]
    norm: float
    relative: float
    singular: tuple[float, ...]
    limit: int
    stable_rank: float | None
    effective_rank: float | None
    rank_90: int | None
    given: int | None = None


@dataclass(frozen=True, slots=True)
class Near:
    """A word of the vocabulary near a vector; distance is Euclid's."""

    word: str
    cosine: float
    distance: float


@dataclass(frozen=True, slots=True)
class VirtualToken:
    """One learned vector and the words nearest to it, by cosine and by distance."""

    place: int
    length: float
    by_cosine: tuple[Near, ...]
    by_distance: tuple[Near, ...]


@dataclass(frozen=True, slots=True)
class Tightness:
    """How near to words some vectors lie: means over them.

    cosine:   to the nearest word by cosine. distance: to the nearest by Euclid.
    together: mean cosine between the nearest words of a vector: near 1 where they are a cluster.
    """

    of: str
    cosine: float
    distance: float
    together: float


@dataclass(frozen=True, slots=True)
class Prompt:
    """Learned vectors that stand where embeddings would; `among` is the mean cosine between two of them."""

    site: str
    tokens: tuple[VirtualToken, ...]
    tightness: tuple[Tightness, ...]
    among: float
    vocabulary: int


@dataclass(frozen=True)
class Inspected:
    """Everything that `tunesmith inspect` says of a run.

    left_out:  what was trained and is not a change of a weight, or has nothing to be held against; why. And what is doubtful.
    best_step: the step whose weights were kept; None where the run does not say.
    """

    run: str
    method: str
    base: str
    changes: tuple[Change, ...]
    prompts: tuple[Prompt, ...]
    left_out: tuple[str, ...] = ()
    best_step: int | None = None

    def as_tree(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and texts."""
        return asdict(self)

    @property
    def matrices(self) -> list[Change]:
        """The changes that have singular values."""
        return [change for change in self.changes if change.singular]

    @property
    def still(self) -> bool:
        """Whether every weight that could be told is as it was."""
        return bool(self.changes) and not any(change.norm for change in self.changes)


def by(changes: Iterable[Change], name: Callable[[Change], str]) -> dict[str, list[Change]]:
    """Changes by a text that is made of each, in the order of the network."""
    found: dict[str, list[Change]] = {}
    for change in changes:
        found.setdefault(name(change), []).append(change)
    return found


def verdict(made: Inspected) -> list[str]:
    """The outcome in a few sentences."""
    said = []
    if made.still:
        said.append(f"Nothing changed: all {len(made.changes)} weights are as they were.")
    if made.best_step == 0:
        said.append("No step was better than the start in validation: the weights of step 0 were kept.")
    moved = made.matrices
    if moved:
        most = max(moved, key=lambda change: change.relative)
        limits = sorted({change.limit for change in moved})
        limit = f"{limits[0]}" if len(limits) == 1 else f"{limits[0]} to {limits[-1]}"
        said.append(
            f"{len(moved)} maps changed, by {words.percent(fmean(c.relative for c in moved))} of their size on average; "
            f"most of all {place(made, most)} ({words.percent(most.relative)})."
        )
        said.append(
            f"The changes have an effective rank of {fmean(c.effective_rank or 0 for c in moved):.1f} where {limit} is "
            f"possible, and {fmean(c.rank_90 or 0 for c in moved):.1f} singular values hold 90 % of them (means over maps)."
        )
    elif some := [change for change in made.changes if change.norm]:
        most = max(some, key=lambda change: change.relative)
        said.append(
            f"{len(some)} vectors changed, by {words.percent(fmean(c.relative for c in some))} of their size on average; "
            f"most of all {place(made, most)} ({words.percent(most.relative)})."
        )
    for prompt in made.prompts:
        ours, random, vocabulary = prompt.tightness
        said.append(
            f"{len(prompt.tokens)} virtual tokens: the nearest word has a cosine of {ours.cosine:.2f} on average; of random "
            f"vectors {random.cosine:.2f}, of words {vocabulary.cosine:.2f}."
        )
    return said


HEAD = ("weights", "change", "stable rank", "effective", "for 90 %", "possible")


def summary(changes: Sequence[Change]) -> list[str]:
    """A line about several changes: cells under `HEAD`."""
    whole = [change for change in changes if change.singular]
    ranks = [
        f"{fmean(getattr(change, name) for change in whole):.1f}" if whole else words.MISSING
        for name in ("stable_rank", "effective_rank", "rank_90", "limit")
    ]
    return [str(len(changes)), words.percent(fmean(change.relative for change in changes)), *ranks]


def summaries(made: Inspected) -> dict[str, dict[str, list[str]]]:
    """Title -> name -> cells: by role, by place, and the parts that moved most."""
    if not made.changes or made.still:
        return {}
    most = sorted(made.changes, key=lambda change: -change.relative)[:MOST]
    return {
        "By part": {name: summary(some) for name, some in by(made.changes, lambda change: change.role).items()},
        "By layer": {name: summary(some) for name, some in by(made.changes, lambda change: change.row).items()},
        "Moved most": {place(made, change): summary([change]) for change in most},
    }


def place(made: Inspected, change: Change) -> str:
    """`encoder 2, mlp up`, where that means one weight; else its path."""
    alike = [one for one in made.changes if (one.row, one.role) == (change.row, change.role)]
    return f"{change.row}, {short(change.role)}" if len(alike) == 1 else change.site


def near(some: Sequence[Near], number: Callable[[Near], float]) -> str:
    return ", ".join(f"{one.word} {number(one):.2f}" for one in some)


def prompt_rows(prompt: Prompt) -> list[list[str]]:
    """A line a virtual token: place, length, nearest by cosine, nearest by distance."""
    return [
        [
            str(token.place),
            f"{token.length:.2f}",
            near(token.by_cosine, lambda one: one.cosine),
            near(token.by_distance, lambda one: one.distance),
        ]
        for token in prompt.tokens
    ]


PROMPT_HEAD = ("token", "length", "nearest by cosine", "nearest by distance")
TIGHT_HEAD = ("", "cosine to nearest", "distance to nearest", "cosine among the nearest")


def tight_rows(prompt: Prompt) -> list[list[str]]:
    return [[one.of, f"{one.cosine:.3f}", f"{one.distance:.2f}", f"{one.together:.3f}"] for one in prompt.tightness]


def markdown(made: Inspected, plots: Sequence[str] = ()) -> str:
    """The whole report; `plots` are paths relative to the file."""
    parts = [f"# Inside {escape(made.run)} ({escape(made.method)} on {escape(made.base)})"]
    parts += [f"- {escape(text)}" for text in (*verdict(made), *made.left_out)]
    parts += [f"![{plot}]({plot})" for plot in plots]
    for title, lines in summaries(made).items():
        parts += [f"## {title}", markdown_table([title, *HEAD], [[name, *cells] for name, cells in lines.items()])]
    if made.changes and not made.still:
        body = [[change.site, *summary([change])[1:]] for change in made.changes]
        parts += ["## Every weight", markdown_table(["weight", *HEAD[1:]], body)]
    for prompt in made.prompts:
        parts += [f"## Soft prompt at {escape(prompt.site)}", markdown_table(PROMPT_HEAD, prompt_rows(prompt))]
        parts += [markdown_table(TIGHT_HEAD, tight_rows(prompt)), escape(START)]
    return "\n\n".join(parts) + "\n"


START = (
    "A soft prompt that began as words (`init: vocabulary` or `text`) may lie near those words because it has not moved far. "
    "Random vectors have the lengths of the virtual tokens; the words are a sample, each held against all others."
)


def terminal_table(made: Inspected) -> "Group":
    """A rich renderable: what came of it, by part, by layer, and token by token."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    parts: list[Any] = [Text(text, style="bold") for text in verdict(made)] + [
        Text(text, style="yellow") for text in made.left_out
    ]
    for title, lines in summaries(made).items():
        table = _table(Table, title, HEAD)
        for name, cells in lines.items():
            table.add_row(Text(short(name)), *cells)
        parts.append(Padding(table, (1, 0, 0, 0)))
    for prompt in made.prompts:
        for head, rows in ((PROMPT_HEAD, prompt_rows(prompt)), (TIGHT_HEAD, tight_rows(prompt))):
            table = _table(Table, head[0], head[1:], justify="left")
            for row in rows:
                table.add_row(*(Text(cell) for cell in row))
            parts.append(Padding(table, (1, 0, 0, 0)))
    return Group(*parts)


def _table(kind: Any, first: str, head: Sequence[str], justify: str = "right") -> Any:
    table = kind(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    table.add_column(first, overflow="fold")
    for heading in head:
        table.add_column(heading, justify=justify)
    return table


def short(role: str) -> str:
    """A role as a column of a plot is called."""
    return SHORT.get(role, role.replace("_", " "))


Cells = Mapping[tuple[str, str], float]


def heat_cells(made: Inspected) -> Cells:
    """(row, role) -> relative change, for the heat map; where two weights share a place, the larger."""
    cells: dict[tuple[str, str], float] = {}
    for change in made.changes:
        place = (change.row, change.role)
        cells[place] = max(change.relative, cells.get(place, 0.0))
    return cells
