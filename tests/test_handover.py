"""From a run to files for others: merged, combined, exported."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.models.test_gguf import STAND_IN
from tests.test_cli import run
from tests.tiny import rows, tiny_model
from tunesmith import answering, handover, verbs
from tunesmith.errors import UserError
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.models import merge as merging
from tunesmith.models.alone import replay, telling
from tunesmith.models.combine import Combination
from tunesmith.models.load import ModelSettings, load, saved_dtype
from tunesmith.models.weights import load_adapter, save_network

RECIPE = {
    "method": {"kind": "lora", "rank": 2},
    "tasks": {"sums.jsonl": 1.0},
    "forgetting": "none",
    "plan": {"steps": 3, "examples": 4, "learning_rate": 1e-2},
    "ask": {"tokens": 4},
    "limit": {"test": 3},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a tiny network of each speaking family, and a run of each."""
    folder = tmp_path_factory.mktemp("home")
    before = os.getcwd()  # noqa: PTH109
    os.chdir(folder)
    rows(folder / "sums.jsonl")
    for kind in ("t5", "llama"):
        tiny_model(folder / kind, kind)
        verbs.train({"name": kind, "model": {"path": kind}, **RECIPE}, into=f"runs/{kind}", quiet=True)
    verbs.train({"name": "prompt", "model": {"path": "t5"}, **RECIPE, "method": {"kind": "prompt"}}, quiet=True)
    verbs.train({"name": "full", "model": {"path": "t5"}, **RECIPE, "method": {"kind": "full"}}, quiet=True)
    os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def here(home, monkeypatch):
    monkeypatch.chdir(home)


@pytest.mark.parametrize("kind", ["t5", "llama"])
def test_a_merged_run_says_what_the_run_says(kind, tmp_path):
    handed = handover.merge_run(f"runs/{kind}", tmp_path / "out")
    merged, attached = load(ModelSettings(path=str(tmp_path / "out"))), load(ModelSettings(path=f"runs/{kind}"))
    sample = handover.laid(attached, handover.asked(f"runs/{kind}"))
    torch.testing.assert_close(merged(sample).logprobs(), attached(sample).logprobs(), rtol=1e-4, atol=1e-5)
    assert handed.merged.largest < 1e-4


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_merged_run_in_half_precision(dtype, tmp_path):
    handover.merge_run("runs/llama", tmp_path / "out", dtype)
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {handover.DTYPES[dtype]}
    assert load(ModelSettings(path=str(tmp_path / "out"))).dtype == torch.float32


def test_the_bases_own_precision_is_the_default(tmp_path):
    base = load(ModelSettings(path="llama")).network
    base.to(torch.bfloat16).save_pretrained(tmp_path / "base")
    load(ModelSettings(path="llama")).renderer.tokenizer.save_pretrained(tmp_path / "base")
    verbs.train({"name": "half", "model": {"path": str(tmp_path / "base")}, **RECIPE}, into=tmp_path / "run", quiet=True)
    merged = handover.merge_run(str(tmp_path / "run"), tmp_path / "out").merged
    assert merged.dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_config_that_names_no_precision_leaves_it_to_the_file(dtype, tmp_path):
    base = load(ModelSettings(path="llama"))
    base.network.to(dtype).save_pretrained(tmp_path / "base")
    base.renderer.tokenizer.save_pretrained(tmp_path / "base")
    config = json.loads((tmp_path / "base/config.json").read_text())
    (tmp_path / "base/config.json").write_text(json.dumps({name: told for name, told in config.items() if "dtype" not in name}))
    assert saved_dtype(ModelSettings(path=str(tmp_path / "base"))) == dtype
    adapter = shutil.copytree("runs/llama/adapter", tmp_path / "adapter")
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(tmp_path / "base")
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    (adapter / "manifest.json").unlink()
    assert handover.merge_run(str(adapter), tmp_path / "out").merged.dtype == dtype
    assert handover.export_run(str(adapter), tmp_path / "whole").merged.dtype == dtype
    for folder in ("out", "whole"):
        assert {value.dtype for value in load_file(tmp_path / folder / "model.safetensors").values()} == {dtype}


