"""Adapters of ours in PEFT, and PEFT's here: the same logits."""

import json

import pytest
import torch

from tests.models.networks import NETWORKS, model, network
from tests.models.rows import laid, sequences
from tunesmith.errors import UserError
from tunesmith.methods.lora import LoRA
from tunesmith.methods.prompt import PromptTuning
from tunesmith.models.model import Model
from tunesmith.models.weights import load_adapter, save_adapter
from tunesmith.tokens.batch import Batch

peft = pytest.importorskip("peft")

ARCHITECTURES = (
    "llama",
    "gpt2",
    "gpt_neox",
    "phi3",
    "mixtral",
    "opt",
    "t5",
    "t5-gated",
    "bart",
    "bert",
    "roberta",
    "distilbert",
)
PROMPTED = ("llama", "gemma3", "gpt2", "t5", "bart", "bert")
TASKS = {"causal": "CAUSAL_LM", "seq2seq": "SEQ_2_SEQ_LM", "masked": "FEATURE_EXTRACTION"}


def ours(made: Model, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return made(batch).logits()


def theirs(wrapped, name: str, batch: Batch) -> torch.Tensor:
    """PEFT's logits at the same targets; `batch` has no virtual tokens, PEFT puts them before every row itself."""
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.mask.long()}
    if NETWORKS[name][0] == "seq2seq":
        inputs = {
            "input_ids": batch.source_ids,
            "attention_mask": batch.source_mask.long(),
            "decoder_input_ids": batch.input_ids,
        }
    with torch.no_grad():
        logits = wrapped.eval()(**inputs).logits
    before = logits.shape[1] - batch.input_ids.shape[1]
    return logits[batch.target_rows, batch.target_columns + before]


def shaken(parameters) -> None:
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(torch.randn_like(parameter) * 0.2)


METHODS = {
    "lora": LoRA(rank=3, alpha=5),
    "stabilised": LoRA(rank=3, rank_stabilised=True, on=("query", "qkv", "mlp_down")),
    "prompt": PromptTuning(virtual_tokens=3, init="random"),
}
OURS = [(name, kind) for name in ARCHITECTURES for kind in ("lora", "stabilised")] + [(name, "prompt") for name in PROMPTED]


@pytest.mark.parametrize(("name", "kind"), OURS)
@pytest.mark.filterwarnings("ignore")
def test_our_adapter_in_peft(name, kind, tmp_path):
    made = model(name)
    adapter = made.attach("a", METHODS[kind])
    shaken(adapter.trained().values())
    saved = save_adapter(tmp_path, adapter, made)
    wrapped = peft.PeftModel.from_pretrained(network(name), saved)
    tokens = sequences(made.family)
    exact = (
        wrapped if name == "mixtral" else wrapped.double()
    )  # in float32 PEFT is further from it than we are; experts need it
    said = theirs(exact, name, laid(tokens)).float()
    torch.testing.assert_close(ours(made, laid(tokens, made.virtual_tokens)), said, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ours(made, laid(tokens, adapters=("",) * 4)), said, atol=1e-3), "the adapter says something"


TARGETS = {
    "llama": ["q_proj", "down_proj"],
    "gpt2": ["c_attn", "c_proj"],
    "t5": ["q", "v", "wo"],
    "bart": r".*decoder\..*(q_proj|fc1)",
    "bert": "all-linear",
}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.filterwarnings("ignore")
def test_their_lora_here(name, tmp_path):
    family = NETWORKS[name][0]
    config = peft.LoraConfig(r=3, lora_alpha=7, target_modules=TARGETS[name], task_type=TASKS[family], use_rslora=name == "t5")
    check_theirs(name, config, tmp_path)


@pytest.mark.parametrize("name", PROMPTED)
@pytest.mark.filterwarnings("ignore")
def test_their_prompt_here(name, tmp_path):
    config = peft.PromptTuningConfig(num_virtual_tokens=3, task_type=TASKS[NETWORKS[name][0]])
    check_theirs(name, config, tmp_path)


def check_theirs(name, config, folder):
    wrapped = peft.get_peft_model(network(name), config)
    shaken([p for n, p in wrapped.named_parameters() if p.requires_grad])
    wrapped.save_pretrained(folder)
    made = model(name)
    load_adapter(folder, made, "theirs")
    tokens = sequences(made.family)
    said = theirs(wrapped, name, laid(tokens))
    torch.testing.assert_close(ours(made, laid(tokens, made.virtual_tokens)), said, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_what_peft_has_and_we_have_not_is_refused(tmp_path):
    wrapped = peft.get_peft_model(network("llama"), peft.LoraConfig(r=2, target_modules=["q_proj"], use_dora=True))
    wrapped.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="use_dora"):
        load_adapter(tmp_path, model("llama"), "a")


@pytest.mark.filterwarnings("ignore")
def test_an_adapter_of_another_network_is_refused_and_taken_off(tmp_path):
    made = model("llama")
    saved = save_adapter(tmp_path, made.attach("a", LoRA()), made)
    other = model("llama", num_hidden_layers=1)
    with pytest.raises(UserError, match=r"layers.1.*not in this network"):
        load_adapter(saved, other, "a")
    assert other.active == "" and not other.adapters
    config = json.loads((saved / "adapter_config.json").read_text())
    assert config["target_modules"] == sorted(["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])
