"""Pre-trained, then tuned: a whole network goes on as it is, an adapter by its own method, or once it is merged."""

import pytest
from safetensors.torch import load_file

from tests.tiny import rows, tiny_model
from tunesmith import verbs
from tunesmith.errors import UserError
from tunesmith.handover import merge_run

SHORT = ["plan.steps=1", "plan.examples=2", "plan.learning_rate=1.0e-3", "forgetting=none", "limit.test=2", "ask.tokens=2"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_model(tmp_path / "llama", "llama")
    rows(tmp_path / "sums.jsonl")
    (tmp_path / "texts").mkdir()
    for split in ("train", "validation", "test"):
        (tmp_path / "texts" / f"{split}.txt").write_text(f"A long text of {split}. " * 40 + "\n\nAnd a short one.")
    return tmp_path


def learn(name, path, method, objective, data):
    given = [f"name={name}", f"model.path={path}", f"method={method}", f"objective={objective}", f"tasks={{{data}: 1}}"]
    return verbs.train(overrides=[*given, *SHORT, "plan.window=64"], quiet=True)


def test_a_network_that_read_texts_is_tuned_further(home):
    read = learn("field", "llama", "full", "pretrain", "texts")
    assert set(read.scores()["texts"]) == {"cross_entropy", "perplexity", "bits_per_byte"}
    assert learn("sums", "runs/field", "lora", "sft", "sums.jsonl").world()["ended"]


def test_an_adapter_goes_on_or_is_merged_first(home):
    learn("field", "llama", "lora", "pretrain", "texts")
    further = learn("further", "runs/field", "lora", "sft", "sums.jsonl")
    before, after = (load_file(f"runs/{name}/adapter/adapter_model.safetensors") for name in ("field", "further"))
    moved = [float((after[name] - before[name]).norm() / before[name].norm().clamp(min=1e-9)) for name in before]
    assert further.world()["ended"] and max(moved) > 0 and min(moved) < 0.5, "it began where the first one ended"
    with pytest.raises(UserError, match="which trains others") as error:
        learn("sums", "runs/field", "{kind: lora, rank: 3}", "sft", "sums.jsonl")
    assert "tunesmith merge RUN merged" in error.value.hint
    merge_run("runs/field", home / "merged")
    assert learn("sums", "merged", "lora", "sft", "sums.jsonl").world()["ended"]
