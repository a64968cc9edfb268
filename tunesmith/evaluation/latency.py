"""How long one request takes: the bare network, its adapter attached, the adapter merged into the weights."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median

import torch

from tunesmith.errors import UserError
from tunesmith.generation.quiet import quiet
from tunesmith.models.merge import merge, unmerge
from tunesmith.models.model import Model
from tunesmith.models.quantize import quantised
from tunesmith.models.speech import Speech
from tunesmith.tokens.batch import Rows, collate
from tunesmith.tokens.sequence import causal, seq2seq

TOKENS = 16
ROUNDS = 5
SECONDS = 4.0  # no further round after so many of them
LARGEST = 2**31  # bytes of a network that is merged to be timed: what merging changes is kept meanwhile


def latency(model: Model, prompts: Sequence[Sequence[int]]) -> dict[str, float]:
    """Median seconds of reading one prompt of median length and saying 16 tokens more, the same ones on every side.

    Returns:
        `base`, `attached` and, where the method can be merged and the network is small enough, `merged`; nothing for
        networks that do not speak, those without an adapter beside their weights, and windows too small for it.
    """
    name = model.active
    if not name or not prompts or model.adapter().freed or not speaks(model):
        return {}
    if model.window is not None and model.window <= TOKENS + model.virtual_tokens:
        return {}
    prompt = sorted(prompts, key=len)[len(prompts) // 2]
    room = (model.window or len(prompt) + TOKENS + model.virtual_tokens) - model.virtual_tokens
    prompt = prompt[: max(1, room if model.family == "seq2seq" else room - TOKENS)]
    with quiet(model):
        sides = {"base": lambda: spoken(model, prompt, ""), "attached": lambda: spoken(model, prompt, name)}
        found = timed(sides)
        row = (
            seq2seq(prompt, prompt, model.renderer.start) if model.family == "seq2seq" else causal(prompt, [1.0] * len(prompt))
        )
        held = sum(p.numel() * p.element_size() for p in model.network.parameters())
        if held > LARGEST or quantised(model.network):
            return found
        with suppress(UserError):  # the method is none that can be merged
            merged = merge(model, name, collate(Rows(((row,),), ((0,),))).to(model.device))
            try:
                found |= timed({"merged": lambda: spoken(model, prompt, "")})
            finally:
                unmerge(model, merged)
    return found


def speaks(model: Model) -> bool:
    try:
        Speech(model)
    except UserError:
        return False
    return True


def spoken(model: Model, prompt: Sequence[int], adapter: str) -> None:
    """Read a prompt and say 16 tokens, whichever."""
    speech = Speech(model)
    speech.enter([prompt], [adapter])
    said_B = torch.tensor([prompt[0]], device=model.device)
    for _ in range(TOKENS):
        logits_BV = speech.step(said_B)
    logits_BV.sum().item()  # a GPU has done it then


def timed(sides: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Median seconds of each side, in turns, after one round that is not counted."""
    taken: dict[str, list[float]] = {side: [] for side in sides}
    start = time.perf_counter()
    for round_ in range(ROUNDS + 1):
        for side, run in sides.items():
            began = time.perf_counter()
            run()
            taken[side].append(time.perf_counter() - began)
        if round_ and time.perf_counter() - start > SECONDS:
            break
    return {side: median(seconds[1:]) for side, seconds in taken.items()}
