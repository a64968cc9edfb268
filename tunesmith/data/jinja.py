"""Jinja as promptsource speaks it: `prompt ||| answer`, answer choices, its filters; sandboxed and without chance.

promptsource (Bach et al. 2022, "PromptSource: An Integrated Development Environment and Repository for Natural Language
Prompts") draws `choice` at random; here the draw depends only on the row and the template, so a row is always put the same way.
"""

import json
import random
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import ChainableUndefined, StrictUndefined, Template, TemplateSyntaxError, UndefinedError, meta, nodes, pass_context
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tunesmith.data.bounds import WORK, Bounded, OverrunError, Work, bind, is_plain, watched
from tunesmith.errors import UserError

BAR = "|||"
LONGEST = 100_000  # letters of a wording
MOST_TAGS = 2_000
MOST_PARTS = 10_000  # of a wording: names, texts, filters ...
DEEPEST = 150  # parts of a wording, one inside the other
# A bar that the template itself says. No text of a row is taken for it: it is drawn for each process, of letters without use.
_OWN_BAR = "".join(chr(0x100000 + secrets.randbelow(0xFFFD)) for _ in range(6))
_DICE = "draws of this rendering"  # no template can name it
_FOREIGN = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


class Dice:
    """Draws that depend on the template and the row alone; nothing is computed for a template that draws nothing."""

    def __init__(self, template: str, row: Mapping[str, Any]) -> None:
        self.template = template
        self.row = row
        self._random: random.Random | None = None

    def draw(self, size: int) -> int:
        """A number in [0, size)."""
        if self._random is None:
            self._random = random.Random(repr((self.template, sorted(self.row.items(), key=lambda item: str(item[0])))))
        return int(self._random.random() * size)

    def again(self) -> "Dice":
        """The same draws from the start."""
        return Dice(self.template, self.row)


class Choices(list[str]):
    """Answer choices, in which a label of -1 (promptsource's data sets hide labels so) is no choice, not the last one."""

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, int) and at < 0:
            raise IndexError(at)
        return super().__getitem__(at)


class Absent(ChainableUndefined):
    """A column of the answer, in a row that has none: whatever is done with it, nothing is printed."""

    def _itself(self, *_: object) -> "Absent":
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _itself  # type: ignore[assignment]
    __call__ = __neg__ = __pos__ = __round__ = _itself  # type: ignore[assignment]


@pass_context
def _choice(context: Context, items: Sequence[object]) -> object:
    return items[context[_DICE].draw(len(items))]


@pass_context
def _shuffled(context: Context, items: Iterable[object]) -> list[object]:
    """The items in an order drawn for the row (Fisher and Yates)."""
    listed = list(items)
    for last in range(len(listed) - 1, 0, -1):
        other = context[_DICE].draw(last + 1)
        listed[last], listed[other] = listed[other], listed[last]
    return listed


def _most_frequent(items: Sequence[Any]) -> list[Any] | None:
    """All items that stand most often in `items`."""
    counts = Counter(items).most_common()
    return [item for item, count in counts if count == counts[0][1]] if items else None


def _highlight(text: str) -> str:
    return "<span style='color: #F08080'>" + text + "</span>"


def _dressed(environment: ImmutableSandboxedEnvironment) -> ImmutableSandboxedEnvironment:
    """What promptsource's templates may use; nothing is drawn but by `Dice`."""
    drawn = {"zip": zip, "choice": _choice, "most_frequent": _most_frequent, "shuffle": _shuffled}
    environment.globals.update(drawn)
    environment.filters.update(drawn, random=_choice, highlight=_highlight)
    del environment.globals["lipsum"]
    return environment


def _bounded(undefined: type[ChainableUndefined | StrictUndefined], **how: Any) -> Bounded:
    environment = Bounded(undefined=undefined, **how)
    _dressed(environment)
    bind(environment)
    return environment


_UNDEFINED: Mapping[bool, type[ChainableUndefined | StrictUndefined]] = {False: StrictUndefined, True: Absent}
PLAIN = {lenient: _dressed(ImmutableSandboxedEnvironment(undefined=kind)) for lenient, kind in _UNDEFINED.items()}
BOUNDED = {lenient: _bounded(kind) for lenient, kind in _UNDEFINED.items()}
ENVIRONMENT = PLAIN[False]


