"""A study as a page that stands alone, as Markdown, as JSON, as plots, and as a table for the terminal."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith import __version__
from tunesmith.comparison import words
from tunesmith.comparison.colours import DARK, LIGHT
from tunesmith.comparison.curve import LAW, Curve
from tunesmith.comparison.curve import RULE as CURVE_RULE
from tunesmith.comparison.markdown import escape
from tunesmith.comparison.markdown import table as markdown_table
from tunesmith.comparison.panels import Panel
from tunesmith.comparison.report import finite, variables
from tunesmith.comparison.rows import Cell, ends
from tunesmith.comparison.study import RULE, Arm, Study
from tunesmith.comparison.study_panels import groups, in_order
from tunesmith.run import write_text

if TYPE_CHECKING:
    from rich.console import Group


def write_study(made: Study, folder: Path) -> Path:
    """Write `report.html`, `report.md`, `report.json` and `plots/` into a folder, and return the path of the page."""
    from tunesmith.comparison.plots import write_plots

    folder.mkdir(parents=True, exist_ok=True)
    panels = groups(made)
    plots = write_plots(panels, folder / "plots")
    write_text(folder / "report.json", json.dumps(plain(made), ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    write_text(folder / "report.md", markdown(made, [path.relative_to(folder) for path in plots]))
    path = folder / "report.html"
    write_text(path, page(made, folder, panels))
    return path


def plain(made: Study) -> dict[str, Any]:
    """The study as JSON can hold it: nan and infinities become null."""
    tree: Any = finite({"verdict": verdict(made), "tunesmith": __version__, **made.as_tree()})
    return dict(tree)


def verdict(made: Study) -> str:
    """One sentence, no stronger than the intervals allow."""
    if made.curves:
        told = " ".join(curve_told(made, curve) for curve in made.curves)
        return told[0].upper() + told[1:]
    said = chosen_told(made)
    if len(made.plateaus) == 1:
        return f"{'; '.join(filter(None, [plateau_told(made), said]))}."
    if made.top is None:
        return f"{said or 'No arm can be named the best'}."
    top, name = made.arm(made.top), made.measures[0].name
    metric = words.label(name)
    if made.best not in (made.top, None) and made.arm(made.best).scores:
        best = made.arm(made.best)
        other = f"the best, {words.score(top.scores[name].value)} of {made.top}"
        score = words.score(best.scores[name].value)
        return f"{said}; its {metric}, {score}, {'cannot be told from' if best.level else 'is worse than'} {other}."
    others = [arm for arm in made.arms if arm.behind is not None and arm.name != made.top]
    level = sum(arm.level for arm in others)
    some = "the other" if len(others) == 1 else f"{level} of the other {len(others)}"
    rest = f"{some} cannot be told from it" if level else "every other arm is worse"
    first = (
        f"{said}, and the best {metric}" if made.best == made.top else f"{made.top} has the best {metric} on the test examples"
    )
    if made.best not in (made.top, None):
        first = f"{said}; {first}"
    return f"{first}, {words.score(top.scores[name].value)}" + (f"; {rest}." if others else ".")


def chosen_told(made: Study) -> str:
    """Which arm to take, in words; empty where none is named."""
    if made.best is None:
        return ""
    best = made.arm(made.best)
    if made.chosen == "score":
        return f"{made.best} has the best score on the validation examples, {words.score(abs(best.validated or 0.0))}"
    return f"{made.best} has the lowest validation loss, {words.score(best.validation.value)}"


def curve_told(made: Study, curve: Curve) -> str:
    """Where a curve flattens, in words."""
    metric, largest = words.label(made.measures[0].name), f"{curve.sizes[-1]:,}"
    where = f"{curve.where}: " if len(made.curves) > 1 else ""
    if curve.flat == 0:
        return f"{where}no number of examples up to {largest} can be told from none by its {metric}."
    gained = f"{words.score(curve.gains[0].value)} over {curve.sizes[0] or 'none'}"
    if curve.flat is None:
        over = f"{words.score(curve.gains[-2].value)} over {curve.sizes[-2]:,}"
        return f"{where}the curve has not flattened at {largest} examples: their gain in {metric}, {over}, can be told."
    last = curve.gains[curve.sizes.index(curve.flat)]
    return (
        f"{where}the curve flattens at {curve.flat:,} examples: what {largest} gain over them in {metric}, "
        f"{words.score(last.value)} ({words.score(last.low)} to {words.score(last.high)}), cannot be told from nought; "
        f"all gain {gained}."
    )


def doubled(curve: Curve) -> str:
    """What a fit predicts for twice the examples, in words; empty without a fit."""
    if curve.fit is None:
        return ""
    gain, where = curve.fit.doubling, f"{curve.where}: " if curve.where else ""
    return (
        f"{where}by the fitted power law, {words.score(curve.fit.a)} - {curve.fit.b:.3g} n^-{curve.fit.c:.2g}, twice the "
        f"{curve.sizes[-1]:,} examples would gain {words.score(gain.value)} ({ends(gain)})."
    )


def plateau_told(made: Study) -> str:
    """The one plateau, in words."""
    [plateau] = made.plateaus
    metric = words.label(made.measures[0].name)
    axis = plateau.setting.rpartition(".")[2].replace("_", " ")
    value = {name: made.arm(name).values[plateau.setting] for name in (plateau.arm, plateau.best, plateau.until)}
    first, best, last = value[plateau.arm], value[plateau.best], value[plateau.until]
    beyond = {
        "worse": f"; above {axis} {last} it is worse",
        "mixed": f"; above {axis} {last} that does not hold",
        "not known": f"; not every larger {axis} came to the end",
    }
    after = beyond.get(plateau.beyond, "")
    if plateau.arm == plateau.best:
        smaller = [arm for arm in made.arms if arm.values.get(plateau.setting, best) < best]
        more = f", and every smaller {axis} tried is worse" if smaller else f", and no smaller {axis} was tried"
        if any(arm.behind is None for arm in smaller):
            more = " of those that were asked; smaller ones did not come to the end"
        return f"{axis.capitalize()} {best} has the best {metric}{more}{after}"
    reach = f"to {last}" if after else "on"
    return f"From {axis} {first} {reach}, {metric} cannot be told from the best ({axis} {best}){after}"


def columns(made: Study) -> list[tuple[str, str]]:
    """Heading and small print of each column behind the arm's name."""
    metrics = [(words.label(measure.name), "") for measure in made.measures]
    behind = [("Behind the best", words.label(made.measures[0].name))] if made.measures else []
    stopped = [("Share", "of the steps")] if any(arm.share < 1 for arm in made.arms) else []
    scale = [("Scale", "of the change")] if made.scaling or any("scale of the change" in text for text in made.warnings) else []
    spread = "lowest to highest seed" if len(made.seeds) > 1 else "nats a token"
    scored = [("Validation score", "higher is better")] if any(arm.validated is not None for arm in made.arms) else []
    return [
        ("Validation loss", spread),
        *scored,
        *metrics,
        *behind,
        ("Trained", "parameters"),
        ("Training", "a run"),
        *scale,
        *stopped,
    ]


