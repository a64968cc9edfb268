"""Whether a network's files and numbers are sound: what is looked at before and after they are read, and what is said of files
that could not be read.
"""

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.errors import UserError
from tunesmith.models.nf4 import NF4Linear

INDEX = "model.safetensors.index.json"
# What a folder may hold besides or instead: JSON files that transformers reads, the first that is broken is told.
TEXTS = ("config.json", INDEX, "tokenizer_config.json", "tokenizer.json", "special_tokens_map.json", "generation_config.json")
AGAIN = "it was cut short or changed by hand: fetch or write it again"
PRECISIONS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}  # by what safetensors call them
# What a file of weights begins with that is none
STRANGE = {
    b"version https://git-lfs": ("a pointer of git-lfs, not the weights themselves", "fetch them with `git lfs pull`"),
    b"PK\x03\x04": ("an archive or a pickle of torch", "unpack it, or `tunesmith convert FOLDER OUT`"),
    b"\x80\x02": ("a pickle", "`tunesmith convert FOLDER OUT` makes safetensors of it, running none of its code"),
    b"<": ("a web page", "the download went wrong: fetch it again"),
    b"{": ("JSON", "the download went wrong: fetch it again"),
    b"GGUF": ("GGUF, llama.cpp's format", "name a folder in transformers' format"),
}
# Of older files, computed anew by every network today; and what BERT's pretraining had besides.
HARMLESS = re.compile(
    r"(inv_freq|position_ids|masked_bias|attn\.bias|attention\.bias|num_batches_tracked)$|\bpooler\.|seq_relationship"
)


