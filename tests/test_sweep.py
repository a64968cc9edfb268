"""The systems of a comparison."""

import pytest

from tests.tiny import rows, tiny_model
from tests.workers.here import names_here
from tunesmith import sweep, verbs
from tunesmith.comparison import report
from tunesmith.errors import UserError
from tunesmith.planning import attaching
from tunesmith.run import Run
from tunesmith.sweep import for_models, labels, overlay, recipes

TREE = {
    "name": "two",
    "model": {"path": "model"},
    "tasks": {"sums.jsonl": 1.0},
    "forgetting": "none",
    "plan": {"steps": 2, "examples": 4, "learning_rate": 1e-3},
    "ask": {"tokens": 4},
    "limit": {"test": 3},
    "baseline": "base",
    "systems": {"base": {"method": "none"}, "lora": {"method": {"kind": "lora", "rank": 2}}},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    tiny_model(folder / "model")
    rows(folder / "sums.jsonl")
    return folder


@pytest.fixture
def ran(home, monkeypatch):
    """Names of the systems that ran; they run in this process."""
    return names_here(monkeypatch, home)


def test_a_comparison_and_its_page(ran, tmp_path, monkeypatch):
    compared = verbs.compare(TREE, into=tmp_path)
    assert ran == ["base", "lora"]
    assert compared.page == tmp_path / "report.html"
    assert [system.name for system in compared.comparison.systems] == ["base", "lora"]
    assert compared.comparison.baseline == "base"
    monkeypatch.setattr(report, "write_report", lambda made, folder: folder / "report.html")  # it takes a while, for its plots
    again = verbs.compare(TREE, into=tmp_path)
    assert ran == ["base", "lora"]
    of_runs = verbs.compare(runs=[tmp_path / "runs" / "base", tmp_path / "runs" / "lora"], into=tmp_path / "page")
    of_folder = verbs.compare(runs=[tmp_path], into=tmp_path / "page")
    assert len({repr(made.comparison) for made in (compared, again, of_runs, of_folder)}) == 1


def test_another_recipe_in_the_same_folder_is_refused(ran, home, tmp_path):
    verbs.compare(TREE, into=tmp_path, systems=["base"])
    tiny_model(home / "other")
    for given, said in (
        ({"model": "other"}, "`model.path` was `model` and is now `other`"),
        ({"overrides": ["limit.test=2"]}, "`limit.test` was `3` and is now `2`"),
    ):
        with pytest.raises(UserError, match=said) as error:
            verbs.compare(TREE, into=tmp_path, systems=["base"], **given)
        assert "--into" in error.value.hint
    assert ran == ["base"]


def test_every_system_is_checked_before_one_runs(ran, tmp_path):
    for override, said in {
        "systems.lora.tasks={nowhere.jsonl: 1}": "nowhere.jsonl",
        "systems.lora.method.rank=0": "systems.lora.method.rank",
        "systems.lora.plan.stepps=1": "systems.lora.plan.stepps",
        "baseline=bse": "base",
    }.items():
        with pytest.raises(UserError) as error:
            verbs.compare(TREE, into=tmp_path / "x", overrides=[override])
        assert said in str(error.value)
    assert ran == []
    assert not (tmp_path / "x").exists()


def test_folders_of_comparisons_are_their_own(ran, monkeypatch):
    seen = []

    def stop(tree, into, say, pool):
        seen.append(str(into))
        raise UserError("stop")

    monkeypatch.setattr(sweep, "compare_systems", stop)
    monkeypatch.setattr(attaching, "refuse_unattachable", lambda recipes: None)  # not all of these networks are there
    for given in (
        {},
        {"model": "org/small"},
        {"model": ["a/base", "b/base"]},
        {"data": "sums.jsonl"},
        {"data": "sums.jsonl", "model": ["model"]},
        {"data": "town/dialogues"},
    ):
        with pytest.raises(UserError, match="stop"):
            verbs.compare(TREE, **given)
    assert seen == [
        f"comparisons/{name}" for name in ("two", "two-small", "two-a-base-b-base", "sums", "sums-model", "town-dialogues")
    ]


def test_several_models_each_have_all_systems():
    tree = for_models(TREE, ["org/small", "folder/large"])
    made = recipes(tree)
    assert list(made) == ["small-base", "small-lora", "large-base", "large-lora"]
    assert made["large-lora"].model.path == "folder/large"
    assert tree["baseline"] == "small-base"
    assert list(recipes(for_models(TREE, ["org/small"]))) == ["base", "lora"]


def test_names_for_paths():
    assert labels(["a/x", "b/y/"]) == ["x", "y"]
    assert labels(["a/x", "b/x", "./c/z"]) == ["a-x", "b-x", "z"]


def test_settings_laid_over_settings():
    assert overlay({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}, "d": 4}) == {"a": {"b": 3, "c": 2}, "d": 4}
    assert overlay({"kind": "lora", "rank": 8}, {"kind": "prompt"}) == {"kind": "prompt"}
    assert overlay("lora", {"rank": 2}) == {"kind": "lora", "rank": 2}
    assert overlay({"kind": "lora"}, "none") == "none"


