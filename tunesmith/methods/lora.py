"""LoRA (Hu et al., 2021, arXiv:2106.09685): y + (alpha / rank) B A x.

Dimension key: b rows, T tokens, R rank, I inputs, O outputs, V vocabulary, D hidden size.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from tunesmith.errors import UserError
from tunesmith.methods.method import Delta, Method, Site

STABLE_ALPHA = 6.0  # a scale of 2 at a rank of 9
ATTENTION_AND_MLP = ("query", "key", "value", "qkv", "attention_out", "mlp_up", "mlp_gate", "mlp_down")


class LowRank(Delta):
    """Two thin matrices beside a linear map; B starts at zero, so nothing changes at first."""

    peft_names: ClassVar[Mapping[str, str]] = {"a_RI": "lora_A.weight", "b_OR": "lora_B.weight"}
    fixed: ClassVar[tuple[str, ...]] = ("scale",)

    def __init__(self, inputs: int, outputs: int, rank: int, scale: float, dropout: float) -> None:
        super().__init__()
        self.a_RI = nn.Parameter(torch.empty(rank, inputs))
        self.b_OR = nn.Parameter(torch.zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.a_RI, a=math.sqrt(5))
        self.scale = scale
        self.dropout = dropout

    def after(self, x: Tensor, y: Tensor, virtual: Tensor) -> Tensor:
        return self.onto(x, y, self.a_RI, self.b_OR)

    def onto(self, x: Tensor, y: Tensor, a_RI: Tensor, b_OR: Tensor) -> Tensor:
        """y + scale B A x, written into y."""
        # In the precision of the map beside it: two thin matrices are cast for less than x, which autograd keeps.
        a_RI, b_OR = a_RI.to(y.dtype), b_OR.to(y.dtype)
        x = F.dropout(x.to(y.dtype), self.dropout, self.training)
        # Scaling the R values in the middle costs least; y is the linear map's fresh output and may be added to in place.
        middle = (F.linear(x, a_RI) * self.scale).to(y.dtype)
        y.view(-1, y.shape[-1]).addmm_(middle.flatten(0, -2), b_OR.t())  # a rank of 0 has no view of its own
        return y

    @staticmethod
    def stacked(deltas: "Sequence[LowRank]") -> "LowRanks":
        return LowRanks.of([(delta.a_RI, delta.b_OR * delta.scale) for delta in deltas])

    def fold(self, weight_OI: Tensor) -> Tensor:
        return weight_OI + self.scale * (self.b_OR @ self.a_RI)


@dataclass(frozen=True, slots=True)
class LowRanks:
    """Stacked low-rank changes, of the largest rank among them: A [S, I, R], scaled B [S, R, O], zeros beyond each's own."""

    a_SIR: Tensor
    b_SRO: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, pairs: Sequence[tuple[Tensor, Tensor]]) -> "LowRanks":
        """Of A [R, I] and scaled B [O, R] of each."""
        a, b = pairs[0]
        rank = max(len(a_RI) for a_RI, _ in pairs)
        made = cls(a.new_zeros(len(pairs), a.shape[1], rank), b.new_zeros(len(pairs), rank, b.shape[0]))
        for number, (a_RI, b_OR) in enumerate(pairs):
            made.a_SIR[number, :, : len(a_RI)] = a_RI.t()
            made.b_SRO[number, : len(a_RI)] = b_OR.t()
        return made

    def before(self, x_SMI: Tensor) -> Tensor:
        return x_SMI

    def after(self, x_SMI: Tensor, y_SMO: Tensor) -> Tensor:
        kind = y_SMO.dtype
        middle_SMR = torch.bmm(x_SMI.to(kind), self.a_SIR.to(kind))
        return torch.bmm(middle_SMR, self.b_SRO.to(kind)).add_(y_SMO)  # `baddbmm` takes twice as long for a few rows each


class LowRankRows(Delta):
    """The same beside an embedding: each token's row of A, through B. A starts at zero."""

    peft_names: ClassVar[Mapping[str, str]] = {"a_RV": "lora_embedding_A", "b_DR": "lora_embedding_B"}
    fixed: ClassVar[tuple[str, ...]] = ("scale", "stretched")

    def __init__(self, site: Site, rank: int, scale: float) -> None:
        super().__init__()
        self.a_RV = nn.Parameter(torch.zeros(rank, site.inputs))
        self.b_DR = nn.Parameter(torch.randn(site.outputs, rank))
        self.scale = scale
        self.stretched = float(getattr(site.module, "embed_scale", 1.0))  # what some networks multiply embeddings by

    def after(self, x: Tensor, y: Tensor, virtual: Tensor) -> Tensor:
        said: Tensor = F.embedding(x, self.a_RV.t()) @ self.b_DR.t() * (self.scale * self.stretched)
        return y + said.to(y.dtype)

    def fold(self, weight_OI: Tensor) -> Tensor:
        return weight_OI + self.scale * (self.b_DR @ self.a_RV).t()