def row(made: Study, arm: Arm) -> list[Cell]:
    """An arm's cells, one a column."""
    spread = ends(arm.validation) if len(arm.seeds) > 1 and arm.validation.value == arm.validation.value else ""
    tone = {made.chosen: "sure" if arm.name == made.best else ""}
    cells = [Cell(words.score(arm.validation.value), spread, tone.get("loss", ""))]
    if any(one.validated is not None for one in made.arms):
        cells.append(Cell(words.score(arm.validated), "", tone.get("score", "")))
    for measure in made.measures:
        told = arm.scores.get(measure.name)
        cells.append(Cell(words.score(told.value), ends(told)) if told else Cell(words.MISSING))
    for heading, _ in columns(made)[len(cells) :]:
        cells.append(_cell(made, arm, heading))
    return cells


def _cell(made: Study, arm: Arm, heading: str) -> Cell:
    match heading:
        case "Behind the best":
            return _behind(made, arm)
        case "Trained":
            return Cell(words.count(arm.trained))
        case "Training":
            return Cell(words.seconds(arm.seconds))
        case "Scale":
            return Cell(words.MISSING if arm.scale is None else f"{arm.scale:g}")
        case _:
            return Cell(words.percent(arm.share), "failed" if arm.failed else "" if arm.share == 1 else "then dropped")


def _behind(made: Study, arm: Arm) -> Cell:
    if arm.behind is None or arm.name == made.top:
        why = "some seeds failed" if arm.failed and arm.scores else "not answered"
        return Cell(words.MISSING, "the best" if arm.name == made.top else why)
    small = ends(arm.behind) + (", level" if arm.level else "")
    return Cell(words.score(arm.behind.value), small, "" if arm.level else "bad")


def notes(made: Study) -> Iterator[tuple[str, str]]:
    """Headings and paragraphs: how it was made, and what it can say."""
    if made.scaling:
        yield "Scale and rank", made.scaling
    yield "How arms were tried", made.how
    by = "best score on the validation examples" if made.chosen == "score" else "lowest validation loss"
    if made.best is not None:
        yield (
            "Choosing",
            f"The arm to take is that with the {by} (of the weights that each run keeps, then the mean over seeds): the test "
            "examples had no part in it. Choosing by a test score instead would flatter the arm that is chosen.",
        )
    if made.times:
        yield "Times", made.times
    if made.measures:
        many = len(made.seeds)
        seeds = f"the {many} seeds and the examples" if many > 1 else "the examples"
        few = " So few seeds understate how far seeds differ." if 1 < many < 6 else ""
        yield (
            "Intervals",
            f"95 % percentile intervals from {made.draws:,} bootstrap draws over {seeds}, the same draws for every arm, so "
            f"that differences are paired.{few} They are not corrected for the number of arms: the best of many is part luck.",
        )
    if made.plateaus:
        yield "Plateau", RULE
    if made.curves:
        fitted = any(curve.fit for curve in made.curves)
        without = "" if fitted else "No power law is drawn: there are too few sizes, no gain that can be told, or another form."
        yield "Where the curve flattens", CURVE_RULE + (LAW if fitted else without)


