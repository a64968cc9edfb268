"""How much work a wording may do on one row: a template from elsewhere may be wrong, or hostile, and has to come to an end.

Jinja's sandbox keeps a template from running code; it bounds neither loops nor sizes. A template that only looks columns up
(`is_plain`) cannot do more than its length says, and runs as it is. Every other one is rewritten (`watched`) so that what its
loops, calls, filters and sums take is charged to the `Work` of this rendering; over `ROOM` it ends with an `OverrunError`.
"""

import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from jinja2 import nodes, pass_context
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

ROOM = 50_000_000  # letters and items that a rendering may touch
STEP = 1_000  # what a turn of a loop, or a call, is charged, besides its text
ITEM = 200  # what an item of a list is charged
WIDEST = 10_000  # of a number that says how wide or how many
DIGITS = 1_000_000  # bits of a whole number
WORK = "work of this rendering"  # no template can name it

Node = TypeVar("Node", bound=nodes.Node)

PLAIN = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Slice),
    *(nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Test, nodes.Concat),
    *(nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Add, nodes.Sub, nodes.Div, nodes.Neg, nodes.Pos),
)
# Filters whose value is hardly larger than what they are given.
SMALL = frozenset(
    (
        *("abs", "capitalize", "choice", "count", "d", "default", "e", "escape", "first", "float", "int", "items"),
        *("last", "length", "list", "lower", "max", "min", "most_frequent", "random", "reverse", "select", "reject"),
        *("shuffle", "sort", "string", "sum", "title", "trim", "unique", "upper", "wordcount", "zip"),
    )
)


APIECE = ("select", "reject", "selectattr", "rejectattr", "map", "sum")  # filters that do something to each item