@dataclass(frozen=True)
class LoRA(Method):
    """Low-rank matrices beside the linear maps of attention and MLP.

    rank:            R.
    alpha:           the sum is scaled by alpha / rank; null: twice the rank, so that studies of the rank keep the scale.
    rank_stabilised: scale by alpha / sqrt(rank) instead (rsLoRA: Kalajdzievski, 2023, arXiv:2312.03732); alpha null is 6 then.
    dropout:         share of the inputs of A that are dropped in training.
    on:              roles (`embedding` too), or endings of module paths (`q_proj`).
    stack:           of an encoder-decoder network, where to stand. In the `decoder` alone, nothing goes back through the
                     encoder: about half the time of a step.
    rate_of_b:       learning rate of B, as a multiple of that of A: LoRA+ (Hayou et al., 2024, arXiv:2402.12354) takes 16. The
                     preset is lower by its square root.
    """

    rate_times_width: ClassVar[float] = 1.5  # ten times that of full tuning
    peft_type: ClassVar[str] = "LORA"

    rank: Annotated[int, Field(gt=0, le=65536)] = 8
    alpha: Annotated[float, Field(gt=0)] | None = None
    rank_stabilised: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    on: tuple[str, ...] = ATTENTION_AND_MLP
    stack: Literal["both", "encoder", "decoder"] = "both"
    rate_of_b: Annotated[float, Field(gt=0)] = 1.0

    @property
    def preset(self) -> float:
        """That of LoRA is the geometric mean of the rates of A and B."""
        return self.rate_times_width / math.sqrt(self.rate_of_b)

    @property
    def numerator(self) -> float:
        """alpha, or what stands for it where it is null."""
        if self.alpha is not None:
            return self.alpha
        return STABLE_ALPHA if self.rank_stabilised else 2 * self.rank

    @property
    def scale(self) -> float:
        """What B A x is multiplied by."""
        return self.numerator / (math.sqrt(self.rank) if self.rank_stabilised else self.rank)

    def delta(self, site: Site) -> Delta | None:
        if site.role == "mlp" or not site.named(self.on) or not site.within(self.stack):
            return None
        return self.beside_embedding(site) if site.role == "embedding" else self.beside(site)

    def beside(self, site: Site) -> Delta:
        """The delta of a linear map."""
        return LowRank(site.inputs, site.outputs, self.rank, self.scale, self.dropout)

    def beside_embedding(self, site: Site) -> Delta:
        return LowRankRows(site, self.rank, self.scale)

    def rate_of(self, delta: Delta | None, parameter: str) -> float:
        return self.rate_of_b if parameter.startswith("b_") else 1.0

    def peft_config(self, sites: Sequence[Site], deltas: Mapping[str, Delta]) -> dict[str, Any]:
        return {
            "r": self.rank,
            "lora_alpha": self.numerator,
            "use_rslora": self.rank_stabilised,
            "lora_dropout": self.dropout,
            "target_modules": [site.path for site in sites],
            "fan_in_fan_out": any(type(site.module).__name__ == "Conv1D" for site in sites),
            "bias": "none",
            "init_lora_weights": True,
        }

    @classmethod
    def from_peft(cls, config: Mapping[str, Any]) -> "LoRA | None":
        if bool(config.get("use_dora")) != cls.is_dora:
            return None
        refuse_unknown(config, dict.fromkeys(VARIANTS if cls is LoRA else (*VARIANTS, *PATTERNS)))
        refuse_rest(config)
        plain = {
            "rank": config["r"],
            "alpha": config["lora_alpha"],
            "rank_stabilised": bool(config.get("use_rslora")),
            "dropout": config.get("lora_dropout") or 0.0,
            "on": targets(config["target_modules"]),
        }
        patterned = any(config.get(name) not in (None, {}, [], "") for name in PATTERNS)
        return Patterned.of(config, plain) if patterned else cls(**plain)

    is_dora: ClassVar[bool] = False


