"""The tasks of a recipe, found and tried; what is wrong is told before anything is written."""

import pytest

from tests.tiny import rows, tiny_model
from tunesmith import settings, verbs
from tunesmith.errors import UserError
from tunesmith.recipe import Recipe
from tunesmith.work import prepared

RECIPE = {
    "name": "tiny",
    "model": {"path": "model"},
    "method": {"kind": "lora", "rank": 2},
    "tasks": {"sums.jsonl": 1.0},
    "plan": {"steps": 6, "examples": 4},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a tiny model and rows."""
    folder = tmp_path_factory.mktemp("home")
    tiny_model(folder / "model")
    rows(folder / "sums.jsonl")
    return folder


@pytest.fixture(autouse=True)
def here(home, monkeypatch):
    monkeypatch.chdir(home)


MISTAKES = {
    "an unknown task": (["tasks.town/dialoges=1"], "town/dialoges"),
    "a file that is not there": (["judged_by=[nowhere.csv]"], "nowhere.csv"),
    "a column that is not there": (['tasks={"sums.jsonl": {template: "{{question}} ||| {{completion}}"}}'], "question"),
    "a weight that is no number": (["tasks={sums.jsonl: many}"], "expected a number"),
    "two lengths": (["plan.epochs=1"], "both set"),
    "an unknown metric": (["tasks={sums.jsonl: {metrics: [rougeX]}}"], "rougeX"),
    "an unknown setting of a task": (["tasks={sums.jsonl: {wait: 1}}"], "wait"),
    "one task twice": (["judged_by=[sums.jsonl, sums.jsonl]"], "two tasks that judge are called `sums`"),
    "nothing to learn": (["tasks={}", "judged_by=[sums.jsonl]"], "nothing to learn from"),
    "nothing at all": (["tasks={}"], "neither `tasks` nor `judged_by`"),
    "no name": (["name=''"], "`name` is empty"),
    "an unknown method": (["method={kind: lorra}"], "lora"),
    "a wrong number": (["method.rank=0"], "method.rank"),
    "a share that is no number": (["replay={sums.jsonl: many}"], "`replay.sums.jsonl`: found"),
    "an unknown task to replay": (["replay.town/dialoges=1"], "town/dialoges"),
    "a guard of random weights": (["model.random=true", "method=full", "guard.distance=1"], "nothing that could be forgotten"),
    "a guard of what is not shown": (["guard={divergence: 1, over: replay}"], "`replay` names nothing"),
    "a penalty that would push away": (["guard.divergence=-1"], "guard.divergence"),
    "an adapter on random weights": (["model.random=true"], "would not be saved"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_before_the_folder_is_touched(tmp_path, mistake):
    overrides, said = MISTAKES[mistake]
    with pytest.raises(UserError) as error:
        verbs.train(RECIPE, into=tmp_path / "run", overrides=overrides, quiet=True)
    assert said in str(error.value)
    assert not (tmp_path / "run").exists()


def test_the_other_clusters_tell_what_was_forgotten():
    recipe = settings.build(Recipe, {**RECIPE, "tasks": {"town/sentiment": 1.0}, "replay": {"town/stars": 0.5}})
    work = prepared(recipe)
    assert [task.name for task in work.judged] == ["town/sentiment"]
    assert work.names(recipe) == ("town/sentiment", "town/stars"), "what is replayed stands last"
    told = {task.name: task.cluster for task in work.forgetting}
    assert told and work.judged[0].cluster not in told.values() and not {"town/sentiment", "town/stars"} & {*told}
    assert {task.name for task in work.all} == {*told, "town/sentiment", "town/stars"}
