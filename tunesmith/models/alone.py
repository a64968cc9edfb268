"""A network's folder as transformers alone uses it: all stop tokens and the chat template go along, answers are replayed.

Dimension key: T tokens a row, K outputs of a head, P places at which it is asked.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tunesmith.models.classifiers import Peer, class_of
from tunesmith.models.model import Model
from tunesmith.models.refusals import quiet
from tunesmith.tokens.batch import Rows, collate
from tunesmith.tokens.reading import Asked
from tunesmith.tokens.sequence import IGNORED

Ids = Sequence[int]


@dataclass(frozen=True)
class Parting:
    """Where a replayed answer leaves the run's own.

    prompt: number of the prompt; token: of the answer, from 0.
    margin: between the two best logits of the written network there: a small one is rounding.
    """

    prompt: int
    token: int
    margin: float

    def __str__(self) -> str:
        return f"prompt {self.prompt} parts at token {self.token}, where the two best logits are {self.margin:.2g} apart"


@contextmanager
def telling(model: Model) -> Iterator[None]:
    """Within, what is saved says all that the renderer knows: every stop token, and the chat template in use or none.

    transformers reads `generation_config.json`, which holds all stops. Programs that know one end only (llama.cpp) read the
    tokenizer's, so a causal network's tokenizer ends where its answers do.
    """
    renderer, config = model.renderer, model.network.config
    stops = sorted(renderer.stops)
    told: list[tuple[Any, str, Any]] = []
    if getattr(model.network, "generation_config", None) is not None:
        told.append((model.network.generation_config, "eos_token_id", stops if len(stops) > 1 else stops[0]))
        told.append((model.network.generation_config, "pad_token_id", renderer.pad))
    if getattr(config, "eos_token_id", None) is None:
        told.append((config, "eos_token_id", renderer.end))
    if model.family == "causal":
        told.append((renderer.tokenizer, "chat_template", _template(model, renderer.tokenizer.chat_template)))
        if renderer.tokenizer.eos_token_id != renderer.end:
            told.append((renderer.tokenizer, "eos_token", renderer.tokenizer.convert_ids_to_tokens(renderer.end)))
    before = [(thing, name, getattr(thing, name, None)) for thing, name, _ in told]
    try:
        for thing, name, value in told:
            setattr(thing, name, value)
        yield
    finally:
        for thing, name, value in before:
            setattr(thing, name, value)


def _template(model: Model, own: Any) -> Any:
    if model.renderer.chat is None:
        return None
    used = model.renderer.chat.template
    return own if own == used or (isinstance(own, dict) and used in own.values()) else used


@torch.no_grad()
def replay(folder: Path, family: str, prompts: Sequence[Ids], answers: Sequence[Ids], tokens: int) -> list[Parting]:
    """Read a written folder with transformers alone, let it answer greedily, and tell where it says something else.

    Args:
        prompts, answers: ids of each, as the run itself said them; the answer with its stop token.
        tokens: longest answer.
    """
    import transformers

    kind = transformers.AutoModelForSeq2SeqLM if family == "seq2seq" else transformers.AutoModelForCausalLM
    with quiet():
        network = kind.from_pretrained(folder, dtype="auto", use_safetensors=True).eval()
    config = network.generation_config
    greedy = transformers.GenerationConfig(max_new_tokens=tokens, do_sample=False, use_cache=True)
    for name in vars(config):
        if name.endswith("_token_id"):  # where an answer begins and ends is the folder's own; how to draw is not compared
            setattr(greedy, name, getattr(config, name))
    partings = []
    for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        ids = torch.tensor([list(prompt)])
        with quiet():
            said = network.generate(ids, attention_mask=torch.ones_like(ids), generation_config=greedy)[0].tolist()
        said = said[1:] if family == "seq2seq" else said[len(prompt) :]
        if said != list(answer):
            partings.append(_parting(network, number, prompt, said, answer))
    return partings


def _parting(network: Any, number: int, prompt: Ids, said: Ids, answer: Ids) -> Parting:
    pairs = enumerate(zip(said, answer, strict=False))
    place = next((n for n, (one, other) in pairs if one != other), min(len(said), len(answer)))
    so_far = torch.tensor([list(said[:place])], dtype=torch.long)
    if network.config.is_encoder_decoder:
        start = so_far.new_full((1, 1), network.generation_config.decoder_start_token_id)
        inputs = {"input_ids": torch.tensor([list(prompt)]), "decoder_input_ids": torch.cat([start, so_far], 1)}
    else:
        inputs = {"input_ids": torch.cat([torch.tensor([list(prompt)]), so_far], 1)}
    best, next_best = network(**inputs).logits[0, -1].float().topk(2).values.tolist()
    return Parting(number, place, best - next_best)


@torch.no_grad()
def valued(model: Model, rows: Sequence[Asked]) -> list[Tensor]:
    """What a model's head says of rows, one at a time: [1, K], or [P, K] of the words that are tagged."""
    head = model.head
    assert head is not None, "a model with a head"
    said = []
    for row, places in rows:
        targets = tuple(0 if column in places else IGNORED for column in range(len(row.inputs)))
        asked = replace(row, targets=targets, weights=()) if head.plan.kind == "tags" else row
        reading = model(collate(Rows(((asked,),), ((0,),))).to(model.device))
        said.append(reading.token_values() if head.plan.kind == "tags" else reading.values())
    return said


@torch.no_grad()
def revalued(folder: Path, peer: Peer, rows: Sequence[Asked]) -> list[Tensor]:
    """The same of a written folder, read with transformers alone."""
    with quiet():
        network = class_of(peer.use).from_pretrained(folder, dtype="auto", use_safetensors=True).eval()
    said = []
    for row, places in rows:
        inputs = {"input_ids": torch.tensor([row.inputs])}
        if row.second:
            inputs["token_type_ids"] = (torch.arange(len(row.inputs)) >= row.second).long()[None]
        if peer.use == "MultipleChoice":
            inputs = {name: values[None] for name, values in inputs.items()}
        logits = network(**inputs).logits.float()
        said.append(logits[0, list(places)] if peer.use == "TokenClassification" else logits)
    return said
