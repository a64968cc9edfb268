"""Which network an adapter belongs to: what is kept of its base beside it, and a look at whether it is the same one again.

The hash of a base covers every tensor's name, precision and shape, and the first 4 KiB of its values, in the order of names: a
few megabytes of any network, read in a blink, and enough to tell another training of the same architecture apart, however the
file is cut into pieces. It is no proof against somebody who means harm.

`network_hash` and `adapter_hash` are of a model in memory, as it is at that moment: of every value, and of all else that
decides what it says.
"""

import hashlib
import inspect
import json
import struct
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tunesmith.errors import UserError
from tunesmith.models.model import Model
from tunesmith.models.soundness import read_object
from tunesmith.run import read_json, write_json, write_text

FILE, SCHEMA = "base.json", 1
CHAT_TEMPLATE = "chat_template.jinja"
BLOCK = 4096  # bytes of each tensor
PASSING = ("transformers_version", "_name_or_path", "dtype", "torch_dtype", "architectures")  # not what a network computes


def keep_identity(folder: Path, model: Model, chat: str) -> None:
    """Write `base.json` into an adapter's folder. `chat`: the setting that prompts were put by (`model.chat`)."""
    write_json(folder / FILE, {"schema": SCHEMA, "path": model.source, "revision": model.revision, "chat": chat, **of(model)})


def keep_chat_template(folder: Path, model: Model) -> None:
    """Write the chat template that prompts were put by, where it is not the tokenizer's own."""
    used = model.renderer.chat
    if used is not None and used.template != model.renderer.tokenizer.chat_template:
        write_text(folder / CHAT_TEMPLATE, used.template)


def of(model: Model) -> dict[str, str]:
    """Hashes of a model's base: weights, config, and how its renderer spells."""
    found = {"tokenizer": model.renderer.key}
    folder = model.folder
    if folder is not None and any(folder.glob("*.safetensors")):
        found["weights"] = weights_hash(folder)
    if folder is not None and (folder / "config.json").is_file():
        found["config"] = config_hash(folder / "config.json")
    return found


def kept_identity(folder: Path) -> dict[str, Any]:
    """What `base.json` says; nothing for adapters of other programs."""
    return read_object(folder / FILE) if (folder / FILE).is_file() else {}


def unlike(folder: Path, model: Model) -> list[str]:
    """What is other about a base than when the adapter in a folder was trained, a sentence each."""
    kept = kept_identity(folder)
    if not kept:
        return []
    found = of(model)
    telling = {
        "weights": "its base has other weights",
        "config": "its base has another `config.json`",
        "tokenizer": "prompts are spelled otherwise (tokenizer or chat template)",
    }
    return [
        f"`{folder}` was trained on `{kept.get('path')}`, and now {told}: its answers are not what was judged"
        for name, told in telling.items()
        if name in kept and name in found and kept[name] != found[name]
    ]


def weights_hash(folder: Path) -> str:
    """The hash described above, of all safetensors files of a folder together."""
    parts = dict(
        sorted(part for file in folder.glob("*.safetensors") if file.name != "head.safetensors" for part in _blocks(file))
    )
    digest = hashlib.sha256()
    for name, (told, block) in parts.items():
        digest.update(f"{name} {told}\n".encode() + block)
    return digest.hexdigest()


def _blocks(file: Path) -> list[tuple[str, tuple[str, bytes]]]:
    """(name, (precision and shape, first bytes)) of each tensor."""
    with file.open("rb") as stream:
        try:
            [length] = struct.unpack("<Q", stream.read(8))
            header: Mapping[str, Any] = json.loads(stream.read(length))
        except (struct.error, ValueError, MemoryError) as error:
            raise UserError(f"`{file}` is no safetensors file", "it was cut short, or is another kind of file") from error
        found = []
        for name, entry in header.items():
            if name != "__metadata__":
                start, end = entry["data_offsets"]
                stream.seek(8 + length + start)
                block = stream.read(min(BLOCK, end - start))
                found.append((name, (f"{entry['dtype']} {entry['shape']}", block)))
        return found


def config_hash(file: Path) -> str:
    """Of what a config says about computing; which program wrote it does not count."""
    tree = {key: value for key, value in read_json(file, {}).items() if key not in PASSING}
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def network_hash(model: Model) -> str:
    """Of all tensors of the network in memory, its config, how texts are spelled for it, and what kind of device computes."""
    tree = model.network.config.to_dict()
    config = json.dumps({key: value for key, value in tree.items() if key not in PASSING}, sort_keys=True, default=str)
    told = f"{model.family} {model.device.type} {model.renderer.key} {config}".encode()
    return hashlib.blake2b(told + tensors_hash(model.network.state_dict()), digest_size=16).hexdigest()


def adapter_hash(model: Model) -> str:
    """Of what stands on the network: the active adapter with its method's settings, and the head. Weights that a method sets
    free are the network's.
    """
    named: dict[str, Tensor] = {}
    told = ""
    if model.active:
        adapter = model.adapter()
        kind = type(adapter.method)
        told = f"{kind.__module__}.{kind.__name__} {adapter.method!r}"
        with suppress(OSError, TypeError):  # a class that was typed in has no file
            told += inspect.getsource(kind)
        named |= {f"{path}:{name}": value for path, delta in adapter.deltas.items() for name, value in _all(delta).items()}
    if model.head is not None:
        told += repr(model.head.plan)
        named |= {f"head.{name}": value for name, value in _all(model.head).items()}
    return hashlib.blake2b(told.encode() + tensors_hash(named), digest_size=16).hexdigest()


def _all(module: torch.nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def tensors_hash(named: Mapping[str, Tensor]) -> bytes:
    """Of names, precisions, shapes and all values; several tensors at a time, since hashing holds no lock."""
    with ThreadPoolExecutor(min(8, torch.get_num_threads())) as pool:
        digests = list(pool.map(_tensor_hash, named.values()))
    parts = sorted(zip(named, digests, strict=True))
    return hashlib.blake2b(b"".join(name.encode() + b"\n" + digest for name, digest in parts), digest_size=16).digest()


def _tensor_hash(value: Tensor) -> bytes:
    flat = value.detach().cpu().contiguous().flatten()
    digest = hashlib.blake2b(f"{value.dtype} {tuple(value.shape)}\n".encode(), digest_size=16)
    digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    return digest.digest()
