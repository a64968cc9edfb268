"""Folders of models and adapters that are broken in one way each: `MODELS` and `ADAPTERS` are tables of what is done to a whole
one, and of the words that the message must have.
"""

import json
import shutil
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.models.test_load import folder_of
from tunesmith.methods.lora import LoRA
from tunesmith.models.identity import keep_identity
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.weights import save_adapter

WEIGHTS, CONFIG, INDEX = "model.safetensors", "config.json", "model.safetensors.index.json"
Settings = Mapping[str, Any]  # of `model`, laid over the folder's
Break = Callable[[Path], Settings | None]


def folders(place: Path) -> tuple[Path, Path]:
    """A whole folder of a Llama, and of a LoRA on it."""
    base = folder_of(place / "base", "llama", num_key_value_heads=2)
    model = load(ModelSettings(path=str(base)), device="cpu")
    adapter = save_adapter(place, model.attach("mine", LoRA(rank=2)), model)
    keep_identity(adapter, model, "auto")
    return base, adapter


def edited(file: Path, **changed: Any) -> None:
    """A JSON file with other values; `...` takes a key away."""
    tree = {**json.loads(file.read_text(encoding="utf-8")), **changed}
    file.write_text(json.dumps({key: value for key, value in tree.items() if value is not ...}), encoding="utf-8")


def without(*names: str) -> Break:
    def broken(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return broken


def config(**changed: Any) -> Break:
    return lambda folder: edited(folder / CONFIG, **changed)


def tokenizer(**changed: Any) -> Break:
    return lambda folder: edited(folder / "tokenizer_config.json", **changed)


def written(name: str, content: str | bytes) -> Break:
    def broken(folder: Path) -> None:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return broken


def setting(**given: Any) -> Break:
    return lambda folder: given


def weights(change: Callable[[dict[str, torch.Tensor]], object], name: str = WEIGHTS) -> Break:
    """Other tensors in the file of weights."""

    def broken(folder: Path) -> None:
        tensors = load_file(folder / name)
        change(tensors)
        save_file(tensors, folder / name, metadata={"format": "pt"})

    return broken


def bad_value(name: str, value: float) -> Break:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors[name].view(-1)[-1] = value

    return weights(change)


def header(change: Callable[[dict[str, Any]], object], name: str = WEIGHTS) -> Break:
    """Another header of a safetensors file, over the same bytes."""

    def broken(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        [length] = struct.unpack("<Q", whole[:8])
        tree = json.loads(whole[8 : 8 + length])
        change(tree)
        text = json.dumps(tree).encode()
        (folder / name).write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + length :])

    return broken


def length(says: int, name: str = WEIGHTS) -> Break:
    """A header that says to be of another length."""

    def broken(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(struct.pack("<Q", says) + whole[8:])

    return broken


def cut(share: float, name: str = WEIGHTS) -> Break:
    def broken(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: int(len(whole) * share)])

    return broken


def pickled(name: str) -> Break:
    def broken(folder: Path) -> None:
        torch.save(load_file(folder / WEIGHTS), folder / name)
        (folder / WEIGHTS).unlink()

    return broken


def sharded(change: Callable[[dict[str, str]], object]) -> Break:
    """In two pieces with an index, whose `weight_map` is then changed."""

    def broken(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        names = sorted(tensors)
        halves = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
        for file, inside in halves.items():
            save_file({name: tensors[name] for name in inside}, folder / file, metadata={"format": "pt"})
        (folder / WEIGHTS).unlink()
        places = {name: file for file, inside in halves.items() for name in inside}
        change(places)
        (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}), encoding="utf-8")

    return broken


def index(text: str) -> Break:
    """In pieces, with an index that says something else."""

    def broken(folder: Path) -> None:
        sharded(lambda places: None)(folder)
        (folder / INDEX).write_text(text, encoding="utf-8")

    return broken


def emptied(folder: Path) -> None:
    for one in folder.iterdir():
        one.unlink()


def first(places: dict[str, Any], value: str) -> None:
    places[sorted(places)[0]] = value


