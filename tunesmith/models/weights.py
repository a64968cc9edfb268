"""Files of what was trained: PEFT's format for adapters, transformers' for whole networks. Safetensors and JSON only.

adapter/  adapter_config.json  adapter_model.safetensors  [freed.safetensors]  [head.safetensors]
model/    config.json  model.safetensors  tokenizer ...                        [head.safetensors]
"""

import dataclasses
import importlib
import json
import pkgutil
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

import tunesmith.methods
from tunesmith.errors import UserError
from tunesmith.methods.method import Method
from tunesmith.models.adapter import Adapter
from tunesmith.models.families import Family
from tunesmith.models.model import Model
from tunesmith.models.refusals import quiet
from tunesmith.models.sites import linear_shape

CONFIG, WEIGHTS, FREED, HEAD = "adapter_config.json", "adapter_model.safetensors", "freed.safetensors", "head.safetensors"
TASKS: dict[Family, str] = {"causal": "CAUSAL_LM", "seq2seq": "SEQ_2_SEQ_LM", "masked": "FEATURE_EXTRACTION"}


def save_adapter(folder: Path, adapter: Adapter, model: Model) -> Path:
    """Write what was trained into a run's folder: `adapter/`, or `model/` where only the network's own weights were trained.

    Returns:
        The folder that was written; it appears under its name when it is whole.
    """
    if not adapter.deltas and adapter.freed:
        return save_network(folder / "model", model)
    with _whole(folder / "adapter") as place:
        config, tensors = adapter_files(adapter, model)
        text = json.dumps(config, indent=2, sort_keys=True) + "\n"
        (place / CONFIG).write_text(text, encoding="utf-8")
        save_file(tensors, place / WEIGHTS, metadata={"format": "pt"})
        if adapter.freed:
            save_file({name: _still(p) for name, p in adapter.freed.items()}, place / FREED)
        _save_head(place, model)
    return folder / "adapter"


def save_network(folder: Path, model: Model) -> Path:
    """Write the network as transformers does, so that it loads with transformers alone; adapters are left out."""
    with _whole(folder) as place:
        with quiet():
            model.network.save_pretrained(place)
        model.renderer.tokenizer.save_pretrained(place)
        _save_head(place, model)
    return folder


def load_adapter(folder: Path, model: Model, name: str) -> Adapter:
    """Attach an adapter from its files, of this project or of PEFT, and make it the active one.

    Raises:
        UserError: a file is missing, the method is not known, or it was trained on another network.
    """
    config = _read_config(folder)
    method = method_of(config, folder / CONFIG)
    random = torch.get_rng_state()
    adapter = model.attach(name, method)
    torch.set_rng_state(random)  # first values that are overwritten draw nothing
    try:
        _fill(adapter, config, folder, model)
    except UserError:
        model.detach(name)
        raise
    return adapter


def adapter_files(adapter: Adapter, model: Model) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """(adapter_config.json, tensors of adapter_model.safetensors)"""
    method = adapter.method
    config: dict[str, Any] = {"base_model_name_or_path": model.source, "inference_mode": True, "revision": None}
    if not method.peft_type:
        kind = type(method)
        settings = {f.name: getattr(method, f.name) for f in dataclasses.fields(method)}  # type: ignore[arg-type]
        config |= {"peft_type": None, "method": f"{kind.__module__}:{kind.__qualname__}", "settings": settings}
    else:
        config |= {"peft_type": method.peft_type, "task_type": TASKS[model.family]}
        config |= method.peft_config(list(adapter.sites.values()))
        linear = [path for path, module in model.network.named_modules() if linear_shape(module) is not None]
        for key in ("target_modules", "feedforward_modules"):
            if key in config:
                config[key] = shortened(config[key], linear)
    return config, {_file_name(adapter, name): _still(p) for name, p in _delta_parameters(adapter).items()}


def shortened(chosen: list[str], every: list[str]) -> list[str]:
    """The last words of the chosen paths, where these mean exactly them among every path; else the paths themselves."""
    words = sorted({path.rpartition(".")[2] for path in chosen})
    meant = {path for path in every if path.rpartition(".")[2] in words}
    return words if meant == set(chosen) else sorted(chosen)


def method_of(config: Mapping[str, Any], file: Path) -> Method:
    """The method that an adapter's config describes."""
    if config.get("method"):
        module, _, name = str(config["method"]).partition(":")
        if not module.startswith("tunesmith.methods."):
            raise UserError(f"`{file}` names the method `{module}`, which is not part of tunesmith", "attach it in Python")
        found: type[Method] = getattr(importlib.import_module(module), name)
        settings = {key: tuple(value) if isinstance(value, list) else value for key, value in config["settings"].items()}
        return found(**settings)
    kinds = {kind.peft_type: kind for kind in methods() if kind.peft_type}
    wanted = str(config.get("peft_type"))
    if wanted not in kinds:
        raise UserError(f"`{file}` describes an adapter of the type `{wanted}`", f"known types: {', '.join(sorted(kinds))}")
    return kinds[wanted].from_peft(config)


