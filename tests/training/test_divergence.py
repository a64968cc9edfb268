"""A run that diverges stops, and what was good stays: the last checkpoint and the best weights."""

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny import rows, tiny_model
from tunesmith import verbs
from tunesmith.errors import UserError
from tunesmith.objectives.objective import Loss
from tunesmith.objectives.sft import SFT
from tunesmith.training.state import latest

RECIPE = {
    "name": "tiny",
    "model": {"path": "model"},
    "method": {"kind": "lora", "rank": 2},
    "tasks": {"sums.jsonl": 1.0},
    "forgetting": "none",
    "plan": {"steps": 6, "examples": 4, "validate_every": 2, "learning_rate": 1e-2},
    "ask": {"tokens": 4},
    "limit": {"test": 2, "validation": 4},
}


def test_the_last_good_checkpoint_is_kept_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_model(tmp_path / "model")
    rows(tmp_path / "sums.jsonl")
    whole = verbs.train(RECIPE, into=tmp_path / "whole", quiet=True)
    loss, learnt = SFT.loss, []

    def explodes(self, model, batch):
        said = loss(self, model, batch)
        learnt.append(model.training)
        return Loss(said.total * float("nan")) if sum(learnt) == 5 else said

    with monkeypatch.context() as exploding:
        exploding.setattr(SFT, "loss", explodes)
        with pytest.raises(UserError, match=r"(?s)diverged at step 5.*last good checkpoint is kept"):
            verbs.train(RECIPE, into=tmp_path / "run", quiet=True)
    kept = latest(tmp_path / "run" / "state")
    assert kept is not None and kept.name == "step-000004"
    bests = kept.parent.glob("best-*/trained.safetensors")
    for file in (kept / "trained.safetensors", kept / "moments.safetensors", *bests):
        assert all(torch.isfinite(tensor).all() for tensor in load_file(file).values()), file
    run = verbs.train(RECIPE, into=tmp_path / "run", quiet=True)  # a cause that has gone: it goes on from there
    assert [step["loss"] for step in run.steps()] == [step["loss"] for step in whole.steps()]
