"""Any text and any tree: a recipe, or a `UserError`; never anything else. What was found so stands in `test_settings.py`.

`TUNESMITH_FUZZ=10000` tries so many of each, other ones every time; `make fuzz` does.
"""

import json
import os
import random

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from tests.conftest import ROOT
from tunesmith import settings
from tunesmith.errors import UserError
from tunesmith.recipe import Recipe
from tunesmith.settings.annotations import hints_of
from tunesmith.stages import StagedRecipe
from tunesmith.sweep import ComparisonRecipe

EXAMPLES = int(os.environ.get("TUNESMITH_FUZZ", "60"))
many = trying(
    max_examples=EXAMPLES,
    derandomize="TUNESMITH_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
)

KINDS = (Recipe, StagedRecipe, ComparisonRecipe)
TEXTS = [path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("recipes/*.yaml"))]
MARKS = [*"{}[]:,-&*!|>#%@`'\"?\n\t ~<=.0123456789eE_", "<<: ", "\n  ", "- ", ": ", "*a", "&a ", "!!int ", "\0", "\ufeff"]
MARKS += ["null", "true", ".nan", ".inf", "1e999", "9" * 30, "é", "\U0001f600", "\ud800", "---\n", "...\n", "plan", "method"]
names = sorted({name for kind in KINDS for name in hints_of(kind)})
within = sorted(
    {one for hint in hints_of(Recipe).values() if isinstance(hint, type) for one in getattr(hint, "__annotations__", ())}
)
kinds = [
    "lora",
    "full",
    "none",
    "prompt",
    "adalora",
    "combined",
    "sft",
    "dpo",
    "classify",
    "ppo",
    "wandb",
    "os.path",
    "..",
    "a.b",
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([*kinds, *names, *within, "town/llama", "stage:x", "~x", "x" * 300, "\0", "../..", "1..2", "a,b", "{{"]),
)
keys = st.sampled_from([*names, *within, "kind", "rank", "town/dialogues", "parts"]) | st.text(max_size=6)
trees = st.recursive(
    scalars, lambda below: st.lists(below, max_size=3) | st.dictionaries(keys, below, max_size=4), max_leaves=12
)
settings_of = st.dictionaries(st.sampled_from(names) | st.text(max_size=4), trees, max_size=5)


@many
@given(settings_of, st.sampled_from(KINDS))
def test_any_tree_is_a_recipe_or_a_user_error(tree, kind):
    try:
        made = settings.build(kind, tree)
    except UserError as error:
        assert error.problem
        return
    again = settings.build(kind, settings.dump(made))
    assert settings.dump(again) == settings.dump(made)


@st.composite
def texts(draw):
    """A recipe with pieces put in, taken out, and doubled; or marks of YAML in any order."""
    if draw(st.booleans()):
        return "".join(draw(st.lists(st.sampled_from(MARKS), max_size=40)))
    text, dice = draw(st.sampled_from(TEXTS)), random.Random(draw(st.integers(0, 2**32)))
    for _ in range(dice.randint(1, 6)):
        place, length = dice.randrange(len(text) + 1), dice.randint(0, 12)
        piece = dice.choice([dice.choice(MARKS), text[place : place + length] * 2, ""])
        text = text[:place] + piece + text[place + length :]
    return text


@many
@given(texts())
def test_any_text_is_a_tree_or_a_user_error(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / f"fuzzed-{os.getpid()}.yaml"
    file.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    try:
        tree = settings.load(file)
    except UserError as error:
        assert file.name in str(error) and error.hint, error
        return
    json.dumps(tree, default=str)
    try:
        settings.build(StagedRecipe, tree)
    except UserError as error:
        assert error.problem


@many
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-16")))
def test_any_bytes_are_a_tree_or_a_user_error(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / f"fuzzed-{os.getpid()}.yaml"
    file.write_bytes(content)
    try:
        settings.load(file)
    except UserError as error:
        assert error.hint


@many
@given(st.lists(texts().map(lambda text: text[:80]), max_size=3), st.sampled_from([*names, "a.b", 'tasks."x.y"', "plan.steps"]))
def test_any_override_is_laid_or_a_user_error(given_texts, name):
    try:
        tree = settings.override({"plan": {"steps": 3}}, [*given_texts, *(f"{name}={text}" for text in given_texts)])
        settings.build(Recipe, tree)
    except UserError as error:
        assert error.problem


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_tried_is_not_refused_for_its_names_alone(kind):
    """Of trees that are tried some are recipes."""
    assert settings.build(kind, {"name": "x", "plan": {"steps": 3}})
