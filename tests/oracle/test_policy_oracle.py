"""Losses of GRPO and RLOO, and their gradients, beside TRL's on the same answers."""

from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.objectives.test_policy import KINDS, PLACED, SHORT, Letters, folders, policy
from tunesmith.models.model import Model
from tunesmith.objectives.grpo import GRPO
from tunesmith.objectives.rloo import RLOO
from tunesmith.objectives.rollout import Rollout, Said
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.packing import Room

trainers = pytest.importorskip("trl.trainer.grpo_trainer")
MEANS = {"token": "dapo", "sequence": "grpo", "limit": "dr_grpo"}

__all__ = ["folders"]


def padded(values_N: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """[S, L] of values at targets, and where they stand."""
    lengths = batch.target_seq.bincount().tolist()
    rows = values_N.split(lengths)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones(length) for length in lengths], batch_first=True)
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), mask


def theirs(name: str, logps_SL: Tensor, mask_SL: Tensor, inputs: dict[str, Tensor], **settings: Any) -> Tensor:
    """The loss of a trainer of TRL, of log-probabilities instead of a network."""
    trainer = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *args, **kwargs: (logps_SL, torch.zeros_like(logps_SL), None),
        model=SimpleNamespace(training=True),
        accelerator=SimpleNamespace(
            num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x, gather_for_metrics=lambda x: x
        ),
        _metrics=defaultdict(lambda: defaultdict(list)),
        args=SimpleNamespace(delta=None, use_bias_correction_kl=False, steps_per_generation=1),
        current_gradient_accumulation_steps=1,
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        use_vllm=False,
        _entropy_bonus_enabled=False,
        epsilon_low=0.2,
        epsilon_high=0.2,
        max_completion_length=SHORT.tokens,
        **settings,
    )
    ids = torch.zeros(len(mask_SL), 1, dtype=torch.long)
    given = {"prompt_ids": ids, "prompt_mask": ids, "completion_ids": mask_SL.long(), "completion_mask": mask_SL, **inputs}
    if name == "grpo":
        return trainers.GRPOTrainer._compute_loss(trainer, None, given)
    from trl.trainer.rloo_trainer import RLOOTrainer

    return RLOOTrainer._compute_loss(trainer, None, given)


def prepared(folders: dict[str, str], objective: Rollout) -> tuple[Model, list[Said], Batch]:
    """A policy that has moved since it spoke, and its one batch."""
    model = policy(folders, "llama", objective)
    said = objective.speak(PLACED, model, Room(), objective.answers)
    [batch], *_ = [list(batches) for batches in objective.updates(PLACED, model, Room(layout="padded"))]
    with torch.no_grad():
        for parameter in model.adapter().trained().values():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model, said, batch


def same(objective: Rollout, model: Model, batch: Batch, wanted: Tensor, logps_N: Tensor) -> None:
    """The same loss, and the same gradient at each log-probability."""
    ours = objective.loss(model, batch).total / batch.count(objective.per)
    torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-6)
    trained = [p for p in model.adapter().trained().values() if p.requires_grad]
    for mine, other in zip(
        torch.autograd.grad(ours, trained, retain_graph=True), torch.autograd.grad(wanted, trained), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("scaled", [True, False])
def test_grpo(folders: dict[str, str], mean: str, scaled: bool) -> None:
    objective = GRPO(
        rewards=(Letters(),),
        sampling=SHORT,
        answers=3,
        epochs=2,
        kl_weight=0.1,
        mean=mean,
        scaled=scaled,  # type: ignore[arg-type]
    )
    model, said, batch = prepared(folders, objective)
    # As `_generate_and_score_completions` has it.
    rewards_PG = torch.tensor([one.reward for one in said]).view(-1, 3)
    advantages_PG = rewards_PG - rewards_PG.mean(1, keepdim=True)
    if scaled:
        advantages_PG = advantages_PG / (rewards_PG.std(1, keepdim=True) + 1e-4)
    logps_N = objective.logprobs(model, batch)
    logps_SL, mask_SL = padded(logps_N, batch)
    inputs = {
        "advantages": advantages_PG.flatten()[batch.numbers],
        "old_per_token_logps": padded(batch.extras["old"], batch)[0],
        "ref_per_token_logps": padded(objective.reference(model, batch), batch)[0],
        "num_items_in_batch": mask_SL.sum(),
    }
    wanted = theirs("grpo", logps_SL, mask_SL, inputs, beta=0.1, loss_type=MEANS[mean])
    same(objective, model, batch, wanted, logps_N)


def test_rloo(folders: dict[str, str]) -> None:
    objective = RLOO(rewards=(Letters(),), sampling=SHORT, answers=3, epochs=2, kl_weight=0.1)
    model, said, batch = prepared(folders, objective)
    # As `_generate_and_score_completions` has it; before the first step KL is 0.
    rewards_PG = torch.tensor([one.reward for one in said]).view(-1, 3)
    advantages_PG = rewards_PG - (rewards_PG.sum(1, keepdim=True) - rewards_PG) / 2
    logps_N = objective.logprobs(model, batch)
    logps_SL, mask_SL = padded(logps_N, batch)
    inputs = {"advantages": advantages_PG.flatten()[batch.numbers], "old_logps": batch.extras["old"]}
    same(objective, model, batch, theirs("rloo", logps_SL, mask_SL, inputs, beta=0.1), logps_N)


def test_every_group_relative_way_has_its_oracle() -> None:
    assert set(KINDS) - {"ppo"} == {"grpo", "rloo"}
    assert replace(GRPO(rewards=(Letters(),))).mean == "token", "TRL's default too"
