"""Shapes of well-known public networks, so that what they take can be told without reading anything of them.

From their published `config.json`. What does not change a size (rotary bases, ids of special tokens) is left out. The number of
parameters beside each is the published one; a tied embedding counts once. `tests/models/test_shapes.py` counts all of them.
"""

from dataclasses import dataclass
from typing import Any

from tunesmith.errors import UserError, did_you_mean
from tunesmith.models.families import Family
from tunesmith.models.load import ModelSettings, load_config


@dataclass(frozen=True)
class Shape:
    """A network's kind, the settings of its config that make its size, and its number of parameters."""

    kind: str
    settings: dict[str, Any]
    parameters: int
    dtype: str = "bfloat16"


def _rotary(width: int, inner: int, layers: int, heads: int, groups: int, vocabulary: int, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "vocab_size": vocabulary,
        **more,
    }


def _t5(width: int, inner: int, layers: int, heads: int, gated: bool = True) -> dict[str, Any]:
    return {
        "d_model": width,
        "d_ff": inner,
        "d_kv": 64,
        "num_layers": layers,
        "num_decoder_layers": layers,
        "num_heads": heads,
        "vocab_size": 32128,
        "feed_forward_proj": "gated-gelu" if gated else "relu",
        "tie_word_embeddings": not gated,
    }


def _bart(width: int, layers: int, heads: int, vocabulary: int) -> dict[str, Any]:
    return {
        "d_model": width,
        "encoder_layers": layers,
        "decoder_layers": layers,
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * width,
        "decoder_ffn_dim": 4 * width,
        "vocab_size": vocabulary,
        "max_position_embeddings": 1024,
    }


def _encoder(width: int, layers: int, heads: int, vocabulary: int, positions: int = 512, types: int = 2) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "vocab_size": vocabulary,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
    }


def _gpt2(width: int, layers: int, heads: int) -> dict[str, Any]:
    return {"n_embd": width, "n_layer": layers, "n_head": heads, "vocab_size": 50257, "n_positions": 1024}


