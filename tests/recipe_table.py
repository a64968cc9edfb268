"""The tables of settings in docs/recipes.md, made from the dataclasses and their docstrings.

.venv/bin/python -m tests.recipe_table      writes them again after a setting has changed
"""

import inspect
import json
import re
from pathlib import Path

from tunesmith import settings
from tunesmith.answering import sampling_of
from tunesmith.generation.sampling import Sampling
from tunesmith.recipe import Recipe
from tunesmith.settings.schema import plugins as rewards
from tunesmith.sweep import ComparisonRecipe
from tunesmith.synthesis.settings import STAGES, Growing
from tunesmith.tasks.own import SETTINGS, own_task

GROW = "data grow"  # what may be set of this command alone
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "recipes.md"

# What no docstring says, since the name says it.
NAMES_SAY = {
    "name": "of the run, and of its folder under `runs/`; of a comparison under `comparisons/`",
    "model": "see below",
    "method": "`none`, the name of a method, or a mapping with `kind` and its settings",
    "objective": "the name of an objective, or a mapping with `kind` and its settings",
    "ask": "see below",
    "plan": "see below",
    "mixture": "see below",
    "plan.schedule": "how the rate goes on after the warm-up",
    "plan.beta1": "AdamW's decay of the mean gradient",
    "plan.beta2": "AdamW's decay of the mean squared gradient",
    "plan.epsilon": "AdamW's guard against division by zero",
    "plan.room": "see below",
    "limit": "see below",
    "limit.train": "most training examples; null: all",
    "limit.validation": "most validation examples; null: all",
    "limit.test": "most test examples of each task the run is judged by; null: all",
    "limit.forgetting": "most test examples of each forgetting task; null: all",
    "seed": "of initial values, the order of examples and dropout",
    "method.prompt.text": "the words for `init: text`",
    "method.prefix.text": "the words for `init: text`",
}
# What a docstring says with a formula's letter.
PLAINLY = {
    "method.lora.rank": "width R of the thin matrices.",
    "method.dora.rank": "width R of the thin matrices.",
    "method.pissa.rank": "width R of the thin matrices.",
    "method.dora.on": "roles, but not `embedding`, or endings of module paths (`q_proj`).",
    "method.pissa.on": "roles, but not `embedding`, or endings of module paths (`q_proj`).",
    "method.bottleneck.size": "how many numbers pass through the middle.",
    "method.prefix.virtual_tokens": "how many learned keys and values stand before the sequence in each layer.",
    "method.ptuning.virtual_tokens": "how many learned vectors stand before the prompt.",
    "method.ptuning.size": "width of the small network; null: the network's hidden size.",
    "method.prompt.virtual_tokens": "how many learned vectors stand before the prompt.",
}


def tables():
    """Title -> rows (name, default, values, meaning)."""
    recipe = settings.schema(Recipe)["properties"]
    comparison = settings.schema(ComparisonRecipe)["properties"]
    top = {**recipe, **{name: one for name, one in comparison.items() if name not in recipe}}
    made = {"the recipe": [row(name, "", one) for name, one in top.items()]}
    for room in ("model", "mixture", "plan", "guard", "ask", "seven", "limit", "bad_rows"):
        made[room] = [row(name, f"{room}.", one) for name, one in recipe[room]["properties"].items()]
    for part, settings_ in recipe["plan"]["properties"].items():
        if "properties" in settings_:
            made[f"plan.{part}"] = [row(name, f"plan.{part}.", one) for name, one in settings_["properties"].items()]
    for what in ("method", "objective"):
        for kind in plugins(recipe[what]):
            name = kind["properties"]["kind"]["const"]
            own = {setting: one for setting, one in kind["properties"].items() if setting != "kind"}
            made[f"{what}: {name}"] = [row(setting, f"{what}.", one, f"{what}.{name}.") for setting, one in own.items()]
    for kind in plugins(rewards("tunesmith.rewards")):
        own = {setting: one for setting, one in kind["properties"].items() if setting != "kind"}
        made[f"reward: {kind['properties']['kind']['const']}"] = [row(setting, "", one) for setting, one in own.items()]
    made["a task"] = task_rows()
    unasked = settings.dump(sampling_of(()))
    speaking = settings.schema(Sampling)["properties"]
    made["answer, chat and predict"] = [row(name, "", {**one, "default": unasked[name]}) for name, one in speaking.items()]
    grow = settings.schema(Growing)["properties"]
    made[GROW] = [row(name, "", one, "grow.") for name, one in grow.items()]
    for room in ("filters", "endpoint", STAGES[0]):  # the other stages have the same settings
        made[f"{GROW}: {room}"] = [row(name, f"{room}.", one) for name, one in grow[room]["properties"].items()]
    return made