def test_a_file_too_coarse_for_what_was_learnt_is_left_for_float32(tmp_path, monkeypatch):
    base = load(ModelSettings(path="llama"))
    base.network.to(torch.float16).save_pretrained(tmp_path / "base")
    base.renderer.tokenizer.save_pretrained(tmp_path / "base")
    verbs.train({"name": "half", "model": {"path": str(tmp_path / "base")}, **RECIPE}, into=tmp_path / "run", quiet=True)
    monkeypatch.setitem(merging.TOLERANCE, torch.float16, 0.0)
    handed = handover.merge_run(str(tmp_path / "run"), tmp_path / "out")
    assert "merged in float32 (float16, the precision of the base's file, would move logits too far)" in str(handed)
    assert {value.dtype for value in load_file(tmp_path / "out/model.safetensors").values()} == {torch.float32}
    assert not handover.export_run(str(tmp_path / "run"), tmp_path / "whole").partings
    with pytest.raises(UserError, match="says something else"):
        handover.merge_run(str(tmp_path / "run"), tmp_path / "asked", "float16")


def test_prompts_of_ones_own(tmp_path):
    (tmp_path / "prompts.txt").write_text("one and two\n\nthree\n")
    for kind in ("t5", "llama"):
        sample = handover.laid(load(ModelSettings(path=kind)), handover.asked(f"runs/{kind}", tmp_path / "prompts.txt"))
        assert len(sample.input_ids) == 2
    assert handover.merge_run("runs/t5", tmp_path / "out", prompts=tmp_path / "prompts.txt").merged.largest < 1e-4
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(UserError, match="holds no prompt"):
        handover.asked("runs/t5", tmp_path / "empty.txt")


def test_an_adapter_without_a_run_is_compared_on_plain_sentences(tmp_path):
    assert handover.merge_run("runs/llama/adapter", tmp_path / "out").merged.largest < 1e-4


@pytest.mark.parametrize(
    ("name", "said"), [("prompt", "virtual tokens are positions"), ("full", "nothing to merge"), ("../t5", "nothing to merge")]
)
def test_what_cannot_be_merged_is_refused_and_nothing_is_written(name, said, tmp_path):
    with pytest.raises(UserError, match=said):
        handover.merge_run(f"runs/{name}", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def second(home):
    """Another run on the same base."""
    before = os.getcwd()  # noqa: PTH109
    os.chdir(home)
    verbs.train({"name": "other", "model": {"path": "llama"}, **RECIPE, "seed": 1}, quiet=True)
    os.chdir(before)
    return "runs/other"


def test_runs_are_combined_into_an_adapter(second, tmp_path):
    handed = handover.combine_runs(["runs/llama", second], tmp_path / "out", Combination(weights=(2.0, -1.0)))
    assert handed.folder == tmp_path / "out/adapter" and handed.combined.rank == 4 and handed.merged is None
    both = load(ModelSettings(path="runs/llama"))
    load_adapter(Path(second) / "adapter", both, "other")
    made = load(ModelSettings(path=str(tmp_path / "out")))
    for path, delta in made.adapter().deltas.items():
        wanted = sum(
            w * both.adapter(name).deltas[path].fold(torch.zeros(delta.b_OR.shape[0], delta.a_RI.shape[1]))
            for name, w in (("run", 2.0), ("other", -1.0))
        )
        torch.testing.assert_close(delta.fold(torch.zeros_like(wanted)), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("how", ["linear", "ties", "dare"])
def test_runs_are_combined_into_a_network(second, how, tmp_path):
    wanted, runs = Combination(how, density=0.5), ["runs/llama", second]
    handover.combine_runs(runs, tmp_path / "lora", wanted, rank=16)
    handed = handover.combine_runs(runs, tmp_path / "out", wanted, fold=True)
    made, beside = load(ModelSettings(path=str(tmp_path / "out"))), load(ModelSettings(path=str(tmp_path / "lora")))
    sample = handover.laid(made, handover.asked(second))
    torch.testing.assert_close(made(sample).logits(), beside(sample).logits(), rtol=1e-4, atol=1e-4)
    assert handed.merged.largest < 1e-4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("runs/llama runs/t5 --combine linear", "combine adapters of one base"),
        ("runs/llama runs/full --combine linear", "holds a whole network"),
        ("runs/llama runs/other --combine ties", "no LoRA"),
        ("runs/llama runs/other --combine linear --weights 1 2 3", "3 weights are given for 2 adapters"),
        ("runs/t5 runs/prompt --combine linear", "only plain LoRAs"),
        ("runs/llama runs/other --combine linear --weights nan 1", "the weights are nan, 1.0"),
        ("runs/llama runs/other --combine linear --density 0.2", "`--density` does nothing here: it is for `--combine ties`"),
        ("runs/llama runs/other --combine ties --rank 2 --seed 3", "`--seed` does nothing here"),
        ("runs/llama runs/other --combine linear --dtype float16", "add `--fold`"),
        ("runs/llama runs/other --combine linear --rank 0", "the rank is 0"),
        ("runs/llama runs/other --combine ties --rank -1", "the rank is -1"),
        ("runs/llama runs/other --combine ties --fold --density 1e-9", "none would stay"),
        ("runs/llama runs/other", "say how they become one"),
        ("", "name a run and a new folder"),
    ],
)
def test_what_cannot_be_combined_is_refused(second, capsys, words, said, tmp_path):
    status, out, err = run(capsys, "merge", *words.split()[:2], str(tmp_path / "out"), *words.split()[2:])
    assert (status, out) == (1, "") and said in err
    assert not (tmp_path / "out").exists()


