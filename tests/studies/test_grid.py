"""What a study varies, and the recipes of its arms."""

import pytest

from tunesmith.errors import UserError
from tunesmith.studies.grid import Range, arm, grid, named, several, space

TREE = {"name": "s", "tasks": {"town/stars": 1.0}, "method": {"kind": "lora", "rank": 4, "dropout": 0.1}}


def arms(given, **tree):
    made = space({**TREE, **tree}, given)
    return [arm(made, values) for values in grid(made)]


def test_words_with_commas_are_axes_and_others_are_settings():
    made = space(TREE, ["method.rank=2,4", "seed=0,1,2", "plan.steps=9", "method.on=[query, value]"])
    assert made.axes == {"method.rank": (2, 4)}
    assert made.seeds == (0, 1, 2)
    assert made.tree["plan"] == {"steps": 9}
    assert made.tree["method"]["on"] == ["query", "value"]
    assert space(TREE, ["method.on=[query],[query, value]"]).axes == {"method.on": (["query"], ["query", "value"])}
    assert several("name", "a: b: c") is None


def test_a_sweep_of_the_recipe_is_varied_and_words_change_it():
    sweep = {"method.rank": [2, 4], "seed": [0, 1]}
    assert space({**TREE, "sweep": sweep}, []).axes == {"method.rank": (2, 4)}
    assert space({**TREE, "sweep": sweep}, ["method.rank=8,16"]).axes == {"method.rank": (8, 16)}
    assert space({**TREE, "sweep": sweep}, ["method.rank=8"]).axes == {}
    assert space({**TREE, "sweep": {"plan.learning_rate": "1e-5..1e-3:log"}}, []).ranges == ["plan.learning_rate"]


def test_ranges():
    made = space(TREE, ["plan.learning_rate=1e-5..1e-3:log", "method.rank=2..64:log", "method.dropout=0..0.5"])
    assert made.axes["plan.learning_rate"] == Range(1e-5, 1e-3, True)
    assert made.axes["method.rank"].whole
    assert not made.axes["method.dropout"].whole
    for wrong in ("method.rank=8..2", "plan.learning_rate=0..1:log"):
        with pytest.raises(UserError, match="is no range"):
            space(TREE, [wrong])


def test_the_grid_has_every_combination_and_a_recipe_for_every_seed():
    made = arms(["method.rank=2,4", "plan.learning_rate=1e-3,1e-4", "seed=0,1"])
    assert [one.name for one in made] == [f"rank {r}, learning_rate {lr}" for r in (2, 4) for lr in ("0.001", "0.0001")]
    recipe = made[1].recipes[1]
    assert (recipe.method.rank, recipe.plan.learning_rate, recipe.seed) == (2, 1e-4, 1)
    assert recipe.method.dropout == 0.1
    assert recipe.name == "rank-2-learning_rate-0.0001-seed-1"


def test_methods_by_name_keep_the_settings_of_their_own_kind():
    lora, prompt, none = arms(["method=lora,prompt,none"])
    assert (lora.recipes[0].method.rank, lora.recipes[0].method.dropout) == (4, 0.1)
    assert prompt.recipes[0].method.virtual_tokens == 16
    assert none.recipes[0].method == "none"
    assert [one.name for one in (lora, prompt, none)] == ["lora", "prompt", "none"]


def test_systems_are_arms_and_have_axes_of_their_own():
    systems = {"base": {"method": "none"}, "lora": {"method": "lora"}}
    made = arms(["systems.lora.method.rank=2,4", "limit.train=5,6", "seed=3,4"], systems=systems)
    assert [one.name for one in made] == [
        *(f"base, train {n}" for n in (5, 6)),
        *(f"lora, train {n}, rank {r}" for n in (5, 6) for r in (2, 4)),
    ]
    assert made[-1].recipes[4].method.rank == 4
    assert [one.name for one in arms(["seed=0,1"], systems=systems)] == ["base", "lora"]
    with pytest.raises(UserError, match="belongs to no system") as error:
        arms(["method.rank=2,4"], systems=systems)
    assert "systems.lora.method.rank" in error.value.hint
    with pytest.raises(UserError, match="names no system") as error:
        arms(["systems.lroa.method.rank=2,4"], systems=systems)
    assert "lora" in error.value.hint


def test_seeds_alone_are_a_study():
    [only] = arms(["seed=0,1"])
    assert only.name == "all seeds"
    assert [recipe.name for recipe in only.recipes.values()] == ["seed-0", "seed-1"]


def test_mistakes_are_told():
    for given, said in (
        ([], "nothing is swept"),
        (["seed=0..3"], "`seed` is swept over a range"),
        (["method.rank=2,2"], "a value twice"),
        (["limit.test=5,6"], "asked different examples"),
        (["tasks={town/stars: 1},{town/choice: 1}"], "judged by its own tasks"),
    ):
        with pytest.raises(UserError, match=said):
            space(TREE, given)
    with pytest.raises(UserError, match="expected a list"):
        space({**TREE, "sweep": {"method.rank": 3}}, [])
    with pytest.raises(UserError, match=r"method\.rank"):
        arms(["method.rank=0,2"])
    with pytest.raises(UserError, match=r"plan\.stepps"):
        arms(["plan.stepps=1,2"])


def test_names_tell_settings_apart():
    assert named({"limit.train": 5, "limit.test": 6}) == "train 5, test 6"
    assert named({"a.rank": 1, "b.rank": 2}) == "a.rank 1, b.rank 2"
    assert named({"method.on": ["query", "value"]}) == "on query+value"
    assert named({"method": {"kind": "lora", "rank": 2}, "x.flag": True}) == "lora rank 2, flag true"


def test_what_learns_from_no_example_is_one_arm_of_all_lines():
    systems = {"base": {"method": "none"}, "lora": {"method": "lora"}, "shots": {"method": "none", "ask": {"shots": 2}}}
    made = space({**TREE, "systems": systems}, ["systems.lora.method.rank=2,4"], examples=[50, "all"])
    assert grid(made) == [
        {"limit.examples": 0},
        {"system": "shots", "limit.examples": 0},
        *({"system": "lora", "limit.examples": n, "systems.lora.method.rank": r} for r in (2, 4) for n in (50, "all")),
    ] or grid(made) == [
        {"limit.examples": 0},
        {"system": "shots", "limit.examples": 0},
        *({"system": "lora", "limit.examples": n, "systems.lora.method.rank": r} for n in (50, "all") for r in (2, 4)),
    ]
    [first, shots, *_] = [arm(made, values) for values in grid(made)]
    assert (first.name, first.recipes[0].method, first.recipes[0].ask.shots) == ("base", "none", None)
    assert (shots.name, shots.recipes[0].ask.shots) == ("shots", 2)


@pytest.mark.parametrize("text", ["1e-5..1e-3:lg", "1e-5..1e-3:log10", "1..8 log", "2..8x"])
def test_a_range_with_a_strange_end_is_told(text):
    with pytest.raises(UserError, match=f"`method.rank={text}` is no range") as error:
        space({"tasks": {"town/stars": 1.0}}, [f"method.rank={text}"])
    assert ":log" in error.value.hint
