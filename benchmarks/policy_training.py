"""Learning from a model's own answers beside TRL: seconds of a step, share of generation, peak memory, each side a process.

    pip install -e '.[bench]'
    python benchmarks/policy_training.py [--brief] [--rounds 3] [--only grpo]

Prompts: the town's requests; network: `town/llama` (2.8M) with LoRA of rank 16 on its attention. A step is 8 prompts with 8
answers each of at most 32 tokens at temperature 1, judged by the town's rule of politeness, and one update over all 64; the
learning rate is so small that both sides say answers of the same length throughout. The first step warms up and is left out.
TRL 1.16 has no PPO any more: ours stands beside its RLOO, which needs no values, on as many answers and the same rewards.
`memory` is the highest of the whole process less what it held before the first step.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers
from record import OURS, arguments, keep, paired

from tunesmith.generation.sampling import Sampling
from tunesmith.methods.lora import LoRA
from tunesmith.models.load import ASSETS, ModelSettings, load
from tunesmith.models.memory import Memory
from tunesmith.objectives import rollout
from tunesmith.objectives.grpo import GRPO
from tunesmith.objectives.ppo import PPO
from tunesmith.objectives.rloo import RLOO
from tunesmith.rewards.politeness import Politeness
from tunesmith.tasks.own import task_from
from tunesmith.tokens.packing import Room
from tunesmith.town.manners import is_polite
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

THEIRS = "trl"
SIDES = (OURS, THEIRS)
KINDS = ("grpo", "rloo", "ppo")
PROMPTS, ANSWERS, TOKENS, STEPS, RATE, KL = 8, 8, 32, 12, 1e-6, 0.04
Figures = dict[str, Any]


class Clock:
    """Seconds spent in a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, *given: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return self.function(*given, **named)
        finally:
            self.seconds += time.perf_counter() - began


def requests() -> list[Any]:
    return task_from("town/replies").sequence("train", 0, PROMPTS * STEPS)  # type: ignore[return-value]


def ours(kind: str, steps: int) -> Figures:
    shared: dict[str, Any] = {
        "rewards": (Politeness(),),
        "sampling": Sampling(tokens=TOKENS, temperature=1.0),
        "answers": ANSWERS,
        "epochs": 1,
        "minibatches": 1,
        "kl_weight": KL,
    }
    objective: Any = {"grpo": GRPO, "rloo": RLOO, "ppo": PPO}[kind](**shared)
    torch.manual_seed(0)
    model = load(ModelSettings(path="town/llama"), objective.head(), "cpu")
    adapter = model.attach("a", LoRA(rank=16, on=("query", "value")))
    plan = Plan(steps=steps, examples=PROMPTS, learning_rate=RATE, warmup=0.0, room=Room(rows=PROMPTS * ANSWERS))
    state = State.new(adapter, plan, objective.remembered())
    clock = Clock(rollout.generate)
    rollout.generate = clock  # type: ignore[assignment]
    asked, memory, spent, made = requests(), Memory(torch.device("cpu")), [0.0], []
    before = memory.now()
    memory.start()
    for step in train(model, adapter, objective, asked.__getitem__, plan, state, steps):
        made.append(step)
        spent.append(clock.seconds)
    return figures(
        [step.seconds for step in made],
        spent,
        memory.peak() - before,
        [s.shown["length"] for s in made],
        [s.shown["reward"] for s in made],
    )


def spelt(tokenizer: Any, ids: list[int]) -> str:
    """The text that a tokenizer spells as these ids, which begin as it begins every text."""
    head = len(tokenizer("")["input_ids"])
    text: str = tokenizer.decode(ids[head:])
    assert tokenizer(text)["input_ids"] == ids, "both sides read the same prompts"
    return text


