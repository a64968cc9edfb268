"""Settings: every mistake at once, in words that a person can act on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from tunesmith import settings
from tunesmith.errors import UserError
from tunesmith.metrics.metric import Metric
from tunesmith.recipe import Recipe as WholeRecipe


@dataclass(frozen=True)
class Plan:
    """How long.

    steps:  optimizer steps,
            at least one.
    """

    steps: Annotated[int, Field(gt=0)] = 100
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    order: Literal["shuffled", "by_length"] = "shuffled"
    room: Path = Path("room")


@dataclass(frozen=True)
class Recipe:
    model: str
    plan: Plan = Plan()
    metric: Metric | None = None
    tasks: Mapping[str, float | Mapping[str, Any]] = field(default_factory=dict)
    betas: tuple[float, float] = (0.9, 0.95)
    judged_by: Sequence[str | Mapping[str, Any]] = ()
    plans: Mapping[str, Plan] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.betas[0] > self.betas[1]:
            raise UserError("betas fall", "let them rise")


def fault(call, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        call(*arguments)
    return str(caught.value)


def test_a_file_and_overrides_become_typed_settings(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "model: tiny\nplan: {steps: 5, learning_rate: 1e-4}\nmetric: {kind: exact, name: mine}\njudged_by: [a, {data: b.csv}]\n"
    )
    tree = settings.load(path, ["plan.steps=7", "betas=[0.8, 0.9]", "tasks.town/dialogues=1"])
    recipe = settings.build(Recipe, tree)
    assert recipe.plan == Plan(7, 1e-4)
    assert recipe.betas == (0.8, 0.9)
    assert recipe.tasks == {"town/dialogues": 1}
    assert isinstance(recipe.metric, Metric)
    assert recipe.judged_by == ("a", {"data": "b.csv"})


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-4", 1e-4), ("1E3", 1000.0), ("1.5", 1.5), ("3", 3), ("010", 10), ("no", "no"), ("12:30", "12:30"), (".5", 0.5),
     ("2026-11-01", "2026-11-01"), ("true", True), ("null", None), ("", None), ("[1, a]", [1, "a"]), ("{a: 1}", {"a": 1}),
     ("'7'", "7"), ("-.inf", float("-inf")), ("1.2.3", "1.2.3")],
)  # fmt: skip
def test_values_are_read_as_a_person_means_them(text, value):
    found = settings.override({}, [f"a.b={text}"])["a"]["b"]
    assert found == value
    assert type(found) is type(value)


def test_names_with_dots_are_found_where_they_stand_or_quoted():
    tree = {"tasks": {"my.data/a.csv": {"weight": 1}}}
    assert settings.override(tree, ["tasks.my.data/a.csv.weight=2"]) == {"tasks": {"my.data/a.csv": {"weight": 2}}}
    assert settings.override({}, ['tasks."b.csv".weight=2']) == {"tasks": {"b.csv": {"weight": 2}}}
    assert tree == {"tasks": {"my.data/a.csv": {"weight": 1}}}
    assert settings.override({"method": "lora"}, ["method.rank=4"]) == {"method": {"kind": "lora", "rank": 4}}


def test_every_mistake_is_told_at_once():
    told = fault(
        settings.build,
        Recipe,
        {
            "plan": {"stesp": 5, "steps": -1, "order": "shufled", "learning_rate": "fast"},
            "betas": [0.9],
            "tasks": {"a": "much"},
            "judged_by": "a",
            "plans": {"x": {"steps": 1.0}, "y": 3},
        },
    )
    for part in (
        "10 settings are wrong",
        "`plan.stesp`: unknown setting (did you mean `plan.steps`?)",
        "`plan.steps`: found `-1`, expected greater than 0",
        "`plan.order`: found `'shufled'`, expected 'shuffled' or 'by_length' (did you mean `shuffled`?)",
        "`plan.learning_rate`: found `'fast'`, expected a valid number",
        "`betas`: found 1 values, expected 2",
        "`tasks.a`: found `'much'`",
        "`judged_by`: found `'a'`, expected a list",
        "`plans.x.steps`: found `1.0`, expected a valid integer",
        "`plans.y`: found `3`, expected a mapping",
        "`model`: is missing (expected text)",
        "`model`: is missing (expected text)",
    ):
        assert part in told


def test_a_missing_setting_and_a_class_s_own_check():
    assert fault(settings.build, Recipe, {}) == "`model`: is missing\n\nhint: expected text"
    assert "betas fall" in fault(settings.build, Recipe, {"model": "m", "betas": [0.9, 0.1]}, "systems.a.")


def test_plugins_are_checked_under_their_own_name():
    assert "metric.kind" in fault(settings.plugin, {"kind": "exakt"}, "tunesmith.metrics", Metric, "metric")
    assert "did you mean `exact`" in fault(settings.plugin, "exakt", "tunesmith.metrics", Metric, "metric.")
    assert "`metric.colour`: unknown setting" in fault(
        settings.plugin, {"kind": "exact", "name": "mine", "colour": 1}, "tunesmith.metrics", Metric, "metric"
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: 1\nb: [1\nc: 2\n", "line 3"),
        ("a: 1\na: 2\n", "line 2: `a` stands already on line 1"),
        ("a:\n\tb: 1\n", "line 2"),
        ("- a\n", "is a mapping of names"),
        ("a: !!python/object:os.system {}\n", "line 1"),
    ],
)
def test_a_broken_file_is_told_with_its_line(tmp_path, text, part):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    told = fault(settings.load, path)
    assert part in told
    assert "r.yaml" in told


def test_a_missing_file_and_a_wrong_override(tmp_path):
    (tmp_path / "recipe.yaml").write_text("")
    assert "did you mean `recipe.yaml`" in fault(settings.load, tmp_path / "recipes.yaml")
    assert settings.load(tmp_path / "recipe.yaml") == {}
    assert "not an override" in fault(settings.override, {}, ["plan"])
    assert "has no settings below it" in fault(settings.override, {"seed": 1}, ["seed.a=2"])


plans = st.builds(
    Plan,
    steps=st.integers(1, 10**6),
    learning_rate=st.none() | st.floats(1e-9, 1),
    order=st.sampled_from(["shuffled", "by_length"]),
    room=st.sampled_from([Path("a/b"), Path("c")]),
)


@given(
    st.builds(
        Recipe,
        model=st.text(),
        plan=plans,
        metric=st.none(),
        tasks=st.dictionaries(st.text(), st.floats(0, 9)),
        betas=st.just((0.5, 0.75)),
        judged_by=st.lists(st.text()).map(tuple),
        plans=st.dictionaries(st.text(), plans),
    )
)
def test_what_is_dumped_is_built_again(recipe):
    assert settings.build(Recipe, settings.dump(recipe)) == recipe


def test_a_plugin_survives_the_round_trip():
    metric = settings.plugin({"kind": "exact", "name": "mine"}, "tunesmith.metrics", Metric)
    tree = settings.dump(metric)
    assert tree["kind"] == "exact"
    assert settings.plugin(tree, "tunesmith.metrics", Metric) == metric


def test_the_schema_names_kinds_constraints_and_descriptions():
    found = settings.schema(Recipe)
    json.dumps(found)
    assert found["required"] == ["model"]
    assert found["additionalProperties"] is False
    steps = found["properties"]["plan"]["properties"]["steps"]
    assert steps == {"exclusiveMinimum": 0, "type": "integer", "description": "optimizer steps, at least one.", "default": 100}
    kinds = found["properties"]["metric"]["oneOf"]
    assert any(one.get("properties", {}).get("kind") == {"const": "exact"} for one in kinds)


@pytest.mark.parametrize(
    ("method", "problem", "hint"),
    [
        ({"kind": "lora", "rank": -4}, "found `-4`", "`rank`: expected a whole number above 0 to 65536"),
        ({"kind": "prompt", "virtual_tokens": 0}, "found `0`", "`virtual_tokens`: expected a whole number above 0"),
        ({"kind": "lora", "alpha": 0}, "found `0`", "`alpha`: the sum is scaled by alpha / rank"),
        ("combined", "`parts` names fewer than two methods", "name them"),
        ("lara", "there is no method `lara`", "did you mean `lora`?"),
    ],
)
def test_a_hint_says_what_a_setting_takes_or_means_and_no_letter(method, problem, hint):
    with pytest.raises(UserError) as error:
        settings.build(WholeRecipe, {"method": method})
    assert problem in error.value.problem
    assert error.value.hint.startswith(hint)
