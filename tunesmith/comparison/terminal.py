"""A comparison as a table for the terminal, at home in 80 columns; rich leaves colours out where NO_COLOR is set."""

from typing import TYPE_CHECKING

from tunesmith.comparison import rows, words
from tunesmith.comparison.table import Comparison
from tunesmith.comparison.verdict import asides, verdict

if TYPE_CHECKING:
    from rich.console import Group

BAR = 6


def terminal_table(made: Comparison) -> "Group":
    """A rich renderable: the verdict, a line a system, and what else is to be known."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1), collapse_padding=True, header_style="dim")
    table.add_column("", no_wrap=True, overflow="ellipsis", max_width=18)
    table.add_column(words.label(made.headline.name), no_wrap=True)
    for heading in ("", "forgot", "trained", "memory", "training", "answer"):
        table.add_column(heading, justify="right", no_wrap=True)
    longest = max(made.scores[system.name][made.headline.name].value for system in made.systems)
    for system in made.systems:
        quality, against, lost, trained, memory, training, answer, *_ = rows.main_row(made, system)
        part = made.scores[system.name][made.headline.name].value / longest if longest > 0 else 0
        score = Text.assemble(
            f"{quality.text} ", ("━" * max(0, round(BAR * part)), "cyan"), ("─" * (BAR - round(BAR * part)), "dim")
        )
        better = Text(against.text, style="bold green" if against.tone else "")
        forgot = Text(lost.text, style="red" if lost.tone == "bad" else "")
        share = trained.small or trained.text
        table.add_row(
            Text(system.name),
            score,
            better,
            forgot,
            share,
            memory.text,
            training.text.replace(" min ", "m").replace(" s", "s"),
            answer.text,
        )
    more = Text("\n".join(f"· {aside}" for aside in asides(made)), style="dim")
    return Group(Text(verdict(made), style="bold"), Padding(table, (1, 0)), more)