CHATTING = _bounded(ChainableUndefined, trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])


CHATTING.filters["tojson"] = lambda value, **_: json.dumps(value, default=str)
_SPOKEN = re.compile(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}")  # transformers' tag around what an assistant says


def parsed(source: str, environment: ImmutableSandboxedEnvironment = ENVIRONMENT) -> nodes.Template:
    """The tree of a template; a `UserError` names the line where its syntax is wrong."""
    if len(source) > LONGEST:
        raise UserError(
            f"the wording `{_short(source)}` has {len(source):,} letters, and may have {LONGEST:,}",
            "put what is long into columns of the rows",
        )
    if (tags := source.count("{{") + source.count("{%")) > MOST_TAGS:
        raise UserError(f"the wording `{_short(source)}` has {tags:,} tags, and may have {MOST_TAGS:,}", "write it shorter")
    try:
        tree = environment.parse(source)
        deep, parts = measured(tree)
    except TemplateSyntaxError as error:
        raise UserError(f"line {error.lineno} of the wording `{_short(source)}` is not Jinja: {error.message}") from None
    except Exception as error:  # such as brackets that nest too deep, or numbers of too many digits
        raise UserError(f"the wording `{_short(source)}` is not Jinja: {type(error).__name__}: {error}") from None
    if parts > MOST_PARTS:
        raise UserError(f"the wording `{_short(source)}` has {parts:,} parts, and may have {MOST_PARTS:,}", "write it shorter")
    if deep > DEEPEST:
        raise UserError(f"the wording `{_short(source)}` nests {deep} deep, and may nest {DEEPEST} deep", "write it flatter")
    for foreign in tree.find_all(_FOREIGN):
        raise UserError(
            f"line {foreign.lineno} of the wording `{_short(source)}` asks for another file", "write the wording in one piece"
        )
    return tree


def measured(tree: nodes.Node) -> tuple[int, int]:
    """(how deep the parts of a template nest: what walks through it calls itself so often; how many they are)."""
    level, parts, found = 0, 0, [tree]
    while found:
        level, parts = level + 1, parts + len(found)
        found = [inner for one in found for inner in one.iter_child_nodes()]
    return level, parts


@lru_cache(maxsize=4096)
def compiled(source: str, lenient: bool = False) -> Template:
    """The compiled template; a `UserError` names the line where its syntax is wrong."""
    barred = source.replace(BAR, _OWN_BAR)
    try:
        tree = parsed(barred)
    except UserError as error:
        raise UserError(error.problem.replace(_OWN_BAR, BAR), error.hint) from None
    environment: ImmutableSandboxedEnvironment = PLAIN[lenient]
    try:
        if is_plain(tree):
            made = environment.from_string(barred)
        else:
            environment = BOUNDED[lenient]
            made = environment.from_string(watched(environment.parse(barred), BOUNDED[lenient]))
    except TemplateSyntaxError as error:
        raise UserError(f"line {error.lineno} of the wording `{_short(source)}` is not Jinja: {error.message}") from None
    except Exception as error:  # such as blocks that nest too deep for Python
        raise UserError(f"the wording `{_short(source)}` is not Jinja: {type(error).__name__}: {error}") from None
    made.globals = dict(made.globals)  # Jinja's chain of mappings takes as long to copy as the row takes to render
    return made


@lru_cache(maxsize=4096)
def variables(source: str) -> frozenset[str]:
    """Names that a template looks up in a row."""
    compiled(source)
    return frozenset(meta.find_undeclared_variables(ENVIRONMENT.parse(source)) | shadowing(source)) - {"answer_choices"}


@lru_cache(maxsize=4096)
def shadowing(source: str) -> frozenset[str]:
    """Columns that are called like something that templates may call, such as `range`."""
    tree = parsed(source)
    called = {id(call.node) for call in tree.find_all(nodes.Call)}
    names = list(tree.find_all(nodes.Name))
    stored = {one.name for one in names if one.ctx != "load"}
    printed = {one.name for one in names if one.ctx == "load" and id(one) not in called}
    return frozenset(printed & ENVIRONMENT.globals.keys() - stored)