def methods() -> list[type[Method]]:
    """Every method in `tunesmith/methods`, by listing the folder."""
    found = []
    for entry in pkgutil.iter_modules(tunesmith.methods.__path__, "tunesmith.methods."):
        module = importlib.import_module(entry.name)
        kinds = (value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Method))
        found += [kind for kind in kinds if kind.__module__ == entry.name and kind is not Method]
    return found


def head_outputs(folder: Path) -> int:
    """Outputs of the head that was saved here; 0 where there is none."""
    if not (folder / HEAD).is_file():
        return 0
    with safe_open(folder / HEAD, "pt") as file:
        return int(file.get_slice("weight").get_shape()[0])


def load_head(folder: Path, model: Model) -> None:
    """Give the model's head the values that were saved here."""
    saved = load_file(folder / HEAD)
    assert model.head is not None, "a model with a head"
    if saved["weight"].shape != model.head.weight.shape:
        raise UserError(
            f"`{folder / HEAD}` is a head of {saved['weight'].shape[0]} outputs; {model.head.out_features} are wanted",
            "it was trained with another objective or another number of labels",
        )
    model.head.load_state_dict(saved)


def _fill(adapter: Adapter, config: Mapping[str, Any], folder: Path, model: Model) -> None:
    if not (folder / WEIGHTS).is_file():
        pickled = folder / "adapter_model.bin"
        hint = "load it with peft and save it again: it will be safetensors" if pickled.is_file() else ""
        raise UserError(f"`{folder}` has no `{WEIGHTS}`{' but a pickle' if hint else ''}", hint)
    saved = load_file(folder / WEIGHTS)
    wanted = {_file_name(adapter, name): parameter for name, parameter in _delta_parameters(adapter).items()}
    _fit(wanted, saved, config, folder / WEIGHTS, model)
    if (folder / FREED).is_file():
        _fit(dict(adapter.freed), load_file(folder / FREED), config, folder / FREED, model)
    if model.head is not None and (folder / HEAD).is_file():
        load_head(folder, model)


def _fit(
    wanted: Mapping[str, Tensor], saved: Mapping[str, Tensor], config: Mapping[str, Any], file: Path, model: Model
) -> None:
    """Copy by name; every name must be there, in its shape, and none left over."""
    unlike = sorted(wanted.keys() ^ saved.keys())
    if unlike:
        where = "is not in this network" if unlike[0] in saved else "is missing"
        raise UserError(
            f"`{file}`: `{unlike[0]}` {where} (and {len(unlike) - 1} more)",
            f"it was trained on `{config.get('base_model_name_or_path')}`; this network is `{model.source}`",
        )
    for name, parameter in wanted.items():
        value = saved[name]
        if config.get("num_transformer_submodules") == 2 and len(value) == 2 * len(parameter):
            value = value[: len(parameter)]  # PEFT keeps a prompt for the decoder too, and never reads it
        if value.shape != parameter.shape:
            raise UserError(
                f"`{file}`: `{name}` has the shape {tuple(value.shape)}; this network needs {tuple(parameter.shape)}",
                f"it was trained on `{config.get('base_model_name_or_path')}`; this network is `{model.source}`",
            )
        with torch.no_grad():
            parameter.copy_(value)


def _read_config(folder: Path) -> dict[str, Any]:
    file = folder / CONFIG
    try:
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"`{folder}` holds no adapter: there is no `{CONFIG}`", "name the folder of an adapter") from error
    except json.JSONDecodeError as error:
        raise UserError(f"`{file}`, line {error.lineno}: {error.msg}", "the file is cut short or edited by hand") from error
    return config


def _delta_parameters(adapter: Adapter) -> dict[str, Tensor]:
    """By `SITE:NAME`; each once."""
    return {f"{path}:{name}": p for path, delta in adapter.deltas.items() for name, p in delta.named_parameters()}


def _file_name(adapter: Adapter, name: str) -> str:
    """A delta's parameter in the file."""
    path, _, parameter = name.partition(":")
    theirs = type(adapter.deltas[path]).peft_names.get(parameter)
    if theirs is None:
        return name
    return theirs[1:] if theirs.startswith("/") else f"base_model.model.{path}.{theirs}"


def _still(parameter: Tensor) -> Tensor:
    return parameter.detach().cpu().contiguous().clone()


def _save_head(place: Path, model: Model) -> None:
    if model.head is not None:
        save_file({name: _still(p) for name, p in model.head.named_parameters()}, place / HEAD)


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """Write beside, then rename: a folder under its own name is never half-written."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
