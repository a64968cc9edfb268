"""The learning rate's way, against torch's own schedules and by hand."""

import pytest
import torch

from tunesmith.training.schedule import learning_rate


def test_warm_up_rises_to_the_peak_and_linear_falls_to_the_floor() -> None:
    rates = [learning_rate(1.0, "linear", 4, 12, step) for step in range(13)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates[8] == pytest.approx(0.5)
    assert rates[12] == 0.0
    assert learning_rate(1.0, "linear", 4, 12, 12, floor=0.1) == pytest.approx(0.1)


def test_constant_stays() -> None:
    assert {learning_rate(0.3, "constant", 2, 9, step) for step in range(2, 9)} == {0.3}


def test_cosine_equals_torch() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.7)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    for step in range(20):
        assert learning_rate(0.7, "cosine", 0, 20, step) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
