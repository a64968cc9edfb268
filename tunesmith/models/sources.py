"""Adapters that are made into one: what they must have in common, and what the one is told of them."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tunesmith import manifest
from tunesmith.errors import UserError
from tunesmith.models import identity
from tunesmith.models.classifiers import has_head
from tunesmith.models.load import adapter_of, base_of
from tunesmith.models.model import Model
from tunesmith.models.weights import read_config
from tunesmith.run import write_json, write_text

TEMPLATE = "template.yaml"
ONE_WAY = "combine adapters that were trained on one base, kept and asked in one way"
HASHES = {
    "weights": "on other weights of its base",
    "config": "on a base with another `config.json`",
    "tokenizer": "with prompts that are spelled otherwise (tokenizer or chat template)",
}


def together(run: str, first: str) -> Path:
    """The adapter's folder of a run; refused where it cannot be combined with that of another run."""
    place, other = adapter_of(run), adapter_of(first)
    if place is None or other is None:
        raise UserError(f"`{run if place is None else first}` holds a whole network and no adapter", "name runs with adapters")
    if base_of(place) != base_of(other):
        raise UserError(
            f"`{run}` stands on `{base_of(place)}`, and `{first}` on `{base_of(other)}`", "combine adapters of one base"
        )
    if has_head(place):
        raise UserError(f"`{run}` has a head of its own, and heads are not combined", "combine runs without one")
    _refuse_unlike(run, place, first, other)
    return place


def _refuse_unlike(run: str, place: Path, first: str, other: Path) -> None:
    """What decides what an adapter's base says must be the same; what only one of the folders tells is not known to differ."""
    mine, theirs = _settings(place), _settings(other)
    kept, beside = identity.kept_identity(place), identity.kept_identity(other)
    if kept.get("weights") == beside.get("weights") is not None:
        mine["revision"] = theirs["revision"]  # commits of the same weights
    for name, value in mine.items():
        if None not in (value, theirs[name]) and value != theirs[name]:
            raise UserError(
                f"`{run}` was trained under `model.{name}: {_short(value)}`, and `{first}` under `{_short(theirs[name])}`",
                ONE_WAY,
            )
    for name, told in HASHES.items():
        if name in kept and name in beside and kept[name] != beside[name]:
            raise UserError(f"`{run}` was trained {told} than `{first}`", ONE_WAY)


def _settings(place: Path) -> dict[str, Any]:
    """The settings of the model under which an adapter was trained; None: its folder does not tell."""
    config = read_config(place)
    return {
        "quantize": config.get("base_quantize", "none"),
        "revision": config.get("revision"),
        "chat": identity.kept_identity(place).get("chat"),
    }


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:60]}…"


def warn_of_base(model: Model, sources: Sequence[Path]) -> None:
    """Say what is other about a base than when its adapters were trained."""
    for warning in (told for place in sources for told in identity.unlike(place, model)):
        print(f"warning: {warning}", file=sys.stderr)


def pass_on(folder: Path, model: Model, sources: Sequence[Path]) -> None:
    """Write beside a combination what its sources say of their base and of how rows become prompts.

    What they were trained on stands there, also where the base has changed since: whoever loads it is told.
    """
    told = [kept for place in sources if (kept := identity.kept_identity(place))]
    if told:
        write_json(folder / identity.FILE, {name: value for kept in reversed(told) for name, value in kept.items()})
    else:
        identity.keep_identity(folder, model, "auto")
    if wordings := _wordings(sources):
        write_text(folder / TEMPLATE, yaml.safe_dump({"templates": wordings}, sort_keys=False, allow_unicode=True))
    identity.keep_chat_template(folder, model)
    manifest.add(folder, identity.FILE, TEMPLATE, identity.CHAT_TEMPLATE)


def _wordings(sources: Sequence[Path]) -> Mapping[str, Any]:
    """The wordings of all, in their order, each once; another one of a name that is taken gets a number."""
    found: dict[str, Any] = {}
    for file in (place / TEMPLATE for place in sources if (place / TEMPLATE).is_file()):
        for name, tree in yaml.safe_load(file.read_text(encoding="utf-8"))["templates"].items():
            if tree not in found.values():
                same = sum(one.split("-")[0] == name.split("-")[0] for one in found)
                found[name if name not in found else f"{name.split('-')[0]}-{same + 1}"] = tree
    return found
