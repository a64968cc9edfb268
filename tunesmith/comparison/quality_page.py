"""What is wrong with rows: a table for the terminal, JSON, and a page that stands alone."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith import __version__
from tunesmith.comparison.colours import DARK, LIGHT
from tunesmith.comparison.report import variables
from tunesmith.data.quality.examine import Checked, Found
from tunesmith.run import write_text

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

EXAMPLES = 3  # rows of a finding in the terminal
SHOWN = 25  # rows of a finding on the page
FILE = "check"


def write_report(checked: Checked, folder: Path) -> Path:
    """Write `check.html` and `check.json` into a folder, and return the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{FILE}.json", json.dumps(plain(checked), ensure_ascii=False, indent=1) + "\n")
    write_text(folder / f"{FILE}.html", page(checked))
    return folder / f"{FILE}.html"


def plain(checked: Checked) -> dict[str, Any]:
    """All of it, with every row that was found."""
    return {"verdict": verdict(checked), "tunesmith": __version__, **checked.tree()}


def verdict(checked: Checked) -> str:
    """One sentence: the worst that was found, and what would go."""
    rows, gone = len(checked.records), len(checked.dropped)
    worst = [found for found in checked.found if found.sure and found.severity == "error"]
    if not worst:
        worst = [found for found in checked.found if found.sure and found.severity == "warning"]
    if not worst:
        return f"Nothing is wrong with {rows:,} rows, as far as was looked."
    told = "; ".join(f"{found.title.lower()} in {found.sure:,}" for found in worst)
    did = "were left out" if checked.clean else "would be left out of a cleaned file"
    return f"Of {rows:,} rows: {told}. {gone:,} {did}."


def action(found: Found) -> str:
    """What a cleaned file does about a finding."""
    if not found.drops:
        return "reported"
    return f"drops {found.dropped:,}" if found.dropped else "drops none"


def against(checked: Checked) -> str:
    """Which evaluation sets the rows were held against."""
    names = [f"{one.name} ({len(one.records):,})" for one in checked.evaluations]
    return ", ".join(names) if names else "no evaluation set"


def command(checked: Checked) -> str:
    """What to type for a cleaned file."""
    return f"tunesmith data check {shlex.quote(checked.data)} --clean cleaned.jsonl"


def page(checked: Checked) -> str:
    """The report as HTML: no file or address is fetched by it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=PackageLoader("tunesmith.comparison", "."), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("quality.html.jinja").render(
        checked=checked,
        verdict=verdict(checked),
        against=against(checked),
        action=action,
        command=command(checked),
        shown=SHOWN,
        file=FILE,
        tree=checked.tree(SHOWN),
        version=__version__,
        light=Markup(variables(LIGHT)),
        dark=Markup(variables(DARK)),
    )


def terminal(checked: Checked) -> "Group":
    """A rich renderable: the verdict, a line a finding, and a few rows of each."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    for name in ("", "finding", "rows", "share", "cleaning"):
        table.add_column(name, justify="right" if name in ("rows", "share") else "left", no_wrap=True)
    total = max(1, len(checked.records))
    tones = {"error": "red", "warning": "yellow", "note": "dim"}
    for found in checked.found:
        tone = tones[found.severity] if found.rows else "dim"
        share = f"{found.rows / total:.1%}" if found.rows else ""
        table.add_row(Text(found.severity, tone), Text(found.name), f"{found.rows:,}", share, action(found))
    parts: list[RenderableType] = [Text(verdict(checked), style="bold"), Padding(table, (1, 0))]
    for found in checked.found:
        if not found.rows and not found.table:
            continue
        parts.append(Text(found.title, style="bold"))
        for hit in found.hits[:EXAMPLES]:
            parts.append(Text.assemble("  ", (str(checked.place(hit.number)), "cyan"), f" {checked.why(hit)}"))
            parts.append(Padding(Text(checked.excerpt(hit.number, hit.at), style="dim"), (0, 0, 0, 4)))
        if found.rows > EXAMPLES:
            parts.append(Text(f"  … and {found.rows - EXAMPLES:,} more rows", style="dim"))
        parts += [Text(f"  {told}", style="dim") for told in found.told]
        if found.table is not None:
            parts.append(Padding(_figures(found), (0, 0, 0, 2)))
        parts.append(Text(""))
    parts.append(Text(f"Held against {against(checked)}.", style="dim"))
    if checked.records.left_out:
        parts.append(Text(f"The wording makes nothing of {checked.records.left_out:,} further rows; they stay.", style="dim"))
    return Group(*parts)


def _figures(found: Found) -> "RenderableType":
    from rich.table import Table

    assert found.table is not None
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    for place, name in enumerate(found.table.header):
        table.add_column(name, justify="right" if place else "left")
    for row in found.table.rows[:12]:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    return table
