"""What is killed: short runs on the town's models that between them use whatever has a state of its own.

A scenario is a command and the files that it reads; all that it writes lies in `out`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

Tree = Mapping[str, Any]
LIMIT = {"train": 24, "validation": 3, "test": 3}
PLAN = {"steps": 6, "examples": 3, "validate_every": 2, "save_every": 1}
REWARDS = {"rewards": [{"kind": "match", "pattern": "e"}], "sampling": {"tokens": 5, "temperature": 1.0}}
PPO = {"kind": "ppo", "kl_target": 0.01, "kl_horizon": 50, **REWARDS}
GRPO = {"kind": "grpo", "answers": 2, "kl_weight": 0.02, **REWARDS}


@dataclass(frozen=True)
class Scenario:
    """A command with its files.

    command:     what stands behind `python -m tunesmith`.
    recipes:     file -> tree.
    environment: more variables; `{folder}` in a value is the scenario's folder.
    """

    command: tuple[str, ...]
    recipes: Mapping[str, Tree] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def lay(self, folder: Path) -> dict[str, str]:
        """Write the files; the environment."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, tree in self.recipes.items():
            (folder / name).write_text(yaml.safe_dump(dict(tree), sort_keys=False), encoding="utf-8")
        return {name: value.replace("{folder}", str(folder)) for name, value in self.environment.items()}


def training(
    network: str, method: Any, task: str = "town/question", plan: Tree = MappingProxyType({}), **more: Any
) -> Scenario:
    """`tunesmith train` of a short run."""
    tree = {
        "name": "soak",
        "model": {"path": f"town/{network}"},
        "method": method,
        "tasks": {task: 1.0},
        "limit": LIMIT,
        "ask": {"tokens": 6},
        "forgetting": "none",
        "plan": {**PLAN, **plan},
    }
    return Scenario(("train", "recipe.yaml", "--into", "out/run"), {"recipe.yaml": {**tree, **more}})


def several(command: tuple[str, ...], **more: Any) -> Scenario:
    """A command over several runs of one recipe."""
    tree = {**training("llama", "lora", plan={"steps": 4}).recipes["recipe.yaml"], **more}
    return Scenario((*command[:1], "recipe.yaml", "--into", "out/all", *command[1:]), {"recipe.yaml": tree})


LORA = {"kind": "lora", "rank": 4, "dropout": 0.1}
MIXTURE = {"town/question": 1.0, "town/sentiment": 0.5, "town/translation": {"weight": 2.0, "limit": 9}}
SYSTEMS = {"base": {"method": "none"}, "lora": {"method": LORA}, "prompt": {"method": {"kind": "prompt", "virtual_tokens": 4}}}
VOTES = {
    "sft": {"method": LORA, "tasks": {"town/question": 1.0}},
    "votes": {
        "label": {
            "prompts": "town/dialogues",
            "judge": "length",
            "limit": 10,
            "sampling": {"tokens": 12, "temperature": 2.0},
        }
    },
    "dpo": {"objective": "dpo", "tasks": {"stage:votes": 1.0}},
}
JUDGING = {"TUNESMITH_CACHE": "{folder}/out/cache"}

SCENARIOS: dict[str, Scenario] = {
    "lora, causal, dropout": training("llama", LORA),
    "full, seq2seq": training("t5", "full", "town/dialogues", {"best": "score", "patience": 2}),
    "full, causal, random weights": training(
        "llama", "full", "town/narrative", model={"path": "town/llama", "random": True}, objective="pretrain"
    ),
    "lora, masked head": training("bert", LORA, "town/sentiment", {"order": "by_length"}, objective="classify"),
    "head alone, frozen states kept": training(
        "bert", "frozen", "town/sentiment", {"keep": {"frozen": "always"}}, objective="classify"
    ),
    "qlora": training("llama", LORA, model={"path": "town/llama", "quantize": "nf4"}),
    "prompt": training("t5", {"kind": "prompt", "virtual_tokens": 4}, plan={"best": "last"}),
    "adalora": training("llama", "adalora"),
    "mixture by temperature": training("llama", LORA, tasks=MIXTURE, mixture={"by": "temperature"}),
    "replay and guard": training(
        "llama", LORA, replay={"town/stars": 0.5}, guard={"distance": 0.1, "divergence": 0.5, "over": "replay"}
    ),
    "spelled ahead": training("llama", LORA, plan={"ahead": 2, "steps": None, "epochs": 1}),
    "preferences": training("llama", LORA, "town/politeness", objective={"kind": "dpo", "beta": 0.1}),
    "ppo": training("llama", LORA, plan={"steps": 8, "validate_every": 4}, objective=PPO),
    "grpo": training("t5", LORA, plan={"validate_every": 1}, objective=GRPO),
    "evaluation": Scenario(
        ("eval", "town/llama", "town/question", "town/sentiment", "--into", "out/run", "limit.test=8", "ask.rows=2"),
        environment=JUDGING,
    ),
    "seven metrics": Scenario(
        ("eval", "town/t5", "town/sentiment", "--helm", "--into", "out/run", "limit.test=4", "ask.rows=2"), environment=JUDGING
    ),
    "comparison": several(("compare",), systems=SYSTEMS, baseline="base"),
    "study": several(("sweep", "method.rank=2,4")),
    "study by halves, two at a time": several(("sweep", "--parallel", "2", "--halving", "2", "method.rank=2,4")),
    "stages": Scenario(
        ("train", "recipe.yaml", "--into", "out/all"),
        {"recipe.yaml": {**training("llama", LORA, plan={"steps": 4}, tasks={}).recipes["recipe.yaml"], "stages": VOTES}},
    ),
}
