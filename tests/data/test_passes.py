"""What a pass found is kept by content: found again, never when anything of its key differs, never half."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.tiny import tiny_model
from tunesmith.data import passes
from tunesmith.data.passes import make_room, passed, read, write
from tunesmith.errors import UserError
from tunesmith.models.load import ModelSettings, load_renderer
from tunesmith.objectives.sft import SFT
from tunesmith.tasks import own
from tunesmith.tasks.own import task_from

COUNT = 300


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A cache of its own, in which a pass over a hundred rows counts as one over many."""
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    many = passes.MANY
    for name, module in list(sys.modules.items()):
        if name.startswith("tunesmith.") and vars(module).get("MANY") == many:
            monkeypatch.setattr(module, "MANY", 100)
    return tmp_path


def rows(file, count=COUNT, word="and"):
    lines = [
        json.dumps({"prompt": f"{n} {word} " + "so " * (n % 12), "completion": "yes" if n % 9 else "no", "id": n % 290})
        for n in range(count)
    ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.fixture
def looked(monkeypatch):
    """How many examples are made of rows."""
    made = []
    one = own.OwnTask.example

    def example(self, *given):
        made.append(1)
        return one(self, *given)

    monkeypatch.setattr(own.OwnTask, "example", example)
    return made


def sequence(file, template=None, **more):
    return task_from({"data": str(file), **({"template": template} if template else {}), **more}).sequence("train", None)


def test_a_pass_is_made_once_and_gives_the_same_examples(home, looked, caplog):
    file = rows(home / "rows.jsonl")
    wanted = list(sequence(file))
    assert wanted == list(task_from(str(file)).examples("train", None))
    assert len({example.id for example in wanted}) == len(wanted)
    assert any(example.id.startswith("train-") for example in wanted)
    caplog.clear()
    before = len(looked)
    found = sequence(file)
    assert len(looked) == before
    assert list(found) == wanted
    assert "prepared before" in caplog.text
    assert isinstance(found.items.base, np.memmap)


def test_whatever_a_pass_hangs_on_makes_another_one(home, monkeypatch):
    """Each part of a key by itself: bytes, wording, columns, split seed, limit, our own code."""
    file = rows(home / "rows.jsonl")
    kept = home / "cache" / "prepared"

    def makes(**more):
        """Whether a pass over the examples was made anew."""
        before = set(kept.glob("*")) if kept.is_dir() else set()
        sequence(more.pop("file", file), **more)
        return bool(set(kept.glob("*")) - before)

    assert makes()
    assert not makes()
    assert makes(template="{{prompt}}? ||| {{completion}}")
    assert makes(template="{{prompt}}! ||| {{completion}}")
    assert makes(seed=1)
    assert makes(limit=150)
    assert not makes(file=rows(home / "same.jsonl"))  # the same bytes under another name
    assert makes(file=rows(home / "other.jsonl", word="or"))
    assert not makes()
    rows(file, word="plus")
    os.utime(file, ns=(1, 1))
    assert makes()
    monkeypatch.setattr(passes, "code_hash", lambda: "another version")
    assert makes()


def test_rows_held_against_a_window_are_kept_by_tokenizer_window_objective_and_virtual_tokens(home):
    examples = sequence(rows(home / "rows.jsonl"), "{{prompt}} ||| {{completion or 'no'}}")
    renderers = [load_renderer(ModelSettings(path=str(tiny_model(home / kind, kind))))[0] for kind in ("t5", "llama")]
    kept = home / "cache" / "prepared"

    def makes(renderer, window=12, objective=SFT(), virtual=0, policy="drop"):
        before = set(kept.glob("*"))
        found = objective.within(examples, renderer, window, policy, virtual, "these")
        return bool(set(kept.glob("*")) - before), list(found)

    new, wanted = makes(renderers[0])
    assert new
    assert 0 < len(wanted) < len(examples)
    assert makes(renderers[0]) == (False, wanted)
    assert makes(renderers[0], policy="cut_prompt")[0] is False  # which of them are too long does not hang on it
    assert len(makes(renderers[0], policy="cut_prompt")[1]) > len(wanted)
    with pytest.raises(UserError, match="the window holds 12"):
        makes(renderers[0], policy="refuse")
    for more in ({"window": 13}, {"objective": SFT(turns="all")}, {"virtual": 1}):
        assert makes(renderers[0], **more)[0]
    assert makes(renderers[1])[0]
    assert makes(replace(renderers[1], head=(*renderers[1].head, 5)))[0]


def test_an_objective_from_outside_keeps_nothing(home):
    class Mine(SFT):
        pass

    renderer = load_renderer(ModelSettings(path=str(tiny_model(home / "t5"))))[0]
    assert SFT().spelling_key(renderer)
    assert Mine().spelling_key(renderer) == ""


def test_nothing_is_kept_of_few_rows_or_where_it_is_switched_off(home, monkeypatch):
    sequence(rows(home / "few.jsonl", 50))
    assert not (home / "cache").exists()
    monkeypatch.setenv("TUNESMITH_CACHE", "off")
    sequence(rows(home / "many.jsonl"))
    assert not (home / "cache").exists()


def test_what_is_not_whole_is_not_read(home):
    wanted = {"one": np.arange(500), "two": np.arange(3.0)}
    folder = home / "kept" / "key"
    write(folder, wanted)
    assert {name: list(values) for name, values in read(folder).items()} == {"one": list(range(500)), "two": [0, 1, 2]}
    whole = (folder / "one.npy").read_bytes()
    (folder / "one.npy").write_bytes(whole[:-100])
    assert read(folder) is None
    assert read(home / "nowhere") is None
    (home / "cache" / "prepared").mkdir(parents=True)
    key = ("a key",)
    (passes.folder_of(home / "cache", key)).mkdir()  # a folder without files, as a killed process may leave one
    assert list(passed(key, 1000, lambda: {"x": np.arange(3)})["x"]) == [0, 1, 2]
    assert list(passed(key, 1000, lambda: pytest.fail("made twice"))["x"]) == [0, 1, 2]


def test_an_empty_result_is_kept_too(home):
    assert len(passed(("none",), 1000, lambda: {"long": np.empty(0, np.int64)})["long"]) == 0
    assert len(passed(("none",), 1000, lambda: pytest.fail("made twice"))["long"]) == 0


def test_two_processes_at_once_do_not_damage_each_other(home):
    code = (
        "import sys, numpy as np\nfrom tunesmith.data.passes import passed\n"
        "for n in range(30):\n"
        "    got = passed(('key', n), 10**6, lambda: {'x': np.arange(20000), 'y': np.arange(n)})\n"
        "    assert got['x'].sum() == 199990000 and len(got['y']) == n\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    kept = list((home / "cache" / "prepared").iterdir())
    assert len(kept) == 30
    assert not any(one.name.startswith(".") for one in kept)


def test_the_longest_unused_go_first(home):
    folder = home / "kept"
    for number in range(4):
        write(folder / str(number), {"x": np.zeros(1000)})
        os.utime(folder / str(number), (number, number))
    read(folder / "0")  # in use again
    make_room(folder, 20_000)
    assert sorted(one.name for one in folder.iterdir()) == ["0", "3"]