@dataclass(frozen=True)
class Patterned(LoRA):
    """LoRA as PEFT's patterns lay it out, read from its files: other ranks at some places, none at others.

    ranks, alphas: end of a module's path, as a regular expression -> what it has instead; the first that matches counts.
    layers, lists: numbers of the layers to stand in, empty: all; names of the lists of layers that are meant, empty: any.
    exclude:       places to leave out: ends of paths, or one regular expression of whole paths.
    """

    ranks: Mapping[str, int] = field(default_factory=dict, hash=False)
    alphas: Mapping[str, float] = field(default_factory=dict, hash=False)
    layers: tuple[int, ...] = ()
    lists: tuple[str, ...] = ()
    exclude: str | tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any], plain: Mapping[str, Any]) -> "Patterned":
        left_out, numbers = config.get("exclude_modules") or (), config.get("layers_to_transform")
        return cls(
            **plain,
            ranks=dict(config.get("rank_pattern") or {}),
            alphas=dict(config.get("alpha_pattern") or {}),
            layers=(numbers,) if isinstance(numbers, int) else tuple(numbers or ()),
            lists=_several(config.get("layers_pattern") or ()),
            exclude=left_out if isinstance(left_out, str) else tuple(left_out),
        )

    @classmethod
    def from_peft(cls, config: Mapping[str, Any]) -> None:
        """A file of this method is a LoRA's."""
        return

    def delta(self, site: Site) -> Delta | None:
        if not self._meant(site.path):
            return None
        rank, alpha = self._at(site.path)
        plain = {one.name: getattr(self, one.name) for one in fields(LoRA)}
        return LoRA(**{**plain, "rank": rank, "alpha": alpha}).delta(site)

    def _at(self, path: str) -> tuple[int, float]:
        """Rank and alpha of a place."""
        return _matched(self.ranks, path, self.rank), _matched(self.alphas, path, self.numerator)

    def _meant(self, path: str) -> bool:
        """As PEFT's `check_target_module_exists`."""
        if isinstance(self.exclude, str):
            if self.exclude and re.fullmatch(self.exclude, path):
                return False
        elif any(path == one or path.endswith(f".{one}") for one in self.exclude):
            return False
        if not self.layers:
            return True
        begin = r"(?:^|.*?\.)" if self.lists else r".*?\."  # the first number is that of the layer, further ones are of experts
        ways = (re.match(rf"{begin}{name}\.(\d+)\.", path) for name in self.lists or ("[^.]*",))
        found = next(filter(None, ways), None)
        return found is not None and int(found[1]) in self.layers

    def peft_config(self, sites: Sequence[Site], deltas: Mapping[str, Delta]) -> dict[str, Any]:
        made = {site.path: self._at(site.path) for site in sites}
        return {
            **super().peft_config(sites, deltas),
            "rank_pattern": {path: rank for path, (rank, _) in made.items() if rank != self.rank},
            "alpha_pattern": {path: alpha for path, (_, alpha) in made.items() if alpha != self.numerator},
        }


PATTERNS = ("rank_pattern", "alpha_pattern", "layers_to_transform", "exclude_modules")
T = TypeVar("T")


def _matched(patterns: Mapping[str, T], path: str, else_: T) -> T:
    """As PEFT's `get_pattern_key`."""
    return next((value for name, value in patterns.items() if re.match(rf"(.*\.)?({name})$", path)), else_)


def _several(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def targets(modules: str | Sequence[str]) -> tuple[str, ...]:
    """PEFT's `target_modules` as `on`."""
    names = (modules,) if isinstance(modules, str) else tuple(sorted(modules))
    return (*ATTENTION_AND_MLP, "other") if names == ("all-linear",) else names


def refuse_unknown(config: Mapping[str, Any], plain: Mapping[str, Any]) -> None:
    """Refuse settings of PEFT's that change the formula; `plain` are the values that leave it as it is."""
    for key, value in plain.items():
        if config.get(key, value) not in (value, None, False, {}, []):
            raise UserError(f"`adapter_config.json` sets `{key}: {config[key]}`, which this method here does not have", MERGE)


def refuse_rest(config: Mapping[str, Any]) -> None:
    """Refuse first values that PEFT takes out of the base's weights, as often as it reads the file: no file holds the rest."""
    init = config.get("init_lora_weights")
    if isinstance(init, str) and init.lower().startswith(_OUT_OF_THE_BASE):
        raise UserError(
            f"`adapter_config.json` sets `init_lora_weights: {init}`: PEFT takes the adapter's first values out of the base's "
            "weights, and the base here is whole",
            "write it in PEFT by `save_pretrained(..., path_initial_model_for_weight_conversion=...)`: that is a plain LoRA",
        )


def no_embedding(kind: str) -> UserError:
    """What is said where a method that changes linear maps is to stand at the embedding."""
    return UserError(f"`{kind}` is built for linear maps, and `method.on` names the embedding", "leave it out, or use `lora`")


MERGE = "merge it with PEFT (`merge_and_unload`), and name the folder of the merged network as the model"
_OUT_OF_THE_BASE = ("pissa", "olora", "corda", "loftq")
VARIANTS = (
    "alora_invocation_tokens",
    "arrow_config",
    "ensure_weight_tying",
    "kasa_config",
    "layer_replication",
    "lora_bias",
    "monteclora_config",
    "target_parameters",
    "use_bdlora",
    "velora_config",
)
