"""Files of what was trained: PEFT's format for adapters, transformers' for whole networks. Safetensors and JSON only.

adapter/  adapter_config.json  adapter_model.safetensors  [freed.safetensors]  [head.json  [head.safetensors]]  manifest.json
model/    config.json  model.safetensors  tokenizer ...                        [head.json  [head.safetensors]]  manifest.json

The weights of a head stand with the others, where a class of transformers computes it (`models/classifiers.py`).
"""

import dataclasses
import importlib
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import tunesmith.methods
from tunesmith.errors import UserError
from tunesmith.manifest import intact, whole
from tunesmith.methods.frozen import Frozen
from tunesmith.methods.full import Full
from tunesmith.methods.method import Method
from tunesmith.methods.selective import Selective
from tunesmith.models.adapter import Adapter
from tunesmith.models.beside import plainly, refuse_absent, refuse_shared, with_beside
from tunesmith.models.classifiers import PEFT, Peer, as_theirs, peer_of, save_classifier, saved_head, saved_plan
from tunesmith.models.families import Family
from tunesmith.models.head import save_head, save_plan
from tunesmith.models.model import Model
from tunesmith.models.quantize import quantised
from tunesmith.models.refusals import CONVERT, quiet
from tunesmith.models.sites import beyond_body, linear_shape, shared_weights
from tunesmith.models.soundness import read_object, read_tensors

CONFIG, WEIGHTS, FREED = "adapter_config.json", "adapter_model.safetensors", "freed.safetensors"
NOWHERE = "dummy-target-modules"  # PEFT's word for a LoRA that stands at no module
TASKS: dict[Family, str] = {"causal": "CAUSAL_LM", "seq2seq": "SEQ_2_SEQ_LM", "masked": "FEATURE_EXTRACTION"}


def save_adapter(folder: Path, adapter: Adapter, model: Model) -> Path:
    """Write what was trained into a run's folder: `adapter/`, or `model/` where the whole network was trained.

    Returns:
        The folder that was written; it appears under its name when it is whole.
    """
    if isinstance(adapter.method, Full):
        return save_network(folder / "model", model)
    with whole(folder / "adapter") as (place, _):
        peer = peft_peer(adapter, model)
        config, tensors = adapter_files(adapter, model, peer)
        text = json.dumps(config, indent=2, sort_keys=True) + "\n"
        (place / CONFIG).write_text(text, encoding="utf-8")
        save_file(tensors, place / WEIGHTS, metadata={"format": "pt"})
        if adapter.freed and not config.get("modules_to_save"):
            save_file({name: _still(p) for name, p in adapter.freed.items()}, place / FREED)
        if adapter.head is not None:
            save_plan(place, adapter.head.plan) if peer else save_head(place, adapter.head)
    return folder / "adapter"


def save_network(folder: Path, model: Model, as_classifier: bool = False) -> Path:
    """Write the network as transformers does, so that it loads with transformers alone; adapters are left out.

    as_classifier: write network and head as transformers' class for both, without the vocabulary head, where there is one.
    """
    head = model.head
    peer = peer_of(head.plan, model.network) if head is not None and as_classifier else None
    with whole(folder) as (place, _):
        with quiet():
            if head is not None and peer is not None:
                save_classifier(place, model, head, peer)
            else:
                (model.network.base_model if model.wordless else model.network).save_pretrained(place)
        model.renderer.tokenizer.save_pretrained(place)
        if head is not None:
            save_plan(place, head.plan) if peer else save_head(place, head)
    return folder


