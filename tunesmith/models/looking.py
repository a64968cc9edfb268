"""What a network without any adapter says at some of its modules, for the first values of a method."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from tunesmith.methods.method import Look
from tunesmith.models import families
from tunesmith.models.routing import Routing, calling
from tunesmith.tokens.batch import Rows, collate
from tunesmith.tokens.sequence import IGNORED, Tokens


def look(network: Any, family: families.Family, spell: Callable[[str], Sequence[int]], paths: Sequence[str]) -> Look:
    """A look at these modules. The decoder of an encoder-decoder network reads the same ids as its source."""
    vocabulary = int(network.get_input_embeddings().weight.shape[0])

    @torch.no_grad()
    def said(ids: Tensor) -> dict[str, Tensor]:
        caught: dict[str, Tensor] = {}

        def catch(path: str) -> Callable[..., None]:
            return lambda module, args, y: caught.__setitem__(path, y[0].detach().float())

        handles = [network.get_submodule(path).register_forward_hook(catch(path)) for path in paths]
        training, read = network.training, tuple(ids.tolist())
        tokens = Tokens(read, (IGNORED,) * len(read), source=read if family == "seq2seq" else ())
        try:
            network.eval()
            with calling(Routing("")):
                families.CALLS[family](network, collate(Rows(((tokens,),), ((0,),))).to(network.device))
        finally:
            network.train(training)
            for handle in handles:
                handle.remove()
        return caught

    return Look(said, spell, vocabulary)
