"""How a row is put to the model: a prompt and an answer, side by side in Jinja (after promptsource).

    Template("summarize", "Summarize this dialogue.\\n\\n{{dialogue}}\\n\\nSummary: ||| {{summary}}", references="summaries")

Built-in wordings lie in `templates/*.yaml`, in promptsource's layout; its own files are read as they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from jinja2 import UndefinedError

from tunesmith.data.example import Example, Message
from tunesmith.data.jinja import BAR, Dice, compiled, halves, render, shown_before_bar, value_of, variables
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
            raise UserError(
                f"template `{self.name}` has {len(rest) + 1} parts", f"write `prompt {BAR} answer`, with one `{BAR}`"
            )
        target = rest[0] if rest and with_target else ""
        texts = tuple(self._text(known, column) for column in self.texts)
        prompt = prompt if prompt.strip() else "\n".join(texts)
        before = self._before(known) if prompt.strip() else ()
        rejected = self._rejected(known) if with_target else None
        if rejected is not None and not prompt.strip():
            prompt, target, rejected = parted_text(target, rejected)
        made = Example(
            messages=(*before, Message("user", prompt)) if prompt.strip() else (),
            target=target,
            rejected=rejected,
            choices=tuple(choices) if not with_target or target in choices else (),
            references=self._references(known, dice) if with_target else (),
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
        """Render, and say of every fault which template, which row and which column."""
        if lenient and (lacking := sorted(name for name in shown_before_bar(source) & self.columns if name not in known)):
            raise self._lacking(lacking[0], known)
        try:
            return render(source, known, choices, dice, self.strip, lenient)
        except UndefinedError as error:
            missing = [name for name in self._missing(known) if f"'{name}'" in str(error)]
            if missing:
                raise self._lacking(missing[0], known) from None
            have = ", ".join(f"`{name}`" for name in sorted(known))
            raise UserError(
                f"template `{self.name}` does not fit {_place(known, self.id)}: {error}", f"the row has {have}"
            ) from None
        except UserError:
            raise
        except Exception as error:  # whatever a template's own arithmetic does wrong is the template's fault, or the row's
            raise UserError(
                f"template `{self.name}` fails on {_place(known, self.id)}: {error}",
                "columns of a text file are text: write `label | int` or `score | float` where the template calculates",
            ) from None

    def _lacking(self, column: str, known: Mapping[str, Any]) -> UserError:
        group = next((group for group in self.aliases if group[0] == column), (column,))
        wanted, have = " or ".join(f"`{name}`" for name in group), ", ".join(f"`{name}`" for name in sorted(known))
        return UserError(f"template `{self.name}` needs a column {wanted}; the row has {have}", did_you_mean(column, known))

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


class _Loader(yaml.SafeLoader):
    """Safe YAML in which promptsource's tags are plain mappings."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


for _tag in ("!Template", "!TemplateMetadata"):
    _Loader.add_constructor(_tag, _mapping)


def load_templates(name: str | Path) -> tuple[Template, ...]:
    """All templates of `data/templates/NAME.yaml`, or of any YAML file in promptsource's layout, in the file's order."""
    return _read_templates(str(name))


@lru_cache(maxsize=256)
def _read_templates(name: str) -> tuple[Template, ...]:
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise UserError(f"there is no file of templates `{path}`")
        text = path.read_text(encoding="utf-8")
    else:
        if name not in _families():
            raise UserError(f"there are no templates called `{name}`", did_you_mean(name, _families()))
        text = _folder().joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    try:
        tree = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"`{name}` line {line} is not YAML: {error.problem}") from None
    if not isinstance(tree, dict) or not isinstance(tree.get("templates"), dict):
        raise UserError(f"`{name}` holds no templates", "the file needs a mapping `templates:`, as promptsource writes it")
    return tuple(_template(name, str(key), entry) for key, entry in tree["templates"].items())


def _template(file: str, key: str, entry: object) -> Template:
    """A template from an entry: promptsource's keys, and ours beside them in `metadata`."""
    if not isinstance(entry, dict):
        raise UserError(f"`{file}`: the template `{key}` is not a mapping")
    own = entry.get("metadata") or {}

    def names(setting: str) -> tuple[str, ...]:
        return tuple(str(one) for one in own.get(setting) or ())

    made = Template(
        name=str(entry.get("name") or key),
        jinja=str(entry.get("jinja") or ""),
        choices=entry.get("answer_choices") or None,
        aliases=tuple(tuple(str(name) for name in group) for group in own.get("aliases") or ()),
        strip=bool(own.get("strip", True)),
        references=str(own.get("references") or "references"),
        rejected=str(own.get("rejected") or "rejected"),
        id=str(own.get("id") or "id"),
        meta=names("meta"),
        messages=names("messages"),
        texts=names("texts"),
        optional=names("optional"),
        metrics=names("metrics"),
        **{setting: str(own.get(setting) or "") for setting in ("reads", "system", "history", "tools")},
    )
    compiled(made.jinja)
    return made


KEPT = (
    *("references", "rejected", "id", "meta", "messages", "aliases", "optional", "texts", "strip", "metrics"),
    *("reads", "system", "history", "tools"),
)


def as_tree(template: Template) -> dict[str, Any]:
    """An entry of a file of templates, which reads as this template."""
    plain = Template(template.name)
    own = {name: value for name in KEPT if (value := getattr(template, name)) != getattr(plain, name)}
    lists = {
        name: [list(v) if isinstance(v, tuple) else v for v in value] for name, value in own.items() if type(value) is tuple
    }
    tree: dict[str, Any] = {"name": template.name, "jinja": template.jinja}
    if template.choices:
        tree["answer_choices"] = template.choices
    return {**tree, "metadata": {**own, **lists}} if own else tree


def find_template(name: str) -> Template:
    """A wording by its name: built-in (`summarize`, or `FAMILY/NAME`), `FILE.yaml:NAME`, or the wording itself.

    Anything with `{{` or `|||` in it is the wording itself.
    """
    if "{{" in name or BAR in name or "{%" in name:
        template = Template("inline", name)
        compiled(template.jinja)
        return template
    if (file := name.partition(":")[0]).endswith((".yaml", ".yml")):
        wanted = name[len(file) + 1 :]
        found = load_templates(file)
    else:
        family, slash, wanted = name.partition("/")
        family, wanted = (family, wanted) if slash else ("generic", name)
        found = load_templates(family)
    by_name = {template.name: template for template in found}
    if not wanted and found:
        return found[0]
    if wanted not in by_name:
        raise UserError(
            f"there is no template `{name}`",
            did_you_mean(wanted, by_name) + "; or write the wording itself: `{{question}} ||| {{answer}}`",
        )
    return by_name[wanted]


def _folder() -> Traversable:
    return files("tunesmith.data").joinpath("templates")


def _families() -> list[str]:
    return sorted(entry.name[: -len(".yaml")] for entry in _folder().iterdir() if entry.name.endswith(".yaml"))
