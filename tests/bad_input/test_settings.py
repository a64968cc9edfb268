"""Recipes that are wrong: a message with the setting, its file and line, and the remedy; nothing is written meanwhile."""

import os
import stat

import pytest
import yaml

from tests.tiny import rows, tiny_model
from tunesmith import cli, settings, stages, verbs
from tunesmith.errors import UserError
from tunesmith.sweep import recipes as systems_of
from tunesmith.work import prepared

HEAD = "name: run\nmodel: {path: town/llama}\ntasks: {town/dialogues: 1}\n"  # what follows stands on line 4


def bomb(levels: int = 9) -> str:
    """Ten values, ten times themselves, and so on."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for this, below in zip("bcdefghij"[:levels], "abcdefghi", strict=False):
        lines.append(f"{this}: &{this} [{', '.join([f'*{below}'] * 10)}]")
    return "\n".join(lines)


# What is wrong -> (the file, words that the message must have)
FILES = {
    "misspelt": (HEAD + "plna: {steps: 3}\n", ("`plna`", "recipe.yaml line 4", "did you mean `plan`")),
    "misspelt within": (HEAD + "plan:\n  stesp: 3\n", ("`plan.stesp`", "line 5", "did you mean `plan.steps`")),
    "misspelt within a plug-in": (HEAD + "method: {kind: lora, ranks: 3}\n", ("line 4", "did you mean `method.rank`")),
    "another tool's": (HEAD + "extends: other.yaml\n", ("`extends`", "line 4", "known: ")),
    "text for a number": (HEAD + "plan: {steps: many}\n", ("`plan.steps`", "line 4", "'many'", "a valid integer")),
    "a fraction for a whole number": (HEAD + "plan: {steps: 3.5}\n", ("`plan.steps`", "3.5", "line 4")),
    "true for a number": (HEAD + "plan: {steps: true}\n", ("`plan.steps`", "true", "line 4")),
    "a number for text": ("name: 7\n", ("`name`", "line 1", "7")),
    "a list for a mapping": (HEAD + "plan: [1]\n", ("`plan`", "line 4", "expected a mapping")),
    "a list of tasks": ("tasks: [town/dialogues]\n", ("`tasks`", "line 1", "expected a mapping", "its weight")),
    "text for a list": (HEAD + "track: tensorboard\n", ("`track`", "line 4", "expected a list")),
    "nothing for a mapping": (HEAD + "plan: null\n", ("`plan`", "line 4", "nothing")),
    "below nought": (HEAD + "plan: {steps: -3}\n", ("`plan.steps`", "line 4", "-3", "greater than 0")),
    "above one": (HEAD + "plan: {warmup: 1.5}\n", ("`plan.warmup`", "line 4", "less than 1")),
    "not a number": (HEAD + "plan: {clip: .nan}\n", ("`plan.clip`", "line 4")),
    "without an end": (HEAD + "plan: {learning_rate: .inf}\n", ("`plan.learning_rate`", "line 4", "finite")),
    "too large a fraction": (HEAD + "plan: {learning_rate: 1e999}\n", ("`plan.learning_rate`", "finite")),
    "too large a whole number": (HEAD + f"plan: {{steps: {10**30}}}\n", ("`plan.steps`", "below 2^63")),
    "too many digits": (HEAD + f"plan: {{steps: {'9' * 5000}}}\n", ("line 4", "5,000 digits")),
    "a seed below nought": (HEAD + "seed: -1\n", ("`seed`", "line 4")),
    "a rank of nought": (HEAD + "method: {kind: lora, rank: 0}\n", ("`method.rank`", "line 4", "greater than 0")),
    "a rank of billions": (HEAD + "method: {kind: lora, rank: 9999999999}\n", ("`method.rank`", "line 4", "65536")),
    "both of two": (HEAD + "plan: {steps: 3, epochs: 2}\n", ("`plan.steps`", "`plan.epochs`", "both", "null")),
    "unknown method": (HEAD + "method: lorra\n", ("no method `lorra`", "line 4", "did you mean `lora`")),
    "unknown method in a mapping": (HEAD + "method: {kind: lorra}\n", ("`method.kind`", "line 4", "did you mean `lora`")),
    "no method": (HEAD + "method: 3\n", ("`method`", "line 4", "expected the name of a method")),
    "a method without its kind": (HEAD + "method: {rank: 3}\n", ("`method`", "line 4", "a mapping with `kind`")),
    "a method by a path": (HEAD + "method: {kind: ../../evil}\n", ("`../../evil`", "no name of a method")),
    "a method in a module that is none": (HEAD + "method: {kind: no_lab.gain}\n", ("no module `no_lab.gain`",)),
    "a module without a method": (HEAD + "method: {kind: os.path}\n", ("must define one method",)),
    "unknown objective": (HEAD + "objective: sfft\n", ("no objective `sfft`", "did you mean `sft`")),
    "unknown metric": ("tasks: {town/dialogues: {metrics: [rougeX]}}\n", ("no metric `rougeX`", "did you mean `rougeL`")),
    "metrics that are a number": ("tasks: {town/dialogues: {metrics: 7}}\n", ("`metrics`", "7", "a list of texts")),
    "unknown tracker": (HEAD + "track: [tensorbord]\n", ("no tracker `tensorbord`", "did you mean `tensorboard`")),
    "unknown task": ("tasks: {town/dialoges: 1}\n", ("no task `town/dialoges`", "did you mean `town/dialogues`")),
    "unknown task that judges": (HEAD + "judged_by: [glue/sst3]\n", ("glue/sst3", "did you mean `glue/sst2`")),
    "a task's setting": ("tasks: {town/dialogues: {tokns: 1}}\n", ("`tokns`", "did you mean `tokens`")),
    "a share for a split": ("tasks: {rows.csv: {splits: {train: 0.5}}}\n", ("`splits.train`", "line 1", "0.5", "a mapping")),
    "splits that are a number": ("tasks: {rows.csv: {splits: 3}}\n", ("`splits`", "line 1", "expected a mapping")),
    "columns that are a number": ("tasks: {rows.csv: {columns: 3}}\n", ("`columns`", "line 1", "expected a list")),
    "a task's limit that is a text": ("tasks: {rows.csv: {limit: {train: x}}}\n", ("`limit.train`", "line 1", "integer")),
    "no rows of a task": ("tasks: {rows.csv: {limit: 0}}\n", ("`limit`", "line 1", "greater than 0")),
    "choices that are a number": ("tasks: {rows.csv: {choices: 3}}\n", ("`choices`", "line 1", "expected text")),
    "a task's seed that is a text": ("tasks: {rows.csv: {seed: x}}\n", ("`seed`", "line 1", "a whole number")),
    "half a letter a window": ("tasks: {rows.csv: {cut_text: 1.5}}\n", ("`cut_text`", "line 1", "text or a whole number")),
    "a task that is not there": ("tasks: {no/such/rows.csv: 1}\n", ("no/such/rows.csv",)),
    "a weight that is none": ("tasks: {town/dialogues: [1]}\n", ("`tasks.town/dialogues`", "expected a number")),
    "a weight below nought": ("tasks: {town/dialogues: -1}\n", ("`tasks.town/dialogues`", "above 0")),
    "a weight that is no number": ("tasks: {town/dialogues: .nan}\n", ("`tasks.town/dialogues`", "above 0")),
    "nothing to do": ("name: x\n", ("neither `tasks` nor `judged_by`",)),
    "nothing at all": ("", ("neither `tasks` nor `judged_by`",)),
    "names that leave the folder": (HEAD.replace("name: run", "name: ../../up"), ("`name`", "leaves the folder")),
    "an absolute name": (HEAD.replace("name: run", "name: /etc/cron.d/x"), ("`name`", "leaves the folder")),
    "a name with a slash": (HEAD.replace("name: run", "name: a/b"), ("`name`", "has `/`")),
    "a name of Windows": (HEAD.replace("name: run", "name: CON"), ("`name`", "keep it for themselves")),
    "a name with a line's end": (HEAD.replace("name: run", 'name: "a\\nb"'), ("`name`", "cannot be printed")),
    "a name with a zero": (HEAD.replace("name: run", 'name: "a\\0b"'), ("`name`", "cannot be printed")),
    "a name of a page": (HEAD.replace("name: run", f"name: {'x' * 300}"), ("`name`", "120 letters")),
    "a name of nothing": (HEAD.replace("name: run", "name: ''"), ("`name` is empty",)),
    "YAML cut short": (HEAD + "plan: {steps: 3\n", ("line 5", "is not YAML")),
    "a tab": ("plan:\n\tsteps: 1\n", ("line 2", "is not YAML", "spaces")),
    "a name twice": (HEAD + "seed: 1\nseed: 2\n", ("line 5", "`seed` stands already on line 4")),
    "a name twice within": (HEAD + "plan:\n  steps: 1\n  clip: 1\n  steps: 2\n", ("line 7", "already on line 5")),
    "a tag that runs code": ("a: !!python/object/apply:os.system [ls]\n", ("line 1", "!!python/object", "tags are not read")),
    "a tag that reads a file": ("a: !include secrets.yaml\n", ("line 1", "!include", "tags are not read")),
    "a tag of YAML's own": (HEAD + "seed: !!timestamp never\n", ("line 4", "!!timestamp")),
    "aliases of aliases": (bomb(), ("line", "100,000 values", "aliases")),
    "an alias within itself": ("plan: &a {steps: *a}\n", ("line 1", "an alias")),
    "an alias of nothing": ("plan: *none\n", ("line 1", "undefined alias")),
    "brackets without end": ("a: " + "[" * 1500 + "]" * 1500, ("too deep",)),
    "too many brackets": ("a: " + "[" * 80 + "]" * 80, ("line 1", "64")),
    "a mapping as a name": ("{a: 1}: 2\n", ("line 1", "name of a setting")),
    "two documents": ("a: 1\n---\nb: 2\n", ("line 2", "another document")),
    "a list": ("- a\n- b\n", ("line 1", "this is a list")),
    "a text": ("hello\n", ("line 1", "this is text")),
    "a zero": ("a: 1\nb: \0\n", ("line 2", "U+0000")),
    "not UTF-8": (b"a: 1\nb: \xff\n", ("line 2", "UTF-8")),
    "UTF-16": ("name: run\n".encode("utf-16"), ("line 1", "UTF-8")),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(99), ("line 1", "UTF-8")),
    "weights": (bytes(5 << 20), ("larger than 4 MiB",)),
    "a comparison": (HEAD + "systems: {a: {}}\n", ("`systems`", "tunesmith compare")),
    "a study": (HEAD + "sweep: {plan.steps: [1, 2]}\n", ("`sweep`", "tunesmith sweep")),
    "a stage of itself": (HEAD + "stages: {a: {model: {path: stage:a}}}\n", ("`stage:a`", "before this one")),
    "stages in a circle": (
        HEAD + "stages: {a: {model: {path: stage:b}}, b: {model: {path: stage:a}}}\n",
        ("`stage:b`", "before this one"),
    ),
    "a stage misspelt": (
        HEAD + "stages: {first: {plan: {steps: 1}}, last: {model: {path: stage:frist}}}\n",
        ("`stage:frist`", "did you mean `first`"),
    ),
    "a stage that leaves the folder": (HEAD + "stages: {../up: {}}\n", ("'../up'", "leaves the folder")),
    "a stage of nothing": (HEAD + "stages: {a: null}\n", ("`stages.a`", "line 4", "nothing")),
    "a stage's setting": (HEAD + "stages:\n  a:\n    plan: {stesp: 1}\n", ("`stages.a.plan.stesp`", "line 6")),
    "no stages": (HEAD + "stages: {}\n", ("`stages` is empty",)),
    "random weights without their training": (
        "model: {path: town/llama, random: true}\ntasks: {town/dialogues: 1}\n",
        ("`model.random`", "method=full"),
    ),
}


def tried(path, overrides=()):
    """All that is done of a recipe before anything is written."""
    tree = settings.override(settings.load(path), overrides)
    if "stages" in tree:
        return stages.recipes(tree, path.parent)
    return prepared(verbs.recipe_of(tree))


@pytest.mark.parametrize("kind", FILES)
def test_a_wrong_recipe_is_told_with_its_line_and_the_remedy(kind, tmp_path):
    content, words = FILES[kind]
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        tried(path)
    told = str(caught.value)
    assert all(word in told for word in words), told
    assert caught.value.hint, f"a remedy: {told}"
    assert len(told) < 1500, "a message that can be read"
    assert [one.name for one in tmp_path.iterdir()] == ["recipe.yaml"]


# What is given on the command line -> words; what is right in the file is told by its line nevertheless
OVERRIDES = {
    "plan.stesp=3": ("`plan.stesp`: unknown", "did you mean `plan.steps`"),
    "plan.steps=many": ("`plan.steps`: found `'many'`",),
    "plan.steps=": ("neither `tasks`",),
    "plan.steps": ("`plan.steps` is not an override", "dotted.name=value"),
    "=3": ("`=3` is not an override",),
    "name.first=3": ("`name` is text", "no settings below it"),
    "plan={steps: [}": ("is not YAML", "quotes"),
    "plan=!!python/name:os.system": ("tag", "quotes"),
    f"plan={'[' * 1500}": ("too deep",),
    "method=lorra": ("no method `lorra`", "did you mean `lora`"),
    "method.rank=0": ("`method.rank`: found `0`",),
    "systems.a.method=full": ("`systems`", "tunesmith compare"),
    "model.dtype=float16": ("`model.dtype`: found `'float16'`", "did you mean `bfloat16`"),
    "model.quantize=int3": ("`model.quantize`", "'nf4'"),
}


@pytest.mark.parametrize("given", OVERRIDES)
def test_a_wrong_override_is_told_as_it_was_given(given, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: run\nplan: {steps: 3}\nmethod: {kind: lora, rank: 2}\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        tried(path, [given])
    told = str(caught.value)
    assert all(word in told for word in OVERRIDES[given]), told
    assert "recipe.yaml line" not in told, "it stands in no file"
    if given != "name.first=3":
        assert caught.value.hint, f"a remedy: {told}"


def test_a_system_s_mistake_is_told_with_its_own_line(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(HEAD + "plan: {steps: 3}\nsystems:\n  a: {}\n  b:\n    plan: {steps: none}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"`systems\.b\.plan\.steps` \(.*recipe\.yaml line 8\)"):
        systems_of(settings.load(path))


def test_the_place_of_a_recipe_is_told(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "recipe.yaml").write_text("", encoding="utf-8")
    for path, words in {
        "recipes.yaml": "there is no file",
        "folder": "is a folder",
        "a\0b": "cannot be read",
        "x" * 300: "cannot be read",
    }.items():
        with pytest.raises(UserError, match=words) as caught:
            settings.load(tmp_path / path)
        assert caught.value.hint
    with pytest.raises(UserError, match=r"folder/recipe\.yaml"):
        settings.load(tmp_path / "folder")


def test_every_recipe_of_the_project_keeps_its_lines():
    from tests.conftest import ROOT
    from tunesmith.settings.reading import places

    for path in sorted(ROOT.glob("recipes/*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        found = dict(places(settings.load(path)))
        assert found, path
        for name, key in found.items():
            assert str(key) in lines[key.line - 1], (path, name, key.line)
        assert settings.load(path) == yaml.safe_load(yaml.safe_dump(plain(settings.load(path)))), path


def plain(tree):
    if isinstance(tree, dict):
        return {str(key): plain(value) for key, value in tree.items()}
    return [plain(one) for one in tree] if isinstance(tree, list) else tree


def given(tmp_path, *words):
    model = tmp_path / "tiny"
    if not model.exists():
        tiny_model(model, "llama")
        rows(tmp_path / "rows.jsonl")
    task = {str(tmp_path / "rows.jsonl"): {"template": "{{prompt}} ||| {{completion}}"}}
    recipe = {"name": "r", "model": {"path": str(model)}, "tasks": task, "forgetting": "none", "plan": {"steps": 1}}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return ["train", str(tmp_path / "r.yaml"), *words]


@pytest.mark.parametrize("kind", ["a folder of something else", "the folder above", "a file", "below a file", "of nobody's"])
def test_a_run_is_not_written_where_something_else_lies(kind, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "home"
    place.mkdir()
    (place / "thesis.txt").write_text("years of work", encoding="utf-8")
    inner = place / "inner"
    inner.mkdir()
    into = {
        "a folder of something else": place,
        "the folder above": inner / "..",
        "a file": place / "thesis.txt",
        "below a file": place / "thesis.txt" / "run",
        "of nobody's": tmp_path / "locked" / "run",
    }[kind]
    (tmp_path / "locked").mkdir()
    words = given(tmp_path, "--into", str(into))
    before = os.geteuid()
    if kind == "of nobody's":
        (tmp_path / "locked").chmod(0)
        for folder in (tmp_path, *tmp_path.parents):
            if folder.stat().st_uid == before and not folder.stat().st_mode & stat.S_IXOTH:
                folder.chmod(0o755)
    if kind == "of nobody's" and before == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
    finally:
        os.seteuid(before)
    told = capsys.readouterr().err
    assert ended.value.code == 1 and "hint:" in told and str(into) in told.replace("home/inner/..", f"{into}"), told
    assert sorted(one.name for one in place.iterdir()) == ["inner", "thesis.txt"] and not any(inner.iterdir())
