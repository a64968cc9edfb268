"""An adapter that was trained before is trained further; as it was, it stays beside as the model's reference."""

import copy

import torch

from tunesmith.errors import UserError
from tunesmith.methods.method import Method
from tunesmith.models.adapter import Adapter
from tunesmith.models.model import Model


def train_further(model: Model, name: str, method: Method) -> Adapter:
    """A copy of the active adapter, attached and made the active one; `Model.starting` is the one that it was copied from.

    Raises:
        UserError: where the method trains other parameters than the adapter has, or the network's own weights.
    """
    first, starting = model.adapter(), model.active
    if first.freed or type(first.method) is not type(method):
        raise _refused(first, method)
    head = copy.deepcopy(first.head) if first.head is not None else None
    made = model.attach(name if name != starting else f"{name} further", method, begin=False, head=head)
    values, before = {**made.trained(), **made.remembered()}, {**first.trained(), **first.remembered()}
    if {key: value.shape for key, value in values.items()} != {key: value.shape for key, value in before.items()}:
        raise _refused(first, method)
    with torch.no_grad():
        for key, value in values.items():
            value.copy_(before[key])
    first.free(False)
    model.starting = starting
    return made


def _refused(first: Adapter, method: Method) -> UserError:
    return UserError(
        f"`model.path` is a run with an adapter of `{first.method}`, and `method` is `{method}`, which trains others",
        "to train that adapter further, set `method` as that run has it; or write it into its base's weights first: "
        "`tunesmith merge RUN merged`, then `model.path=merged`",
    )
