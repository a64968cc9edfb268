"""Adapters of ours in PEFT, and PEFT's here: the same logits."""

import json

import pytest
import torch

from tests.models.networks import NETWORKS, model, network
from tests.models.rows import laid, sequences
from tunesmith.errors import UserError
from tunesmith.methods.adalora import AdaLoRA
from tunesmith.methods.combined import Combined
from tunesmith.methods.dora import DoRA
from tunesmith.methods.ia3 import IA3
from tunesmith.methods.lora import LoRA
from tunesmith.methods.pissa import PiSSA
from tunesmith.methods.prefix import PrefixTuning
from tunesmith.methods.prompt import PromptTuning
from tunesmith.methods.ptuning import PTuning
from tunesmith.methods.selective import Selective
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
    "embedding": LoRA(rank=3, on=("embedding", "value", "qkv")),
    "dora": DoRA(rank=3),
    "pissa": PiSSA(rank=3),
    "adalora": AdaLoRA(rank=2, start_rank=4),
    "ia3": IA3(),
    "prompt": PromptTuning(virtual_tokens=3, init="random"),
    "ptuning": PTuning(virtual_tokens=3),
    "prefix": PrefixTuning(virtual_tokens=3),
    "lora and norms": Combined(parts=(LoRA(rank=2, on=("query", "qkv")), Selective(pattern="norm|ln_|LayerNorm"))),
    "prompt and norms": Combined(
        parts=(PromptTuning(virtual_tokens=3, init="random"), Selective(pattern="norm|ln_|LayerNorm"))
    ),
}
MAIN = ("llama", "gpt2", "t5", "bart", "bert")
OURS = [
    *((name, kind) for name in ARCHITECTURES for kind in ("lora", "stabilised")),
    *((name, kind) for name in MAIN for kind in ("embedding", "dora", "pissa", "adalora", "ia3", "lora and norms")),
    *((name, kind) for name in PROMPTED for kind in ("prompt", "ptuning")),
    *((name, "prompt and norms") for name in ("llama", "t5", "bart", "bert")),
    *((name, "prefix") for name in ("llama", "qwen2", "mistral")),
]


@pytest.mark.parametrize(("name", "kind"), OURS)
@pytest.mark.filterwarnings("ignore")
def test_our_adapter_in_peft(name, kind, tmp_path):
    made = model(name)
    adapter = made.attach("a", METHODS[kind])
    shaken(adapter.trained().values())
    if kind == "adalora":
        for number, delta in enumerate(adapter.deltas.values()):  # ranks from 1 to 4
            delta.cut(torch.tensor([1.0, number % 2, 1.0, number % 3 == 0]))
    saved = save_adapter(tmp_path, adapter, made)
    wrapped = peft.PeftModel.from_pretrained(network(name), saved)
    tokens = sequences(made.family)
    exact = (
        wrapped if name == "mixtral" else wrapped.double()
    )  # in float32 PEFT is further from it than we are; experts need it
    said = theirs(exact, name, laid(tokens)).float()
    torch.testing.assert_close(ours(made, laid(tokens, made.virtual_tokens)), said, rtol=1e-4, atol=1e-4)
    if adapter.freed:
        return
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


PATTERNED = {
    "ranks": {"target_modules": ["q_proj", "v_proj", "down_proj"], "rank_pattern": {"v_proj": 5, r"layers\.1\..*down_proj": 2}},
    "alphas": {"target_modules": ["q_proj", "o_proj"], "alpha_pattern": {"layers.0.self_attn.o_proj": 9}, "use_rslora": True},
    "both": {"target_modules": "all-linear", "rank_pattern": {"up_proj": 1}, "alpha_pattern": {"(up|down)_proj": 1.5}},
    "layers": {"target_modules": ["q_proj", "up_proj"], "layers_to_transform": [1]},
    "a layer of a list": {"target_modules": ["q_proj"], "layers_to_transform": 0, "layers_pattern": "layers"},
    "left out": {"target_modules": ["q_proj", "k_proj"], "exclude_modules": ["layers.0.self_attn.q_proj"]},
    "left out by an expression": {"target_modules": "all-linear", "exclude_modules": r".*\.mlp\..*"},
}


