"""Tokens a second of our engine against transformers' `generate`, greedy, side by side in one process.

    python benchmarks/generation_speed.py [--brief] [--rounds 3] [--device cpu] [--only llama t5] [--prompts 500]

Each pair answers the same prompts. Ours gets all of them at once; transformers gets them in batches sorted by length and
padded, which is the best that its own interface offers, at several sizes, each a side of its own. Both stop at the same ids.
Answers are compared; where two are unlike, the margin between the two best logits at that place stands in the result.

`llama` (8 layers x 512, vocabulary 32,000) and `t5` (the shape of T5-small), with random weights, are asked to summarise
dialogues of DialogSum's test set in up to 128 tokens; `one request` is one dialogue at a time. The `small` pairs have the
size of the embedded networks. Medians over rounds, taken in turns.
"""

import csv
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import torch
import transformers
from causal_training import shape
from record import OURS, SHARED, arguments, keep, paired

from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model

PEER = "transformers generate"
MEAN = 40  # tokens that the answers of a random network have in the mean; it stops at every k-th id, k chosen for this


@dataclass(frozen=True)
class Setting:
    """What a pair is asked, and how: rows of ours, rows of the peer's batches (each is a side), the longest answer."""

    make: Callable[[], Any]
    asked: Callable[[Any, int], list[list[int]]]
    rows: int
    peers: tuple[int, ...]
    tokens: int
    count: int


def tiny(kind: str, **settings: Any) -> Any:
    torch.manual_seed(0)
    return transformers.AutoConfig.for_model(kind, pad_token_id=0, eos_token_id=1, **settings)


