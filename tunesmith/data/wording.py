"""One wording: how a row is put to the model, a prompt and an answer, side by side in Jinja (after promptsource)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError

from tunesmith.data.bounds import OverrunError
from tunesmith.data.example import Example, Message
from tunesmith.data.jinja import (
    BAR,
    Dice,
    halves,
    line_at,
    line_of,
    printed,
    render,
    shadowing,
    shown_before_bar,
    value_of,
    variables,
)
from tunesmith.data.layouts import layout
from tunesmith.data.preferences import COLUMNS, compared, parted, parted_text
from tunesmith.data.turns import history, join_turns, read_tools, read_turns, split_last
from tunesmith.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Template:
    """One wording of a task. All texts but names of columns are Jinja, and see the columns of the row.

    name:       how errors and reports call it.
    jinja:      `prompt ||| answer`. One piece alone is a prompt without a target; an empty prompt gives a text to continue.
    choices:    `yes ||| no`, or an expression over columns such as `{{options | join("|||")}}`; the list is `answer_choices`
                in `jinja`. An example gets them where its target is one of them.
    references: column, or Jinja expression, with the list of acceptable answers; where it is absent, a column `references`.
    rejected:   column, or Jinja expression, with the worse answer of a preference pair; `margin` and `share` are kept.
    id:         column with the id.
    meta:       columns kept in `Example.meta`, beside a column `meta` that is a mapping.
    messages:   columns that hold turns of a conversation, joined in order; where they hold plain text, `jinja` speaks.
    aliases:    groups of column names that mean the same; `jinja` uses the first, a row may have any.
    optional:   columns that are empty where the row lacks them.
    texts:      one column with the bare text, or two, that a head reads; where `jinja` has no prompt they are the prompt too.
    reads:      a layout of rows with nested or numbered columns (`data/layouts.py`), under whose plain names the wording sees
                them.
    system:     column with the system's words, put before the prompt where it is not empty; `history` one with earlier turns as
                pairs, `tools` one with the tools that may be called.
    strip:      take white space from both ends of prompt and answer, as promptsource does.
    metrics:    names of the metrics that the author of the wording had in mind.
    original:   it asks what the task is about; else it may be learnt from, and judges only where no other wording is there.
    inverted:   it asks for the question of an answer: learnt where a task's `inverted` says so, never asked; has no references.
    choices_in_prompt: whether the choices stand in the prompt; None: its author does not say.
    languages:  of the wording, not of the rows: `en`.
    group:      the built-in wording for the same columns of which it is another.
    place:      file and line, for errors.
    """

    name: str
    jinja: str = ""
    choices: str | None = None
    references: str = "references"
    rejected: str = "rejected"
    id: str = "id"
    meta: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    aliases: tuple[tuple[str, ...], ...] = ()
    optional: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    strip: bool = True
    metrics: tuple[str, ...] = ()
    reads: str = ""
    system: str = ""
    history: str = ""
    tools: str = ""
    original: bool = True
    inverted: bool = False
    choices_in_prompt: bool | None = None
    languages: tuple[str, ...] = ()
    group: str = ""
    place: str = field(default="", compare=False)

    @property
    def judges(self) -> bool:
        """Whether it asks what the task is about."""
        return self.original and not self.inverted

    @property
    def called(self) -> str:
        """Its name, and where it stands, for an error."""
        return f"template `{self.name}`" + (f" ({self.place})" if self.place else "")

    def apply(self, row: Mapping[str, Any], id_: str = "") -> Example:
        """The example that a row makes, `id_` where it has no id; a `UserError` names the template and the missing column."""
        return self._example(row, True, id_)

    def ask(self, row: Mapping[str, Any]) -> Example:
        """The example of a row that may lack the columns of the answer: the target is empty."""
        return self._example(row, False, "")

    @property
    def columns(self) -> frozenset[str]:
        """Columns that a row must have (by this name, or by one of its aliases)."""
        found = variables(self.jinja) | variables(self.choices or "") | set(self.messages) | set(self.texts)
        return frozenset(found - set(self.optional))

    @property
    def target_columns(self) -> frozenset[str]:
        """Columns that only the answer reads; empty where prompt and answer cannot be told apart."""
        split = halves(self.jinja)
        return variables(split[1]) - variables(split[0]) - variables(self.choices or "") if split else frozenset()

    @property
    def prompt_columns(self) -> frozenset[str]:
        """Columns that the prompt or the choices read."""
        return self.columns - self.target_columns

    @cached_property
    def printed(self) -> tuple[tuple[str, ...], ...]:
        """The names of each column whose text is put as it is; of aliases all."""
        if self.reads:
            return ()
        names = sorted({*printed(self.jinja), *self.messages, *self.texts})
        return tuple(next((group for group in self.aliases if group[0] == name), (name,)) for name in names)

    @cached_property
    def turn_columns(self) -> frozenset[str]:
        """The names of columns in which a conversation may stand."""
        return frozenset(name for one in self.messages for name in next((g for g in self.aliases if g[0] == one), (one,)))

    def fits(self, columns: Iterable[str]) -> bool:
        """Whether rows with these columns have all that the template needs; a nested layout is told by a row alone."""
        if self.reads:
            return isinstance(columns, Mapping) and bool(layout(self.reads).columns(columns))
        return not self._missing(self._named(dict.fromkeys(columns)))

    def named(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row under the names that the template uses."""
        return self._named(row)

    def in_row(self, names: Iterable[str], row: Mapping[str, Any]) -> list[str]:
        """The columns of a row that stand for some of the template's names."""
        if self.reads:
            stands = layout(self.reads).columns(row)
            return list(
                dict.fromkeys(column for name in sorted(names) for column in stands.get(name, (name,) if name in row else ()))
            )
        groups = [next((group for group in self.aliases if group[0] == name), (name,)) for name in names]
        return list(dict.fromkeys(found[0] for group in groups if (found := [one for one in group if one in row])))

    def _example(self, row: Mapping[str, Any], with_target: bool, id_: str) -> Example:
        known = self._named(row)
        if self.messages and all(column in known for column in self.messages[:1]):
            turns = [known[column] for column in self.messages if column in known]
            if any(read_turns(value) is not None for value in turns):
                return self._conversation(known, turns, with_target, id_)
        dice, split = Dice(self.name, row), halves(self.jinja)
        choices = self._guarded(known, self.choices, None, dice.again()) if self.choices else []
        if with_target or not split:
            prompt, *rest = self._guarded(known, self.jinja, choices or None, dice, lenient=not with_target)
        else:
            prompt, *rest = self._guarded(known, split[0], choices or None, dice)
        if len(rest) > 1:
            raise UserError(f"{self.called} has {len(rest) + 1} parts", f"write `prompt {BAR} answer`, with one `{BAR}`")
        target = rest[0] if rest and with_target else ""
        texts = tuple(self._text(known, column) for column in self.texts)
        prompt = prompt if prompt.strip() else "\n".join(texts)
        before = self._before(known) if prompt.strip() else ()
        rejected = self._rejected(known) if with_target and not self.inverted else None
        if rejected is not None and not prompt.strip():
            prompt, target, rejected = parted_text(target, rejected)
        made = Example(
            messages=(*before, Message("user", prompt)) if prompt.strip() else (),
            target=target,
            rejected=rejected,
            choices=tuple(choices) if not with_target or target in choices else (),
            references=self._references(known, dice) if with_target and not self.inverted else (),
            id=_id(known.get(self.id)) or id_,
            meta=self._meta(known),
            texts=texts,
            tools=read_tools(known.get(self.tools)) if self.tools else "",
        )
        return compared(made)

    def _before(self, known: Mapping[str, Any]) -> tuple[Message, ...]:
        """What stands before a prompt: the system's words, and earlier turns."""
        words = str(known.get(self.system) or "") if self.system else ""
        earlier = history(known.get(self.history)) if self.history else ()
        return (*((Message("system", words),) if words.strip() else ()), *earlier)

    def _text(self, known: Mapping[str, Any], column: str) -> str:
        if column not in known:
            raise self._lacking(column, known)
        return str(known[column]).strip()

    def _conversation(self, known: Mapping[str, Any], turns: list[Any], with_target: bool, id_: str) -> Example:
        whole = join_turns(turns)
        (messages, last), rejected = split_last(whole), None
        target, extra = last.content, last.extra
        if not with_target:
            messages, target, extra = (whole, "", "") if whole and whole[-1].role != "assistant" else (messages, "", "")
        elif (other := value_of(self.rejected, known)) not in (None, ""):
            messages, target, rejected = parted(whole, join_turns([*turns[:-1], other]))
            extra = ""  # both answers are written in one way
        if not any(message.role == "system" for message in messages):
            messages = (*self._before(known), *messages)
        tools = read_tools(known.get(self.tools)) if self.tools else ""
        own = _id(known.get(self.id)) or id_
        return compared(Example(messages, target, rejected, id=own, meta=self._meta(known), extra=extra, tools=tools))

    def _named(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row, with aliased columns under the template's own names and optional ones filled."""
        known = dict.fromkeys(self.optional, "") | {str(name): value for name, value in row.items()}
        for first, *others in self.aliases:
            present = [other for other in others if other in row]
            if first not in row and present:
                known[first] = row[present[0]]
        return known | layout(self.reads).read(known) if self.reads else known

    def _missing(self, known: Mapping[str, Any]) -> list[str]:
        return sorted(column for column in self.columns if column not in known)

    def _guarded(
        self, known: Mapping[str, Any], source: str, choices: Sequence[str] | None, dice: Dice, lenient: bool = False
    ) -> list[str]:
        """Render, and say of every fault which template, which line of it, which row and which column."""
        if lenient and (lacking := sorted(name for name in shown_before_bar(source) & self.columns if name not in known)):
            raise self._lacking(lacking[0], known)
        if not lenient and (lacking := sorted(name for name in shadowing(source) if name not in known)):
            raise self._lacking(lacking[0], known)
        try:
            return render(source, known, choices, dice, self.strip, lenient)
        except UndefinedError as error:
            missing = [name for name in self._missing(known) if f"'{name}'" in str(error)]
            if missing:
                raise self._lacking(missing[0], known) from None
            raise UserError(
                f"{self.called} does not fit {_place(known, self.id)}{self._line(source, line_at(error))}: {error}",
                f"the row has {_names(known)}",
            ) from None
        except UserError:
            raise
        except OverrunError as error:
            raise UserError(
                f"{self.called} fails on {_place(known, self.id)}{self._line(source, line_at(error))}: {error}",
                "mend the template; a row is rendered in bounded time and memory",
            ) from None
        except SecurityError as error:
            raise UserError(
                f"{self.called} fails on {_place(known, self.id)}{self._line(source, line_at(error))}: {error}",
                "a template reads columns of its row, and nothing that lies behind them",
            ) from None
        except Exception as error:  # whatever a template's own arithmetic does wrong is the template's fault, or the row's
            told = {RecursionError: "it calls itself without an end", MemoryError: "not enough memory"}.get(
                type(error), str(error)
            )
            raise UserError(
                f"{self.called} fails on {_place(known, self.id)}{self._line(source, line_at(error))}: {told}",
                "columns of a text file are text: write `label | int` or `score | float` where the template calculates",
            ) from None

    def _line(self, source: str, line: int | None) -> str:
        """Where in the template: nothing is said of a template of one line."""
        part = " of its answer choices" if source == self.choices else ""
        return f", line {line}{part}" if line is not None and ("\n" in source.strip() or part) else ""

    def _lacking(self, column: str, known: Mapping[str, Any]) -> UserError:
        group = next((group for group in self.aliases if group[0] == column), (column,))
        wanted = " or ".join(f"`{name}`" for name in group)
        sources = [source for source in (self.jinja, self.choices or "") if line_of(source, column) is not None]
        line = self._line(sources[0], line_of(sources[0], column)) if sources else ""
        return UserError(
            f"{self.called} needs a column {wanted}{line}; the row has {_names(known)}", did_you_mean(column, known)
        )

    def _references(self, known: Mapping[str, Any], dice: Dice) -> tuple[str, ...]:
        """Acceptable answers: given as a list, or the answer rendered with each value of the column `references_of`."""
        own = value_of(self.references, known)
        found = own or known.get("references")
        if not isinstance(found, (list, tuple)) or not found:
            return ()
        column = known.get("references_of")
        if column is None or (own and self.references != "references"):
            return tuple(dict.fromkeys(str(one).strip() if self.strip else str(one) for one in found))
        choices = self._guarded(known, self.choices, None, dice) if self.choices else None
        rendered = (self._guarded({**known, column: one}, self.jinja, choices, dice.again()) for one in found)
        return tuple(dict.fromkeys(pieces[-1] for pieces in rendered))

    def _rejected(self, known: Mapping[str, Any]) -> str | None:
        found = value_of(self.rejected, known)
        return None if found is None or found == "" else str(found).strip() if self.strip else str(found)

    def _meta(self, known: Mapping[str, Any]) -> dict[str, Any]:
        given = known.get("meta")
        own = {name: known[name] for name in (*self.meta, *(COLUMNS if self.rejected in known else ())) if name in known}
        return {**given, **own} if isinstance(given, Mapping) else own


def _id(value: object) -> str:
    return str(value) if isinstance(value, (str, int)) else ""


def _place(known: Mapping[str, Any], id_column: str) -> str:
    return f"the row `{known[id_column]}`" if _id(known.get(id_column)) else "a row"


def _names(known: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(known)) or "no columns"