@pytest.mark.parametrize("kind", PATTERNED)
@pytest.mark.filterwarnings("ignore")
def test_their_patterns_here_and_back(kind, tmp_path):
    check_theirs("llama", peft.LoraConfig(r=3, lora_alpha=7, task_type="CAUSAL_LM", **PATTERNED[kind]), tmp_path)
    made, tokens = model("llama"), sequences("causal")
    adapter = load_adapter(tmp_path, made, "theirs")
    saved = save_adapter(tmp_path / "ours", adapter, made)
    wrapped = peft.PeftModel.from_pretrained(network("llama"), saved).double()
    torch.testing.assert_close(theirs(wrapped, "llama", laid(tokens)).float(), ours(made, laid(tokens)), rtol=1e-4, atol=1e-4)
    again = model("llama")
    load_adapter(saved, again, "ours")
    torch.testing.assert_close(ours(again, laid(tokens)), ours(made, laid(tokens)))


MAPS = {
    "llama": (["k_proj", "v_proj", "down_proj"], ["down_proj"]),
    "gpt2": (["c_attn", "mlp.c_proj"], ["mlp.c_proj"]),
    "t5": (["k", "v", "wo"], ["wo"]),
    "bart": (["k_proj", "v_proj", "fc2"], ["fc2"]),
    "bert": (["key", "value", "output.dense"], ["output.dense"]),
}


