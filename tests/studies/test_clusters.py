"""Leave-one-cluster-out from recipe to page, on a tiny network; runs are made in this process."""

import json

import pytest

from tests.tiny import rows, tiny_model
from tests.workers.here import made_here
from tunesmith import cli, settings
from tunesmith.comparison.left_out import ALL, BASE, FEW, OTHERS
from tunesmith.data.grouping import grouping
from tunesmith.errors import UserError
from tunesmith.run import Run
from tunesmith.studies.clusters import built, clusters, recipes, units_of

TREE = {
    "name": "tiny",
    "model": {"path": "model"},
    "method": {"kind": "lora", "rank": 2},
    "tasks": {
        "sums.jsonl": {"cluster": "sums"},
        "more.jsonl": {"cluster": "sums"},
        "words.jsonl": {"cluster": "words"},
        "town/stars": 0.1,
    },
    "clusters": {"shots": 1},
    "plan": {"steps": 2, "examples": 4, "learning_rate": 1e-2},
    "ask": {"tokens": 3},
    "limit": {"train": 40, "test": 4, "validation": 2},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    tiny_model(folder / "model")
    rows(folder / "sums.jsonl", 30)
    rows(folder / "more.jsonl", 30)
    lines = [json.dumps({"prompt": f"say {n} and {n % 7} aloud", "completion": f"word {n}"}) for n in range(30)]
    (folder / "words.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture
def ran(home, monkeypatch):
    """Names of the runs that were made; those in `ran.broken` fail."""
    monkeypatch.chdir(home)

    class Names(list):
        broken = ()

    made = Names()

    def told(job):
        made.append(job.recipe.name)
        if job.recipe.name in made.broken:
            raise UserError("the disk is full")

    made_here(monkeypatch, told)
    return made


def test_every_cluster_is_left_out_once_and_a_second_call_repeats_nothing(ran, tmp_path):
    said = []
    made = clusters(TREE, into=tmp_path / "made", say=said.append)
    names = ["base", "base-1-shot", "without-sums", "without-words", "without-sentiment", "all"]
    assert ran == names
    assert made.found.systems == (BASE, FEW, OTHERS, ALL)
    assert [one.cluster for one in made.found.clusters] == ["sums", "words", "sentiment"]
    assert made.found.clusters[0].learnt == ("words", "town/stars")
    learnt = Run(tmp_path / "made" / "runs" / "without-sums").recipe()
    assert list(learnt["tasks"]) == ["words.jsonl", "town/stars"]
    assert {*Run(tmp_path / "made" / "runs" / "without-sums").answered()} == {"sums", "more"}
    assert {*Run(tmp_path / "made" / "runs" / "all").answered()} == {"sums", "more", "words", "town/stars"}
    again = clusters(TREE, into=tmp_path / "made", say=said.append)
    assert ran == names
    assert sum("kept from before" in text for text in said) == len(names)
    assert again.found == made.found
    assert made.page.is_file()


def test_a_place_that_the_network_lacks_is_told_before_anything_runs(ran, tmp_path):
    with pytest.raises(UserError, match="is to stand at `quary`"):
        clusters({**TREE, "method": {"kind": "lora", "on": ["quary"]}}, into=tmp_path / "made")
    assert not ran


def test_a_run_that_fails_leaves_a_page_of_the_others_and_is_made_again(ran, tmp_path):
    ran.broken = ("without-words",)
    given = ["clusters.upper=false", "clusters.shots=0", "clusters.near=null"]
    with pytest.raises(UserError, match="without-words: the disk is full"):
        clusters(TREE, overrides=given, into=tmp_path / "made")
    assert "The run without-words failed" in (tmp_path / "made" / "report.html").read_text()
    ran.broken = ()
    made = clusters(TREE, overrides=given, into=tmp_path / "made")
    assert ran == ["base", "without-sums", "without-words", "without-sentiment", "without-words"]
    assert [one.cluster for one in made.found.clusters] == ["sums", "words", "sentiment"]
    assert made.found.systems == (BASE, OTHERS)


def test_another_recipe_in_the_same_folder_is_refused(ran, tmp_path):
    given = ["clusters.upper=false", "clusters.shots=0", "clusters.only=[sums]"]
    clusters(TREE, overrides=given, into=tmp_path / "made")
    with pytest.raises(UserError, match=r"plan\.steps"):
        clusters(TREE, overrides=[*given, "plan.steps=3"], into=tmp_path / "made")


def units(tasks, text, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    recipe = built({**TREE, "tasks": tasks, "clusters": str(file)})
    return {one.cluster: one for one in units_of(recipe, grouping(recipe.clusters.file))}


def test_a_task_of_two_clusters_is_left_out_with_both_and_judged_without_either(ran, tmp_path):
    text = "data_sets: {sums: reading, more: [reading, sense], words: sense}"
    found = units(dict.fromkeys(["sums.jsonl", "more.jsonl", "words.jsonl", "town/stars"], 1), text, tmp_path)
    assert found["reading"].judged == ("sums.jsonl",)
    assert found["reading"].learnt == ("words.jsonl", "town/stars")
    assert found["reading"].away == ("more",)
    assert found["reading + sense"].judged == ("more.jsonl",)
    assert found["reading + sense"].learnt == ("town/stars",)
    assert found["sentiment"].learnt == ("sums.jsonl", "more.jsonl", "words.jsonl"), "in no line of the file: its own cluster"


def test_clusters_that_are_left_out_together(ran, tmp_path):
    text = "data_sets: {sums: one, more: two, words: three}\nleft_out_with: {one: [two]}"
    found = units(dict.fromkeys(["sums.jsonl", "more.jsonl", "words.jsonl"], 1), text, tmp_path)
    assert (found["one"].learnt, found["one"].away) == (("words.jsonl",), ("more",))
    assert found["two"].learnt == ("sums.jsonl", "words.jsonl")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tasks": {"sums.jsonl": {"cluster": "one"}, "more.jsonl": {"cluster": "one"}}}, "all tasks are of one cluster"),
        ({"clusters": {"only": ["sum"]}}, "no task is of the cluster `sum`"),
        ({"judged_by": ["sums.jsonl"]}, "`judged_by` is set"),
        ({"method": "none"}, "nothing would be learnt"),
        ({"clusters": {"shoots": 3}}, "shots"),
        ({"clusters": "flam"}, "no clusters `flam`"),
        ({"plan": {"steps": 1, "epochs": 1}}, "both set"),
    ],
)
def test_mistakes_are_told_before_anything_runs(ran, tmp_path, change, said):
    with pytest.raises(UserError) as error:
        clusters({**TREE, **change}, into=tmp_path / "made")
    assert said in f"{error.value} {error.value.hint}"
    assert not ran and not (tmp_path / "made").exists()


def test_rows_that_stand_in_two_clusters_are_told_first(ran, tmp_path):
    tasks = {"sums.jsonl": {"cluster": "one"}, "more.jsonl": {"cluster": "two", "seed": 5}, "words.jsonl": {"cluster": "three"}}
    said = []
    given = ["clusters.upper=false", "clusters.shots=0"]
    made = clusters({**TREE, "tasks": tasks, "limit": {"test": 3}}, overrides=given, into=tmp_path / "made", say=said.append)
    first = next(place for place, text in enumerate(said) if "nearly rows of" in text)
    assert first < next(place for place, text in enumerate(said) if text.startswith("[1/"))
    pairs = {(one["judged"], one["learnt"]) for one in json.loads((tmp_path / "made" / "overlaps.json").read_text())}
    assert pairs <= {("sums", "more"), ("more", "sums")}
    assert made.found.near and made.found.near[0].texts[0] == made.found.near[0].texts[1]


def test_the_recipes_are_those_of_the_settings(ran):
    whole = built(TREE)
    made = recipes(whole, units_of(whole, grouping(None)))
    assert made["base-1-shot"].ask.shots == 1 and made["base"].ask.shots is None
    for recipe in made.values():
        assert settings.build(type(recipe), settings.dump(recipe)) == recipe


def test_the_command_prints_the_page_and_a_recipe_of_clusters_is_no_run(ran, tmp_path, capsys):
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(TREE))
    cli.main(["clusters", str(file), "clusters.upper=false", "clusters.shots=0", "--into", str(tmp_path / "made"), "--no-open"])
    out = capsys.readouterr().out
    assert out.strip().endswith("report.html") and "cluster left out" in out
    with pytest.raises(SystemExit):
        cli.main(["train", str(file)])
    assert "tunesmith clusters" in capsys.readouterr().err
