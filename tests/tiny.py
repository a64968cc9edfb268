"""Tiny networks with random weights and the embedded tokenizers, in folders of their own, and rows to learn from."""

import json
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode

ASSETS = Path(__file__).resolve().parents[1] / "tunesmith" / "assets"
SMALL = {
    "t5": {"d_model": 16, "d_kv": 8, "num_heads": 2, "d_ff": 24, "num_layers": 1, "num_decoder_layers": 1},
    "llama": {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
    },
    "bert": {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2},
}


def tiny_model(folder: Path, kind: str = "t5") -> Path:
    """A whole model in a folder: the embedded tokenizer, a config of 16 hidden states, random weights."""
    import transformers

    kinds = {
        "t5": transformers.AutoModelForSeq2SeqLM,
        "llama": transformers.AutoModelForCausalLM,
        "bert": transformers.AutoModelForMaskedLM,
    }
    config = transformers.AutoConfig.from_pretrained(ASSETS / kind)
    config.update(SMALL[kind] | ({"head_dim": 8} if kind == "llama" else {}))
    torch.manual_seed(0)
    network = kinds[kind].from_config(config)
    network.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(ASSETS / kind).save_pretrained(folder)
    return folder


def rows(file: Path, count: int = 60) -> Path:
    """Sums as JSON lines: columns `prompt` and `completion`."""
    lines = [json.dumps({"prompt": f"{i} and {i % 7}", "completion": str(i + i % 7)}) for i in range(count)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


class Made(TorchDispatchMode):
    """Counts fresh tensors of a shape, of which all numbers stand in memory."""

    def __init__(self, shape):
        super().__init__()
        self.shape, self.count = shape, 0

    def __torch_dispatch__(self, call, kinds, given=(), named=None):
        said = call(*given, **(named or {}))
        fresh = isinstance(said, torch.Tensor) and said.layout == torch.strided and all(said is not one for one in given)
        self.count += fresh and said.shape == self.shape and not call.is_view
        return said
