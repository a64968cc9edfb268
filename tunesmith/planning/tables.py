"""A plan on the terminal."""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tunesmith.comparison import words
from tunesmith.data.rates import table
from tunesmith.planning.fits import LENGTH
from tunesmith.planning.plan import Planned


def rendered(planned: Planned) -> RenderableType:
    """Everything that was told, a table a question."""
    return Group(*_parts(planned))


def _parts(planned: Planned) -> Iterator[RenderableType]:
    name = planned.name if planned.name == planned.model else f"{planned.name}: {planned.model}"
    yield Text(f"{name}, {planned.family}, {planned.weights:,} weights\n", style="bold")
    if planned.choices:
        yield _run(planned)
        yield _memory(planned)
    if len(planned.portions) > 1:
        yield Text("\n".join(["Tasks of the mixture", *table(planned.portions), ""]))
    yield _low_rank(planned)
    yield _fits(planned)
    if planned.served:
        yield _pairs("Where it can be used", planned.served.items())
    for line in (*planned.lengths, *planned.notes):
        yield Text(line)


def _run(planned: Planned) -> Table:
    probed = planned.probed
    kept, while_learning = planned.choices[0].kept_bytes, planned.choices[0].state_bytes
    told = "by the arithmetic and the speed of one product" if probed is None else f"by {probed.steps} real steps"
    return _pairs(
        "The run",
        [
            ("steps", f"{planned.steps:,}"),
            ("examples of an epoch", f"{planned.examples:,}"),
            ("tokens read", f"{planned.tokens:,}"),
            ("tokens learnt", f"{planned.learnt:,}"),
            ("time", f"about {words.seconds(planned.seconds)}, {told}"),
            ("most memory", f"about {words.size(planned.peak_bytes)} on `{planned.device}`"),
            ("disk", f"{words.size(kept)} are kept; {words.size(while_learning)} more while it learns"),
        ],
    )


def _memory(planned: Planned) -> Table:
    made = Table(title="Memory by part", title_justify="left")
    made.add_column("")
    for number, choice in enumerate(planned.choices):
        made.add_column(choice.method, justify="right", style="bold" if number == 0 else "")
    made.add_row("trained numbers", *(f"{choice.trained:,}" for choice in planned.choices))
    made.add_row("share of all", *(f"{choice.trained / choice.weights:.2%}" for choice in planned.choices), end_section=True)
    for part in planned.choices[0].memory:
        if part == "reference" and not any(choice.memory[part] for choice in planned.choices):
            continue
        made.add_row(part, *(words.size(choice.memory[part]) for choice in planned.choices))
    made.add_section()
    made.add_row("at most", *(words.size(choice.peak_bytes) for choice in planned.choices))
    return made


def _low_rank(planned: Planned) -> Table:
    made = Table(title="LoRA: rank x (inputs + outputs) numbers beside a map", title_justify="left")
    for name in ("maps", "inputs x outputs", "arithmetic", "numbers a map", "instead of"):
        made.add_column(name, justify="right")
    for one in planned.low_rank:
        form, sum_ = f"{one.inputs:,} x {one.outputs:,}", f"{one.rank} x ({one.inputs:,} + {one.outputs:,})"
        made.add_row(f"{one.count:,}", form, sum_, f"{one.trained:,}", f"{one.whole:,}")
    made.add_section()
    every = [one for one in planned.low_rank for _ in range(one.count)]
    made.add_row(f"{len(every):,}", "", "all", f"{sum(one.trained for one in every):,}", f"{sum(one.whole for one in every):,}")
    return made


def _fits(planned: Planned) -> Table:
    made = Table(title=f"What fits into a card: most tokens of a batch, in rows of {LENGTH:,}", title_justify="left")
    methods = list(dict.fromkeys(fit.method for fit in planned.fits))
    made.add_column("", justify="right")
    for method in methods:
        made.add_column(method, justify="right")
    one_row = {fit.method: fit.bytes for fit in planned.fits}
    made.add_row("one row takes", *(words.size(one_row[method]) for method in methods), end_section=True)
    for card in dict.fromkeys(fit.gigabytes for fit in planned.fits):
        told = {fit.method: fit.tokens for fit in planned.fits if fit.gigabytes == card}
        made.add_row(f"{card} GB", *(f"{told[method]:,}" if told[method] else "no" for method in methods))
    return made


def _pairs(title: str, pairs: Iterable[tuple[str, str]]) -> Table:
    made = Table(title=title, title_justify="left", show_header=False)
    for name, value in pairs:
        made.add_row(name, value)
    return made
