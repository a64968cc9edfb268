"""A head of its own on the body of a network: what its outputs mean, how a sequence becomes one state, its weights, its files.

head.json (what it is)  head.safetensors (its weights, where they stand under no name of transformers: `models/classifiers.py`)

Dimension key: D hidden size, K outputs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from tunesmith.errors import UserError
from tunesmith.models.soundness import read_tensors

Kind = Literal["label", "labels", "number", "tags", "choice", "reward", "value"]
Pooling = Literal["auto", "last", "first", "mean"]
WEIGHTS, PLAN = "head.safetensors", "head.json"
# A causal network's last token has seen all others. What a decoder says first has seen the whole source, by all of the network.
# No token of a masked network is made to speak for all others, so their mean does; BERT's first one was, and may be asked for.
POOLING: dict[str, Pooling] = {"causal": "last", "seq2seq": "last", "masked": "mean"}
RECTIFIED = {"distilbert"}  # networks whose own heads have relu where others have tanh
OF_SEQUENCES = ("label", "labels", "number", "reward")


@dataclass(frozen=True)
class HeadPlan:
    """What a head is.

    kind:    what it tells: one `label` of a sequence, any number of `labels`, a `number`, the `tags` of its words, or which
             `choice` of several sequences is right, or the `reward` of an answer to its prompt; or the `value` of what was said
             so far, which only learning asks for.
    labels:  names of the outputs; empty for a number, for choices and a reward, which have one output.
    pooling: which state stands for a sequence: its `last`, its `first`, or the `mean` of all. `auto`: by the network.
    hidden:  tanh of a further linear map before the outputs (RoBERTa's classifier; on BERT's first token, its pooler); of
             DistilBERT its relu.
    dropout: share of the numbers before each linear map that are dropped in training; None: as the network's config says.
    temperature: what outputs are divided by where calibrated probabilities are asked for.
    bias:    whether constants are added to the outputs. On a causal network's last token they are not, as in transformers'
             classes, so that other programs can compute the head.
    rectified: relu in place of that tanh.
    """

    kind: Kind = "label"
    labels: tuple[str, ...] = ()
    pooling: Pooling = "auto"
    hidden: bool = False
    dropout: float | None = None
    temperature: float = 1.0
    bias: bool = True
    rectified: bool = False

    @property
    def outputs(self) -> int:
        """K"""
        return len(self.labels) or 1

    def on(self, config: Any, family: str) -> "HeadPlan":
        """The plan with what the network decides."""
        pooling = POOLING[family] if self.pooling == "auto" else self.pooling
        if family == "seq2seq" and pooling != "last":
            raise UserError(
                f"`objective.pooling` is `{pooling}`, and the head of an encoder-decoder network reads what its decoder says "
                "first, a single state",
                "leave it `auto`",
            )
        if family == "causal" and pooling == "first":
            raise UserError(
                "`objective.pooling` is `first`, and the first token of a causal network has seen no other", "leave it `auto`"
            )
        found = (getattr(config, name, None) for name in ("classifier_dropout", "seq_classif_dropout", "hidden_dropout_prob"))
        dropout = self.dropout if self.dropout is not None else next((share for share in found if share is not None), 0.0)
        bare = family == "causal" and pooling == "last" and not self.hidden and self.kind in OF_SEQUENCES
        rectified = self.hidden and config.model_type in RECTIFIED
        return replace(self, pooling=pooling, dropout=float(dropout), bias=not bare, rectified=rectified)


class Head(nn.Linear):
    """[..., D] -> [..., K] float32, in float32 whatever the network's precision is. Its first values are random."""

    def __init__(self, plan: HeadPlan, width: int, device: torch.device | str = "cpu") -> None:
        super().__init__(width, plan.outputs, bias=plan.bias, device=device, dtype=torch.float32)
        self.plan = plan
        self.saved = False  # whether its values came from a file
        self.inner = nn.Linear(width, width, device=device, dtype=torch.float32) if plan.hidden else None
        for part in (self.inner, self):
            if part is not None:
                nn.init.normal_(part.weight, std=0.02)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        states = self._dropped(input.float())
        if self.inner is not None:
            states = self._dropped(self._bent(self.inner(states)))
        return super().forward(states)

    def _bent(self, states: Tensor) -> Tensor:
        return F.relu(states) if self.plan.rectified else torch.tanh(states)

    def _dropped(self, states: Tensor) -> Tensor:
        return F.dropout(states, self.plan.dropout or 0.0, self.training)

    @torch.no_grad()
    def hold(self, constants: Sequence[float]) -> None:
        """Say these K numbers whatever is read."""
        self.weight.zero_()
        if not self.plan.bias:
            self.plan = replace(self.plan, bias=True)
            self.bias = nn.Parameter(torch.empty(self.out_features, device=self.weight.device), requires_grad=False)
        self.bias.copy_(torch.tensor(constants))


def save_head(folder: Path, head: Head) -> None:
    """Write a head into an adapter's or a network's folder, in our own layout."""
    save_file({name: p.detach().cpu().contiguous().clone() for name, p in head.named_parameters()}, folder / WEIGHTS)
    save_plan(folder, head.plan)


def save_plan(folder: Path, plan: HeadPlan) -> None:
    """Write what a head is, without its weights."""
    (folder / PLAN).write_text(json.dumps(asdict(plan), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def head_plan(folder: Path) -> HeadPlan | None:
    """What `head.json` says; None where there is none."""
    if not (folder / PLAN).is_file() and not (folder / WEIGHTS).is_file():
        return None
    try:
        tree = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        plan = HeadPlan(**{**tree, "labels": tuple(tree["labels"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"`{folder / PLAN}` cannot be read: {error}", "it belongs to the weights beside it") from None
    if plan.kind not in get_args(Kind):
        raise UserError(f"`{folder / PLAN}` tells of a head of the kind `{plan.kind}`", "it may need a newer version")
    return plan


def load_head(folder: Path, plan: HeadPlan, width: int, device: torch.device) -> Head:
    """The head that was saved here in our own layout."""
    return filled(plan, read_tensors(folder / WEIGHTS), width, device, folder / WEIGHTS)


def filled(plan: HeadPlan, saved: Mapping[str, Tensor], width: int, device: torch.device, file: Path) -> Head:
    """A head with these weights, by our names for them; `file` is where they came from."""
    random = torch.get_rng_state()
    head = Head(plan, width, device)
    torch.set_rng_state(random)  # first values that are overwritten draw nothing
    wanted = {name: p.shape for name, p in head.named_parameters()}
    if {name: value.shape for name, value in saved.items()} != wanted:
        raise UserError(
            f"`{file}` does not fit the head that is told beside it and a network whose states have {width} numbers",
            "it was trained on another network",
        )
    head.load_state_dict(saved)
    head.saved = True
    return head.requires_grad_(False)


def own_pooling(folder: Path | None) -> Pooling:
    """How a folder of sentence-transformers makes one state of a text; `auto` elsewhere, or where it is a way unknown here."""
    path = folder / "1_Pooling" / "config.json" if folder else None
    if path is None or not path.is_file():
        return "auto"
    tree = json.loads(path.read_text(encoding="utf-8"))
    ways: dict[str, Pooling] = {
        "pooling_mode_mean_tokens": "mean",
        "pooling_mode_cls_token": "first",
        "pooling_mode_lasttoken": "last",
    }
    return next((way for name, way in ways.items() if tree.get(name)), "auto")
