"""Tokens a second of our engine against transformers' `generate`, greedy, side by side in one process.

    python benchmarks/generation_speed.py [--brief] [--rounds 5] [--device cpu] [--only llama]

Each pair answers the same prompts. Ours gets all of them at once and `rows` at a time; transformers gets them in batches of
`rows`, sorted by length and padded at the left, which is the best that its own interface offers. Both stop at the same ids;
answers are compared, and their share that is equal stands in the result. Medians over rounds, taken in turns.
"""

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import transformers
from record import OURS, arguments, keep, paired

from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.models.model import Model

ROWS, TOKENS, COUNT = 16, 48, 64
SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"


def tiny(kind: str, **settings: Any) -> Any:
    torch.manual_seed(0)
    return transformers.AutoConfig.for_model(kind, pad_token_id=0, eos_token_id=1, **settings)


def networks() -> dict[str, Callable[[], Any]]:
    """Random networks of the size of the embedded ones, and real small ones where they are at hand."""
    causal, paired = transformers.AutoModelForCausalLM, transformers.AutoModelForSeq2SeqLM
    llama = {
        "hidden_size": 192,
        "intermediate_size": 512,
        "num_hidden_layers": 6,
        "num_attention_heads": 6,
        "num_key_value_heads": 6,
    }
    t5 = {
        "d_model": 192,
        "d_kv": 32,
        "d_ff": 512,
        "num_layers": 4,
        "num_heads": 6,
        "decoder_start_token_id": 0,
        "initializer_factor": 2.0,
    }
    found: dict[str, Callable[[], Any]] = {
        "llama": lambda: causal.from_config(tiny("llama", vocab_size=4096, max_position_embeddings=1024, **llama)),
        "t5": lambda: paired.from_config(tiny("t5", vocab_size=4096, **t5)),
    }
    if (SHARED / "stories260K").is_dir():
        found["stories260K"] = lambda: causal.from_pretrained(SHARED / "stories260K")
    if (SHARED / "bart-g2p-en-us").is_dir():
        found["bart-g2p"] = lambda: paired.from_pretrained(SHARED / "bart-g2p-en-us")
    return found


def prompts(network: Any, count: int) -> list[list[int]]:
    dice = random.Random(0)
    most = 20 if getattr(network.config, "max_position_embeddings", 999) < 100 else 120
    return [[dice.randrange(3, network.config.vocab_size) for _ in range(dice.randint(4, most))] for _ in range(count)]


def stops_of(network: Any, asked: Sequence[Sequence[int]]) -> list[int]:
    """Ids that end the answers of a random network at unlike lengths; those of its own where it has learnt to stop."""
    own = network.generation_config.eos_token_id
    ids = set(own if isinstance(own, list) else [own])
    first = theirs(network, asked[:ROWS], sorted(ids))
    if sum(len(answer) < TOKENS for answer in first) < len(first) // 2:
        found = {id_ for answer in first for id_ in answer}
        places = {id_: {answer.index(id_) for answer in first if id_ in answer} for id_ in sorted(found)}
        ids |= set(sorted(places, key=lambda id_: -len(places[id_]))[:2])
    return sorted(ids)


def theirs(network: Any, asked: Sequence[Sequence[int]], stops: Sequence[int]) -> list[tuple[int, ...]]:
    order = sorted(range(len(asked)), key=lambda n: -len(asked[n]))
    answers: dict[int, tuple[int, ...]] = {}
    paired = network.config.is_encoder_decoder
    for start in range(0, len(order), ROWS):
        numbers = order[start : start + ROWS]
        wide = max(len(asked[n]) for n in numbers)
        ids = torch.tensor([[0] * (wide - len(asked[n])) + list(asked[n]) for n in numbers], device=network.device)
        mask = torch.tensor([[0] * (wide - len(asked[n])) + [1] * len(asked[n]) for n in numbers], device=network.device)
        if paired:
            ids = torch.stack([row.roll(-(wide - len(asked[n]))) for row, n in zip(ids, numbers, strict=True)])
            mask = mask.flip(1)
        said = network.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=TOKENS,
            max_length=None,
            do_sample=False,
            eos_token_id=list(stops),
            forced_eos_token_id=None,
            pad_token_id=0,
        )
        for n, row in zip(numbers, said[:, 1 if paired else wide :].tolist(), strict=True):
            end = next((place + 1 for place, id_ in enumerate(row) if id_ in stops), len(row))
            answers[n] = tuple(row[:end])
    return [answers[n] for n in range(len(asked))]


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def pair(make: Callable[[], Any], device: torch.device, count: int, rounds: int) -> dict[str, Any]:
    network, peer = make().eval().to(device), make().eval().to(device)
    if not network.name_or_path:  # random weights say one thing for ever; noise makes their answers differ
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    peer.load_state_dict(network.state_dict())
    asked = prompts(network, count)
    stops = stops_of(peer, asked)
    network.generation_config.forced_eos_token_id = None
    renderer: Any = SimpleNamespace(
        start=network.generation_config.decoder_start_token_id or 0, forced=None, stops=frozenset(stops), say=lambda ids: ""
    )
    model = Model(network, renderer, "seq2seq" if network.config.is_encoder_decoder else "causal")

    def ours() -> list[tuple[int, ...]]:
        return [said.ids for said in generate(model, asked, Sampling(tokens=TOKENS), ROWS)]

    said, answers = ours(), theirs(peer, asked, stops)  # a warm-up too
    timed = paired(
        {
            OURS: lambda: seconds(ours, device),
            "transformers generate": lambda: seconds(lambda: theirs(peer, asked, stops), device),
        },
        rounds,
    )
    tokens = sum(map(len, said))
    return {
        **timed,
        "tokens": tokens,
        "tokens_per_second": {who: round(tokens / taken, 1) for who, taken in timed["median"].items()},
        "equal_answers": sum(a == b for a, b in zip(said, answers, strict=True)) / len(said),
    }


def main() -> None:
    given = arguments(__doc__, rounds=5).parse_args()
    transformers.logging.set_verbosity_error()
    device = torch.device(given.device)
    count, rounds = (8, 2) if given.brief else (COUNT, given.rounds)
    pairs = {
        name: pair(make, device, count, rounds) for name, make in networks().items() if not given.only or name in given.only
    }
    keep("generation_speed", given, {"rows": ROWS, "prompts": count, "longest_answer": TOKENS}, pairs)


if __name__ == "__main__":
    main()
