"""Super-NaturalInstructions: tasks in the published layout, put as the paper puts them; rows of our own."""

import json

import pytest

from tests.tiny import tiny_model
from tunesmith import verbs
from tunesmith.data.formats import read
from tunesmith.data.natural_instructions import tasks_in
from tunesmith.errors import UserError
from tunesmith.recipe import Recipe
from tunesmith.tasks.own import own_task, task_from, tasks_from, told

TASK = {
    "Contributors": ["somebody"],
    "Source": ["ours"],
    "URL": [""],
    "Categories": ["Question Rewriting", "Other"],
    "Reasoning": [],
    "Definition": ["Turn the sentence around "],
    "Input_language": ["English"],
    "Output_language": ["English"],
    "Instruction_language": ["English"],
    "Domains": ["Town"],
    "Positive Examples": [
        {"input": "a b", "output": "b a", "explanation": "The words change places"},
        {"input": "It rains!", "output": "rains It.", "explanation": ""},
        {"input": "one more", "output": "more one", "explanation": "So."},
    ],
    "Negative Examples": [{"input": "c d", "output": "c d", "explanation": "Nothing changed."}],
    "Instances": [{"id": f"task001-{n}", "input": f"word {n} ", "output": [f"{n} word", f"{n}, word"]} for n in range(40)],
    "Instance License": ["MIT"],
}
PAPER = """Definition: Turn the sentence around.

 Positive Example 1 -
Input: a b.
 Output: b a.

 Positive Example 2 -
Input: It rains!
 Output: rains It.

Now complete the following example -
Input: word 0.
Output:"""


def write(path, **changes):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**TASK, **changes}))
    return str(path)


def test_a_task_is_put_as_the_paper_puts_it(tmp_path):
    file = write(tmp_path / "task001_around.json")
    task = own_task(file)
    examples = [example for split in task.source.splits() for example in task.examples(split)]
    [example] = [example for example in examples if example.id == "task001-0"]
    assert example.messages[0].content == PAPER
    assert (example.target, example.references) == ("0 word", ("0 word", "0, word"))
    assert example.meta["categories"] == TASK["Categories"]
    assert (len(examples), task.name, task.cluster) == (40, "task001_around", "Question Rewriting")
    assert [metric.name for metric in task.metrics] == ["rougeL", "exact_match"]
    assert (
        told([task])["task001_around"].startswith(
            "task001_around: a task with definition and examples (columns `id`, `input`, `output`"
        )
        or "a task with definition and examples" in told([task])["task001_around"]
    )


@pytest.mark.parametrize(
    ("wording", "has", "lacks"),
    [
        ("definition", ["Definition: Turn"], ["Positive Example", "Negative Example"]),
        ("definition_and_1", ["Positive Example 1 -"], ["Positive Example 2"]),
        ("definition_and_4", ["Positive Example 3 -\nInput: one more.\n Output: more one."], ["Explanation"]),
        ("definition_2_and_2_wrong", ["Negative Example 1 -\nInput: c d.\n Output: c d."], ["Positive Example 3"]),
        ("definition_and_2_explained", [" Output: b a.\n Explanation: The words change places.\n\n"], ["Negative"]),
        ("examples_only", ["Positive Example 2 -"], ["Definition"]),
    ],
)
def test_the_paper_s_other_ways(tmp_path, wording, has, lacks):
    task = own_task(write(tmp_path / "task001_around.json"), template=f"natural_instructions/{wording}")
    text = next(task.examples("train")).messages[0].content
    assert all(part in text for part in has), text
    assert not any(part in text for part in lacks), text
    assert text.count("Now complete the following example -") == 1


def test_a_folder_is_a_family_whose_clusters_are_the_categories(tmp_path):
    write(tmp_path / "set" / "tasks" / "task001_around.json")
    write(tmp_path / "set" / "tasks" / "task002_say.json", Categories=["Paraphrasing"], Definition="Say it again")
    (tmp_path / "set" / "tasks" / "README.md").write_text("# Tasks")
    assert [file.name for file in tasks_in(tmp_path / "set")] == ["task001_around.json", "task002_say.json"]
    tasks = tasks_from(str(tmp_path / "set"))
    assert [(task.name, task.cluster) for task in tasks] == [
        ("task001_around", "Question Rewriting"),
        ("task002_say", "Paraphrasing"),
    ]
    assert "Definition: Say it again.\n" in next(tasks[1].examples("train")).messages[0].content
    limited = tasks_from({"data": str(tmp_path / "set"), "limit": 5})
    assert [len(list(task.examples("train"))) for task in limited] == [5, 5]
    recipe = Recipe(tasks={str(tmp_path / "set"): {"weight": 0.5}})
    assert list(recipe.tasks) == [str(file) for file in tasks_in(tmp_path / "set")]
    assert tasks_in(tmp_path) == []


def test_files_as_they_are_found(tmp_path):
    file = write(
        tmp_path / "a.json",
        **{"Positive Examples": [], "Negative Examples": "-", "Categories": "Alone"},
        Instances=[{"input": "i", "output": "o"}, {"input": "j", "output": []}],
    )
    [row] = list(read(file))
    assert (row["output"], row["references"], row["negative"], row["categories"]) == ("o", ["o"], [], ["Alone"])
    with pytest.raises(UserError, match="`Instances` is dict, expected a list"):
        list(read(write(tmp_path / "b.json", Instances={})))
    with pytest.raises(UserError, match="instance 1 lacks `input` or `output`"):
        list(read(write(tmp_path / "c.json", Instances=[{"input": "i"}])))
    with pytest.raises(UserError, match="Positive Examples 1 lacks"):
        list(read(write(tmp_path / "d.json", **{"Positive Examples": [{"in": "i"}]})))


def test_a_family_is_learnt_from_and_judged_by(tmp_path):
    write(tmp_path / "set" / "task001_around.json")
    write(tmp_path / "set" / "task002_say.json", Categories=["Paraphrasing"])
    tree = {
        "name": "natural",
        "model": {"path": str(tiny_model(tmp_path / "t5"))},
        "tasks": {str(tmp_path / "set"): 1.0},
        "judged_by": [str(tmp_path / "set")],
        "method": {"kind": "lora", "rank": 1},
        "plan": {"steps": 1, "examples": 2},
        "forgetting": "none",
        "limit": {"test": 1, "validation": 1},
    }
    run = verbs.train(tree, into=tmp_path / "run", quiet=True)
    assert run.answered() == ["task001_around", "task002_say"]
    assert run.world()["clusters"] == {"task001_around": "Question Rewriting", "task002_say": "Paraphrasing"}
    assert run.world()["shapes"]["task002_say"]["wording"] == "definition_and_2"


def test_a_task_alone_is_named_by_its_file(tmp_path):
    assert task_from(write(tmp_path / "task003_x.json")).name == "task003_x"
