"""Weights in pickles become safetensors; none of a pickle's code is run. Command: `tunesmith convert FOLDER OUT`.

torch reads tensors and plain containers alone (`weights_only`); a pickle with anything else in it is refused.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tunesmith.errors import UserError
from tunesmith.models.refusals import NO_WEIGHTS, PICKLES
from tunesmith.models.soundness import INDEX, refuse_no_numbers

BESIDE = {".json", ".txt", ".model", ".jinja", ".md"}  # what is copied: configs, tokenizers, the card; no code
PIECE = re.compile(r"pytorch_model-(\d+-of-\d+)\.bin")
WHOLE = {"pytorch_model.bin": "model.safetensors", "adapter_model.bin": "adapter_model.safetensors"}
WITHIN = ("state_dict", "model_state_dict", "model", "module")  # where training programs put the weights


@dataclass(frozen=True)
class Converted:
    """What was written: `folder`, files of weights, tensors, and their bytes."""

    folder: Path
    files: tuple[str, ...]
    tensors: int
    bytes: int


def convert(folder: str | Path, out: str | Path) -> Converted:
    """Write a folder of a network or an adapter anew, its pickles as safetensors. The old one stays as it is.

    Raises:
        UserError: there is no pickle, it holds more than tensors or values that are no numbers, or `out` is there already.
    """
    source, out = Path(folder), Path(out)
    if not source.is_dir():
        raise UserError(f"there is no folder `{source}`", "name the folder of a network or an adapter")
    if out.exists():
        raise UserError(f"`{out}` is there already", "name a new folder")
    named = names_of(source)
    with _whole(out) as place:
        for file in sorted(source.iterdir()):
            if file.is_file() and file.suffix in BESIDE and not file.name.endswith(".index.json"):
                shutil.copyfile(file, place / file.name)
        places: dict[str, str] = {}
        size = 0
        for file, name in named.items():
            tensors = tensors_in(file)
            refuse_no_numbers(str(file), {key: value for key, value in tensors.items() if value.is_floating_point()})
            save_file(tensors, place / name, metadata={"format": "pt"})
            places |= dict.fromkeys(tensors, name)
            size += sum(value.nbytes for value in tensors.values())
        if len(named) > 1:
            index = {"metadata": {"total_size": size}, "weight_map": places}
            (place / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return Converted(out, tuple(named.values()), len(places), size)


def names_of(folder: Path) -> dict[Path, str]:
    """Each pickle of weights -> the name of what it becomes."""
    files = [one for one in sorted(folder.iterdir()) if one.suffix in PICKLES and one.name not in NO_WEIGHTS]
    pieces = {one: f"model-{found[1]}.safetensors" for one in files if (found := PIECE.fullmatch(one.name))}
    if pieces:
        return pieces
    known = {one: WHOLE[one.name] for one in files if one.name in WHOLE}
    if known or len(files) == 1:
        return known or {files[0]: "model.safetensors"}
    told = ", ".join(f"`{one.name}`" for one in files)
    raise UserError(
        f"`{folder}` holds {'several pickles, ' + told if files else 'no pickle with weights'}",
        "leave the one with the whole network there" if files else "name a folder with `pytorch_model.bin` or the like",
    )


def tensors_in(file: Path) -> dict[str, Tensor]:
    """The tensors of a pickle by name, each in memory of its own."""
    try:
        tree = _loaded(file)
    except Exception as error:  # of torch, pickle, zipfile and the disk
        if "weights only" in str(error).lower() or "unsupported" in str(error).lower():
            found = re.search(r"GLOBAL ([\w.]+)", str(error))
            what = f" (`{found[1]}`)" if found else ""
            raise UserError(
                f"`{file}` holds more than tensors{what}: reading it could run code, so it is not read",
                "ask whoever made it for safetensors, or save its `state_dict()` alone where it was made",
            ) from None
        told = " ".join(str(error).split())[:160] or type(error).__name__
        raise UserError(f"`{file}` cannot be read: {told}", "it is cut short or no pickle of torch: fetch it again") from None
    tree = next((tree[name] for name in WITHIN if isinstance(tree, Mapping) and isinstance(tree.get(name), Mapping)), tree)
    if not isinstance(tree, Mapping) or not any(isinstance(value, Tensor) for value in tree.values()):
        raise UserError(f"`{file}` holds no weights by name", "save a network's `state_dict()`")
    names = [str(name) for name in tree]
    cut = "module." if all(name.startswith("module.") for name in names) else ""  # torch's data parallelism puts it there
    return {
        str(name).removeprefix(cut): value.detach().contiguous().clone()
        for name, value in tree.items()
        if isinstance(value, Tensor)
    }


def _loaded(file: Path) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError as error:
        if "mmap" not in str(error):
            raise
    return torch.load(file, map_location="cpu", weights_only=True)  # torch's layout before 1.6


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A new folder that appears under its name when all is in it."""
    place = out.with_name(f".{out.name}.partial")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        yield place
        place.rename(out)
    finally:
        shutil.rmtree(place, ignore_errors=True)
