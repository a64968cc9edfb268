"""The recipes of preferences: two steps of every system, and both stages of `sft-then-dpo` on an OPT of that shape."""

import json
import math

import pytest
import torch
from transformers import AutoTokenizer, OPTConfig, OPTForCausalLM

from tests.conftest import ROOT
from tests.recipes.test_real_input import tree_of
from tests.tiny import ASSETS, tiny_model
from tunesmith import experiment, settings, sweep, verbs
from tunesmith.errors import UserError
from tunesmith.stages import recipes

FEW = {"train": 12, "validation": 4, "test": 6, "forgetting": 2}
SHORT = {"epochs": None, "steps": 2, "examples": 4}


def shortened(tree, **changed):
    return {**tree, "plan": {**tree["plan"], **SHORT}, "limit": FEW, **changed}


@pytest.mark.parametrize(("name", "kind"), [("reward-town", "bert"), ("dpo-town", "llama")])
def test_two_steps_in_the_town(name, kind, tmp_path):
    model = tiny_model(tmp_path / "model", kind)
    tree = shortened(settings.load(ROOT / "recipes" / f"{name}.yaml"), model={"path": str(model)}, forgetting="none")
    for system, recipe in sweep.recipes(tree).items():
        run = experiment.run(recipe, tmp_path / system, quiet=True)
        assert run.world()["ended"]
        assert all(math.isfinite(step["loss"]) for step in (*run.steps(), *run.validations()))
        assert run.scores()["town/politeness"]["accuracy"].answers == 6


@pytest.mark.parametrize(("name", "needed"), [("hh-reward", None), ("hh-dpo", "models/stories260K")])
def test_two_steps_on_real_pairs(name, needed, shared, tmp_path):
    tree = shortened(tree_of(name, shared("data/hh_rlhf").parents[1]))
    tree["model"] = {"path": str(shared(needed) if needed else tiny_model(tmp_path / "model", "bert"))}
    if needed is None:
        tree["plan"]["window"] = 500  # the embedded network reads fewer tokens than MiniLM's texts have
    for system, recipe in sweep.recipes(tree).items():
        run = experiment.run(recipe, tmp_path / system, quiet=True)
        scored = run.scores()["hh_rlhf"]["accuracy"]
        assert run.world()["ended"] and 0 < scored.answers <= 6


def opt_350m(**narrow):
    """The shape of OPT-350m: words narrower than the network, norms behind each layer and none at the end."""
    shape = {
        "vocab_size": 50272,
        "hidden_size": 1024,
        "word_embed_proj_dim": 512,
        "ffn_dim": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "max_position_embeddings": 2048,
        "do_layer_norm_before": False,
        "dropout": 0.1,
    }
    return OPTConfig(**{**shape, **narrow})


def test_the_shape_is_that_of_331_million():
    with torch.device("meta"):
        network = OPTForCausalLM(opt_350m())
    assert sum(p.numel() for p in network.parameters()) == 331_196_416


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A narrow OPT with random weights, chats and pairs of our own, and the recipe with them."""
    monkeypatch.chdir(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(ASSETS / "llama")
    tokenizer.chat_template = None
    tokenizer.save_pretrained("opt")
    narrow = {"hidden_size": 32, "word_embed_proj_dim": 16, "ffn_dim": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    ids = {"pad_token_id": 0, "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    OPTForCausalLM(opt_350m(vocab_size=len(tokenizer), **narrow, **ids)).save_pretrained("opt")

    def turn(role, text):
        return {"role": role, "content": text}

    chats = [[turn("user", f"How is number {n}?"), turn("assistant", f"It is {n} times as good.")] for n in range(60)]
    pairs = [
        {
            "prompt": [turn("user", f"And {n}?")],
            "chosen": [turn("assistant", "Fine.")],
            "rejected": [turn("assistant", f"No {n}.")],
        }
        for n in range(60)
    ]
    for name, rows in (("chats", [{"messages": chat} for chat in chats]), ("pairs", pairs)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tree = settings.load(ROOT / "recipes" / "sft-then-dpo.yaml")
    tree["model"] = {"path": "opt"}
    tree["plan"] |= SHORT
    tree["limit"] = FEW
    tree["ask"] = {"tokens": 4}
    for stage, file in (("sft", "chats.jsonl"), ("dpo", "pairs.jsonl")):
        tree["stages"][stage]["tasks"] = {file: 1.0}
    return tree


def test_both_stages_in_one_command(home):
    last = verbs.train(home, quiet=True)
    assert str(last.folder) == "runs/sft-then-dpo/dpo"
    first = experiment.Run(last.folder.parent / "sft")
    assert first.world()["ended"] and last.world()["ended"]
    for run in (first, last):
        kept = json.loads((run.folder / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))
        assert (kept["r"], kept["lora_alpha"], kept["lora_dropout"]) == (16, 32, 0.05)
        assert kept["base_model_name_or_path"].endswith("opt"), "both stand on the base itself"
    assert last.recipe()["model"]["path"] == "runs/sft-then-dpo/sft"
    assert last.steps()[0]["loss"] == pytest.approx(math.log(2), abs=1e-6), "the reference is what the first stage learnt"
    assert last.validations()[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    again = verbs.train(home, quiet=True)
    assert again.steps() == last.steps()


def test_stages_are_checked_before_any_begins(home, tmp_path):
    home["stages"]["dpo"]["tasks"] = {"chats.jsonl": 1.0, "nothing.jsonl": 1.0}
    with pytest.raises(UserError, match=r"nothing\.jsonl"):
        verbs.train(home, quiet=True)
    assert not (tmp_path / "runs").exists()
    home["stages"]["dpo"]["model"] = {"path": "stage:stf"}
    with pytest.raises(UserError, match="no stage before this one") as error:
        recipes(home, tmp_path)
    assert "sft" in str(error.value)
