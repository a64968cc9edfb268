"""Files of wordings, and how a wording is found by its name.

    Template("summarize", "Summarize this dialogue.\\n\\n{{dialogue}}\\n\\nSummary: ||| {{summary}}", references="summaries")

Built-in wordings lie in `templates/*.yaml`, in promptsource's layout; its own files are read as they are. What one wording is
stands in `wording.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from tunesmith.data.jinja import BAR, compiled, halves
from tunesmith.data.wording import Template
from tunesmith.errors import UserError, did_you_mean

ORIGINAL = "original"  # in place of a name: the wordings that ask what the task is about
OWN = (
    *("references", "rejected", "id", "meta", "messages", "aliases", "optional", "texts", "strip", "metrics"),
    *("reads", "system", "history", "tools", "inverted", "group"),
)
NEEDED = "the file needs a mapping `templates:`, as promptsource writes it"
MOST = 1_000_000  # values of a file, what aliases stand for among them
PROMPTSOURCE = ("original_task", "choices_in_prompt", "metrics", "languages")


class _Loader(yaml.SafeLoader):
    """Safe YAML in which promptsource's tags are plain mappings."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


for _tag in ("!Template", "!TemplateMetadata"):
    _Loader.add_constructor(_tag, _mapping)


def load_templates(name: str | Path) -> tuple[Template, ...]:
    """All templates of `data/templates/NAME.yaml`, or of any YAML file in promptsource's layout, in the file's order."""
    if not str(name).endswith((".yaml", ".yml")):
        return _built_in(str(name))
    path = Path(name).expanduser()
    if not path.is_file():
        raise UserError(f"there is no file of templates `{path}`")
    stand = path.stat()
    return _in_file(str(name), path, (stand.st_mtime_ns, stand.st_size))


@lru_cache(maxsize=256)
def _built_in(name: str) -> tuple[Template, ...]:
    if name not in families():
        raise UserError(f"there are no templates called `{name}`", did_you_mean(name, families()))
    return _templates(name, _folder().joinpath(f"{name}.yaml").read_text(encoding="utf-8"), placed=False)


@lru_cache(maxsize=256)
def _in_file(name: str, path: Path, _stand: tuple[int, int]) -> tuple[Template, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"`{name}` is not text in UTF-8: {error.reason} at byte {error.start}", "save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"`{name}` cannot be read: {error.strerror}", "look at the path and its permissions") from None
    return _templates(name, text, placed=True)


def _templates(name: str, text: str, placed: bool) -> tuple[Template, ...]:
    """The templates of a file's text; `placed`: they know file and line."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        refuse_endless(node)
        tree = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"`{name}` line {line} is not YAML: {error.problem}", "mend that line") from None
    except RecursionError:
        raise UserError(f"`{name}` is not YAML that can be read: its brackets nest too deep", NEEDED) from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(f"`{name}` is not YAML: {error}", NEEDED) from None
    if not isinstance(tree, dict) or not isinstance(tree.get("templates"), dict):
        raise UserError(f"`{name}` holds no templates", NEEDED)
    lines = _lines(node)
    return tuple(_template(name, str(key), entry, lines.get(key, 1), placed) for key, entry in tree["templates"].items())


def refuse_endless(root: Any) -> None:
    """An error for a tree that holds itself, or whose aliases stand for more values than a file has room for."""
    sizes: dict[int, int] = {}
    above: set[int] = set()

    def size(node: Any) -> int:
        if id(node) in above:
            raise yaml.MarkedYAMLError(problem="an alias stands within what it means", problem_mark=node.start_mark)
        if id(node) not in sizes:
            above.add(id(node))
            inner = node.value if isinstance(node, yaml.CollectionNode) else ()
            sizes[id(node)] = 1 + sum(size(one) for part in inner for one in (part if isinstance(part, tuple) else (part,)))
            above.discard(id(node))
            if sizes[id(node)] > MOST:
                told = f"its aliases stand for more than {MOST:,} values"
                raise yaml.MarkedYAMLError(problem=told, problem_mark=node.start_mark)
        return sizes[id(node)]

    if root is not None:
        size(root)


def _lines(node: Any) -> dict[str, int]:
    """The line, from 1, at which each template of a file begins."""
    inside = next(value for key, value in node.value if key.value == "templates")
    return {key.value: key.start_mark.line + 1 for key, _ in inside.value}


def _template(file: str, key: str, entry: object, line: int, placed: bool) -> Template:
    """A template from an entry: promptsource's keys, and ours beside them in `metadata`."""
    where = f"`{file}` line {line}"
    if not isinstance(entry, dict):
        raise UserError(f"{where}: the template `{key}` is not a mapping", "it needs `jinja: prompt ||| answer`")
    name = str(entry.get("name") or key)
    own = entry.get("metadata") or {}
    if not isinstance(own, dict):
        raise UserError(f"{where}: the `metadata` of the template `{name}` is not a mapping")
    for setting in own:
        if setting not in (*OWN, *PROMPTSOURCE):
            raise UserError(
                f"{where}: the template `{name}` has no setting `{setting}`", did_you_mean(str(setting), (*OWN, *PROMPTSOURCE))
            )
    for setting in ("jinja", "answer_choices"):
        if not isinstance(entry.get(setting), (str, type(None))):
            raise UserError(f"{where}: `{setting}` of the template `{name}` is not a text", "put it between quotes")

    def names(setting: str) -> tuple[str, ...]:
        given = own.get(setting) or ()
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise UserError(f"{where}: `{setting}` of the template `{name}` is not a list", f"write `{setting}: [{given}]`")
        return tuple(str(one) for one in given)

    made = Template(
        name=name,
        jinja=str(entry.get("jinja") or ""),
        choices=entry.get("answer_choices") or None,
        aliases=_groups(own.get("aliases"), where, name),
        strip=bool(own.get("strip", True)),
        references=str(own.get("references") or "references"),
        rejected=str(own.get("rejected") or "rejected"),
        id=str(own.get("id") or "id"),
        meta=names("meta"),
        messages=names("messages"),
        texts=names("texts"),
        optional=names("optional"),
        metrics=names("metrics"),
        original=own.get("original_task") is not False,
        inverted=bool(own.get("inverted", False)),
        choices_in_prompt=own.get("choices_in_prompt"),
        languages=names("languages"),
        group=str(own.get("group") or ""),
        place=where if placed else "",
        **{setting: str(own.get(setting) or "") for setting in ("reads", "system", "history", "tools")},
    )
    for part, source in (("", made.jinja), (" (its `answer_choices`)", made.choices or "")):
        try:
            compiled(source)
        except UserError as error:
            raise UserError(f"{where}, template `{name}`{part}: {error.problem}", error.hint) from None
    return made


def _groups(given: object, where: str, name: str) -> tuple[tuple[str, ...], ...]:
    """The names of columns that mean the same."""
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(group, list) and group for group in given):
        raise UserError(
            f"{where}: `aliases` of the template `{name}` is not a list of lists", "write `aliases: [[question, query]]`"
        )
    return tuple(tuple(str(one) for one in group) for group in given)


