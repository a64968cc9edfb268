"""Seconds of a training step: our loop, transformers' Trainer and a plain PyTorch loop, side by side in one process.

    python benchmarks/training_speed.py [--brief] [--rounds 3] [--device cpu] [--only llama-full]

All three tune the same network, from the same random weights, on the same town dialogues in the same order, with the same
fused AdamW, clipping and number of examples a step. Their first losses are compared before anything is timed. Ours spells its
examples in the timed loop; the peers get theirs spelled beforehand. The peers pad a step's examples to the longest of them.
"""

import tempfile
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import torch
import transformers
from record import OURS, arguments, keep, paired
from torch.nn.utils.rnn import pad_sequence

from tunesmith.methods.full import Full
from tunesmith.methods.method import Method
from tunesmith.models.load import ASSETS, ModelSettings, load_renderer
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.sft import SFT
from tunesmith.tasks.own import task_from
from tunesmith.tokens.sequence import Tokens
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

RATE, EXAMPLES, STEPS, WARM = 1e-3, 16, 12, 2
KINDS: dict[str, Any] = {"llama": transformers.AutoModelForCausalLM, "t5": transformers.AutoModelForSeq2SeqLM}


def network(name: str, device: torch.device) -> Any:
    torch.manual_seed(0)
    config = transformers.AutoConfig.from_pretrained(ASSETS / name)
    return KINDS[name].from_config(config).to(device).train()


def columns(tokens: Tokens) -> dict[str, list[int]]:
    """One example as transformers wants it."""
    if tokens.source:
        return {"input_ids": list(tokens.source), "labels": list(tokens.targets)}
    first = -100  # a causal network shifts the labels itself
    return {"input_ids": [*tokens.inputs, tokens.targets[-1]], "labels": [first, *tokens.targets]}


def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    def padded(name: str, value: int) -> torch.Tensor:
        return pad_sequence([torch.tensor(row[name]) for row in rows], batch_first=True, padding_value=value)

    ones = [torch.ones(len(row["input_ids"]), dtype=torch.long) for row in rows]
    mask = pad_sequence(ones, batch_first=True)
    return {"input_ids": padded("input_ids", 0), "attention_mask": mask, "labels": padded("labels", -100)}


class Clock(transformers.TrainerCallback):
    """Times the steps behind the warm-up."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.began, self.ended = device, 0.0, 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        wait(self.device)
        self.began = time.perf_counter() if state.global_step == WARM else self.began
        self.ended = time.perf_counter()


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def ours(name: str, method: Method, examples: list[Any], steps: int, device: torch.device) -> tuple[float, float]:
    """(seconds of the steps behind the warm-up, first loss)."""
    renderer, _ = load_renderer(ModelSettings(f"town/{name}"))
    model = Model(network(name, device), renderer, renderer.family)
    adapter = model.attach("a", method)
    plan = Plan(steps=steps, examples=EXAMPLES, learning_rate=RATE, warmup=0.0, schedule="constant")
    state = State.new(adapter, plan)
    first = began = 0.0
    for step in train(model, adapter, SFT(), examples.__getitem__, plan, state, steps):
        wait(device)
        first = first or step.loss
        began = time.perf_counter() if step.step == WARM else began
    return time.perf_counter() - began, first


def trainer(name: str, rows: list[dict[str, list[int]]], steps: int, device: torch.device) -> tuple[float, float]:
    clock = Clock(device)
    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.TrainingArguments(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=EXAMPLES,
            learning_rate=RATE,
            lr_scheduler_type="constant",
            max_grad_norm=1.0,
            optim="adamw_torch_fused",
            train_sampling_strategy="sequential",
            use_cpu=device.type == "cpu",
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=device.type == "cuda",
        )
        made = transformers.Trainer(
            model=network(name, device), args=settings, train_dataset=rows, data_collator=collate, callbacks=[clock]
        )
        made.remove_callback(transformers.PrinterCallback)
        made.train()
    return clock.ended - clock.began, made.state.log_history[0]["loss"]


def plain(name: str, rows: list[dict[str, list[int]]], steps: int, device: torch.device) -> tuple[float, float]:
    made = network(name, device)
    optimizer = torch.optim.AdamW(made.parameters(), lr=RATE, weight_decay=0.0, fused=True)
    first = began = 0.0
    for step in range(steps):
        batch = collate(rows[step * EXAMPLES : (step + 1) * EXAMPLES])
        loss = made(**{key: value.to(device) for key, value in batch.items()}).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(made.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        first = first or loss.item()
        wait(device)
        began = time.perf_counter() if step + 1 == WARM else began
    return time.perf_counter() - began, first


def pair(name: str, steps: int, rounds: int, device: torch.device) -> dict[str, Any]:
    renderer, _ = load_renderer(ModelSettings(f"town/{name}"))
    examples = list(islice(task_from("town/dialogues").examples("train", 0), steps * EXAMPLES))
    spelled = [SFT().render(Placed(example), renderer)[0] for example in examples]
    rows = [columns(tokens) for tokens in spelled]
    sides: dict[str, Callable[[int], tuple[float, float]]] = {
        OURS: lambda count: ours(name, Full(), examples, count, device),
        "transformers Trainer": lambda count: trainer(name, rows, count, device),
        "plain PyTorch": lambda count: plain(name, rows, count, device),
    }
    first = {who: side(1)[1] for who, side in sides.items()}
    assert max(first.values()) - min(first.values()) < 1e-3 * first[OURS], f"the first losses differ: {first}"
    timed = paired({who: lambda s=side: s(steps)[0] for who, side in sides.items()}, rounds)
    tokens = sum(one.size for one in spelled[WARM * EXAMPLES :])
    rates = {who: round(tokens / taken) for who, taken in timed["median"].items()}
    return {**timed, "first_loss": first, "tokens": tokens, "tokens_per_second": rates}


def main() -> None:
    given = arguments(__doc__, rounds=3).parse_args()
    transformers.logging.set_verbosity_error()
    steps, rounds = (WARM + 2, 2) if given.brief else (WARM + STEPS, given.rounds)
    device = torch.device(given.device)
    pairs = {name: pair(name, steps, rounds, device) for name in KINDS if not given.only or name in given.only}
    keep("training_speed", given, {"examples": EXAMPLES, "steps": steps - WARM, "method": "full"}, pairs)


if __name__ == "__main__":
    main()
