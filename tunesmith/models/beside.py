"""Weights of the network itself that PEFT's files keep beside an adapter: whole modules, biases, rows of an embedding.

All of them are set free here (`methods/selective.py`), rows of an embedding with the rest of it, which stays as it is.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tunesmith.errors import UserError
from tunesmith.methods.combined import Combined
from tunesmith.methods.frozen import Frozen
from tunesmith.methods.lora import MERGE, targets
from tunesmith.methods.method import Method
from tunesmith.methods.selective import Selective
from tunesmith.models.classifiers import PEFT
from tunesmith.models.sites import shared_weights

ROWS = ".token_adapter.trainable_tokens_delta"  # PEFT's name of an embedding's rows: the rows themselves, no difference


def with_beside(method: Method | None, config: Mapping[str, Any], network: nn.Module) -> Method:
    """The method together with what PEFT kept of the network; None: nothing else was trained."""
    patterns = [whole] if (whole := _modules(config)) else []
    if (biases := config.get("bias") or "none") != "none":
        meant = _biases(biases, config)
        patterns += [meant] if any(re.search(meant, name) for name, _ in network.named_parameters()) else []
    patterns += [rf"^{re.escape(path)}\.weight$" for path in tokens_of(config, network)]
    if not patterns:
        return method or Frozen()
    free = Selective(pattern="|".join(patterns))
    return Combined(parts=(method, free)) if method else free


def _modules(config: Mapping[str, Any]) -> str:
    """A pattern of the names in `modules_to_save`; empty where there are none."""
    modules = config.get("modules_to_save") or ()
    return rf"({'|'.join(re.escape(name) for name in modules)})\." if modules else ""


def refuse_absent(file: Path, config: Mapping[str, Any], network: nn.Module) -> None:
    """What PEFT kept whole must have weights here; a vocabulary head that is the embedding has none of its own."""
    modules = config.get("modules_to_save") or ()
    names = [f".{name}" for name, _ in network.named_parameters()] if modules else []  # attaching is quick
    if absent := [one for one in modules if not any(f".{one}." in name for name in names)]:
        raise UserError(f"`{file}` keeps `{absent[0]}` whole, which has no weights of its own in this network", MERGE)


def refuse_shared(file: Path, config: Mapping[str, Any], network: nn.Module) -> None:
    """PEFT trains a copy of one module; where others have the same weight, theirs stays as it was."""
    pattern = _modules(config)
    if pattern and (shared := sorted(name for name in shared_weights(network) if re.search(pattern, name))):
        raise UserError(
            f"`{file}` keeps `{shared[0]}` whole, which other modules of this network have too: PEFT changes only one of them, "
            "and here they are one",
            MERGE,
        )


def _biases(which: str, config: Mapping[str, Any]) -> str:
    """A pattern of the names that PEFT means: all biases, or those of the modules that it changes."""
    if which == "all":
        return r"(?:^|\.)bias$"
    if which != "lora_only":
        raise UserError(f"`adapter_config.json` sets `bias: {which}`", "PEFT has `none`, `all` and `lora_only`")
    meant = config["target_modules"]
    paths = rf"^(?:{meant})" if isinstance(meant, str) else rf"(?:^|\.)(?:{'|'.join(map(re.escape, targets(meant)))})"
    return rf"{paths}\.bias$"


def tokens_of(config: Mapping[str, Any], network: nn.Module) -> dict[str, list[int]]:
    """Path of the embedding -> the tokens whose rows PEFT trained."""
    given = config.get("trainable_token_indices") or {}
    if not given:
        return {}
    own = network.get_input_embeddings()  # type: ignore[operator]
    path = next(path for path, module in network.named_modules() if module is own)
    named = given if isinstance(given, Mapping) else {path: given}
    others = [name for name in named if not f".{path}".endswith(f".{name}")]
    if others or not _one(path, network):
        raise UserError(
            f"`adapter_config.json` trains rows of `{(others or [path])[0]}`: only those of an embedding are read here that "
            "PEFT changes wherever it serves, and whose head has no bias, which PEFT would leave out",
            MERGE,
        )
    tokens = [int(token) for one in named.values() for token in one]
    if wrong := [token for token in tokens if not 0 <= token < len(own.weight)]:
        raise UserError(f"`adapter_config.json` trains the row of token {wrong[0]}; this network has {len(own.weight)} tokens")
    return {path: tokens}


def _one(path: str, network: nn.Module) -> bool:
    """Whether PEFT's rows of an embedding change the network as rows of its weight would."""
    if f"{path}.weight" not in shared_weights(network):
        return True
    head = network.get_output_embeddings()  # type: ignore[operator]
    return bool(getattr(network.config, "tie_word_embeddings", False)) and getattr(head, "bias", None) is None


def plainly(saved: Mapping[str, Tensor], config: Mapping[str, Any], network: nn.Module) -> dict[str, Tensor]:
    """A file's tensors, with weights of the network under their own names and whole."""
    saved = {name: value for name, value in saved.items() if not name.endswith(".base_layer.weight")}  # PEFT: untrained
    rows = tokens_of(config, network)
    if not rows and (config.get("bias") or "none") == "none":  # attaching is quick
        return saved
    names = {id(weight): name for name, weight in network.named_parameters()}
    own = {name: names[id(weight)] for name, weight in network.named_parameters(remove_duplicate=False)}
    found = {}
    for name, value in saved.items():
        plain = name.removeprefix(PEFT).replace(".base_layer.bias", ".bias").replace(ROWS, ".weight")
        path = plain.removesuffix(".weight") if name.endswith(ROWS) else ""
        whole = _put(value, rows[path], network.get_parameter(plain), name) if path in rows else value
        found[f"{PEFT}{own[plain]}" if plain in own else name] = whole
    return found


def _put(rows: Tensor, tokens: list[int], weight: Tensor, name: str) -> Tensor:
    """A whole embedding with some of its rows as a file has them."""
    if rows.shape != (len(tokens), weight.shape[1]):
        raise UserError(f"`{name}` has the shape {tuple(rows.shape)}; the config tells of {len(tokens)} tokens")
    whole = weight.detach().clone()
    whole[tokens] = rows.to(whole)
    return whole
