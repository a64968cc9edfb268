"""Heads in the layout of other programs: which class of transformers computes a head of ours, and what it calls its weights.

transformers has a class for each network and use, such as `BertForSequenceClassification`: BERT's pooler (tanh of a linear
map of the first token) and a linear map. PEFT keeps such a head whole, as `modules_to_save`, under the names it has there. A
head is written so where the class computes exactly ours (`tests/oracle/test_classifiers_oracle.py`), else in our own layout.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from tunesmith.errors import UserError
from tunesmith.models.head import OF_SEQUENCES, PLAN, WEIGHTS, Head, HeadPlan, Kind, filled, head_plan, load_head
from tunesmith.models.model import Model
from tunesmith.run import read_json

ADAPTER, CONFIG = "adapter_model.safetensors", "adapter_config.json"
PEFT = "base_model.model."  # what names in PEFT's files begin with
# Networks whose classes are proved to compute our head on the same body.
LIKE_ROBERTA = {"roberta", "xlm-roberta", "camembert"}
LAST = {"llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3_text", "gpt2", "gpt_neox", "opt", "phi", "phi3", "mixtral"}
PROVED = {"bert", "distilbert"} | LIKE_ROBERTA | LAST
USES = {"SequenceClassification": "SEQ_CLS", "TokenClassification": "TOKEN_CLS", "MultipleChoice": None}
PROBLEMS: dict[Kind, str] = {
    "label": "single_label_classification",
    "labels": "multi_label_classification",
    "number": "regression",
}


@dataclass(frozen=True)
class Peer:
    """A class of transformers that computes a head.

    use:   end of its name, such as `SequenceClassification`.
    names: of the head's weights: ours to theirs.
    """

    use: str
    names: Mapping[str, str]

    @property
    def auto(self) -> str:
        """transformers' name for the class of any network."""
        return f"AutoModelFor{self.use}"

    @property
    def task(self) -> str | None:
        """PEFT's `task_type`; None where it has none."""
        return USES[self.use]

    @property
    def modules(self) -> list[str]:
        """PEFT's `modules_to_save`: the outermost modules that only the head has."""
        return sorted({_outermost(name) for name in self.names.values()})


def _outermost(name: str) -> str:
    parts = name.split(".")
    return "pooler" if "pooler" in parts else parts[0]


def peer_of(plan: HeadPlan, network: Any) -> Peer | None:
    """The class that computes this head on this network's body; None where there is none."""
    kind, use = network.config.model_type, use_of(plan.kind)
    if kind not in PROVED or use is None or not _has(use, network.config):
        return None
    if kind in LAST:
        return _last(plan, kind, use)
    if use == "TokenClassification":
        return None if plan.hidden else _peer(use, "classifier")
    if plan.pooling != "first" or not plan.hidden or plan.rectified != (kind == "distilbert"):
        return None
    if kind in LIKE_ROBERTA and use == "SequenceClassification":
        return _peer(use, "classifier.out_proj", "classifier.dense")
    return _peer(use, "classifier", "pre_classifier" if plan.rectified else f"{network.base_model_prefix}.pooler.dense")


def _last(plan: HeadPlan, kind: str, use: str) -> Peer | None:
    """Of causal networks: `score` without constants on the last token, or a linear map at each token."""
    if plan.hidden or use == "MultipleChoice":
        return None
    if use == "TokenClassification":
        return _peer(use, "classifier" if kind in ("gpt2", "gpt_neox") else "score") if plan.bias else None
    return Peer(use, {"weight": "score.weight"}) if plan.pooling == "last" and not plan.bias else None


def _peer(use: str, outer: str, inner: str = "") -> Peer:
    parts = {"": outer, **({"inner.": inner} if inner else {})}
    return Peer(use, {f"{ours}{end}": f"{theirs}.{end}" for ours, theirs in parts.items() for end in ("weight", "bias")})


def use_of(kind: Kind) -> str | None:
    """What transformers calls the use of a kind of head."""
    if kind in OF_SEQUENCES:
        return "SequenceClassification"
    return {"tags": "TokenClassification", "choice": "MultipleChoice"}.get(kind)


def _has(use: str, config: Any) -> bool:
    return type(config) in class_of(use)._model_mapping


def class_of(use: str) -> Any:
    """transformers' `AutoModelFor...`."""
    import transformers

    return getattr(transformers, f"AutoModelFor{use}")


def as_theirs(peer: Peer, head: Head) -> dict[str, Tensor]:
    """A head's weights by their names."""
    return {peer.names[name]: p.detach().cpu().contiguous().clone() for name, p in head.named_parameters()}


def save_classifier(folder: Path, model: Model, head: Head, peer: Peer) -> None:
    """Write network and head as one of transformers' class, with labels, without the vocabulary head."""
    kind, config = class_of(peer.use), told_to(model, head.plan)
    with torch.device("meta"):
        whole = kind.from_config(config)
    body, prefix = model.network.base_model.state_dict(), whole.base_model_prefix
    tensors = {f"{prefix}.{name}": value for name, value in body.items()}
    tensors |= {name: value.to(model.device, model.dtype) for name, value in as_theirs(peer, head).items()}
    whole.load_state_dict(tensors, strict=True, assign=True)
    whole.save_pretrained(folder)