def test_options_that_do_nothing_are_refused(capsys, tmp_path):
    for words in (["--weights", "1"], ["--rank", "4"], ["--fold"]):
        status, _, err = run(capsys, "merge", "runs/t5", str(tmp_path / "out"), *words)
        assert status == 1 and f"`{words[0]}` does nothing here: it is for `--combine`" in err


def test_the_command_that_combines(second, capsys, tmp_path):
    words = ["runs/llama", second, str(tmp_path / "out"), "--combine", "ties", "--rank", "2", "--weights", ".5", "-.3"]
    status, out, err = run(capsys, "merge", *words)
    assert (status, out.strip()) == (0, str(tmp_path / "out/adapter"))
    assert "combined in rank 2:" in err


def test_the_command(capsys, tmp_path):
    status, out, err = run(capsys, "merge", "runs/t5", str(tmp_path / "out"), "--dtype", "float16")
    assert (status, out.strip()) == (0, str(tmp_path / "out"))
    assert "merged in float16: logits differ by at most" in err
    status, _, err = run(capsys, "merge", "runs/t5", str(tmp_path / "out"))
    assert status == 1 and "is there already" in err


@pytest.mark.parametrize("name", ["t5", "llama", "full"])
def test_an_exported_run_answers_alike(name, tmp_path):
    exported = handover.export_run(f"runs/{name}", tmp_path / "out")
    assert exported.replayed and not exported.partings
    assert (exported.merged is None) == (name == "full")
    assert "answers are the run's own" in str(exported)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_only_prompts_with_room_for_the_whole_answer_are_replayed(home, kind, tmp_path):
    """Behind the window transformers goes on: GPT-2 has no position there, and a rotary network says more than we did."""
    import transformers

    config = json.loads((home / "llama/config.json").read_text())
    ends = {"eos_token_id": None, "bos_token_id": None, "pad_token_id": 0}
    if kind == "gpt2":
        small = {"n_positions": 40, "n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": config["vocab_size"]}
        made = transformers.GPT2Config(**small, **ends)
    else:
        made = transformers.LlamaConfig(**{**config, "max_position_embeddings": 40})
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(made).save_pretrained(tmp_path / "base")
    load(ModelSettings(path="llama")).renderer.tokenizer.save_pretrained(tmp_path / "base")
    model = load(ModelSettings(path=str(tmp_path / "base")))
    short, long = "1 and 2", "1 and 2 and 3 and 4 and 5 and 6 and 7 and 8"
    lengths = [len(model.renderer.prompt(handover.prompt(text, 0))) for text in (short, long)]
    assert lengths[0] + handover.REPLAYED <= 40 and 40 - handover.REPLAYED + 1 < lengths[1] < 40
    (tmp_path / "both.txt").write_text(f"{long}\n{short}\n")
    exported = handover.export_run(str(tmp_path / "base"), tmp_path / "out", prompts=tmp_path / "both.txt")
    assert exported.replayed == 1 and not exported.partings
    (tmp_path / "long.txt").write_text(f"{long}\n")
    told = str(handover.export_run(str(tmp_path / "base"), tmp_path / "none", prompts=tmp_path / "long.txt"))
    assert "no prompt was short enough" in told and "window of 40" in told and "`--prompts`" in told
    assert "answers are the run's own" not in told