def load_adapter(folder: Path, model: Model, name: str) -> Adapter:
    """Attach an adapter from its files, of this project or of PEFT, and make it the active one.

    Raises:
        UserError: a file is missing or not as it was saved, the method is not known, or it was trained on another network.
    """
    intact(folder)
    config = read_config(folder)
    random = torch.get_rng_state()
    plan = saved_plan(folder, model)
    head = saved_head(folder, plan, model) if plan else None
    peer = peer_of(plan, model.network) if plan else None
    if peer is not None:
        config = without_head(config, peer)
    with _sensible(folder / CONFIG):
        refuse_absent(folder / CONFIG, config, model.network)
        if peer is None:
            refuse_shared(folder / CONFIG, config, model.network)
        method = method_of(config, folder / CONFIG, model.network)
    # A class for sequences has no vocabulary head, so its adapters stand in the body alone.
    never = beyond_body(model.network) if config.get("task_type") in ("SEQ_CLS", "TOKEN_CLS") else ()
    with _sensible(folder / CONFIG):
        adapter = model.attach(name, method, begin=False, head=head, never=never)
    torch.set_rng_state(random)  # first values that are overwritten draw nothing
    try:
        _fill(adapter, config, folder, model)
    except UserError:
        model.detach(name)
        raise
    return adapter


@contextmanager
def _sensible(file: Path) -> Iterator[None]:
    """What a config says may be of any type and size: whatever it makes a method fail with is the file's fault."""
    try:
        yield
    except UserError as error:
        raise UserError(error.problem, error.hint or "fetch it or write it again") from error
    except (AssertionError, ArithmeticError, AttributeError, KeyError, RuntimeError, TypeError, ValueError, re.error) as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(f"`{file}` describes no adapter that can be made: {told}", "fetch it or write it again") from error


def peft_peer(adapter: Adapter, model: Model) -> Peer | None:
    """transformers' class for network and head, where PEFT keeps what was trained on it; None where there is none.

    Where virtual tokens stand at the head of a row, PEFT's own forward reads other places than ours.
    """
    method, head = adapter.method, adapter.head
    peer = None if head is None or method.virtual_tokens else peer_of(head.plan, model.network)
    if peer is None:
        return None
    outside = beyond_body(model.network)
    inside = not any(f"{path}.weight" in outside for path in adapter.deltas) and not outside & adapter.freed.keys()
    if not inside or _whole_modules(adapter, model) is None:
        return None
    return peer if isinstance(method, Frozen | Selective) or _own_config(adapter) is not None else None


def _own_config(adapter: Adapter) -> dict[str, Any] | None:
    """What PEFT's config says of a method; None where PEFT does not have it."""
    method = adapter.method
    return method.peft_config(list(adapter.sites.values()), adapter.deltas) if method.peft_type else None


def _theirs(adapter: Adapter, model: Model, peer: Peer | None) -> tuple[list[str] | None, dict[str, Any] | None]:
    """(modules that PEFT keeps whole, what its config says of the method): None for what it cannot hold."""
    modules = _whole_modules(adapter, model)
    if peer is None and adapter.freed and adapter.freed.keys() & shared_weights(model.network):
        modules = None  # PEFT's copy of a module would leave the others that have its weight as they are
    return modules, _own_config(adapter) if modules is not None else None


def in_peft(adapter: Adapter, model: Model) -> bool:
    """Will the adapter be written in PEFT's format?"""
    peer = peft_peer(adapter, model)
    return peer is not None or _theirs(adapter, model, peer)[1] is not None


def without_head(config: Mapping[str, Any], peer: Peer) -> dict[str, Any]:
    """PEFT's config of an adapter without the modules that are its head's."""
    theirs = {*peer.modules, "classifier", "score"}  # PEFT names both, whichever a network has
    modules = [name for name in config.get("modules_to_save") or () if name.rpartition(".")[2] not in theirs]
    return {**config, "modules_to_save": modules}