def facts(made: Study) -> str:
    seeds = f"seeds {', '.join(map(str, made.seeds))}" if len(made.seeds) > 1 else f"seed {made.seeds[0]}"
    return f"{len(made.arms)} arms, {seeds}, {made.examples:,} examples of {made.main or 'no task'}"


def markdown(made: Study, plots: Sequence[Path] = ()) -> str:
    """The whole page as Markdown; `plots` are paths relative to the file."""
    head = ["Arm", *(" ".join(filter(None, [name, f"({note})" if note else ""])) for name, note in columns(made))]
    body = ([arm.name, *(f"{c.text} ({c.small})" if c.small else c.text for c in row(made, arm))] for arm in in_order(made))
    parts = [
        f"# {escape(verdict(made))}",
        f"{escape(made.name)}: {escape(facts(made))}.",
        *(f"**Warning.** {escape(text)}" for text in made.warnings),
        escape(made.scaling),
        *(escape(doubled(curve)) for curve in made.curves),
        markdown_table(head, body),
        *(f"![{path.stem}]({path.as_posix()})" for path in plots if path.suffix == ".png" and "-dark" not in path.stem),
        *(f"**{heading}.** {escape(text)}" for heading, text in notes(made) if heading != "Scale and rank"),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def page(made: Study, folder: Path, panels: Mapping[str, Sequence[Panel]] | None = None) -> str:
    """The page as HTML: no file or address is fetched by it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from tunesmith.comparison.plots import inline

    environment = Environment(loader=PackageLoader("tunesmith.comparison", "."), autoescape=True, undefined=StrictUndefined)
    found = panels or groups(made)
    return environment.get_template("study.html.jinja").render(
        made=made,
        verdict=verdict(made),
        facts=facts(made),
        columns=columns(made),
        table=[(arm, row(made, arm)) for arm in in_order(made)],
        begins={plateau.arm for plateau in made.plateaus},
        flattens={curve.arm for curve in made.curves if curve.arm},
        doubled=[text for curve in made.curves if (text := doubled(curve))],
        pictures={name: [(panel, Markup(inline(panel))) for panel in some] for name, some in found.items()},
        notes=list(notes(made)),
        command=command(made, folder),
        version=__version__,
        light=Markup(variables(LIGHT)),
        dark=Markup(variables(DARK)),
    )


def command(made: Study, folder: Path) -> str:
    """What to type to see the finished runs side by side: the whole folder, or the runs that were asked."""
    whole = all(len(arm.answered) == len(arm.seeds) and not arm.failed for arm in made.arms)
    named = [str(folder)] if whole else [name for arm in made.arms for name in arm.answered]
    return " ".join(["tunesmith", "compare", *map(shlex.quote, named)])


def terminal_table(made: Study) -> "Group":
    """A rich renderable: the verdict, warnings, a line an arm."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    shown = made.measures[:3]
    table = Table(box=None, pad_edge=False, padding=(0, 1), collapse_padding=True, header_style="dim")
    table.add_column("", no_wrap=True, overflow="ellipsis", max_width=34)
    for heading in ("val. loss", *(words.label(measure.name) for measure in shown), "behind", "", "trained"):
        table.add_column(heading, justify="right", no_wrap=True)
    begins, flat = {plateau.arm for plateau in made.plateaus}, {curve.arm for curve in made.curves}
    for arm in in_order(made):
        behind = words.MISSING if arm.behind is None or arm.name == made.top else words.score(arm.behind.value)
        mark = "plateau" if arm.name in begins else "best" if arm.name == made.top else "level" if arm.level else ""
        if arm.name in flat:
            mark = "flattens"
        if arm.failed:
            mark = "failed"
        elif arm.share < 1:
            mark = f"left at {words.percent(arm.share)}"
        scores = (words.score(arm.scores[m.name].value) if m.name in arm.scores else words.MISSING for m in shown)
        lowest = Text(words.score(arm.validation.value), style="bold green" if arm.name == made.best else "")
        table.add_row(Text(arm.name), lowest, *scores, behind, Text(mark, style="dim"), words.count(arm.trained))
    told = [Text(verdict(made), style="bold"), *(Text(f"Warning: {text}", style="yellow") for text in made.warnings)]
    more = [Text(made.scaling, style="dim")] if made.scaling else []
    more += [Text(text) for curve in made.curves if (text := doubled(curve))]
    return Group(*told, Padding(table, (1, 0)), *more)