def test_a_network_that_says_no_words_is_not_said_to_be_proved(headed, tmp_path):
    told = str(handover.export_run("bert", tmp_path / "out"))
    assert "nothing was replayed" in told and "says no words" in told and "answers are" not in told


@pytest.mark.parametrize("way", ["merge", "export", "predict"])
def test_rows_are_left_out_as_the_run_left_them_out(home, way, tmp_path, capsys):
    """What is done with bad rows stands at the top of the recipe, and not with the task."""
    broken = tmp_path / "broken.jsonl"
    broken.write_text((home / "sums.jsonl").read_text() + '{"prompt": \n')
    tree = {"name": "lenient", "model": {"path": "t5"}, **RECIPE, "tasks": {str(broken): 1.0}}
    verbs.train({**tree, "bad_rows": {"do": "skip", "share": 0.5}}, into=tmp_path / "run", quiet=True)
    (tmp_path / "new.csv").write_text("prompt\n1 and 2\n")
    more = [str(tmp_path / "new.csv"), "tokens=2"] if way == "predict" else [str(tmp_path / "out")]
    status, _, err = run(capsys, way, str(tmp_path / "run"), *more)
    assert status == 0, err


def test_every_stop_token_and_the_chat_template_go_along(home, tmp_path):
    import transformers

    template = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    config = json.loads((home / "llama/generation_config.json").read_text())
    shutil.copytree(home / "llama", tmp_path / "base")
    (tmp_path / "base/generation_config.json").write_text(json.dumps({**config, "eos_token_id": [1, 7]}))
    model = load(ModelSettings(path=str(tmp_path / "base"), chat=template))
    before = model.renderer.tokenizer.chat_template, model.network.generation_config.eos_token_id
    with telling(model):
        save_network(tmp_path / "out", model)
    assert (model.renderer.tokenizer.chat_template, model.network.generation_config.eos_token_id) == before
    written = transformers.GenerationConfig.from_pretrained(tmp_path / "out")
    assert set(written.eos_token_id) == model.renderer.stops and len(model.renderer.stops) > 1
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "out").chat_template == template
    again = load(ModelSettings(path=str(tmp_path / "out")))
    example = handover.prompt("1 and 2", 0)
    assert again.renderer.prompt(example) == model.renderer.prompt(example) and again.renderer.stops == model.renderer.stops
    plain = load(ModelSettings(path=str(tmp_path / "out"), chat="none"))
    with telling(plain):
        save_network(tmp_path / "plain", plain)
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "plain").chat_template is None


def test_a_folder_that_says_something_else_is_told(tmp_path):
    model = load(ModelSettings(path="runs/llama"))
    handover.export_run("runs/llama", tmp_path / "out")
    prompt = model.renderer.prompt(handover.prompt("1 and 2", 0))
    [own] = generate(model, [prompt], Sampling(tokens=8))
    assert replay(tmp_path / "out", "causal", [prompt], [own.ids], 8) == []
    wrong = (*own.ids[:3], 5 if own.ids[3] != 5 else 6, *own.ids[4:])
    [parting] = replay(tmp_path / "out", "causal", [prompt], [wrong], 8)
    assert (parting.prompt, parting.token) == (0, 3) and parting.margin > 0


