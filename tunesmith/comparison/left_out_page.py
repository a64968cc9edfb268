"""Clusters that were left out, as a page that stands alone, as Markdown, as JSON, as plots, and as a table for the terminal."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith import __version__
from tunesmith.comparison import words
from tunesmith.comparison.colours import DARK, LIGHT
from tunesmith.comparison.drawing import Frame, Text, round_ticks
from tunesmith.comparison.left_out import BASE, OTHERS, RULE, TESTS, ClusterLeft, Gain, LeftOut, TaskLeft
from tunesmith.comparison.markdown import escape
from tunesmith.comparison.markdown import table as markdown_table
from tunesmith.comparison.panels import Panel, ends_of
from tunesmith.comparison.report import MARKS, finite, variables
from tunesmith.comparison.rows import Cell, ends
from tunesmith.comparison.significance import ALPHA, Interval
from tunesmith.run import write_text

if TYPE_CHECKING:
    from rich.console import Group

WIDE, ROW = 440.0, 32.0  # points of a plot, and of one cluster in it
SHOWN = 20  # pairs of near rows on the page; report.json has all
EXCERPT = 160  # letters of a row


def write_left_out(made: LeftOut, folder: Path) -> Path:
    """Write `report.html`, `report.md`, `report.json` and `plots/` into a folder, and return the path of the page."""
    from tunesmith.comparison.plots import write_plots

    folder.mkdir(parents=True, exist_ok=True)
    drawn = panels(made)
    plots = write_plots({"clusters": drawn}, folder / "plots") if drawn else []
    tree: Any = finite({"verdict": verdict(made), "tunesmith": __version__, **made.as_tree()})
    write_text(folder / "report.json", json.dumps(tree, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    write_text(folder / "report.md", markdown(made, [path.relative_to(folder) for path in plots]))
    path = folder / "report.html"
    write_text(path, page(made, folder, drawn))
    return path


def verdict(made: LeftOut) -> str:
    """One sentence, no stronger than the tests allow."""
    judged = [one for one in made.clusters if one.gains]
    if not judged:
        return "No cluster has a metric with two ends, so there is no mean to tell."
    gains = [one.gains[BASE] for one in judged]
    better = sum(gain.corrected < ALPHA and gain.value.value > 0 for gain in gains)
    worse = sum(gain.corrected < ALPHA and gain.value.value < 0 for gain in gains)
    mean = made.overall[BASE].value
    told = f"on {better or 'none'} of {len(judged)} clusters"
    rest = f", and worse on {worse}" if worse else ""
    figures = f"mean gain {words.signed(mean.value)} ({ends(mean)})"
    return f"Tuned on the other clusters, the model is shown to be better {told} that it never learnt from{rest}; {figures}."


def facts(made: LeftOut) -> str:
    answers = sum(one.answers for one in made.tasks)
    return f"{len(made.clusters)} clusters, {len(made.tasks)} tasks, {answers:,} judged examples, seed {made.seed}"


def panels(made: LeftOut) -> list[Panel]:
    """Scores of each cluster under each system, and what learning the others gained over each."""
    judged = [one for one in made.clusters if one.scores]
    if not judged:
        return []
    return [_scores(made, judged), *(_gains(made, judged, system) for system in made.systems if system != OTHERS)]


def _scores(made: LeftOut, judged: Sequence[ClusterLeft]) -> Panel:
    rows = [(one.cluster, one.scores) for one in judged] + ([("mean", made.means)] if len(judged) > 1 else [])
    low, high = ends_of(score for _, scores in rows for score in scores.values())
    frame = _frame([name for name, _ in rows], (min(low, 0.0), high), 30)
    apart = 0.62 / max(1, len(made.systems))
    for row, (_, scores) in enumerate(rows):
        for place, system in enumerate(made.systems):
            if system in scores:
                up = row + (place - (len(made.systems) - 1) / 2) * apart
                _bar(frame, scores[system], up, place)
    _key(frame, made.systems)
    told = "; ".join(f"{name}: " + ", ".join(f"{s} {words.score(v.value)}" for s, v in scores.items()) for name, scores in rows)
    return Panel("clusters-scores", "Scores of what was left out", "1 is best; 95 % intervals", told, frame)


def _gains(made: LeftOut, judged: Sequence[ClusterLeft], system: str) -> Panel:
    rows: list[tuple[str, Gain]] = [(one.cluster, one.gains[system]) for one in judged]
    if len(judged) > 1:
        rows.append(("mean", made.overall[system]))
    frame = _frame([name for name, _ in rows], ends_of((gain.value for _, gain in rows), 0.0))
    frame.line([(0, -0.5), (0, len(rows) - 0.5)], "muted", 1)
    place = made.systems.index(OTHERS)
    for row, (_, gain) in enumerate(rows):
        _bar(frame, gain.value, row, place, sure=gain.corrected < ALPHA)
    told = "; ".join(f"{name} {words.signed(gain.value.value)}, p {words.chance(gain.corrected)}" for name, gain in rows)
    note = "filled: p below .05, Holm's over clusters; right is better"
    return Panel(f"clusters-over-{system}", f"Tuned on the others, against {system}", note, told, frame)


def _frame(names: Sequence[str], ends: tuple[float, float], head: float = 0.0) -> Frame:
    low, high = ends
    room = 0.05 * ((high - low) or 1.0)
    x = low - (room if low else 0.0), high + room
    above = head / ROW  # rows of room for the key
    ticks = [(float(row), words.short(words.task_name(name), 24)) for row, name in enumerate(names)]
    size = (WIDE, 36 + ROW * (len(names) + above))
    return Frame(size, x, (len(names) - 0.5, -0.5 - above), round_ticks(*x), ticks, 12, row_names=True)


def _bar(frame: Frame, told: Interval, up: float, place: int, sure: bool = True) -> None:
    frame.line([(told.low, up), (told.high, up)], place, 2, round=True)
    frame.mark((told.value, up), place, 7, place if sure else "paper", place, 1.6)


def _key(frame: Frame, systems: Sequence[str]) -> None:
    """Which mark is which, above the rows."""
    across = frame.left + 4
    for place, system in enumerate(systems):
        x, y = across, frame.top + 10
        value = frame.x[0] + (x - frame.left) / (frame.end - frame.left) * (frame.x[1] - frame.x[0])
        row = frame.y[0] + (frame.bottom - y) / (frame.bottom - frame.top) * (frame.y[1] - frame.y[0])
        frame.mark((value, row), place, 7, place)
        frame.marks.append(Text((x + 8, y), system, "ink", 10))
        across += 22 + 5.9 * len(system)


def heads(made: LeftOut) -> list[tuple[str, str]]:
    """Heading and small print of each column of the table of clusters, the cluster's name aside."""
    gains = [(f"Against {system}", "gain, p") for system in made.systems if system != OTHERS]
    return [("Tasks", "judged, learnt"), *((system.capitalize(), "") for system in made.systems), *gains]