@lru_cache(maxsize=4096)
def printed(source: str) -> frozenset[str]:
    """Variables that are printed as they are, whatever the row: outside every block, and through no filter."""
    shown = (one for output in parsed(source).body if isinstance(output, nodes.Output) for one in output.nodes)
    return frozenset(one.name for one in shown if isinstance(one, nodes.Name)) - {"answer_choices"}


@lru_cache(maxsize=4096)
def line_of(source: str, name: str) -> int | None:
    """The line of a template in which a column is first looked up, from 1; None: nowhere."""
    return min((one.lineno for one in parsed(source).find_all(nodes.Name) if one.name == name), default=None)


def line_at(error: BaseException) -> int | None:
    """The line of the template in which a rendering failed, from 1."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in ("<template>", "<unknown>"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


@lru_cache(maxsize=4096)
def halves(source: str) -> tuple[str, str] | None:
    """The source of the prompt and of the answer, where the bar stands outside every block; None elsewhere."""
    prompt, bar, answer = source.partition(BAR)
    try:
        for half in (prompt, answer):
            parsed(half)
    except UserError:
        return None
    return (prompt, answer) if bar else None


@lru_cache(maxsize=4096)
def shown_before_bar(source: str) -> frozenset[str]:
    """Variables printed before the first bar, wherever that stands."""
    compiled(source)
    names, printing = set(), False
    for _, kind, value in ENVIRONMENT.lex(source):
        if kind == "data" and BAR in value:
            break
        printing = (printing or kind == "variable_begin") and kind != "variable_end"
        if printing and kind == "name":
            names.add(value)
    return frozenset(names) & variables(source)


def render(
    source: str,
    row: Mapping[str, Any],
    answer_choices: Sequence[str] | None,
    dice: Dice,
    strip: bool = True,
    lenient: bool = False,
) -> list[str]:
    """The pieces of a rendered template between its bars. Bars inside the row's own text do not split.

    lenient: what the row lacks is printed as nothing.
    """
    known = Choices(answer_choices) if answer_choices is not None else None
    own = {} if known is None and "answer_choices" in row else {"answer_choices": known}
    text = compiled(source, lenient).render({**row, **own, _DICE: dice, WORK: Work(len(source))})
    return [piece.strip() if strip else piece for piece in text.split(_OWN_BAR)]


def rendered_within_bounds(source: str, values: Mapping[str, Any]) -> str | None:
    """What a chat template of transformers' kind renders, with its work charged; None where it fails otherwise.

    Raises:
        OverrunError: it loops or grows without an end.
    """
    source = _SPOKEN.sub(lambda tag: f"{{%{tag[1]} {'endif' if tag[2] else 'if true'} {tag[3]}%}}", source)
    try:
        made = CHATTING.from_string(watched(CHATTING.parse(source), CHATTING))
        text: str = made.render({**values, _DICE: Dice(source, {}), WORK: Work(len(source))})
    except OverrunError:
        raise
    except RecursionError:
        raise OverrunError("calls itself without an end") from None
    except Exception:  # it wants something else than it was given here, and will say so where it is used
        return None
    return text


def value_of(expression: str, row: Mapping[str, Any]) -> object:
    """The value of a Jinja expression, e.g. `summaries` or `answers.text`; None where a name of it is not in the row."""
    if expression.isidentifier():
        return row.get(expression)
    made = compiled(f"{{% set value = {expression} %}}")
    context = made.new_context({**row, _DICE: Dice(expression, row), WORK: Work(len(expression))})
    try:
        for _ in made.root_render_func(context):
            pass
    except UndefinedError:
        return None
    except Exception as error:
        raise UserError(f"`{_short(expression)}` fails: {error}", "it is a Jinja expression over columns of the row") from None
    value = context.vars.get("value")
    return None if isinstance(value, Undefined) else value


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


@lru_cache(maxsize=4096)
def around(source: str) -> tuple[str, ...]:
    """The texts of a prompt that stand around what the row says, in order; none where the template chooses among its texts."""
    compiled(source)
    split = halves(source)
    pieces = list(ENVIRONMENT.lex(split[0] if split else source))
    if any(kind in ("block_begin", "raw_begin") for _, kind, _ in pieces):
        return ()
    texts = [value if kind == "data" else "" for _, kind, value in pieces]
    texts[:1], texts[-1:] = [text.lstrip() for text in texts[:1]], [text.rstrip() for text in texts[-1:]]
    return tuple(filter(None, texts))
