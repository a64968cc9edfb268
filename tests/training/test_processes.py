"""Several processes learn as one: the same curve, the same answers; one that dies ends the others; others go on there.

The whole matrix of methods and objectives: `make several`.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.tiny import rows, tiny_model
from tests.training.several import answers, begin, end, losses, said, trained
from tunesmith.errors import UserError
from tunesmith.evaluation.others import shares
from tunesmith.methods.lora import LoRA
from tunesmith.objectives.grpo import GRPO
from tunesmith.recipe import Recipe
from tunesmith.rewards.politeness import Politeness
from tunesmith.training import world
from tunesmith.training.joining import several, talks
from tunesmith.work import refuse_together

ALWAYS = {"processes": {"shard": "always"}}
CLOSE = 1e-5  # of losses that are summed in another order


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("several")
    for kind in ("llama", "t5"):
        tiny_model(folder / kind, kind)
    rows(folder / "sums.jsonl", 60)
    rows(folder / "more.jsonl", 30)
    yield folder


def tree(place: Path, kind: str = "llama", **more: Any) -> dict[str, Any]:
    """A recipe of a few steps of five examples, so that no number of processes divides them, in batches of two rows."""
    plan = {"steps": 4, "examples": 5, "learning_rate": 0.01, "validate_every": 2, "room": {"rows": 2}}
    own = {"model": {"path": str(place / kind)}, "tasks": {str(place / "sums.jsonl"): 1.0}, "forgetting": "none"}
    few = {"limit": {"test": 7, "validation": 5}, "ask": {"tokens": 4}, "name": "run"}
    return {**own, **few, **more, "plan": {**plan, **more.get("plan", {})}}


@pytest.fixture(scope="module")
def cases(place: Path) -> dict[str, dict[str, Any]]:
    mixture = {str(place / "sums.jsonl"): 1.0, str(place / "more.jsonl"): 1.0}
    return {
        "lora": tree(place, method="lora", guard={"distance": 0.1, "divergence": 0.05}, plan={"ahead": 1}),
        "full": tree(place, method="full", tasks=mixture, plan=ALWAYS | {"best": "score", "recompute": True}),
        "t5": tree(place, "t5", method={"kind": "lora", "dropout": 0.0}, plan=ALWAYS),
        "prompt": tree(place, "t5", method="prompt", plan={"examples": 3}),
    }


@pytest.fixture(scope="module")
def alone(place: Path, cases: dict[str, dict[str, Any]]) -> dict[str, Path]:
    folders = {name: place / "alone" / name for name in cases}
    assert end(begin(1, trained, list(cases.values()), list(folders.values()), output=place / "alone")) == [0], said(
        place / "alone", 0
    )
    return folders


@pytest.mark.parametrize("size", [2, 4])
def test_several_processes_learn_and_answer_as_one(
    size: int, place: Path, cases: dict[str, dict[str, Any]], alone: dict[str, Path]
) -> None:
    names = list(cases) if size == 2 else ["full", "prompt"]  # four processes, three examples: one has none
    folders = [place / str(size) / name for name in names]
    codes = end(begin(size, trained, [cases[name] for name in names], folders, output=place / f"of{size}"))
    assert codes == [0] * size, "\n".join(said(place / f"of{size}", rank) for rank in range(size))
    for name, folder in zip(names, folders, strict=True):
        for file in ("steps", "validation"):
            assert losses(folder, file) == pytest.approx(losses(alone[name], file), rel=CLOSE), f"{name}: {file}"
        assert answers(folder) == answers(alone[name]), name
        ours, theirs = (json.loads((one / "scores.json").read_text()) for one in (folder, alone[name]))
        assert ours == theirs
        assert not list(folder.glob(".together-*"))
    world_json = json.loads((folders[0] / "world.json").read_text())
    assert world_json["processes"] == size
    assert not said(place / f"of{size}", 1).strip(), "only the first one talks"


def test_what_was_trained_in_parts_is_saved_whole(place: Path, alone: dict[str, Path]) -> None:
    from safetensors.torch import load_file

    mine, theirs = (load_file(folder / "model" / "model.safetensors") for folder in (place / "2" / "full", alone["full"]))
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-4, atol=1e-5)
    config = json.loads((place / "2" / "full" / "model" / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]


def test_a_killed_process_ends_the_others_and_another_number_goes_on(place: Path) -> None:
    recipe = tree(place, method="full", plan=ALWAYS | {"steps": 40, "save_every": 2, "validate_every": 20})
    folder, output = place / "killed", place / "of-killed"
    processes = begin(3, trained, [recipe], [folder], output=output)
    until(lambda: len(losses(folder)) >= 5, 120)
    assert processes[1].pid is not None
    os.kill(processes[1].pid, signal.SIGKILL)
    began = time.monotonic()
    assert end(processes, 60) == [1, -9, 1]
    assert time.monotonic() - began < 30
    told = said(output, 0)
    assert f"error: process 1 of 3 (number {processes[1].pid}" in told
    assert "the same command again" in told
    assert "error" not in said(output, 2), "one of them says it"
    seen = len(losses(folder))
    assert seen < 40
    assert end(begin(2, trained, [recipe], [folder], output=place / "of-again")) == [0, 0], said(place / "of-again", 0)
    assert "going on from step" in said(place / "of-again", 0)
    whole = place / "unkilled"
    assert end(begin(1, trained, [recipe], [whole], output=place / "of-whole")) == [0]
    assert losses(folder) == pytest.approx(losses(whole), rel=1e-4)
    assert answers(folder) == answers(whole)


def until(so: Any, seconds: float) -> None:
    end_ = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end_, "it takes too long"
        time.sleep(0.02)


def test_what_is_wrong_in_one_process_is_said_once(place: Path) -> None:
    wrong = tree(place, method="lora", objective={"kind": "grpo", "rewards": ["politeness"]})
    output = place / "of-wrong"
    assert end(begin(2, trained, [wrong], [place / "wrong"], output=output)) == [1, 1]
    told = said(output, 0) + said(output, 1)
    assert told.count("error:") == 1
    assert "start it alone" in told


def test_policies_and_standard_input_are_for_one_process() -> None:
    policy = Recipe(method=LoRA(), objective=GRPO(rewards=(Politeness(),)), tasks={"town/replies": 1.0})
    refuse_together(policy, 1)
    with pytest.raises(UserError, match="2 processes cannot do together"):
        refuse_together(policy, 2)
    with pytest.raises(UserError, match="standard input"):
        refuse_together(Recipe(tasks={"-": 1.0}), 2)


def test_the_environment_tells_who_is_one_of_several() -> None:
    given = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "host", "MASTER_PORT": "1"}
    assert several(given)
    assert not talks(given)
    assert talks(given | {"RANK": "0"})
    assert not several(given | {"WORLD_SIZE": "1"})
    assert talks({"WORLD_SIZE": "8"})


def test_equal_prompts_are_asked_by_one_process() -> None:
    assert shares(["a", "b", "a", "c", "b"], 2) == [0, 1, 0, 0, 1]
    assert shares(range(5), 2) == [0, 1, 0, 1, 0]


def test_gradients_are_sent_in_messages_of_one_precision_and_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "MESSAGE", 10)
    made = [
        nn.Parameter(torch.zeros(n, dtype=kind)) for n, kind in ((4, torch.float32), (5, torch.float32), (20, torch.float32))
    ]
    made.append(nn.Parameter(torch.zeros(1, dtype=torch.bfloat16)))
    assert [[p.numel() for p in some] for some in world.messages(made)] == [[4, 5], [20], [1]]