def cells(made: LeftOut, one: ClusterLeft) -> list[Cell]:
    """A cluster's cells, one a column."""
    away = f", {len(one.away)} with it" if one.away else ""
    found = [Cell(f"{len(one.tasks)}", f"{len(one.learnt)} learnt{away}")]
    return [*found, *_figures(made, one.scores, one.gains)]


def mean_cells(made: LeftOut) -> list[Cell]:
    return [Cell(words.MISSING), *_figures(made, made.means, made.overall)]


def _figures(made: LeftOut, scores: Mapping[str, Interval], gains: Mapping[str, Gain]) -> Iterator[Cell]:
    for system in made.systems:
        told = scores.get(system)
        yield Cell(words.score(told.value), ends(told), "sure" if system == OTHERS else "") if told else Cell(words.MISSING)
    for system in made.systems:
        if system != OTHERS:
            gain = gains.get(system)
            yield _gain(gain) if gain else Cell(words.MISSING)


def _gain(gain: Gain) -> Cell:
    sure = gain.corrected < ALPHA
    tone = ("good" if gain.value.value > 0 else "bad") if sure else ""
    return Cell(
        words.signed(gain.value.value),
        f"{ends(gain.value)}, p\u00a0{words.chance(gain.corrected)}".replace("< ", "<\u00a0"),
        tone,
    )


def task_heads(made: LeftOut) -> list[tuple[str, str]]:
    return [
        ("Cluster", ""),
        ("Metric", "examples"),
        ("Chance", ""),
        *((one.capitalize(), "") for one in made.systems),
        ("Gain", "over zero-shot"),
    ]


def task_cells(made: LeftOut, one: TaskLeft) -> list[Cell]:
    """A task's cells, one a column; scores as its metric has them."""
    scores = [one.scores.get(system) for system in made.systems]
    metric = words.label(one.metric) + ("" if one.higher_is_better else ", lower is better")
    return [
        Cell(one.cluster),
        Cell(metric, f"{one.answers:,}" + ("" if one.counted else ", not in the mean")),
        Cell(words.score(one.chance)),
        *(Cell(words.score(told.value), ends(told)) if told else Cell(words.MISSING) for told in scores),
        Cell(words.signed(one.gain.value), ends(one.gain)),
    ]


def warnings(made: LeftOut) -> Iterator[str]:
    for name, reason in made.missing.items():
        yield f"The run {name} failed and is left out: {reason}"
    many = [one for one in made.near if one.rows >= 0.05 * one.asked]
    if many:
        pairs = "; ".join(f"{100 * one.rows / one.asked:.0f} % of {one.judged} in {one.learnt}" for one in many[:4])
        yield f"Judged rows stand, nearly, among what was learnt instead: {pairs}. Such a gain may be that of rows, not of kin."


