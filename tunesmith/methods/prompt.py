"""Prompt tuning (Lester, Al-Rfou and Constant, 2021, arXiv:2104.08691): learned vectors where the first embeddings would stand.

Dimension key: P virtual tokens, D hidden size, b rows, T tokens a row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tunesmith.errors import UserError
from tunesmith.methods.method import Delta, Method, Site

COMMON = 5000  # pieces that initial values are drawn from; vocabularies list the common ones first
Init = Literal["vocabulary", "text", "random"]


class Overwrite(Delta):
    """At virtual tokens, what the site says is learned and not computed."""

    peft_names: ClassVar[Mapping[str, str]] = {"vectors_PD": "/prompt_embeddings"}
    virtual_only: ClassVar[bool] = True

    def __init__(self, vectors_PD: Tensor) -> None:
        super().__init__()
        self.vectors_PD = nn.Parameter(vectors_PD.detach().float().clone())

    def after(self, x: Tensor, y: Tensor, virtual: Tensor) -> Tensor:
        return overwritten(y, self.vectors_PD, virtual)

    def fill(self, saved: Mapping[str, Tensor]) -> None:
        vectors_PD = saved["vectors_PD"]
        if len(vectors_PD) == 2 * len(self.vectors_PD):
            vectors_PD = vectors_PD[: len(self.vectors_PD)]  # PEFT keeps a prompt for the decoder too, and never reads it
        super().fill({"vectors_PD": vectors_PD})


def overwritten(y: Tensor, vectors_PD: Tensor, virtual: Tensor) -> Tensor:
    """y [b, T, D], with the vectors in place of virtual tokens."""
    learned = vectors_PD[virtual.clamp(min=0)].to(y.dtype)
    return torch.where((virtual >= 0)[..., None], learned, y)


def first_ids(count: int, init: Init, text: str, common: int, spell: Callable[[str], Sequence[int]]) -> Tensor:
    """[P] ids that initial values are made from: pieces drawn by chance, or the words of a text, repeated or cut."""
    if init != "text":
        return torch.randint(min(common, COMMON), (count,))
    words = list(spell(text)) if text.strip() else []  # some tokenizers spell a blank
    if not words:
        raise UserError("`method.init` is `text`, and `method.text` has no words", "say there what the task is")
    return torch.tensor((words * count)[:count])


def refuse_unread(init: Init, text: str) -> None:
    """A text that no first value is made from was meant for something."""
    if text and init != "text":
        raise UserError(
            f"`method.text` is set, and `method.init` is `{init}`, which makes nothing of it",
            "set `init: text`, or leave the text out",
        )


@torch.no_grad()
def first_vectors(site: Site, count: int, init: Init, text: str) -> Tensor:
    """[P, D] as the embedding says them, with whatever scale it gives its embeddings."""
    weight: Any = site.module.weight
    found: Tensor = site.module(first_ids(count, init, text, site.inputs, site.spell).to(weight.device)).float()
    if init == "random":
        return (torch.randn(found.shape) * found.std().item()).to(weight.device)
    return found


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
    init: Init = "vocabulary"
    text: str = ""

    def refuse_idle(self) -> None:
        refuse_unread(self.init, self.text)

    def delta(self, site: Site) -> Delta | None:
        if site.role != "embedding":
            return None
        return Overwrite(first_vectors(site, self.virtual_tokens, self.init, self.text))

    def peft_config(self, sites: Sequence[Site], deltas: Mapping[str, Delta]) -> dict[str, Any]:
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
