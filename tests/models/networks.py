"""Tiny random networks of every architecture that the laws run over."""

from typing import Any

import torch
from torch import nn

from tunesmith.models.families import Family
from tunesmith.models.head import HeadPlan
from tunesmith.models.model import Model

V = 61
SMALL = {
    "vocab_size": V,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED = {**SMALL, "num_key_value_heads": 1}
GEMMA = {**GROUPED, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 4}
T5 = {
    "vocab_size": V,
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 24,
    "num_layers": 2,
    "num_heads": 2,
    "decoder_start_token_id": 0,
    "pad_token_id": 0,
    "eos_token_id": 1,
}
BART = {
    "vocab_size": V,
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 64,
    "decoder_start_token_id": 2,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
# name -> (family, model type, class, settings)
NETWORKS: dict[str, tuple[Family, str, dict[str, Any]]] = {
    "llama": ("causal", "llama", GROUPED),
    "llama-tied": ("causal", "llama", {**GROUPED, "tie_word_embeddings": True}),
    "qwen2": ("causal", "qwen2", GROUPED),
    "qwen3": ("causal", "qwen3", {**GROUPED, "head_dim": 8}),
    "mistral": ("causal", "mistral", {**GROUPED, "sliding_window": 4, "head_dim": 8}),
    "gemma2": ("causal", "gemma2", {**GEMMA, "final_logit_softcapping": 2.0}),
    "gemma3": ("causal", "gemma3_text", {**GEMMA, "final_logit_softcapping": 2.0}),
    "gpt2": (
        "causal",
        "gpt2",
        {"vocab_size": V, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64, "bos_token_id": 1, "eos_token_id": 2},
    ),
    "gpt_neox": ("causal", "gpt_neox", SMALL),
    "opt": ("causal", "opt", {**SMALL, "ffn_dim": 24, "word_embed_proj_dim": 16}),
    "opt-350m": (
        "causal",
        "opt",
        {**SMALL, "ffn_dim": 24, "word_embed_proj_dim": 8, "do_layer_norm_before": False},
    ),
    "phi": ("causal", "phi", GROUPED),
    "phi3": ("causal", "phi3", GROUPED),
    "mixtral": ("causal", "mixtral", {**GROUPED, "num_local_experts": 2, "num_experts_per_tok": 1}),
    "cohere": ("causal", "cohere", {**GROUPED, "logit_scale": 0.25}),
    "granite": ("causal", "granite", {**GROUPED, "logits_scaling": 4.0}),
    "t5": ("seq2seq", "t5", {**T5, "feed_forward_proj": "relu", "tie_word_embeddings": True}),
    "t5-gated": ("seq2seq", "t5", {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    "t5-gated-tied": ("seq2seq", "t5", {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": True}),
    "bart": ("seq2seq", "bart", BART),
    "bert": ("masked", "bert", SMALL),
    "roberta": ("masked", "roberta", {**SMALL, "pad_token_id": 1, "bos_token_id": 0}),
    "distilbert": (
        "masked",
        "distilbert",
        {"vocab_size": V, "dim": 16, "hidden_dim": 24, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 64},
    ),
}
FEW = ("llama", "gpt2", "t5", "bart", "bert")  # one of each way of storing weights


class Speller:
    """Stands in for a renderer: a word is its length."""

    def __init__(self, family: Family) -> None:
        self.family = family

    def spell(self, text: str) -> tuple[int, ...]:
        return tuple(3 + len(word) for word in text.split())


def network(name: str, seed: int = 0, **changed: Any) -> nn.Module:
    """A network with random weights large enough that every part matters, and no dropout."""
    import transformers

    family, kind, settings = NETWORKS[name]
    kinds = {
        "causal": transformers.AutoModelForCausalLM,
        "seq2seq": transformers.AutoModelForSeq2SeqLM,
        "masked": transformers.AutoModelForMaskedLM,
    }
    torch.manual_seed(seed)
    config = transformers.AutoConfig.for_model(kind, **{**settings, **changed})
    for key in list(vars(config)):
        if "drop" in key or key == "drop":
            setattr(config, key, 0.0)
    made: nn.Module = kinds[family].from_config(config)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
        if (bias := getattr(made, "final_logits_bias", None)) is not None:
            bias.normal_()
    return made.eval()


def model(name: str, seed: int = 0, plan: HeadPlan | None = None, **changed: Any) -> Model:
    family = NETWORKS[name][0]
    return Model(network(name, seed, **changed), Speller(family), family, plan).eval()  # type: ignore[arg-type]