def near_rows(made: LeftOut) -> list[list[str]]:
    """Near duplicates across clusters, the largest shares first."""
    return [
        [
            one.cluster,
            one.judged,
            one.learnt,
            f"{one.rows} of {one.asked}",
            f"{one.nearest:.2f}",
            words.short(" ".join(one.texts[0].split()), EXCERPT),
            words.short(" ".join(one.texts[1].split()), EXCERPT),
        ]
        for one in made.near[:SHOWN]
    ]


NEAR_HEADS = ("Left out", "Judged task", "Learnt task", "Rows", "Nearest", "Judged row", "Learnt row")


def notes(made: LeftOut) -> Iterator[tuple[str, str]]:
    """Headings and paragraphs: how it was made, and what it can say."""
    yield "What is left out", RULE
    yield "Tests", TESTS
    yield (
        "Systems",
        "Zero-shot and few-shot are the untuned model. Tuned on all has learnt from training rows of the very tasks that "
        "judge: what is between it and tuned on the others is what no other cluster could teach.",
    )
    yield (
        "Seeds",
        f"Each cluster was left out in one run, with seed {made.seed}: intervals do not tell what another would have given.",
    )
    if any(one.chance is not None for one in made.tasks):
        yield "Chance", "One over the number of choices: what choosing blindly would score."


def markdown(made: LeftOut, plots: Sequence[Path] = ()) -> str:
    """The whole page as Markdown; `plots` are paths relative to the file."""

    def lines(head: list[tuple[str, str]], body: Sequence[tuple[str, list[Cell]]], first: str) -> str:
        names = [first, *(f"{name} ({note})" if note else name for name, note in head)]
        return markdown_table(
            names, ([name, *(f"{c.text} ({c.small})" if c.small else c.text for c in own)] for name, own in body)
        )

    body = [(one.cluster, cells(made, one)) for one in made.clusters]
    parts = [
        f"# {escape(verdict(made))}",
        f"{escape(made.name)}: {escape(facts(made))}.",
        *(f"**Mind.** {escape(text)}" for text in warnings(made)),
        lines(heads(made), [*body, ("mean", mean_cells(made))], "Cluster left out"),
        *(f"![{path.stem}]({path.as_posix()})" for path in plots if path.suffix == ".png" and "-dark" not in path.stem),
        "## Tasks",
        lines(task_heads(made), [(one.task, task_cells(made, one)) for one in made.tasks], "Task"),
        "## Rows that stand in two clusters",
        markdown_table(list(NEAR_HEADS), near_rows(made)) if made.near else "None was found.",
        *(f"**{heading}.** {escape(text)}" for heading, text in notes(made)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def page(made: LeftOut, folder: Path, drawn: Sequence[Panel] | None = None) -> str:
    """The page as HTML: no file or address is fetched by it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from tunesmith.comparison.plots import inline

    environment = Environment(loader=PackageLoader("tunesmith.comparison", "."), autoescape=True, undefined=StrictUndefined)
    shown = panels(made) if drawn is None else drawn
    return environment.get_template("left_out.html.jinja").render(
        made=made,
        verdict=verdict(made),
        facts=facts(made),
        warnings=list(warnings(made)),
        columns=heads(made),
        table=[(one, cells(made, one)) for one in made.clusters],
        mean=mean_cells(made) if len(made.clusters) > 1 else None,
        task_columns=task_heads(made),
        tasks=[(one.task, task_cells(made, one)) for one in made.tasks],
        near_heads=NEAR_HEADS,
        near=near_rows(made),
        pictures=[(panel, Markup(inline(panel))) for panel in shown],
        notes=list(notes(made)),
        command=" ".join(["tunesmith", "compare", *(shlex.quote(str(folder / "runs" / one)) for one in ("base", "all"))]),
        version=__version__,
        marks=[Markup(shape) for shape in MARKS],
        light=Markup(variables(LIGHT)),
        dark=Markup(variables(DARK)),
    )


def terminal_table(made: LeftOut) -> "Group":
    """A rich renderable: the verdict, what to mind, a line a cluster."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    table.add_column("cluster left out", no_wrap=True)
    for heading in (*made.systems, "gain", "p"):
        table.add_column(heading, justify="right")
    rows = [(one.cluster, one.scores, one.gains.get(BASE)) for one in made.clusters]
    for name, scores, gain in [*rows, ("mean", made.means, made.overall.get(BASE))]:
        figures = [words.score(scores[system].value) if system in scores else words.MISSING for system in made.systems]
        style = "" if gain is None or gain.corrected >= ALPHA else "bold green" if gain.value.value > 0 else "bold red"
        told = ("", "") if gain is None else (words.signed(gain.value.value), words.chance(gain.corrected))
        table.add_row(Text(name), *figures, Text(told[0], style=style), told[1])
    mind = [Text(f"Mind: {text}", style="yellow") for text in warnings(made)]
    return Group(Text(verdict(made), style="bold"), Padding(table, (1, 0)), *mind)