class OverrunError(Exception):
    """A wording wants more than a rendering may take."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the wording {what}")


class Work:
    """What one rendering has taken so far.

    letters: of the template, charged again with each turn of a loop.
    """

    def __init__(self, letters: int) -> None:
        self.step = STEP + letters
        self.left = ROOM

    def charge(self, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise OverrunError(f"loops, or grows, without an end: a row may take {ROOM:,} letters of work")

    def weigh(self, value: object) -> None:
        """Charge the size of a value, with all that stands in it."""
        stack = [value]
        while stack:
            one = stack.pop()
            if isinstance(one, (str, bytes)):
                self.charge(len(one))
            elif isinstance(one, int):
                self.charge(one.bit_length() // 3)
            elif isinstance(one, Mapping):
                self.charge(ITEM * len(one))
                stack.extend([*one.keys(), *one.values()])
            elif isinstance(one, (list, tuple, set, frozenset)):
                self.charge(ITEM * len(one))
                stack.extend(one)

    def glance(self, value: object) -> None:
        """Charge what it takes to look a value through once, but not what stands in it."""
        if isinstance(value, (str, bytes)):
            self.charge(len(value) // 8)
        elif isinstance(value, (Mapping, list, tuple, set, frozenset)):
            self.charge(ITEM // 8 * len(value))


def is_plain(tree: nodes.Template) -> bool:
    """Whether a template can do no more than its length says."""
    for node in tree.find_all(nodes.Node):
        if isinstance(node, nodes.Filter):
            joins = node.name == "join" and all(isinstance(one, nodes.Const) for one in node.args) and not node.kwargs
            if (node.name not in SMALL and not joins) or (node.name in APIECE and (node.args or node.kwargs)):
                return False
        elif not isinstance(node, PLAIN):
            return False
    return True


class Bounded(ImmutableSandboxedEnvironment):
    """An environment in which what is called and calculated is charged."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """A sum, product, power or formatted text; what would be too large is refused before it is made."""
        if not isinstance(left, Undefined) and not isinstance(right, Undefined):
            _refuse_large(operator, left, right)
        made = super().call_binop(context, operator, left, right)
        context[WORK].weigh(made)
        return made

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """A call; what it is given and what it gives are charged."""
        work = __context[WORK]
        work.charge(work.step)
        work.weigh([*args, *kwargs.values()])
        method = getattr(__obj, "__wrapped__", __obj)  # the sandbox wraps `format`
        owner = getattr(method, "__self__", None)
        work.glance(owner)
        if isinstance(owner, (str, bytes)):
            _refuse_growing(owner, method.__name__, [*args, *kwargs.values()])
        made = super().call(__context, __obj, *args, **kwargs)
        work.weigh(made)
        return made


def _refuse_large(operator: str, left: Any, right: Any) -> None:
    whole = isinstance(left, int) and isinstance(right, int)
    if operator == "**" and whole and left.bit_length() * max(right, 0) > DIGITS:
        raise OverrunError("calculates a number of too many digits")
    if operator == "*" and not whole:
        for text, times in ((left, right), (right, left)):
            if isinstance(text, (str, bytes, list, tuple)) and isinstance(times, int) and _letters(text) * times > ROOM:
                raise OverrunError("repeats a text too often")
    if operator == "*" and whole and left.bit_length() + right.bit_length() > DIGITS:
        raise OverrunError("calculates a number of too many digits")
    if operator == "%" and isinstance(left, (str, bytes)):
        _refuse_wide(str(left), [*right] if isinstance(right, tuple) else [right])


def _letters(text: "str | bytes | list[Any] | tuple[Any, ...]") -> int:
    return len(text) if isinstance(text, (str, bytes)) else 8 * len(text)


def _refuse_wide(form: str, values: list[Any]) -> None:
    """A format such as `%1000000000d`, or one whose width is a value."""
    wide = any(isinstance(one, int) and abs(one) > WIDEST for one in values)
    if re.search(r"\d{6,}", form) or (wide and ("*" in form or re.search(r"\{[^{}]*\{", form))):
        raise OverrunError("formats a text too wide")


def _refuse_growing(text: str | bytes, name: str, values: list[Any]) -> None:
    """A method of texts whose value would be much longer than what it is given."""
    numbers = [one for one in values if isinstance(one, int)]
    if name in ("ljust", "rjust", "center", "zfill", "expandtabs") and any(one > WIDEST for one in numbers):
        raise OverrunError("makes a text too wide")
    if name == "expandtabs" and len(text) * max(numbers, default=8) > 10 * ROOM:
        raise OverrunError("makes a text too wide")
    if name in ("format", "format_map"):
        _refuse_wide(str(text), values)
    if name == "join" and values and hasattr(values[0], "__len__") and len(text) * len(values[0]) > ROOM:
        raise OverrunError("makes a text too long")
    if name == "replace" and len(values) > 1 and isinstance(values[0], str) and isinstance(text, str):
        _refuse_replacing(text, values[0], str(values[1]))
    if name == "translate":
        raise OverrunError("calls `translate`, which is not offered")


def _refuse_replacing(text: str, old: str, new: str) -> None:
    if text.count(old) * len(new) > ROOM:
        raise OverrunError("makes a text too long")


def _modest(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that is not given a large number of columns, lines or digits."""
    first = 2 if hasattr(function, "jinja_pass_arg") else 1  # after the value that it filters

    @wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        text = args[first - 1]
        for one in (*args[first:], *kwargs.values()):
            if isinstance(one, int) and abs(one) > WIDEST:
                raise OverrunError(f"asks a filter for {one:,} of something")
            if name == "indent" and isinstance(text, str):
                width = len(one) if isinstance(one, str) else one
                if isinstance(width, int) and text.count("\n") * width > ROOM:
                    raise OverrunError("makes a text too wide")
        if name == "replace" and len(args) > 3:
            _refuse_replacing(str(text), str(args[2]), str(args[3]))
        if name == "join" and len(args) > 2 and hasattr(text, "__len__"):
            _refuse_large("*", str(args[2]), len(text))
        if name == "format":
            _refuse_wide(str(text), [*args[first:], *kwargs.values()])
        return function(*args, **kwargs)

    return checked


