"""Prompt tuning (Lester, Al-Rfou and Constant, 2021, arXiv:2104.08691): learned vectors where the first embeddings would stand.

Dimension key: P virtual tokens, D hidden size, b rows, T tokens a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tunesmith.errors import UserError
from tunesmith.methods.method import Delta, Method, Site

COMMON = 5000  # pieces that initial values are drawn from; vocabularies list the common ones first


class Overwrite(Delta):
    """At virtual tokens, what the site says is learned and not looked up."""

    peft_names: ClassVar[Mapping[str, str]] = {"vectors_PD": "/prompt_embeddings"}

    def __init__(self, vectors_PD: Tensor) -> None:
        super().__init__()
        self.vectors_PD = nn.Parameter(vectors_PD.detach().float().clone())

    def after(self, x: Tensor, y: Tensor, virtual: Tensor) -> Tensor:
        learned = self.vectors_PD[virtual.clamp(min=0)].to(y.dtype)
        return torch.where((virtual >= 0)[..., None], learned, y)


@dataclass(frozen=True)
class PromptTuning(Method):
    """A soft prompt before every sequence; before the source, for encoder-decoder networks.

    virtual_tokens: P.
    init:           first values: embeddings of random pieces of the vocabulary, of the words of `text` (repeated or cut
                    to P), or `random` numbers of the embeddings' size.
    """

    rate_times_width: ClassVar[float] = 15.0
    peft_type: ClassVar[str] = "PROMPT_TUNING"

    virtual_tokens: Annotated[int, Field(gt=0)] = 16
    init: Literal["vocabulary", "text", "random"] = "vocabulary"
    text: str = ""

    def delta(self, site: Site) -> Delta | None:
        if site.role != "embedding":
            return None
        return Overwrite(self._first(site))

    @torch.no_grad()
    def _first(self, site: Site) -> Tensor:
        """[P, D] as the site says them, with whatever scale it gives its embeddings."""
        weight: Any = site.module.weight
        if self.init == "text":
            words = list(site.spell(self.text))
            if not words:
                raise UserError("`method.init` is `text`, and `method.text` has no words", "say there what the task is")
            chosen = torch.tensor((words * self.virtual_tokens)[: self.virtual_tokens])
        else:
            chosen = torch.randint(min(site.inputs, COMMON), (self.virtual_tokens,))
        found: Tensor = site.module(chosen.to(weight.device)).float()
        if self.init == "random":
            return (torch.randn(found.shape) * found.std().item()).to(weight.device)
        return found

    def peft_config(self, sites: Sequence[Site]) -> dict[str, Any]:
        return {
            "num_virtual_tokens": self.virtual_tokens,
            "token_dim": sites[0].outputs,
            "num_transformer_submodules": 1,
            "prompt_tuning_init": "RANDOM",  # the values are in the file
            "prompt_tuning_init_text": None,
            "tokenizer_name_or_path": None,
        }

    @classmethod
    def from_peft(cls, config: Mapping[str, Any]) -> "PromptTuning":
        return cls(virtual_tokens=config["num_virtual_tokens"], init="random")