def read_object(file: Path) -> dict[str, Any]:
    """A JSON file that holds a mapping.

    Raises:
        UserError: naming file and line.
    """
    try:
        tree = json.loads(file.read_bytes().decode("utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"`{file}` line {error.lineno} is not JSON: {error.msg}", AGAIN) from None
    except UnicodeDecodeError:
        raise UserError(f"`{file}` is not UTF-8 text", AGAIN) from None
    except (RecursionError, ValueError) as error:
        raise UserError(f"`{file}` is not JSON: {error}", AGAIN) from None
    except OSError as error:
        raise UserError(f"`{file}` cannot be read: {error.strerror}", "look at its permissions") from None
    if not isinstance(tree, dict):
        raise UserError(f"`{file}` holds a {type(tree).__name__}, and a mapping is expected", AGAIN)
    return tree


def look(folder: Path) -> None:
    """Tell the first of a network's files that is broken; nothing where all can be read."""
    for name in TEXTS:
        if (folder / name).is_file():
            read_object(folder / name)
    config = folder / "config.json"
    if config.is_file() and not isinstance(read_object(config).get("model_type"), str):
        raise UserError(f"`{config}` names no `model_type`", "name a folder in transformers' format")
    for file in sorted(folder.glob("*.safetensors")):
        tensors_of(file)


def refuse_index(folder: Path) -> None:
    """Pieces of the weights must be here, and nowhere else: an index is read from strangers, and names files."""
    file = folder / INDEX
    if not file.is_file() or (folder / "model.safetensors").is_file():
        return
    places = read_object(file).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise UserError(f"`{file}` has no `weight_map`", AGAIN)
    pieces = sorted({str(piece) for piece in places.values()})
    for piece in pieces:
        if PurePath(piece).name != piece or "\\" in piece or not piece.endswith(".safetensors"):
            raise UserError(
                f"`{file}` names `{piece}`: the pieces of a network lie in its own folder, and are safetensors",
                "the file was made by somebody who means harm, or by mistake: fetch it again",
            )
    missing = [piece for piece in pieces if not (folder / piece).is_file()]
    if missing:
        raise UserError(
            f"`{folder}` lacks `{missing[0]}` ({len(missing)} of {len(pieces)} pieces that `{INDEX}` names)",
            "the download was cut short: fetch it again",
        )


def tensors_of(file: Path) -> dict[str, tuple[int, ...]]:
    """Tensor -> its shape, by the header of a safetensors file; no values are read.

    Raises:
        UserError: it is cut short, damaged, or no such file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError, RuntimeError, MemoryError) as error:
        raise unreadable(file, error) from None


def precision_of(folder: Path) -> torch.dtype:
    """The precision of most numbers in a network's safetensors, by their headers; float32 where there are none."""
    from safetensors import safe_open

    counts = dict.fromkeys(PRECISIONS.values(), 0)
    for file in sorted(folder.glob("*.safetensors")):
        if file.name != "head.safetensors":
            with safe_open(file, "pt") as opened:
                for part in map(opened.get_slice, opened.keys()):
                    if (kind := PRECISIONS.get(part.get_dtype())) is not None:
                        counts[kind] += math.prod(part.get_shape())
    return max(counts, key=lambda kind: counts[kind])


def read_tensors(file: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file of what was trained: numbers, every one of them.

    Raises:
        UserError: it is cut short or damaged, or holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(file)
    except (SafetensorError, OSError, ValueError, RuntimeError, MemoryError) as error:
        raise unreadable(file, error) from None
    whole = [name for name, value in found.items() if not value.is_floating_point()]
    if whole:
        kind = str(found[whole[0]].dtype).removeprefix("torch.")
        raise UserError(f"`{file}`: `{whole[0]}` is of the precision {kind}, and weights are fractions", "save it again")
    refuse_no_numbers(str(file), found)
    return found


def unreadable(file: Path, error: BaseException) -> UserError:
    """What is said of a file of weights that could not be read."""
    if not file.exists():
        where = f"a link to `{file.readlink()}`, which is not there" if file.is_symlink() else "not there"
        return UserError(f"`{file}` is {where}", "fetch it, or mend the link")
    try:
        begins = file.open("rb").read(64)
    except OSError as denied:
        return UserError(f"`{file}` cannot be read: {denied.strerror}", "look at its permissions")
    for mark, (what, hint) in STRANGE.items():
        if begins.lstrip().startswith(mark) and begins[8:9] != b"{":
            return UserError(f"`{file}` is {what}", hint)
    told = " ".join(str(error).split()).removeprefix("Error while deserializing header: ")
    return UserError(
        f"`{file}` ({file.stat().st_size:,} bytes) is no whole safetensors file: {told[:200]}",
        "the download was cut short or the disk is damaged: fetch or write it again",
    )


SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "d_model", "d_ff", "num_layers", "num_heads")


def refuse_sizes(path: str, config: Any) -> None:
    """What a config says of sizes must make a network."""
    for name in SIZES:
        size = getattr(config, name, 1)
        if isinstance(size, int) and size < 1:
            raise UserError(f"`{path}`: `{name}` is {size} in `config.json`", "it was changed by hand: fetch it again")
    pad, size = getattr(config, "pad_token_id", None), getattr(config, "vocab_size", None)
    if isinstance(pad, int) and isinstance(size, int) and pad >= size:
        raise UserError(
            f"`{path}`: `pad_token_id` is {pad} in `config.json`, and the vocabulary has {size} pieces",
            "set it to the id of the tokenizer's own `pad_token`",
        )


def refuse_shapes(path: str, folder: Path, network: nn.Module) -> None:
    """Name the first weight whose shape is another than `config.json` says."""
    found = {name: shape for file in sorted(folder.glob("*.safetensors")) for name, shape in tensors_of(file).items()}
    for name, value in network.state_dict().items():
        if name in found and found[name] != tuple(value.shape):
            raise UserError(
                f"`{path}`: `{name}` has the shape {told(found[name])}, and {told(tuple(value.shape))} by `config.json`",
                "the weights and the config belong to different networks",
            )


def told(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "of one number"


def refuse_left_over(path: str, left_over: Collection[str], network: nn.Module) -> list[str]:
    """Weights of the file that the network has no place for, where it has such modules: a layer more, a bias that is left out.

    Returns:
        The others: of another head, a tower for pictures, an optimizer, which a file may come with.
    """
    modules = {_numberless(name) for name, _ in network.named_modules()} - {""}
    begins = ("", f"{network.base_model_prefix}.")
    unread = [name for name in sorted(left_over) if not HARMLESS.search(name)]
    for name in unread:
        if any(_numberless(begin + name.rpartition(".")[0]) in modules for begin in begins):
            raise UserError(
                f"`{path}` holds `{name}` (and {len(unread) - 1} more), for which `config.json` has no place: "
                "the network would be another than was saved",
                "`config.json` belongs to another network, or was changed: fetch it again",
            )
    return unread


def _numberless(name: str) -> str:
    return re.sub(r"(?<=\.)\d+(?=\.|$)", "N", name)


@torch.no_grad()
def refuse_no_numbers(path: str, named: Mapping[str, Tensor]) -> None:
    """Name the weights with values that are no numbers, or infinite.

    One pass over each weight that writes nothing, where the weight is; of all of them only two numbers are fetched.
    """
    ends = [(name, torch.stack(torch.aminmax(value.detach()))) for name, value in named.items() if value.numel()]
    if not ends:
        return
    device = ends[0][1].device
    bad = ~torch.stack([both.to(device, torch.float32) for _, both in ends]).isfinite().all(1).cpu()
    wrong = [name for (name, _), one in zip(ends, bad.tolist(), strict=True) if one]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise UserError(
            f"`{path}`: the weight `{wrong[0]}`{more} holds values that are infinite or not a number",
            "what trained it diverged, or the file is damaged: take an earlier checkpoint, or fetch it again",
        )


def numbers_of(network: nn.Module) -> dict[str, Tensor]:
    """Name -> each weight that computes, once; of a packed map the mean that any value would spoil."""
    found = {name: value for name, value in network.named_parameters() if value.is_floating_point()}
    return found | dict(_packed(network))


def _packed(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, module in network.named_modules():
        if isinstance(module, NF4Linear):
            yield from ((f"{name}.weight", one) for key, one in module.named_buffers() if key.endswith("mean"))