@pytest.mark.parametrize("name", MAIN)
@pytest.mark.parametrize("kind", ["dora", "adalora", "ia3", "embedding", "modules"])
@pytest.mark.filterwarnings("ignore")
def test_their_other_adapters_here(name, kind, tmp_path):
    family, (targets, feeding) = NETWORKS[name][0], MAPS[name]
    embedding = {"llama": "embed_tokens", "gpt2": "wte", "t5": "shared", "bart": "shared", "bert": "word_embeddings"}[name]
    norms = {"llama": ["norm"], "gpt2": ["ln_f"], "t5": ["final_layer_norm"], "bart": ["layernorm_embedding"]}
    made = {
        "dora": lambda: peft.LoraConfig(r=3, target_modules=targets, use_dora=True),
        "adalora": lambda: peft.AdaLoraConfig(init_r=4, target_r=2, target_modules=targets, total_step=10),
        "ia3": lambda: peft.IA3Config(target_modules=targets, feedforward_modules=feeding),
        "embedding": lambda: peft.LoraConfig(r=3, target_modules=[*targets, embedding]),
        "modules": lambda: peft.LoraConfig(r=3, target_modules=targets, modules_to_save=norms.get(name, ["LayerNorm"])),
    }[kind]()
    made.task_type = TASKS[family]
    if kind == "embedding" and name in ("t5", "bart"):
        pytest.skip("PEFT puts it at the decoder's embedding too, which is the same table here")
    check_theirs(name, made, tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_their_adalora_with_ranks_of_its_own_here(tmp_path):
    config = peft.AdaLoraConfig(init_r=4, target_r=2, target_modules=["q_proj", "v_proj"], total_step=10, task_type="CAUSAL_LM")
    wrapped = peft.get_peft_model(network("llama"), config)
    shaken([p for n, p in wrapped.named_parameters() if p.requires_grad])
    kept = {}
    with torch.no_grad():
        for number, (n, p) in enumerate((n, p) for n, p in wrapped.base_model.model.named_parameters() if "lora_E" in n):
            kept[n] = [True, number % 2 == 0, False, True]
            p.mul_(torch.tensor(kept[n])[:, None])
    wrapped.peft_config["default"].rank_pattern = kept
    wrapped.save_pretrained(tmp_path)
    made = model("llama")
    adapter = load_adapter(tmp_path, made, "theirs")
    assert [len(delta.e_R1) for delta in adapter.deltas.values()] == [3, 2, 3, 2]
    tokens = sequences("causal")
    torch.testing.assert_close(ours(made, laid(tokens)), theirs(wrapped, "llama", laid(tokens)), rtol=1e-4, atol=1e-4)


BESIDE = {
    "biases": {"bias": "all"},
    "biases of changed maps": {"bias": "lora_only"},
    "rows": {"trainable_token_indices": [7, 2]},
    "rows and modules": {"trainable_token_indices": [5], "modules_to_save": [".*norm.*|.*ln_.*|.*LayerNorm.*"]},
}


@pytest.mark.parametrize("name", [*MAIN, "llama-tied"])
@pytest.mark.parametrize("kind", BESIDE)
@pytest.mark.filterwarnings("ignore")
def test_what_their_lora_kept_of_the_network(name, kind, tmp_path):
    if name == "bert" and "rows" in kind:
        pytest.skip("refused: see below")
    modules = {"llama": ["norm"], "t5": ["final_layer_norm"], "bart": ["layernorm_embedding"], "gpt2": ["ln_f"]}
    given = BESIDE[kind]
    if "modules_to_save" in given:
        given = {**given, "modules_to_save": modules.get(name.removesuffix("-tied"), ["LayerNorm"])}
    config = peft.LoraConfig(r=2, target_modules=TARGETS[name.removesuffix("-tied")], **given)
    check_theirs(name, config, tmp_path)


@pytest.mark.parametrize("name", PROMPTED)
@pytest.mark.parametrize("kind", ["prompt", "ptuning", "prefix"])
@pytest.mark.filterwarnings("ignore")
def test_their_prompt_here(name, kind, tmp_path):
    if kind == "prefix" and name in ("gemma3", "gpt2", "bert"):
        pytest.skip("refused here: fused or normed keys; or refused there")
    kinds = {"prompt": peft.PromptTuningConfig, "prefix": peft.PrefixTuningConfig, "ptuning": peft.PromptEncoderConfig}
    further = {"encoder_hidden_size": 8} if kind == "ptuning" else {}
    check_theirs(name, kinds[kind](num_virtual_tokens=3, task_type=TASKS[NETWORKS[name][0]], **further), tmp_path)


@pytest.mark.parametrize("name", ["llama", "t5", "bart", "bert"])
@pytest.mark.parametrize("kind", ["prompt", "prefix"])
@pytest.mark.filterwarnings("ignore")
def test_their_prompt_beside_whole_norms_here(name, kind, tmp_path):
    if (kind, name) == ("prefix", "bert"):
        pytest.skip("refused there")
    whole = {"llama": ["norm"], "t5": ["final_layer_norm"], "bart": ["layernorm_embedding"]}.get(name, ["LayerNorm"])
    kinds = {"prompt": peft.PromptTuningConfig, "prefix": peft.PrefixTuningConfig}
    config = kinds[kind](num_virtual_tokens=3, task_type=TASKS[NETWORKS[name][0]], modules_to_save=whole)
    check_theirs(name, config, tmp_path)


def check_theirs(name, config, folder):
    wrapped = peft.get_peft_model(network(name), config)
    shaken([p for n, p in wrapped.named_parameters() if p.requires_grad])
    wrapped.save_pretrained(folder)
    made = model(name)
    load_adapter(folder, made, "theirs")
    tokens = sequences(made.family)
    said = theirs(wrapped, name, laid(tokens))
    here = laid(tokens, made.virtual_tokens, in_decoder=made.adapter().method.in_decoder)
    torch.testing.assert_close(ours(made, here), said, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_rows_whose_head_loses_its_bias_in_peft_are_refused(tmp_path):
    config = peft.LoraConfig(r=2, target_modules=["query"], trainable_token_indices=[2])
    peft.get_peft_model(network("bert"), config).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"trains rows of `bert\.embeddings\.word_embeddings`.* no bias"):
        load_adapter(tmp_path, model("bert"), "a")


@pytest.mark.parametrize(
    ("rows", "said"), [([61], "row of token 61; this network has 61"), ({"lm_head": [1]}, "rows of `lm_head`")]
)
@pytest.mark.filterwarnings("ignore")
def test_rows_that_are_not_there_are_refused(rows, said, tmp_path):
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], trainable_token_indices=[2])
    peft.get_peft_model(network("llama"), config).save_pretrained(tmp_path)
    file = tmp_path / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "trainable_token_indices": rows}))
    with pytest.raises(UserError, match=said):
        load_adapter(tmp_path, model("llama"), "a")