def test_flags_and_overrides_of_a_comparison():
    with pytest.raises(UserError, match="no system `lroa`") as error:
        verbs.comparison_tree(TREE, None, None, ["lroa"], ())
    assert "`lora`" in error.value.hint
    with pytest.raises(UserError, match="without `--data`"):
        verbs.comparison_tree(TREE, None, "{{a}} ||| {{b}}", (), ())
    with pytest.raises(UserError, match="belongs to no system") as error:
        verbs.comparison_tree(TREE, None, None, (), ["method.rank=4"])
    assert "systems.lora.method.rank" in error.value.hint
    assert list(verbs.comparison_tree(TREE, None, None, ["base"], ())["systems"]) == ["base"]


def test_runs_and_a_recipe_do_not_mix(tmp_path):
    with pytest.raises(UserError, match="mixed"):
        verbs.compare(TREE, runs=[tmp_path])
    with pytest.raises(UserError, match="mixed"):
        verbs.compare(runs=[tmp_path], overrides=["seed=1"])
    with pytest.raises(UserError, match="is not a run"):
        verbs.compare(runs=[tmp_path])
    with pytest.raises(UserError, match="there is no folder"):
        verbs.compare(runs=[tmp_path / "nowhere"])
    Run(tmp_path).keep_recipe({"name": "begun"})
    with pytest.raises(UserError, match="no answers yet"):
        verbs.compare(runs=[tmp_path])


def test_runs_of_different_tasks_are_told_apart(ran, home, tmp_path):
    rows(home / "other.jsonl")
    for name in ("sums", "other"):
        tree = {key: value for key, value in TREE.items() if key not in ("systems", "baseline")}
        verbs.train({**tree, "tasks": {f"{name}.jsonl": 1.0}, "method": "none"}, into=tmp_path / name, quiet=True)
    with pytest.raises(UserError, match="different tasks: sums, other"):
        verbs.compare(runs=[tmp_path / "sums", tmp_path / "other"])


def test_a_system_that_fails_stops_no_other_and_the_page_is_made_without_it(ran, tmp_path, monkeypatch):
    tree = {**TREE, "systems": {"bad": {"plan": {"learning_rate": 1e30, "warmup": 0, "clip": None}}, **TREE["systems"]}}
    with pytest.raises(UserError, match=r"1 of 3 systems failed; the first, bad: .*diverged") as error:
        verbs.compare(tree, into=tmp_path)
    assert ran == ["bad", "base", "lora"]
    assert str(tmp_path / "report.html") in error.value.hint and (tmp_path / "report.html").is_file()
    assert [run.name for run in verbs.existing(tmp_path) if run.answered()] == ["base", "lora"]
    with pytest.raises(UserError, match="system `bad` failed"):
        verbs.compare({**tree, "baseline": "bad"}, into=tmp_path)
    assert ran[3:] == ["bad"], "what has ended is kept"
