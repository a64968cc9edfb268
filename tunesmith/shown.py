"""What `tunesmith show` prints: every token, with what is learnt, special tokens and white space to be seen."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tunesmith.data import rates
from tunesmith.showing import ShownExample, ShownTask

STYLES = {
    (False, ""): "",
    (True, ""): "bold green underline",
    (False, "special"): "magenta",
    (True, "special"): "bold magenta underline",
    (False, "added"): "cyan",
    (True, "added"): "bold cyan underline",
    (False, "unknown"): "bold red",
    (True, "unknown"): "bold red underline",
}
OPEN, CLOSE = "⟦", "⟧"  # around what is learnt, where there are no colours
BLANK, TAB, RETURN, END = "·", "⇥", "␍", "↵"
WHITE = (BLANK, TAB, RETURN, f"{END}\n")
Letter = tuple[str, bool, str, str]  # letter; whether learnt; kind of token; weight as text behind a token


def rendered(shown: Sequence[ShownTask], colours: bool = True) -> RenderableType:
    """For a terminal; without `colours`, what is learnt stands in brackets."""
    parts: list[RenderableType] = [legend(colours), Text()]
    for task in shown:
        parts += [Text(task.name, style="bold"), Text(task.model, style="dim"), Text()]
        parts += [panel(example, task, colours) for example in (*task.examples, *task.asked)]
        parts += [table(task), Text("\n".join(task.lengths.verdict()) + "\n")]
    mixed = [task.portion for task in shown if task.portion is not None]
    if mixed:
        parts.append(Text("\n".join(["Tasks of the mixture", *rates.table(mixed), *rates.cautions(mixed)])))
    return Group(*parts)


def legend(colours: bool) -> Text:
    """What the marks mean."""
    learnt = Text("learnt", STYLES[True, ""]) if colours else Text(f"{OPEN}learnt{CLOSE}")
    special = Text("special token", STYLES[False, "special"]) if colours else Text("<special token>")
    marks = Text.assemble((BLANK, "dim"), " blank that is easily missed, ", (END, "dim"), " end of a line")
    return Text.assemble("read, ", learnt, ", ", special, "; ", marks)


def panel(example: ShownExample, task: ShownTask, colours: bool) -> Panel:
    """One example, or one question as it will be asked."""
    text = Text()
    if example.source:
        text.append_text(marked([(piece, 0.0) for piece in example.source], task, colours))
        text.append("\n⟶ ", style="cyan")
    text.append_text(marked(example.pieces, task, colours))
    learnt = sum(weight > 0 for _, weight in example.pieces)
    counted = f"{len(example.source) + len(example.pieces)} tokens, {learnt} learnt"
    title = example.id
    if example.asked is not None:
        text.append("\n⟶ ", style="cyan")
        text.append(example.asked, style="italic")
        title = f"asked: {example.id}, behind {example.shots} shot{'s' * (example.shots > 1)}"
        counted = f"{len(example.pieces)} tokens; to be answered as below the arrow"
    return Panel(text, title=Text(title), title_align="left", subtitle=Text(counted), subtitle_align="right")


def marked(pieces: Sequence[tuple[str, float]], task: ShownTask, colours: bool) -> Text:
    """Tokens as text with their marks."""
    text = Text()
    for (learnt, weight), run in groupby(_seen(list(_letters(pieces, task))), key=lambda one: (one[1], one[3])):
        text.append(OPEN if learnt and not colours else "")
        for (kind, white), part in groupby(run, key=lambda one: (one[2], one[0] in WHITE)):
            style = "dim underline" if learnt and white else "dim" if white else STYLES[learnt, kind]
            text.append("".join(letter for letter, *_ in part), style=style)
        text.append(f"×{weight}" if weight else "", style="cyan")
        text.append(CLOSE if learnt and not colours else "")
    return text


def _letters(pieces: Sequence[tuple[str, float]], task: ShownTask) -> Iterator[Letter]:
    for piece, weight in pieces:
        told = "" if weight in (0.0, 1.0) else f"{weight:g}"
        for letter in piece:
            yield letter, weight > 0, task.marks.get(piece, ""), told


def _seen(letters: Sequence[Letter]) -> Iterator[Letter]:
    """The letters, with marks for white space: ends of lines, and blanks beside one, beside each other, or at a border."""
    for place, (letter, learnt, kind, weight) in enumerate(letters):
        shown = letter
        if kind == "special":
            pass
        elif letter == "\n":
            shown = f"{END}\n"
        elif letter == "\t":
            shown = TAB
        elif letter == "\r":
            shown = RETURN
        elif letter == " ":
            beside = [letters[n] if 0 <= n < len(letters) else None for n in (place - 1, place + 1)]
            lost = any(one is None or one[0].isspace() or one[1] != learnt or one[2] != kind for one in beside)
            shown = BLANK if lost else " "
        yield shown, learnt, kind, weight


def table(task: ShownTask) -> Table:
    """How long all training examples of a task are."""
    made = Table(title=f"{task.name}: tokens", title_justify="left")
    header, rows = task.lengths.table()
    for name in header:
        made.add_column(name, justify="left" if name == header[0] else "right")
    for row in rows:
        made.add_row(*row)
    return made
