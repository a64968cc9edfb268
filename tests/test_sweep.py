"""Systems of a comparison for several models."""

from tunesmith import sweep

TREE = {
    "name": "x",
    "tasks": {"town/question": 1.0},
    "baseline": "base",
    "systems": {"base": {"method": "none"}, "lora": {"method": {"kind": "lora", "rank": 2}}},
}


def test_the_baseline_of_several_models_is_the_first_ones():
    tree = sweep.for_models(TREE, ["town/t5", "town/llama"])
    assert list(tree["systems"]) == ["t5-base", "t5-lora", "llama-base", "llama-lora"]
    assert tree["baseline"] == "t5-base"
    assert [recipe.model.path for recipe in sweep.recipes(tree).values()] == ["town/t5"] * 2 + ["town/llama"] * 2


def test_one_model_keeps_the_names():
    tree = sweep.for_models(TREE, ["town/llama"])
    assert tree["baseline"] == "base"
    assert {recipe.model.path for recipe in sweep.recipes(tree).values()} == {"town/llama"}
