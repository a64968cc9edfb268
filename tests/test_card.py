"""An adapter's folder holds all that its use needs."""

import json
import os

import pytest
import yaml

from tests.tiny import rows, tiny_model
from tunesmith import answering, card, verbs
from tunesmith.data.template import Template, as_tree, families, load_templates
from tunesmith.models.load import ModelSettings, load
from tunesmith.run import Run

RECIPE = {
    "model": {"path": "llama"},
    "method": {"kind": "lora", "rank": 2},
    "tasks": {"sums.jsonl": {"template": "What is {{prompt}}? ||| {{completion}}", "weight": 2.0}},
    "forgetting": "none",
    "plan": {"steps": 2, "examples": 4, "learning_rate": 1e-2},
    "ask": {"tokens": 4},
    "limit": {"test": 3},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    before = os.getcwd()  # noqa: PTH109
    os.chdir(folder)
    rows(folder / "sums.jsonl")
    tiny_model(folder / "llama", "llama")
    for name in ("lora", "full", "prompt"):
        verbs.train({"name": name, **RECIPE, "method": {"kind": name}}, quiet=True)
    os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def here(home, monkeypatch):
    monkeypatch.chdir(home)


def header(text):
    return yaml.safe_load(text.split("---")[1])


@pytest.mark.parametrize(("name", "place"), [("lora", "adapter"), ("prompt", "adapter"), ("full", "model")])
def test_the_folder_is_whole(name, place):
    folder = Run(card.Path("runs") / name).folder / place
    text = (folder / "README.md").read_text()
    assert header(text)["library_name"] == ("peft" if place == "adapter" else "transformers")
    assert header(text)["tags"] == ["tunesmith", name, "sft"] and "base_model" not in header(text)
    record = Run(folder.parent)
    assert json.loads((folder / "scores.json").read_text()) == json.loads((record.folder / "scores.json").read_text())
    for task, scores in record.scores().items():
        for metric, score in scores.items():
            assert f"| {task} | {metric} | {score.value:.4f} |" in text and " to " in text
    assert "`sums.jsonl`, weight 2.0" in text and f"| method.kind | {name} |" in text
    assert (folder / "base.json").is_file() == (place == "adapter")
    assert load(ModelSettings(path=str(folder))).active == ("run" if place == "adapter" else "")


def test_a_base_of_the_hub_is_named_in_the_header(tmp_path):
    record = Run(tmp_path)
    record.keep_recipe({"model": {"path": "someone/llama"}, "method": {"kind": "lora"}})
    assert header(card.card(record, tmp_path, "causal"))["base_model"] == "someone/llama"
    assert "Not judged yet." in card.card(record, tmp_path, "causal")


def test_an_adapter_alone_knows_how_rows_are_put():
    assert answering.wording_of("runs/lora/adapter", None).jinja == "What is {{prompt}}? ||| {{completion}}"
    (card.Path("ask.jsonl")).write_text(json.dumps({"prompt": "1 and 1", "completion": "2"}) + "\n")
    alone, run = (
        answering.predict(place, "ask.jsonl", into=f"{n}.jsonl") for n, place in enumerate(("runs/lora/adapter", "runs/lora"))
    )
    assert alone.read_text() == run.read_text()


@pytest.mark.parametrize("family", families())
def test_wordings_are_read_as_they_were_written(family, tmp_path):
    found = load_templates(family)
    (tmp_path / "template.yaml").write_text(card.wordings(found))
    assert load_templates(tmp_path / "template.yaml") == found


def test_two_wordings_of_one_name_are_both_kept(tmp_path):
    pair = (Template("inline", "{{a}} ||| {{b}}"), Template("inline", "{{c}} ||| {{d}}"))
    (tmp_path / "template.yaml").write_text(card.wordings(pair))
    assert [made.jinja for made in load_templates(tmp_path / "template.yaml")] == [made.jinja for made in pair]
    assert as_tree(pair[0]) == {"name": "inline", "jinja": "{{a}} ||| {{b}}"}


def test_a_chat_template_of_ones_own_goes_along(tmp_path):
    template = "{% for m in messages %}{{ m['content'] }} </s>{% endfor %}{% if add_generation_prompt %}so: {% endif %}"
    verbs.train({"name": "chat", **RECIPE, "model": {"path": "llama", "chat": template}}, into=tmp_path / "run", quiet=True)
    assert (tmp_path / "run/adapter/chat_template.jinja").read_text() == template
    assert load(ModelSettings(path=str(tmp_path / "run"))).renderer.chat.template == template


def test_a_base_in_four_bits_that_comes_along_is_told():
    model = {"path": "town/llama", "quantize": "nf4"}
    verbs.train({**RECIPE, "name": "packed", "model": model, "method": {"kind": "lora"}, "limit": {"test": 1}}, quiet=True)
    text = (Run(card.Path("runs") / "packed").folder / "adapter" / "README.md").read_text()
    assert "kept in four bits (NF4" in text and "| model.quantize | nf4 |" in text
    assert "comes along with tunesmith and is on no hub" in text
    assert "four bits" not in (Run(card.Path("runs") / "lora").folder / "adapter" / "README.md").read_text()