def _charged_apiece(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that does something to each item, with each item charged, and what is done to it."""

    @pass_context
    @wraps(function)
    def charged(context: Context, items: Any, *given: Any, **kwargs: Any) -> Any:
        work: Work = context[WORK]
        first = context.environment if name == "sum" else context  # what the filter asks for
        start = kwargs.get("start", given[1] if len(given) > 1 else 0)
        if name == "sum" and not isinstance(start, (int, float)):
            items = list(items)
            work.charge(ITEM // 8 * len(items) * sum(len(one) for one in items if hasattr(one, "__len__")))
        made = function(first, _apiece(work, items, [*given, *kwargs.values()]), *given, **kwargs)
        return _each_weighed(work, made) if name == "map" else made

    return charged


WIDENING = ("center", "indent", "batch", "slice", "round", "tojson", "format", "replace", "join", "truncate", "wordwrap")


@pass_context
def _counted(context: Context, items: Any) -> Any:
    """What a loop goes through, with every turn charged."""
    work = context[WORK]
    if hasattr(items, "__len__"):
        work.charge(work.step * len(items))
        return items
    return _turns(work, items)


def _turns(work: Work, items: Any) -> Any:
    for item in items:
        work.charge(work.step)
        yield item


def _apiece(work: Work, items: Any, further: list[Any]) -> Any:
    for item in items:
        work.charge(work.step // 10)
        for one in (item, *further):
            work.glance(one)
        yield item


def _each_weighed(work: Work, items: Any) -> Any:
    for item in items:
        work.weigh(item)
        yield item


@pass_context
def _glanced(context: Context, value: Any) -> Any:
    context[WORK].glance(value)
    return value


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    context[WORK].weigh(value)
    return value


def bind(environment: Bounded) -> None:
    """Give an environment what rewritten templates call."""
    environment.filters.update({name: _modest(name, environment.filters[name]) for name in WIDENING})
    environment.filters.update({name: _charged_apiece(name, environment.filters[name]) for name in APIECE})
    environment.filters.update({"counted!": _counted, "weighed!": _weighed, "glanced!": _glanced})
    environment.finalize = _weighed


class _Watching(NodeTransformer):
    """Puts the charges in: at loops, and at whatever makes a value."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802
        self.generic_visit(node)
        node.iter = _through("counted!", node.iter)
        return node

    def visit_FilterBlock(self, node: nodes.FilterBlock) -> nodes.FilterBlock:  # noqa: N802
        node.body = [self.visit(one) for one in node.body]
        return node

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.AssignBlock:  # noqa: N802
        node.body = [self.visit(one) for one in node.body]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        joined = nodes.Filter(nodes.List(node.nodes), "join", [], [], None, None)
        joined.set_lineno(node.lineno)
        return _through("weighed!", joined)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        node.expr = _through("glanced!", node.expr)
        for one in node.ops:
            one.expr = _through("glanced!", one.expr)
        return node

    def visit_Test(self, node: nodes.Test) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        node.node = node.node if node.name in ("defined", "undefined") else _through("glanced!", node.node)
        node.args = [_through("glanced!", one) for one in node.args]
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        sliced = isinstance(node.arg, nodes.Slice) and node.ctx == "load"
        return _through("weighed!", node) if sliced else node

    def _value(self, node: Any) -> nodes.Expr:
        self.generic_visit(node)
        return node if getattr(node, "ctx", "load") != "load" else _through("weighed!", node)

    visit_Filter = visit_List = visit_Tuple = visit_Dict = _value


def _through(name: str, node: Any) -> nodes.Filter:
    made = nodes.Filter(node, name, [], [], None, None)
    made.set_lineno(node.lineno)
    return made


def watched(tree: nodes.Template, environment: Bounded) -> nodes.Template:
    """The template with its charges."""
    found: nodes.Template = _Watching().visit(tree)
    found.set_environment(environment)
    return found
