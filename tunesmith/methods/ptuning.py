"""P-tuning (Liu et al., 2021, arXiv:2103.10385): a soft prompt that a small network makes while it is trained.

Dimension key: P virtual tokens, D hidden size, M size of the small network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from tunesmith.methods.method import Delta, Method, Site
from tunesmith.methods.prompt import Init, PromptTuning, first_vectors, overwritten, refuse_unread


class Made(Delta):
    """At virtual tokens, what the site says is made from learned vectors. The file holds what is made: a plain soft prompt."""

    peft_names: ClassVar[Mapping[str, str]] = {"vectors_PD": "/prompt_embeddings"}
    virtual_only: ClassVar[bool] = True

    def __init__(self, first_PD: Tensor, maker: str, size: int) -> None:
        super().__init__()
        wide = first_PD.shape[1]
        self.spread = float(first_PD.std())
        self.vectors_PD = nn.Parameter(first_PD / self.spread)
        self.lstm = nn.LSTM(wide, size, bidirectional=True, batch_first=True) if maker == "lstm" else None
        first = 2 * size if maker == "lstm" else wide
        self.maker = nn.Sequential(nn.Linear(first, size), nn.ReLU(), nn.Linear(size, wide))

    def made(self) -> Tensor:
        """[P, D]: the learned vectors, and what the small network makes of them on top; the paper has the latter alone."""
        inner = self.vectors_PD if self.lstm is None else self.lstm(self.vectors_PD[None])[0][0]
        made: Tensor = self.spread * (self.vectors_PD + self.maker(inner))
        return made

    def after(self, x: Tensor, y: Tensor, virtual: Tensor) -> Tensor:
        return overwritten(y, self.made(), virtual)

    def saved(self) -> dict[str, Tensor]:
        return {"vectors_PD": self.made()}


@dataclass(frozen=True)
class PTuning(Method):
    """A soft prompt whose vectors are made by a small network, which is thrown away afterwards.

    virtual_tokens: P.
    maker: the small network: two layers, or a recurrent network in both directions before them (`lstm`).
    size:  M; null: the network's hidden size.
    init, text: first values of the learned vectors, as in prompt tuning.
    """

    rate_times_width: ClassVar[float] = 4.0
    peft_type: ClassVar[str] = "P_TUNING"

    virtual_tokens: Annotated[int, Field(gt=0)] = 16
    maker: Literal["mlp", "lstm"] = "mlp"
    size: Annotated[int, Field(gt=0)] | None = None
    init: Init = "vocabulary"
    text: str = ""

    def refuse_idle(self) -> None:
        refuse_unread(self.init, self.text)

    def delta(self, site: Site) -> Delta | None:
        if site.role != "embedding":
            return None
        first_PD = first_vectors(site, self.virtual_tokens, self.init, self.text)
        return Made(first_PD, self.maker, self.size or site.outputs).to(first_PD.device)

    def peft_config(self, sites: Sequence[Site], deltas: Mapping[str, Delta]) -> dict[str, Any]:
        return {
            "num_virtual_tokens": self.virtual_tokens,
            "token_dim": sites[0].outputs,
            "num_transformer_submodules": 1,
            "encoder_reparameterization_type": "MLP",
            "encoder_hidden_size": self.size or sites[0].outputs,
        }

    def as_saved(self) -> PromptTuning:
        """What was made is a soft prompt."""
        return PromptTuning(virtual_tokens=self.virtual_tokens, init="random")

    @classmethod
    def from_peft(cls, config: Mapping[str, Any]) -> PromptTuning:
        """As `as_saved`."""
        return PromptTuning(virtual_tokens=config["num_virtual_tokens"], init="random")