TIED = {"tie_word_embeddings": True}
LLAMA3 = {"max_position_embeddings": 131072}
QWEN = {"max_position_embeddings": 32768}
QWEN3 = {"head_dim": 128, "max_position_embeddings": 40960}
GEMMA3 = {"head_dim": 256, "max_position_embeddings": 32768}
PHI3 = {"max_position_embeddings": 4096, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
FLOAT32 = "float32"

SHAPES: dict[str, Shape] = {
    "meta-llama/Llama-3.2-1B": Shape("llama", _rotary(2048, 8192, 16, 32, 8, 128256, **TIED, **LLAMA3), 1_235_814_400),
    "meta-llama/Llama-3.2-3B": Shape("llama", _rotary(3072, 8192, 28, 24, 8, 128256, **TIED, **LLAMA3), 3_212_749_824),
    "meta-llama/Llama-3.1-8B": Shape("llama", _rotary(4096, 14336, 32, 32, 8, 128256, **LLAMA3), 8_030_261_248),
    "meta-llama/Llama-3.1-70B": Shape("llama", _rotary(8192, 28672, 80, 64, 8, 128256, **LLAMA3), 70_553_706_496),
    "TinyLlama/TinyLlama-1.1B": Shape("llama", _rotary(2048, 5632, 22, 32, 4, 32000), 1_100_048_384),
    "HuggingFaceTB/SmolLM2-135M": Shape("llama", _rotary(576, 1536, 30, 9, 3, 49152, **TIED), 134_515_008),
    "HuggingFaceTB/SmolLM2-360M": Shape("llama", _rotary(960, 2560, 32, 15, 5, 49152, **TIED), 361_821_120),
    "HuggingFaceTB/SmolLM2-1.7B": Shape("llama", _rotary(2048, 8192, 24, 32, 32, 49152, **TIED), 1_711_376_384),
    "Qwen/Qwen2.5-0.5B": Shape("qwen2", _rotary(896, 4864, 24, 14, 2, 151936, **TIED, **QWEN), 494_032_768),
    "Qwen/Qwen2.5-1.5B": Shape("qwen2", _rotary(1536, 8960, 28, 12, 2, 151936, **TIED, **QWEN), 1_543_714_304),
    "Qwen/Qwen2.5-7B": Shape("qwen2", _rotary(3584, 18944, 28, 28, 4, 152064, **QWEN), 7_615_616_512),
    "Qwen/Qwen3-0.6B": Shape("qwen3", _rotary(1024, 3072, 28, 16, 8, 151936, **TIED, **QWEN3), 596_049_920),
    "Qwen/Qwen3-1.7B": Shape("qwen3", _rotary(2048, 6144, 28, 16, 8, 151936, **TIED, **QWEN3), 1_720_574_976),
    "Qwen/Qwen3-4B": Shape("qwen3", _rotary(2560, 9728, 36, 32, 8, 151936, **TIED, **QWEN3), 4_022_468_096),
    "Qwen/Qwen3-8B": Shape("qwen3", _rotary(4096, 12288, 36, 32, 8, 151936, **QWEN3), 8_190_735_360),
    "Qwen/Qwen3-14B": Shape("qwen3", _rotary(5120, 17408, 40, 40, 8, 151936, **QWEN3), 14_768_307_200),
    "Qwen/Qwen3-32B": Shape("qwen3", _rotary(5120, 25600, 64, 64, 8, 151936, **QWEN3), 32_762_123_264),
    "mistralai/Mistral-7B-v0.1": Shape("mistral", _rotary(4096, 14336, 32, 32, 8, 32000), 7_241_732_096),
    "mistralai/Mistral-7B-v0.3": Shape("mistral", _rotary(4096, 14336, 32, 32, 8, 32768), 7_248_023_552),
    "google/gemma-3-1b": Shape("gemma3_text", _rotary(1152, 6912, 26, 4, 1, 262144, **TIED, **GEMMA3), 999_885_952),
    # Of the larger ones the part that reads text, without the one that sees.
    "google/gemma-3-4b": Shape("gemma3_text", _rotary(2560, 10240, 34, 8, 4, 262208, **TIED, **GEMMA3), 3_880_263_168),
    "microsoft/phi-2": Shape("phi", _rotary(2560, 10240, 32, 32, 32, 51200, max_position_embeddings=2048), 2_779_683_840),
    "microsoft/Phi-3-mini-4k": Shape("phi3", _rotary(3072, 8192, 32, 32, 32, 32064, **PHI3), 3_821_079_552),
    "microsoft/phi-4": Shape("phi3", _rotary(5120, 17920, 40, 40, 10, 100352, **PHI3), 14_659_507_200),
    "openai-community/gpt2": Shape("gpt2", _gpt2(768, 12, 12), 124_439_808, FLOAT32),
    "openai-community/gpt2-medium": Shape("gpt2", _gpt2(1024, 24, 16), 354_823_168, FLOAT32),
    "openai-community/gpt2-large": Shape("gpt2", _gpt2(1280, 36, 20), 774_030_080, FLOAT32),
    "openai-community/gpt2-xl": Shape("gpt2", _gpt2(1600, 48, 25), 1_557_611_200, FLOAT32),
    "google-t5/t5-small": Shape("t5", _t5(512, 2048, 6, 8, gated=False), 60_506_624, FLOAT32),
    "google-t5/t5-base": Shape("t5", _t5(768, 3072, 12, 12, gated=False), 222_903_552, FLOAT32),
    "google-t5/t5-large": Shape("t5", _t5(1024, 4096, 24, 16, gated=False), 737_668_096, FLOAT32),
    "google/flan-t5-small": Shape("t5", _t5(512, 1024, 8, 6), 76_961_152, FLOAT32),
    "google/flan-t5-base": Shape("t5", _t5(768, 2048, 12, 12), 247_577_856, FLOAT32),
    "google/flan-t5-large": Shape("t5", _t5(1024, 2816, 24, 16), 783_150_080, FLOAT32),
    "google/flan-t5-xl": Shape("t5", _t5(2048, 5120, 24, 32), 2_849_757_184, FLOAT32),
    "google/flan-t5-xxl": Shape("t5", _t5(4096, 10240, 24, 64), 11_135_332_352, FLOAT32),
    "facebook/bart-base": Shape("bart", _bart(768, 6, 12, 50265), 139_420_416, FLOAT32),
    "facebook/bart-large": Shape("bart", _bart(1024, 12, 16, 50265), 406_291_456, FLOAT32),
    "google-bert/bert-base-uncased": Shape("bert", _encoder(768, 12, 12, 30522), 109_514_298, FLOAT32),
    "google-bert/bert-large-uncased": Shape("bert", _encoder(1024, 24, 16, 30522), 335_174_458, FLOAT32),
    "FacebookAI/roberta-base": Shape("roberta", _encoder(768, 12, 12, 50265, 514, 1), 124_697_433, FLOAT32),
    "FacebookAI/roberta-large": Shape("roberta", _encoder(1024, 24, 16, 50265, 514, 1), 355_412_057, FLOAT32),
}
FAMILIES: dict[str, Family] = {"t5": "seq2seq", "bart": "seq2seq", "bert": "masked", "roberta": "masked"}


def config_of(name: str) -> tuple[Any, Family, str]:
    """(config, family, its name) of a folder, of a model that comes along, of a well-known shape, or of the hub.

    Raises:
        UserError: it is none of them.
    """
    known = {full.lower(): full for full in SHAPES} | {full.split("/")[1].lower(): full for full in SHAPES}
    if (full := known.get(name.lower())) is not None:
        return made(SHAPES[full]), FAMILIES.get(SHAPES[full].kind, "causal"), full
    try:
        config, family = load_config(ModelSettings(path=name))
    except UserError as error:
        hint = did_you_mean(name, [*SHAPES, *(full.split("/")[1] for full in SHAPES)])
        raise UserError(error.problem, hint if hint.startswith("did") else f"{error.hint}; known shapes: {listed()}") from None
    return config, family, name


def made(shape: Shape) -> Any:
    """transformers' config of a shape."""
    from transformers import AutoConfig

    return AutoConfig.for_model(shape.kind, **shape.settings, dtype=shape.dtype)


def listed() -> str:
    return ", ".join(full.split("/")[1] for full in SHAPES)
