"""Golden curves: 20 steps of learning on the town's rows must stay what they were, to a thousandth.

The networks are tiny and random, with the tokenizers that come along. A change that moves a curve on purpose rewrites the files
(`make golden`), and the difference is reviewed. The weights come from a stream of numbers that never changes
(`numpy.random.RandomState`), so the curves are those of the code and not of a version or a machine.
"""

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.methods.prompt import PromptTuning
from tunesmith.models.load import ASSETS, ModelSettings, load_renderer
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Objective
from tunesmith.objectives.pretrain import Pretrain
from tunesmith.objectives.sft import SFT
from tunesmith.tasks.own import task_from
from tunesmith.tokens.packing import Room
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

CURVES = Path(__file__).parent / "curves"
TOLERANCE = 1e-3  # between float32 and float64 arithmetic these curves differ by 3e-5 at most
STEPS, EXAMPLES = 20, 2
WIDTH = 32
SMALL = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": WIDTH, "intermediate_size": 48}
SHAPES = {
    "llama": {**SMALL, "num_key_value_heads": 1},
    "bert": SMALL,
    "t5": {"d_model": WIDTH, "d_kv": 16, "d_ff": 48, "num_heads": 2, "num_layers": 2, "num_decoder_layers": 2},
}


@dataclass(frozen=True)
class Case:
    """What is learnt, by which network, in which way."""

    network: str
    method: Method
    objective: Objective
    task: str
    rate: float


SUMMARIES = {"llama": "town/dialogues", "t5": "town/dialogues", "bert": "town/sentiment"}
METHODS = {"full": (Full(), 3e-3), "lora": (LoRA(rank=4), 1e-2), "prompt": (PromptTuning(virtual_tokens=5), 3e-2)}
OBJECTIVES = {
    "pretrain-llama": ("llama", Pretrain()),
    "pretrain-t5": ("t5", Pretrain()),
    "pretrain-t5-prefix": ("t5", Pretrain(prefix=0.5)),
    "pretrain-bert": ("bert", Pretrain()),
}
CASES = {
    **{
        f"sft-{name}-{network}": Case(network, method, SFT(), task, rate)
        for network, task in SUMMARIES.items()
        for name, (method, rate) in METHODS.items()
    },
    **{name: Case(network, Full(), objective, "town/narrative", 3e-3) for name, (network, objective) in OBJECTIVES.items()},
}


def network(name: str) -> Any:
    import transformers

    kinds = {
        "llama": transformers.AutoModelForCausalLM,
        "t5": transformers.AutoModelForSeq2SeqLM,
        "bert": transformers.AutoModelForMaskedLM,
    }
    config = transformers.AutoConfig.from_pretrained(ASSETS / name, **SHAPES[name])
    made = kinds[name].from_config(config)
    draw = np.random.RandomState(0)
    with torch.no_grad():
        for parameter_name, parameter in sorted(made.named_parameters()):
            values = torch.from_numpy(draw.standard_normal(tuple(parameter.shape))).float()
            centre = float("norm" in parameter_name.lower() and parameter_name.endswith("weight"))
            scale = 0.02 if parameter.ndim == 1 else 1.0 if "shared" in parameter_name else WIDTH**-0.5 / 2
            parameter.copy_(centre + values * scale)
    return made


def curve(case: Case, double: bool = False) -> dict[str, list[float]]:
    """Loss and gradient norm of every step, to six digits."""
    renderer, _ = load_renderer(ModelSettings(f"town/{case.network}"))
    model = Model(network(case.network), renderer, renderer.family)
    torch.manual_seed(0)
    adapter = model.attach("golden", case.method)
    if double:
        model.double()
    examples = list(islice(task_from(case.task).examples("train", 0), STEPS * EXAMPLES))
    plan = Plan(steps=STEPS, examples=EXAMPLES, learning_rate=case.rate, warmup=0.2, weight_decay=0.01, room=Room(rows=1))
    state = State.new(adapter, plan)
    steps = list(train(model, adapter, case.objective, examples.__getitem__, plan, state, STEPS))
    return {
        "loss": [float(f"{step.loss:.6g}") for step in steps],
        "gradient_norm": [float(f"{step.gradient_norm:.6g}") for step in steps],
    }


@pytest.mark.parametrize("name", CASES)
def test_the_curve_is_what_it_was(name: str, request: pytest.FixtureRequest) -> None:
    path = CURVES / f"{name}.json"
    found = curve(CASES[name])
    if request.config.getoption("--rewrite-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return
    golden = json.loads(path.read_text(encoding="utf-8"))
    for what, values in golden.items():
        assert found[what] == pytest.approx(values, rel=TOLERANCE), (
            f"{what} of `{name}` moved: where that is meant, `make golden` and review the difference"
        )


def test_every_golden_curve_has_a_case() -> None:
    assert {path.stem for path in CURVES.glob("*.json")} == set(CASES)