def theirs(kind: str, steps: int) -> Figures:
    import trl
    from datasets import Dataset
    from peft import LoraConfig

    model = load(ModelSettings(path="town/llama"), None, "cpu")
    tokenizer = transformers.AutoTokenizer.from_pretrained(ASSETS / "llama")
    prompts = [spelt(tokenizer, model.renderer.prompt(example)) for example in requests()]
    network: Any = transformers.AutoModelForCausalLM.from_pretrained(ASSETS / "llama")
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(model.renderer.end)
    network.generation_config.eos_token_id = sorted(model.renderer.stops)
    del model
    names = {"grpo": (trl.GRPOTrainer, trl.GRPOConfig)}
    trainer_kind, config = names.get(kind, (trl.RLOOTrainer, trl.RLOOConfig))
    rewards: list[float] = []

    def polite(completions: list[str], **rest: Any) -> list[float]:
        found = [float(is_polite(said)) for said in completions]
        rewards.append(sum(found) / len(found))
        return found

    with tempfile.TemporaryDirectory() as folder:
        settings = config(
            output_dir=folder,
            per_device_train_batch_size=PROMPTS * ANSWERS,
            num_generations=ANSWERS,
            max_completion_length=TOKENS,
            max_steps=steps,
            learning_rate=RATE,
            temperature=1.0,
            beta=KL,
            num_iterations=1,
            shuffle_dataset=False,
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=True,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer: Any = trainer_kind(
            model=network,
            reward_funcs=polite,
            args=settings,
            train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in prompts]),
            processing_class=tokenizer,
            peft_config=LoraConfig(r=16, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
        )
        trainer.remove_callback(transformers.PrinterCallback)
        clock = Clock(trainer._generate)
        trainer._generate = clock
        ends, spent = [], [0.0]

        class Steps(transformers.TrainerCallback):
            def on_step_end(self, *given: Any, **named: Any) -> None:
                ends.append(time.perf_counter())
                spent.append(clock.seconds)

        trainer.add_callback(Steps())
        memory = Memory(torch.device("cpu"))
        before = memory.now()
        memory.start()
        began = time.perf_counter()
        trainer.train()
    times = [end - start for start, end in zip([began, *ends], ends, strict=False)]
    lengths = [line["completions/mean_length"] for line in trainer.state.log_history if "completions/mean_length" in line]
    return figures(times, spent, memory.peak() - before, lengths, rewards)


def figures(times: list[float], spent: list[float], peak: int, lengths: list[float], rewards: list[float]) -> Figures:
    """Of all steps but the first; `spent`: seconds in generation up to each."""
    generating = spent[-1] - spent[1]
    return {
        "seconds": sum(times[1:]) / len(times[1:]),
        "generation": generating / sum(times[1:]),
        "peak_bytes": peak,
        "length": sum(lengths) / len(lengths),
        "reward": sum(rewards) / len(rewards),
    }


def compared(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, list[Figures]] = {name: [] for name in SIDES}

    def seconds(name: str) -> float:
        command = [sys.executable, sys.argv[0], "--side", name, "--kind", kind, "--steps", str(given.steps)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        found[name].append(json.loads(done.stdout.decode().splitlines()[-1]))
        return float(found[name][-1]["seconds"])

    timed = paired({name: lambda n=name: seconds(n) for name in SIDES}, given.rounds)

    def told(what: str, digits: int = 3) -> dict[str, float]:
        return {name: round(sum(one[what] for one in taken) / len(taken), digits) for name, taken in found.items()}

    memory = {name: round(max(one["peak_bytes"] for one in taken) / 1e9, 3) for name, taken in found.items()}
    return {
        **timed,
        "share_of_generation": told("generation"),
        "peak_gigabytes": memory,
        "tokens_an_answer": told("length", 2),
        "mean_reward": told("reward"),
    }


def main() -> None:
    parser = arguments(__doc__ or "", rounds=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args()
    transformers.logging.set_verbosity_error()
    if given.side:
        print(json.dumps((ours if given.side == OURS else theirs)(given.kind, given.steps)))
        return
    if given.brief:
        given.steps, given.rounds = 3, 1
    pairs = {kind: compared(kind, given) for kind in KINDS if not given.only or kind in given.only}
    settings = {"prompts": PROMPTS, "answers": ANSWERS, "tokens": TOKENS, "steps": given.steps, "rank": 16, "kl": KL}
    keep("policy_training", given, settings, pairs)


if __name__ == "__main__":
    main()