def settings() -> dict[str, Setting]:
    """Random networks of the size of the embedded ones, real small ones, and dialogues where these are at hand."""
    causal, paired = transformers.AutoModelForCausalLM, transformers.AutoModelForSeq2SeqLM
    llama = {
        "hidden_size": 192,
        "intermediate_size": 512,
        "num_hidden_layers": 6,
        "num_attention_heads": 6,
        "num_key_value_heads": 6,
    }
    t5 = {"d_model": 192, "d_kv": 32, "d_ff": 512, "num_layers": 4, "num_heads": 6, "initializer_factor": 2.0}
    wide = {"d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8}
    start = {"decoder_start_token_id": 0}

    def wide_t5() -> Any:
        made = paired.from_config(tiny("t5", vocab_size=32_128, **start, **wide))
        # A random network with a tied head repeats what it read last.
        made.lm_head.weight = torch.nn.Parameter(torch.randn_like(made.lm_head.weight))
        return made

    def small(make: Callable[[], Any]) -> Setting:
        return Setting(make, made_up, 16, (16,), 48, 64)

    found = {
        "small-llama": small(lambda: causal.from_config(tiny("llama", vocab_size=4096, max_position_embeddings=1024, **llama))),
        "small-t5": small(lambda: paired.from_config(tiny("t5", vocab_size=4096, **start, **t5))),
    }
    models = SHARED / "models"
    if (models / "stories260K").is_dir():
        found["stories260K"] = small(lambda: causal.from_pretrained(models / "stories260K"))
    if (models / "bart-g2p-en-us").is_dir():
        found["bart-g2p"] = small(lambda: paired.from_pretrained(models / "bart-g2p-en-us"))
    if (SHARED / "data/dialogsum").is_dir():
        for name, make in (
            ("llama", lambda: causal.from_config(shape(32_000))),
            ("t5", wide_t5),
        ):
            found[name] = Setting(make, dialogues, 64, (16, 32, 64), 128, 64)
            found[f"one request, {name}"] = Setting(make, dialogues, 1, (1,), 128, 4)
    return found


def made_up(network: Any, count: int) -> list[list[int]]:
    dice = random.Random(0)
    most = 20 if getattr(network.config, "max_position_embeddings", 999) < 100 else 120
    return [[dice.randrange(3, network.config.vocab_size) for _ in range(dice.randint(4, most))] for _ in range(count)]


def dialogues(network: Any, count: int) -> list[list[int]]:
    """The first of DialogSum's 500 test dialogues, as a model is asked to summarise them."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(SHARED / "models/tokenizers/dialogsum-8k")
    with (SHARED / "data/dialogsum/dialogsum_test.csv").open(encoding="utf-8", newline="") as file:
        found = list(dict.fromkeys(row["dialogue"] for row in csv.DictReader(file)))[:count]
    return [tokenizer(f"{dialogue}\nSummary:", add_special_tokens=False)["input_ids"] for dialogue in found]


def stops_of(network: Any, asked: Sequence[Sequence[int]], tokens: int) -> list[int]:
    """The network's own stops where it has learnt to stop; else every k-th id, so that answers end at unlike lengths."""
    own = network.generation_config.eos_token_id
    ids = set(own if isinstance(own, list) else [own])
    first = theirs(network, asked[:8], sorted(ids), 8, tokens)
    if sum(len(answer) < tokens for answer in first) < len(first) // 2:
        mean = min(MEAN, tokens // 2)

        def off(k: int) -> float:
            ends = [next((n + 1 for n, id_ in enumerate(answer) if id_ % k == 0), tokens) for answer in first]
            return abs(sum(ends) / len(ends) - mean)

        ids |= set(range(0, network.config.vocab_size, min(range(2, 200), key=off)))
    return sorted(ids)


def theirs(network: Any, asked: Sequence[Sequence[int]], stops: Sequence[int], rows: int, tokens: int) -> list[tuple[int, ...]]:
    order = sorted(range(len(asked)), key=lambda n: -len(asked[n]))
    answers: dict[int, tuple[int, ...]] = {}
    paired = network.config.is_encoder_decoder
    for start in range(0, len(order), rows):
        numbers = order[start : start + rows]
        wide = max(len(asked[n]) for n in numbers)
        ids = torch.tensor([[0] * (wide - len(asked[n])) + list(asked[n]) for n in numbers], device=network.device)
        mask = torch.tensor([[0] * (wide - len(asked[n])) + [1] * len(asked[n]) for n in numbers], device=network.device)
        if paired:
            ids = torch.stack([row.roll(-(wide - len(asked[n]))) for row, n in zip(ids, numbers, strict=True)])
            mask = mask.flip(1)
        said = network.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=tokens,
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


@torch.no_grad()
def margin(network: Any, prompt: Sequence[int], ours: Sequence[int], their: Sequence[int]) -> dict[str, Any]:
    """Where two answers part: the token, and how far apart the two best logits of transformers' own forward are there."""
    place = next(n for n, (a, b) in enumerate(zip(ours, their, strict=False)) if a != b)
    ids = torch.tensor([list(prompt)], device=network.device)
    said = torch.tensor([list(their[:place])], dtype=torch.long, device=network.device)
    if network.config.is_encoder_decoder:
        first = said.new_full((1, 1), network.generation_config.decoder_start_token_id)
        logits = network(input_ids=ids, decoder_input_ids=torch.cat([first, said], 1)).logits
    else:
        logits = network(input_ids=torch.cat([ids, said], 1)).logits
    best, next_best = logits[0, -1].topk(2).values.tolist()
    return {"token": place, "margin": best - next_best}


def pair(setting: Setting, device: torch.device, rounds: int) -> dict[str, Any]:
    network, peer = setting.make().eval().to(device), setting.make().eval().to(device)
    if not network.name_or_path:  # random weights say one thing for ever; noise makes their answers differ
        torch.manual_seed(1)
        noise = 0.02 if setting.asked is dialogues else 0.1  # the wider, the less before float32 is not enough
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter) * noise)
    peer.load_state_dict(network.state_dict())
    asked = setting.asked(network, setting.count)
    tokens = setting.tokens
    stops = stops_of(peer, asked, tokens)
    network.generation_config.forced_eos_token_id = None
    renderer: Any = SimpleNamespace(
        start=network.generation_config.decoder_start_token_id or 0, forced=None, stops=frozenset(stops), say=lambda ids: ""
    )
    model = Model(network, renderer, "seq2seq" if network.config.is_encoder_decoder else "causal")
    answers: dict[str, list[tuple[int, ...]]] = {}
    peaks: dict[str, int] = {}

    def timed(name: str, work: Callable[[], list[tuple[int, ...]]]) -> Callable[[], float]:
        def run() -> float:
            memory = Memory(device)
            memory.start()
            held, start = memory.now(), time.perf_counter()
            answers[name] = work()
            if device.type == "cuda":
                torch.cuda.synchronize()
            taken = time.perf_counter() - start
            peaks[name] = memory.peak() - held
            return taken

        return run

    def ours() -> list[tuple[int, ...]]:
        if setting.rows == 1:
            return [generate(model, [prompt], Sampling(tokens=tokens), 1)[0].ids for prompt in asked]
        return [said.ids for said in generate(model, asked, Sampling(tokens=tokens), setting.rows)]

    generate(model, asked[:2], Sampling(tokens=4), 2)  # a warm-up; the peer had one when its stops were chosen
    sides = {OURS: timed(OURS, ours)}
    for rows in setting.peers:
        name = f"{PEER}, batches of {rows}"
        sides[name] = timed(name, lambda rows=rows: theirs(peer, asked, stops, rows, tokens))  # type: ignore[misc]
    made = paired(sides, rounds)
    said, other = answers[OURS], answers[next(name for name in sides if name != OURS)]
    lengths = [len(answer) for answer in said]
    return {
        **made,
        "rows": setting.rows,
        "prompts": len(asked),
        "prompt_tokens": sum(map(len, asked)),
        "longest_answer": tokens,
        "tokens": sum(lengths),
        "answers_cut_at_the_longest": sum(length == tokens for length in lengths),
        "tokens_per_second": {who: round(sum(lengths) / taken, 1) for who, taken in made["median"].items()},
        "peak_bytes_over_the_start": peaks,
        "equal_answers": sum(a == b for a, b in zip(said, other, strict=True)) / len(said),
        "unlike": [margin(peer, asked[n], a, b) for n, (a, b) in enumerate(zip(said, other, strict=True)) if a != b],
    }


def main() -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--prompts", type=int, help="dialogues that are asked about; up to 500")
    parser.add_argument("--peer-rows", type=int, nargs="*", help="the peer's batches in the pairs `llama` and `t5`")
    given = parser.parse_args()
    transformers.logging.set_verbosity_error()
    device = torch.device(given.device)
    pairs = {}
    for name, full in settings().items():
        if given.only and name not in given.only:
            continue
        chosen = full
        if name in ("llama", "t5"):
            chosen = replace(full, count=given.prompts or full.count, peers=tuple(given.peer_rows or full.peers))
        if given.brief:
            chosen = replace(chosen, count=min(chosen.count, 8), peers=chosen.peers[:1], tokens=16)
        pairs[name] = pair(chosen, device, 2 if given.brief else given.rounds)
    keep("generation_speed", given, {"mean_answer_aimed_at": MEAN}, pairs)


if __name__ == "__main__":
    main()