def told_to(model: Model, plan: HeadPlan) -> Any:
    """The network's config with what transformers wants to know of a head."""
    config = type(model.network.config).from_dict(model.network.config.to_dict())
    config._attn_implementation = model.network.config._attn_implementation
    config.id2label = dict(enumerate(plan.labels or ("LABEL_0",)))
    config.label2id = {label: number for number, label in config.id2label.items()}
    config.problem_type = PROBLEMS.get("number" if plan.kind == "reward" else plan.kind)
    if config.pad_token_id is None:  # without it, only one row at a time is read
        config.pad_token_id = model.renderer.tokenizer.pad_token_id
    return config


def has_head(folder: Path) -> bool:
    """Does an adapter's or a network's folder hold a head, of this project or of others?"""
    return head_plan(folder) is not None or _use_in(folder) is not None


def _use_in(folder: Path) -> str | None:
    """What use a folder of PEFT or of transformers has a head for, in a way that is read here."""
    config = read_json(folder / CONFIG, {})
    if {"classifier", "score"} & set(config.get("modules_to_save") or ()):
        return next((use for use, task in USES.items() if task and task == config.get("task_type")), None)
    tree = read_json(folder / "config.json", {})
    if tree.get("model_type") not in PROVED:
        return None
    [name] = (tree.get("architectures") or [""])[:1]
    return next((use for use in USES if name.endswith(f"For{use}")), None)


def saved_plan(folder: Path, model: Model) -> HeadPlan | None:
    """What head stands in a folder that belongs to this network, as `head.json` tells, or files of PEFT or transformers do."""
    if (plan := head_plan(folder)) is not None:
        return plan
    if (use := _use_in(folder)) is None:
        return None
    config = model.network.config
    if config.model_type not in PROVED or not _has(use, config):
        raise UserError(
            f"`{folder}` has a head of transformers' class for a `{config.model_type}`, which is not read here",
            f"networks whose heads are: {', '.join(sorted(PROVED))}",
        )
    plan = _plan(use, (), model)
    peer = peer_of(plan, model.network)
    assert peer is not None, "networks that are proved have a class for each use"
    outer = _found(folder, [peer.names["weight"]]).get(peer.names["weight"])
    if outer is None:
        raise UserError(f"`{folder}` lacks the weight `{peer.names['weight']}` of its head", "it was saved without it")
    names = config.id2label or {}
    labels = tuple(str(names.get(k, f"LABEL_{k}")) for k in range(len(outer))) if len(names) == len(outer) else ()
    return _plan(use, labels or tuple(f"LABEL_{k}" for k in range(len(outer))), model)


def _plan(use: str, labels: tuple[str, ...], model: Model) -> HeadPlan:
    """The head that transformers' class has for a use."""
    config, masked = model.network.config, model.family == "masked"
    kind: Kind = {"TokenClassification": "tags", "MultipleChoice": "choice"}.get(use, "label")  # type: ignore[assignment]
    if use == "SequenceClassification":
        problem = getattr(config, "problem_type", None)
        kind = next((ours for ours, theirs in PROBLEMS.items() if theirs == problem), "label")
        kind = "number" if len(labels) == 1 and kind != "labels" else kind
    plan = HeadPlan(kind, () if kind in ("number", "choice") else labels)
    if masked:
        plan = replace(plan, pooling="first", hidden=kind != "tags")
    return plan.on(config, model.family)


def saved_head(folder: Path, plan: HeadPlan, model: Model) -> Head:
    """The head that stands in a folder, by its plan."""
    if (folder / WEIGHTS).is_file():
        return load_head(folder, plan, model.width, model.device)
    peer = peer_of(plan, model.network)
    if peer is None:
        raise UserError(f"`{folder / PLAN}` tells of a head whose weights (`{WEIGHTS}`) are missing", "copy the whole folder")
    found = _found(folder, list(peer.names.values()))
    if (missing := [name for name in peer.names.values() if name not in found]) and model.folder is not None:
        found |= _found(model.folder, missing)  # PEFT keeps what was trained: BERT's pooler may be the base's
    if missing := [name for name in peer.names.values() if name not in found]:
        raise UserError(
            f"`{folder}` lacks the weight `{missing[0]}` of its head, and so does its base: it would be random",
            f"train it with `modules_to_save={peer.modules}`",
        )
    saved = {ours: found[theirs].float() for ours, theirs in peer.names.items()}
    return filled(plan, saved, model.width, model.device, folder)


def _found(folder: Path, names: list[str]) -> dict[str, Tensor]:
    """Tensors of a folder under these names, as an adapter's file, a network's or a bare body's has them."""
    found: dict[str, Tensor] = {}
    files = [folder / ADAPTER] if (folder / ADAPTER).is_file() else sorted(folder.glob("*.safetensors"))
    for file in files:
        with safe_open(file, framework="pt") as stream:
            held = set(stream.keys())
            for name in names:
                ways = (PEFT + name, name, name.partition(".")[2] if ".pooler." in name else name)
                if way := next((way for way in ways if way in held), None):
                    found[name] = stream.get_tensor(way)
    return found