def adapter_files(adapter: Adapter, model: Model, peer: Peer | None = None) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """(adapter_config.json, tensors of adapter_model.safetensors): in PEFT's format where PEFT can hold what was trained.

    peer: the class of transformers that has the adapter's head, which then stands in the same file.
    """
    method = adapter.method
    config: dict[str, Any] = {"base_model_name_or_path": model.source, "inference_mode": True, "revision": model.revision}
    if quantised(model.network):
        config["base_quantize"] = "nf4"
    modules, own = _theirs(adapter, model, peer)
    if peer is not None and own is None:
        config |= {"peft_type": "LORA", "task_type": peer.task, "r": 1, "lora_alpha": 1, "target_modules": NOWHERE}
    elif own is None:
        config |= {"peft_type": None, **_told(method.as_saved())}
    else:
        task = TASKS[model.family] if peer is None else peer.task
        config |= {"peft_type": method.peft_type, "task_type": task, **own}
        modules_ = model.network.named_modules()
        mapping = [path for path, module in modules_ if linear_shape(module) is not None or isinstance(module, nn.Embedding)]
        mapping += [name.rpartition(".")[0] for name in peer.names.values()] if peer else []
        short: dict[str, Any] = {
            key: shortened(config[key], mapping) for key in ("target_modules", "feedforward_modules") if key in config
        }
        if set(short.get("feedforward_modules", ())) <= set(short.get("target_modules", ())):  # PEFT wants one inside the other
            config |= short
    tensors = {name: _still(value) for name, value in method.to_file(adapter.deltas, config).items()}
    if (own is not None or peer is not None) and modules:
        config["modules_to_save"] = modules
        tensors |= {f"{before(method)}{name}": _still(p) for name, p in adapter.freed.items()}
    if peer is not None and adapter.head is not None:
        config["modules_to_save"] = [*config.get("modules_to_save", ()), *peer.modules]
        tensors |= {f"{PEFT}{name}": value for name, value in as_theirs(peer, adapter.head).items()}
    return config, tensors


def before(method: Method) -> str:
    """What names of weights in PEFT's files begin with: what it puts before a row, it does not wrap the network for."""
    return PEFT.removesuffix("model.") if method.virtual_tokens else PEFT


def _whole_modules(adapter: Adapter, model: Model) -> list[str] | None:
    """Paths of the modules whose weights were set free, which PEFT keeps whole; None where only parts of one were, or where
    something stands beside one."""
    paths = sorted({name.rpartition(".")[0] for name in adapter.freed})
    if adapter.deltas.keys() & set(paths):
        return None
    every = {f"{path}.{name}" for path in paths for name, _ in model.network.get_submodule(path).named_parameters()}
    return paths if every == set(adapter.freed) else None


def _told(method: Method) -> dict[str, Any]:
    """A method in our own format: its class and its settings."""
    kind = type(method)
    settings = {
        f.name: [_told(one) if isinstance(one, Method) else one for one in value] if isinstance(value, tuple) else value
        for f in dataclasses.fields(method)  # type: ignore[arg-type]
        for value in (getattr(method, f.name),)
    }
    return {"method": f"{kind.__module__}:{kind.__qualname__}", "settings": settings}


def shortened(chosen: list[str], every: list[str]) -> list[str]:
    """The last words of the chosen paths, where these mean exactly them among every path; else the paths themselves."""
    words = sorted({path.rpartition(".")[2] for path in chosen})
    meant = {path for path in every if path.rpartition(".")[2] in words}
    return words if meant == set(chosen) else sorted(chosen)


def method_of(config: Mapping[str, Any], file: Path, network: nn.Module) -> Method:
    """The method that an adapter's config describes, on a network."""
    if config.get("method"):
        return _from_told(config, file)
    wanted = str(config.get("peft_type"))
    if config.get("target_modules") == NOWHERE:
        return with_beside(None, config, network)
    kinds = [kind for kind in methods() if isinstance(kind.peft_type, str) and kind.peft_type]
    for kind in kinds:
        if kind.peft_type == wanted and (found := kind.from_peft(config)) is not None:
            return with_beside(found, config, network)
    known = ", ".join(sorted({kind.peft_type for kind in kinds}))
    raise UserError(f"`{file}` describes an adapter of the type `{wanted}`", f"known types: {known}")