def test_gguf_without_a_converter_tells_the_command_and_with_one_calls_it(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("LLAMA_CPP", raising=False)
    status, out, err = run(capsys, "export", "runs/llama", str(tmp_path / "out"), "--to", "gguf")
    assert (status, out) == (1, "") and (tmp_path / "out/model.safetensors").is_file()
    assert f"convert_hf_to_gguf.py {tmp_path / 'out'} --outfile {tmp_path / 'out/out.gguf'} --outtype f32" in err
    script = tmp_path / "convert_hf_to_gguf.py"
    script.write_text(STAND_IN)
    words = ["runs/llama", str(tmp_path / "two"), "--to", "gguf", "--converter", str(script), "--dtype", "bfloat16"]
    status, out, err = run(capsys, "export", *words)
    assert (status, out.strip()) == (0, str(tmp_path / "two/two.gguf"))
    assert "merged in bfloat16" in err and "does not name the stop tokens" in err


HEADED = {
    "model": {"path": "bert"},
    "objective": {"kind": "classify", "pooling": "first", "hidden": True},
    "tasks": {"kinds.jsonl": {"template": "{{text}} ||| {{kind}}", "choices": "odd ||| even"}},
    "forgetting": "none",
    "plan": {"steps": 3, "examples": 4, "learning_rate": 1e-2},
    "limit": {"test": 3},
}


@pytest.fixture(scope="module")
def headed(home):
    """Runs with a head that transformers' class computes, and one whose head it does not."""
    tiny_model(home / "bert", "bert")
    lines = [json.dumps({"text": f"{n} and {n}", "kind": ("even", "odd")[n % 2]}) for n in range(60)]
    (home / "kinds.jsonl").write_text("\n".join(lines) + "\n")
    before = os.getcwd()  # noqa: PTH109
    os.chdir(home)
    for name, method in (("head-lora", {"kind": "lora", "rank": 2}), ("head-full", {"kind": "full"})):
        verbs.train({"name": name, **HEADED, "method": method}, quiet=True)
    own = {**HEADED, "objective": {"kind": "classify"}, "method": {"kind": "lora", "rank": 2}}
    verbs.train({"name": "head-mean", **own}, quiet=True)
    os.chdir(before)


@pytest.mark.parametrize("name", ["head-lora", "head-full"])
@pytest.mark.parametrize("way", [handover.merge_run, handover.export_run])
def test_a_head_goes_along_into_transformers_class(headed, name, way, tmp_path):
    import transformers

    told = str(way(f"runs/{name}", tmp_path / "out"))
    assert "`AutoModelForSequenceClassification`" in told and float(told.rsplit(" ", 1)[1]) < 1e-5
    peer = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    assert peer.config.id2label == {0: "odd", 1: "even"} and peer.config.problem_type == "single_label_classification"
    answer = shares_of(f"runs/{name}")
    with torch.no_grad():
        shares = peer(**tokenizer("5 and 5", return_tensors="pt", return_token_type_ids=False)).logits.softmax(-1)[0]
    assert answer == pytest.approx({"odd": float(shares[0]), "even": float(shares[1])}, abs=1e-4)
    assert shares_of(str(tmp_path / "out")) == pytest.approx(answer, abs=1e-4)


@pytest.mark.parametrize(
    ("objective", "task", "reads"),
    [
        ({"kind": "multiple_choice", "pooling": "first", "hidden": True}, "town/choice", "rows with choices"),
        ({"kind": "reward", "pooling": "first", "hidden": True}, "town/politeness", "rows with an answer"),
    ],
)
def test_where_no_row_could_be_compared_nothing_is_said_to_be_proved(headed, objective, task, reads, tmp_path):
    tree = {**HEADED, "name": "asked", "objective": objective, "tasks": {task: 1.0}, "method": {"kind": "lora", "rank": 2}}
    verbs.train({**tree, "limit": {"train": 24, "validation": 4, "test": 4}}, into=tmp_path / "run", quiet=True)
    (tmp_path / "mine.txt").write_text("one and two\n")
    told = handover.merge_run(str(tmp_path / "run"), tmp_path / "out", prompts=tmp_path / "mine.txt").head
    assert "no row could be compared" in told and reads in told and "`--prompts` is left out" in told
    assert "differ by at most" not in told
    assert "differ by at most" in handover.merge_run(str(tmp_path / "run"), tmp_path / "own").head


def shares_of(run):
    return {line.split()[0]: float(line.split()[1]) for line in answering.answer(run, "5 and 5").splitlines()}


def test_a_head_of_our_own_is_said_to_be(headed, tmp_path):
    assert "only tunesmith reads it" in str(handover.merge_run("runs/head-mean", tmp_path / "out"))
    card = Path("runs/head-mean/adapter/README.md").read_text()
    assert "No class of transformers computes this head" in card and "pipeline_tag: text-classification" in card


def test_the_card_of_a_head_says_how_peft_loads_it(headed):
    import re

    card = Path("runs/head-lora/adapter/README.md").read_text()
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL).group(1)
    assert "id2label={0: 'odd', 1: 'even'}" in code
    scope: dict = {}
    exec(code.replace("FOLDER", "runs/head-lora/adapter"), scope)
    row = scope["tokenizer"]("5 and 5", return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        shares = scope["network"].eval()(**row).logits.softmax(-1)[0]
    assert sorted(shares_of("runs/head-lora").values()) == pytest.approx(sorted(shares.tolist()), abs=1e-4)
    assert "tunesmith merge FOLDER OUT" in Path("runs/head-full/model/README.md").read_text()