@pytest.mark.filterwarnings("ignore")
def test_rows_and_biases_are_written_back_and_read_again(tmp_path):
    config = peft.LoraConfig(r=2, target_modules=["q"], bias="all", trainable_token_indices=[2, 9])
    wrapped = peft.get_peft_model(network("t5"), config)
    shaken([p for n, p in wrapped.named_parameters() if p.requires_grad])
    wrapped.save_pretrained(tmp_path / "theirs")
    made, again = model("t5"), model("t5")
    saved = save_adapter(tmp_path / "ours", load_adapter(tmp_path / "theirs", made, "a"), made)
    load_adapter(saved, again, "a")
    batch = laid(sequences("seq2seq"))
    assert torch.equal(ours(made, batch), ours(again, batch))


REFUSED = {
    "alora_invocation_tokens": [3, 4],
    "init_lora_weights": "pissa",
    "use_bdlora": {"target_modules_bd_a": ["q_proj"], "nblocks": 2},
    "lora_bias": True,
}


@pytest.mark.parametrize("setting", REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_what_peft_has_and_we_have_not_is_refused(setting, tmp_path):
    wrapped = peft.get_peft_model(network("llama"), peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    wrapped.save_pretrained(tmp_path)
    file = tmp_path / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), setting: REFUSED[setting]}))
    with pytest.raises(UserError, match=f"sets `{setting}: ") as told:
        load_adapter(tmp_path, model("llama"), "a")
    assert "fetch it" not in told.value.hint


@pytest.mark.parametrize("init", ["pissa", "pissa_niter_4", "olora"])
@pytest.mark.filterwarnings("ignore")
def test_values_taken_out_of_the_base_are_refused(init, tmp_path):
    """PEFT changes the base when it makes such an adapter, and again when it reads one."""
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=init)
    peft.get_peft_model(network("llama"), config).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=f"init_lora_weights: {init}") as told:
        load_adapter(tmp_path, model("llama"), "a")
    assert "path_initial_model_for_weight_conversion" in told.value.hint


@pytest.mark.parametrize("name", ["llama-tied", "t5", "bart", "bert"])
@pytest.mark.filterwarnings("ignore")
def test_a_whole_embedding_that_others_share_is_refused(name, tmp_path):
    """PEFT changes its copy, and not the vocabulary head or the other stack."""
    at = {"llama-tied": "embed_tokens", "bert": "word_embeddings"}.get(name, "shared")
    config = peft.LoraConfig(r=2, target_modules=MAPS[name.removesuffix("-tied")][0], modules_to_save=[at])
    peft.get_peft_model(network(name), config).save_pretrained(tmp_path)
    made = model(name)
    with pytest.raises(UserError, match=f"keeps `.*{at}.weight` whole, which other modules"):
        load_adapter(tmp_path, made, "a")
    assert not made.adapters


@pytest.mark.filterwarnings("ignore")
def test_a_whole_head_that_is_the_embedding_is_refused(tmp_path):
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"])
    peft.get_peft_model(network("llama-tied"), config).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="keeps `lm_head` whole, which has no weights of its own"):
        load_adapter(tmp_path, model("llama-tied"), "a")


@pytest.mark.parametrize("name", ["llama-tied", "t5", "bart", "bert"])
def test_a_shared_embedding_beside_lora_is_written_in_our_own_format(name, tmp_path):
    made = model(name)
    method = Combined(parts=(LoRA(rank=2, on=("query",)), Selective(parts=("embedding",))))
    adapter = made.attach("a", method)
    shaken(adapter.trained().values())
    saved = save_adapter(tmp_path, adapter, made)
    assert json.loads((saved / "adapter_config.json").read_text())["peft_type"] is None
    again = model(name)
    load_adapter(saved, again, "a")
    tokens = laid(sequences(made.family))
    torch.testing.assert_close(ours(again, tokens), ours(made, tokens))


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