def as_tree(template: Template) -> dict[str, Any]:
    """An entry of a file of templates, which reads as this template."""
    plain = Template(template.name)
    own = {
        name: value
        for name in (*OWN, "choices_in_prompt", "languages")
        if (value := getattr(template, name)) != getattr(plain, name)
    }
    own |= {} if template.original else {"original_task": False}
    lists = {
        name: [list(v) if isinstance(v, tuple) else v for v in value] for name, value in own.items() if type(value) is tuple
    }
    tree: dict[str, Any] = {"name": template.name, "jinja": template.jinja}
    if template.choices:
        tree["answer_choices"] = template.choices
    return {**tree, "metadata": {**own, **lists}} if own else tree


def find_template(name: str) -> Template:
    """A wording by its name: built-in (`summarize`, or `FAMILY/NAME`), `FILE.yaml:NAME`, or the wording itself.

    Anything with `{{` or `|||` in it is the wording itself. Where a name means several, it is the first of them.
    """
    return find_templates(name)[0]


def find_templates(name: str) -> tuple[Template, ...]:
    """All wordings that a name means: as `find_template`, a whole FILE.yaml, a pattern (`FILE.yaml:sum*`), or `original`."""
    if "{{" in name or BAR in name or "{%" in name:
        template = Template("inline", name)
        compiled(template.jinja)
        return (template,)
    if (file := name.partition(":")[0]).endswith((".yaml", ".yml")):
        found, wanted = load_templates(file), name[len(file) + 1 :]
    else:
        family, slash, wanted = name.partition("/")
        family, wanted = (family, wanted) if slash else ("generic", name)
        found = load_templates(family)
    if not wanted and found:
        return found
    return named(found, wanted, name)


def named(templates: Sequence[Template], wanted: str, told: str = "") -> tuple[Template, ...]:
    """Those of some templates that a name, a pattern or `original` means; a `UserError` says which there are."""
    found = [one for one in templates if one.name == wanted]
    if not found and wanted == ORIGINAL:
        found = [one for one in templates if one.judges]
    elif not found:
        found = [one for one in templates if fnmatchcase(one.name, wanted)]
    if not found:
        raise UserError(
            f"there is no template `{told or wanted}`",
            did_you_mean(wanted, [one.name for one in templates])
            + "; or write the wording itself: `{{question}} ||| {{answer}}`",
        )
    return tuple(found)


def others(template: Template, row: Mapping[str, Any]) -> tuple[Template, ...]:
    """The further built-in wordings of a shape that a row can be put in; its columns, and what is learnt, stay as they are.

    They stand in `generic-more.yaml` as prompts alone, each with the `group` of shapes that it belongs to.
    """
    split, found = halves(template.jinja), []
    for one in load_templates("generic-more"):
        if not fnmatchcase(template.name, one.group) or split is None:
            continue
        made = replace(
            template,
            name=one.name,
            jinja=one.jinja if one.inverted else f"{one.jinja} {BAR}{split[1]}",
            choices=None if one.inverted else template.choices,
            metrics=() if one.inverted else template.metrics,
            original=one.original,
            inverted=one.inverted,
            group=template.name,
        )
        if made.fits(row):
            found.append(made)
    return tuple(found)


def _folder() -> Traversable:
    return files("tunesmith.data").joinpath("templates")


def families() -> list[str]:
    """Names of the files of built-in wordings."""
    return sorted(entry.name[: -len(".yaml")] for entry in _folder().iterdir() if entry.name.endswith(".yaml"))


__all__ = [
    "Template",
    "as_tree",
    "families",
    "find_template",
    "find_templates",
    "load_templates",
    "named",
    "others",
]