def _from_told(config: Mapping[str, Any], file: Path) -> Method:
    module, _, name = str(config["method"]).partition(":")
    if not module.startswith("tunesmith.methods."):
        raise UserError(f"`{file}` names the method `{module}`, which is not part of tunesmith", "attach it in Python")
    found = {f"{kind.__module__}:{kind.__qualname__}": kind for kind in methods()}.get(str(config["method"]))
    if found is None:
        raise UserError(f"`{file}` names the method `{name}`, which tunesmith does not have", "it may need a newer version")

    def value(given: Any) -> Any:
        if isinstance(given, list):
            return tuple(value(one) for one in given)
        return _from_told(given, file) if isinstance(given, dict) and "method" in given else given

    given = config.get("settings") or {}
    strange = sorted(set(given) - {field.name for field in dataclasses.fields(found)})  # type: ignore[arg-type]
    if strange:
        raise UserError(f"`{file}` sets `{strange[0]}`, which `{name}` does not have", "it may need a newer version")
    return found(**{key: value(one) for key, one in given.items()})


@cache
def methods() -> list[type[Method]]:
    """Every method in `tunesmith/methods`, by listing the folder."""
    found = []
    for entry in pkgutil.iter_modules(tunesmith.methods.__path__, "tunesmith.methods."):
        module = importlib.import_module(entry.name)
        kinds = (value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Method))
        found += [kind for kind in kinds if kind.__module__ == entry.name and kind is not Method]
    return found


def _fill(adapter: Adapter, config: Mapping[str, Any], folder: Path, model: Model) -> None:
    if not (folder / WEIGHTS).is_file():
        pickled = folder / "adapter_model.bin"
        but = ", but a pickle, which can run code when it is read" if pickled.is_file() else ""
        hint = f"convert it, running none of its code: `{CONVERT.format(path=folder)}`" if but else "fetch it, or train again"
        raise UserError(f"`{folder}` has no `{WEIGHTS}`{but}", hint)
    saved = plainly(read_tensors(folder / WEIGHTS), config, model.network)
    freed = read_tensors(folder / FREED) if (folder / FREED).is_file() else {}
    if adapter.freed and not freed:
        begin = before(adapter.method)
        freed = {n: value for name, value in saved.items() if (n := name.removeprefix(begin)) in adapter.freed}
        saved = {name: value for name, value in saved.items() if name.removeprefix(begin) not in freed}
    if adapter.head is not None and (peer := peer_of(adapter.head.plan, model.network)) is not None:
        saved = {name: value for name, value in saved.items() if name.removeprefix(PEFT) not in peer.names.values()}
    of = Origin(folder / WEIGHTS, str(config.get("base_model_name_or_path")), model.source)
    method = adapter.method
    of.check_names(method.to_file(adapter.deltas, config), saved)
    beside = replace(of, file=folder / FREED) if (folder / FREED).is_file() else of
    beside.check_names(adapter.freed, freed)
    values = method.from_file(saved, adapter.deltas, config)
    for path, delta in adapter.deltas.items():
        with of.shapes(path):
            delta.fill(values[path])
    for name, parameter in adapter.freed.items():
        with beside.shapes(name):
            if freed[name].shape != parameter.shape:
                raise ValueError(f"has the shape {tuple(freed[name].shape)}; this network needs {tuple(parameter.shape)}")
            with torch.no_grad():
                parameter.copy_(freed[name])


@dataclass(frozen=True)
class Origin:
    """A file of weights and the network that it was trained on, for what is said when it does not fit this one."""

    file: Path
    trained_on: str
    network: str

    @property
    def hint(self) -> str:
        return f"it was trained on `{self.trained_on}`; this network is `{self.network}`"

    def check_names(self, wanted: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> None:
        """Every name must be there, and none left over."""
        unlike = sorted(wanted.keys() ^ saved.keys())
        if unlike:
            where = "is not in this network" if unlike[0] in saved else "is missing"
            raise UserError(f"`{self.file}`: `{unlike[0]}` {where} (and {len(unlike) - 1} more)", self.hint)

    @contextmanager
    def shapes(self, place: str) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise UserError(f"`{self.file}`: `{place}` {error}", self.hint) from None


def read_config(folder: Path) -> dict[str, Any]:
    """An adapter's `adapter_config.json`."""
    if not (folder / CONFIG).is_file():
        raise UserError(f"`{folder}` holds no adapter: there is no `{CONFIG}`", "name the folder of an adapter")
    return read_object(folder / CONFIG)


def _still(parameter: Tensor) -> Tensor:
    return parameter.detach().cpu().contiguous().clone()