def outside(folder: Path) -> None:
    """A whole file of weights beside the folder, and an index that names it by `../`."""
    shutil.copy(folder / WEIGHTS, folder.parent / "other.safetensors")
    sharded(lambda places: places.update(dict.fromkeys(places, "../other.safetensors")))(folder)


def linked(folder: Path) -> None:
    """Weights that are a link to nowhere."""
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).symlink_to(folder.parent / "nowhere.safetensors")


def archived(folder: Path) -> Settings:
    with zipfile.ZipFile(folder.parent / "model.zip", "w") as archive:
        archive.write(folder / WEIGHTS, WEIGHTS)
    return {"path": str(folder.parent / "model.zip")}


def file_itself(folder: Path) -> Settings:
    return {"path": str(folder / WEIGHTS)}


def remote(folder: Path) -> None:
    edited(folder / CONFIG, model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})
    (folder / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w').write('ran')\n", encoding="utf-8")


def remote_tokenizer(folder: Path) -> None:
    edited(folder / "tokenizer_config.json", tokenizer_class="Own", auto_map={"AutoTokenizer": ["own.Own", None]})
    (folder / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w').write('ran')\n", encoding="utf-8")


def larger_tokenizer(folder: Path) -> None:
    edit_vocabulary(folder, lambda words: words.update({f"more{n}": len(words) for n in range(9)}))


def no_end(folder: Path) -> None:
    edited(folder / "tokenizer_config.json", eos_token=...)
    edited(folder / CONFIG, eos_token_id=None)
    edited(folder / "generation_config.json", eos_token_id=None)


def quantised(folder: Path) -> Settings:
    edited(folder / CONFIG, quantization_config={"quant_method": "gptq", "bits": 4})
    return {"quantize": "nf4"}


def edit_vocabulary(folder: Path, change: Callable[[dict[str, int]], object]) -> None:
    tree = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    change(tree["model"]["vocab"])
    (folder / "tokenizer.json").write_text(json.dumps(tree), encoding="utf-8")


LAYER = "model.layers.0.self_attn.q_proj.weight"
LAST = "model.layers.1.mlp.down_proj.weight"

# What is wrong -> (what is done to a whole folder of a Llama, words that the message must have)
MODELS: dict[str, tuple[Break, tuple[str, ...]]] = {
    "absent": (setting(path="./nowhere/at/all"), ("model.path", "no such folder")),
    "an empty path": (setting(path=""), ("model.path",)),
    "an empty folder": (emptied, ("config.json",)),
    "no weights": (without(WEIGHTS), ("no weights",)),
    "no config": (without(CONFIG), ("config.json",)),
    "config of nothing": (written(CONFIG, ""), ("config.json",)),
    "config cut short": (written(CONFIG, '{"model_type": "llama",\n "hid'), ("config.json",)),
    "config is a list": (written(CONFIG, "[1, 2]"), ("config.json",)),
    "config is no text": (written(CONFIG, b"\xff\xfe\x00\x01"), ("config.json",)),
    "config without a type": (config(model_type=...), ("model_type",)),
    "unknown architecture": (config(model_type="lama"), ("lama", "did you mean `llama`")),
    "an architecture that is no language model": (
        config(model_type="vit", architectures=["ViTModel"]),
        ("vit", "neither continues"),
    ),
    "config with a wrong type": (config(hidden_size="sixteen"), ("hidden_size",)),
    "config with no layers": (config(num_hidden_layers=-1), ("num_hidden_layers",)),
    "config that does not divide": (config(num_attention_heads=5), ("attention heads",)),
    "config of a giant": (config(hidden_size=10**9, intermediate_size=10**9), ("shape",)),
    "pickle pytorch_model.bin": (pickled("pytorch_model.bin"), ("pickle", "convert")),
    "pickle .pt": (pickled("model.pt"), ("pickle", "convert")),
    "pickle .ckpt": (pickled("model.ckpt"), ("pickle", "convert")),
    "pickle .pth": (pickled("consolidated.00.pth"), ("pickle", "convert")),
    "remote code": (remote, ("trust_remote_code",)),
    "remote code of a tokenizer": (remote_tokenizer, ("trust_remote_code",)),
    "weights of no bytes": (written(WEIGHTS, b""), (WEIGHTS,)),
    "weights cut short": (cut(0.7), (WEIGHTS,)),
    "weights cut in the header": (cut(0.01), (WEIGHTS,)),
    "weights that are a pointer of git": (
        written(WEIGHTS, "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"),
        (WEIGHTS,),
    ),
    "weights that are a page": (written(WEIGHTS, "<html>404</html>" * 99), (WEIGHTS,)),
    "header too long": (length(10**6), (WEIGHTS,)),
    "header of exabytes": (length(2**63), (WEIGHTS,)),
    "header too short": (length(20), (WEIGHTS,)),
    "tensors that overlap": (header(lambda tree: tree[LAST].update(data_offsets=tree[LAYER]["data_offsets"])), (WEIGHTS,)),
    "tensors outside the file": (header(lambda tree: tree[LAST].update(data_offsets=[10**9, 10**9 + 1536])), (WEIGHTS,)),
    "unknown precision": (header(lambda tree: tree[LAST].update(dtype="F99")), (WEIGHTS,)),
    "another shape in the header": (header(lambda tree: tree[LAST].update(shape=[10**6, 10**6])), (WEIGHTS,)),
    "index of a missing piece": (sharded(lambda p: first(p, "model-00009-of-00002.safetensors")), ("model-00009",)),
    "index out of the folder": (outside, ("../other.safetensors",)),
    "index with an absolute path": (sharded(lambda p: first(p, "/etc/passwd")), ("/etc/passwd",)),
    "index cut short": (index("{"), (INDEX, "line 1")),
    "index without a map": (index("{}"), (INDEX, "weight_map")),
    "not a number": (bad_value(LAYER, float("nan")), (LAYER, "not a number")),
    "infinite": (bad_value(LAST, float("inf")), (LAST,)),
    "a weight is missing": (weights(lambda tensors: tensors.pop(LAYER)), (LAYER,)),
    "the head is missing": (weights(lambda tensors: tensors.pop("lm_head.weight")), ("lm_head.weight",)),
    "a bias left over": (
        weights(lambda t: t.update({LAYER.replace("weight", "bias"): torch.zeros(16)})),
        ("q_proj.bias", "no place"),
    ),
    "weights of more layers": (config(num_hidden_layers=1), ("model.layers.1",)),
    "weights of another network": (
        weights(lambda t: [t.update({f"other.{n}": t.pop(n)}) for n in list(t)]),
        ("other.",),
    ),
    "a weight of another shape": (weights(lambda t: t.update({LAYER: torch.zeros(3, 3)})), (LAYER, "shape")),
    "tokenizer absent": (without("tokenizer.json", "tokenizer_config.json"), ("tokenizer",)),
    "tokenizer cut short": (written("tokenizer.json", '{"version": "1.0", "mod'), ("tokenizer",)),
    "tokenizer of nothing": (written("tokenizer.json", "{}"), ("tokenizer",)),
    "tokenizer config cut short": (written("tokenizer_config.json", "{"), ("tokenizer",)),
    "tokenizer larger than the embedding": (larger_tokenizer, ("70", "61")),
    "special id outside the embedding": (config(pad_token_id=9999), ("pad_token_id",)),
    "a link to nowhere": (linked, (WEIGHTS,)),
    "an archive": (archived, ("archive", "unpack")),
    "a file, not a folder": (file_itself, ("folder",)),
    "float16": (setting(dtype="float16"), ("dtype",)),
    "no end of sequence": (no_end, ("end-of-sequence", "eos_token")),
    "quantised already": (quantised, ("quantised already", "model.quantize")),
    "unknown attention": (setting(attention="fast"), ("attention",)),
    "chat template broken": (setting(chat="{% for %}"), ("chat",)),
    "chat template broken in the tokenizer": (tokenizer(chat_template="{% for %}{{"), ("chat",)),
    "chat template hostile": (
        tokenizer(chat_template="{{ messages.__class__.__mro__[1].__subclasses__() }}"),
        ("chat",),
    ),
    "family of another": (setting(family="seq2seq"), ("family",)),
}


ADAPTER, ADAPTER_CONFIG, IDENTITY = "adapter_model.safetensors", "adapter_config.json", "base.json"
UP = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"


def adapter_config(**changed: Any) -> Break:
    return lambda folder: edited(folder / ADAPTER_CONFIG, **changed)


def adapter_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Break:
    return weights(change, ADAPTER)


def pickled_adapter(folder: Path) -> None:
    torch.save(load_file(folder / ADAPTER), folder / "adapter_model.bin")
    (folder / ADAPTER).unlink()


# The same of an adapter's folder, a LoRA of rank 2 on queries and values of that Llama
ADAPTERS: dict[str, tuple[Break, tuple[str, ...]]] = {
    "config cut short": (written(ADAPTER_CONFIG, '{"peft_type":'), (ADAPTER_CONFIG, "line 1")),
    "config is a list": (written(ADAPTER_CONFIG, "[]"), (ADAPTER_CONFIG,)),
    "config is no text": (written(ADAPTER_CONFIG, b"\xff\xfe\x00"), (ADAPTER_CONFIG,)),
    "config of an unknown type": (adapter_config(peft_type="LORRA"), ("LORRA", "known types")),
    "config without a type": (adapter_config(peft_type=..., method=...), (ADAPTER_CONFIG,)),
    "config without a rank": (adapter_config(r=...), (ADAPTER_CONFIG,)),
    "config with rank nought": (adapter_config(r=0), (ADAPTER_CONFIG,)),
    "config with a rank in words": (adapter_config(r="two"), (ADAPTER_CONFIG,)),
    "config with other modules": (adapter_config(target_modules=["q_proj", "nowhere"]), (ADAPTER,)),
    "config with modules that are a number": (adapter_config(target_modules=7), (ADAPTER_CONFIG,)),
    "config with a pattern that is none": (adapter_config(target_modules="(*"), (ADAPTER_CONFIG,)),
    "config of another rank": (adapter_config(r=4), (ADAPTER,)),
    "a method from outside": (adapter_config(method="os:system", settings={}), ("os", "not part of tunesmith")),
    "no base": (adapter_config(base_model_name_or_path=None), ("base_model_name_or_path",)),
    "a base that is gone": (adapter_config(base_model_name_or_path="./gone/for/ever"), ("gone/for/ever",)),
    "a base that is a number": (adapter_config(base_model_name_or_path=7), ("base_model_name_or_path",)),
    "a base that is itself": (lambda f: edited(f / ADAPTER_CONFIG, base_model_name_or_path=str(f)), ("base",)),
    "no weights": (without(ADAPTER), (ADAPTER,)),
    "pickle": (pickled_adapter, ("pickle", "convert")),
    "weights of no bytes": (written(ADAPTER, b""), (ADAPTER,)),
    "weights cut short": (cut(0.8, ADAPTER), (ADAPTER,)),
    "header of exabytes": (length(2**63, ADAPTER), (ADAPTER,)),
    "a tensor is missing": (adapter_weights(lambda t: t.pop(UP)), ("lora_B", "missing")),
    "a tensor left over": (adapter_weights(lambda t: t.update(extra=torch.zeros(2))), ("extra", "not in this network")),
    "a tensor of another shape": (adapter_weights(lambda t: t.update({UP: torch.zeros(9, 2)})), (ADAPTER, "shape")),
    "a tensor of whole numbers": (adapter_weights(lambda t: t.update({UP: t[UP].long()})), (ADAPTER, "lora_B")),
    "not a number": (adapter_weights(lambda t: t[UP].fill_(float("nan"))), (ADAPTER, "not a number")),
    "identity cut short": (written(IDENTITY, "{"), (IDENTITY,)),
    "identity is a list": (written(IDENTITY, "[]"), (IDENTITY,)),
}
