"""An adapter that was trained before is trained further; as it was, it stays beside as the model's reference."""

import copy
import math
from typing import Any

import torch
import yaml

from tunesmith import settings
from tunesmith.errors import UserError
from tunesmith.methods.combined import Combined
from tunesmith.methods.lora import Patterned
from tunesmith.methods.method import Delta, Method
from tunesmith.models.adapter import Adapter
from tunesmith.models.model import Model

LONGEST = 400  # letters of a method that a hint spells out
MERGED = "write it into its base's weights first: `tunesmith merge RUN merged`, then `model.path=merged`"


def train_further(model: Model, name: str, method: Method) -> Adapter:
    """A copy of the active adapter, attached and made the active one; `Model.starting` is the one that it was copied from.

    Rates and dropout may be others than they were; what the adapter computes is the same at first.

    Raises:
        UserError: where the method trains other parameters than the adapter has, or the network's own weights, or would
            compute something else with the same parameters.
    """
    first, starting = model.adapter(), model.active
    if first.freed or type(first.method) is not type(method):
        raise _refused(first, method)
    head = copy.deepcopy(first.head) if first.head is not None else None
    made = model.attach(name if name != starting else f"{name} further", method, begin=False, head=head)
    told = _otherwise(first, made)
    values, before = {**made.trained(), **made.remembered()}, {**first.trained(), **first.remembered()}
    if told or {key: value.shape for key, value in values.items()} != {key: value.shape for key, value in before.items()}:
        raise _refused(first, method, told)
    with torch.no_grad():
        for key, value in values.items():
            value.copy_(before[key])
    first.free(False)
    model.starting = starting
    return made


def _otherwise(first: Adapter, made: Adapter) -> str:
    """Where a new adapter would compute something else with the parameters of the one before it, in words; "": nowhere."""
    for path, delta in made.deltas.items():
        before = first.deltas.get(path)
        if type(before) is not type(delta):
            continue
        delta.resize(before)
        for name in type(delta).fixed:
            was, now = _named(before, name), _named(delta, name)
            same = math.isclose(was, now) if isinstance(was, float) else was == now
            if not same:
                return f"at `{path}` its `{name}` is {was}, and would be {now}"
    return ""


def _named(delta: Delta, name: str) -> Any:
    """An attribute of a delta; of a function its name."""
    value = getattr(delta, name)
    return getattr(value, "__name__", value)


def _refused(first: Adapter, method: Method, told: str = "") -> UserError:
    why = f"which makes something else of its weights: {told}" if told else "which trains others"
    named = "" if first.freed else _in_a_recipe(first.method)
    return UserError(
        f"`model.path` is a run with an adapter of `{first.method}`, and `method` is `{method}`, {why}",
        f"to train that adapter further, set {named}; or {MERGED}" if named else MERGED,
    )


def _in_a_recipe(method: Method) -> str:
    """The setting that an adapter's file is trained further by; "" where no recipe says what the file holds."""
    if isinstance(method, Patterned):
        return ""
    try:
        tree = _told(method)
    except (TypeError, UserError):  # a method from elsewhere, which has no defaults
        return "`method` as that run has it"
    text = yaml.safe_dump(tree, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6).strip()
    return f"`method={text}`" if len(text) <= LONGEST else "`method` as that run has it"


def _told(method: Method) -> dict[str, Any]:
    """A method's kind, and what it sets otherwise than by default."""
    if isinstance(method, Combined):
        return {"kind": settings.kind_of(Combined), "parts": [_told(part) for part in method.parts]}
    kind: Any = type(method)
    tree, plain = settings.dump(method), settings.dump(kind())
    return {name: value for name, value in tree.items() if name == "kind" or plain.get(name, ...) != value}