def plugins(tree):
    """The mappings with a known `kind` among the alternatives of a schema."""
    for one in [tree, *tree.get("anyOf", ()), *tree.get("oneOf", ())]:
        if "const" in one.get("properties", {}).get("kind", {}):
            yield one
        elif one is not tree:
            yield from plugins(one)


def row(name, before, schema, key=None):
    default = "" if "default" not in schema or schema.get("properties") else shown(schema["default"])
    place = (key or before) + name
    meaning = PLAINLY.get(place) or schema.get("description") or NAMES_SAY[place]
    if schema.get("properties"):
        meaning = "see below"
    return f"`{before}{name}`", default, values(schema), meaning


def shown(value):
    if isinstance(value, dict) and "kind" in value:
        value = value["kind"]
    if value in ([], {}):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`" if value != "" else ""


def values(schema):
    if "properties" in schema:
        return ""
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema or "oneOf" in schema:
        arms = schema.get("anyOf") or schema.get("oneOf")
        if any("kind" in arm.get("properties", {}) or "oneOf" in arm for arm in arms):
            return "name or mapping"
        return " or ".join(dict.fromkeys(values(arm) for arm in arms))
    plain = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true`, `false`"}
    plain |= {"array": "list", "object": "mapping", "null": "null"}
    ends = (("exclusiveMinimum", "above"), ("minimum", "from"), ("exclusiveMaximum", "below"), ("maximum", "to"))
    said = [f"{word} {schema[end]}" for end, word in ends if end in schema]
    return " ".join([plain.get(schema.get("type", ""), ""), *said])


def task_rows():
    """A task's own settings, told by `own_task`."""
    found = re.findall(r"^    (\w+): +(\S.*(?:\n {8,}.*)*)", inspect.getdoc(own_task).partition("Args:")[2], re.MULTILINE)
    told = {name: re.sub(r"\s+", " ", text) for name, text in found}
    told |= {"name": told.get("name", "how reports call it; null: by the file")}
    told |= {
        "folder": "of a published benchmark: the folder of data in which its files are looked for, instead of `TUNESMITH_DATA`",
        "shots": "examples before each question: a number, or `count`, `split`, `pick` (`drawn`, `first`, `anew`), `header` "
        "(text before them) and `between` (what parts them)",
        "stop": "texts that end a spoken answer",
        "reads": "regular expression of what counts in a spoken answer: its first group, or its whole match",
        "wordings": "which of several wordings learning takes: `turn` (row by row), `random` (drawn for each row by the run's "
        "seed), or `first` (of columns that were guessed, unless given)",
        "inverted": "share of the rows that are learnt the other way round, from the answer to the question; 0 unless given",
    }
    rows = [(f"`{name}`", told[name]) for name in SETTINGS if name != "data"]
    return [("`weight`", "how often its examples are shown in an epoch; 1 unless given"), *rows]


def written():
    """All tables as Markdown."""
    parts = []
    for title, rows in tables().items():
        heads = ("setting", "meaning") if title == "a task" else ("setting", "unless given", "values", "meaning")
        lines = [heads, ("---",) * len(heads), *rows]
        if rows:
            body = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        else:
            body = "It has no settings."
        parts.append(f"### {title}\n\n{body}\n")
    return "\n".join(parts)


BEGIN, END = "<!-- made by tests/recipe_table.py: begin -->\n", "<!-- made by tests/recipe_table.py: end -->\n"


def inside(text):
    """What stands between the marks of a document."""
    return text.partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    old = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(old.replace(BEGIN + inside(old) + END, BEGIN + written() + END), encoding="utf-8")
