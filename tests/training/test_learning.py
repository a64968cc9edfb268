"""Rates of presets. The rest of learning is tested through whole runs, in tests/test_experiment.py."""

from types import SimpleNamespace

import pytest

from tunesmith.errors import UserError
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.objectives.dpo import DPO
from tunesmith.objectives.sft import SFT
from tunesmith.run import Run
from tunesmith.training.learning import Learning
from tunesmith.training.plan import Plan
from tunesmith.training.progress import Reporter


def test_the_rate_is_the_presets_unless_it_or_a_share_is_given(tmp_path):
    def rate(objective=SFT(), method=Full(), **settings):
        learning = Learning(Run(tmp_path), Plan(**settings), 0, Reporter("", quiet=True), None)
        return learning.with_presets(method, objective, SimpleNamespace(width=10))

    assert rate().learning_rate == Full.rate_times_width / 10
    assert rate(of_preset=0.1).learning_rate == pytest.approx(rate().learning_rate / 10)
    found = rate(of_preset=0.1)
    assert rate(learning_rate=found.learning_rate, of_preset=0.1) == found, "what is resolved can be read again"
    assert rate(learning_rate=0.5).learning_rate == 0.5
    assert rate(DPO()).learning_rate == pytest.approx(DPO.of_preset * rate().learning_rate)
    assert DPO.of_preset < 1
    assert rate(method=LoRA(rate_of_b=4)).learning_rate == pytest.approx(rate(method=LoRA()).learning_rate / 2)
    with pytest.raises(UserError, match="of_preset"):
        rate(learning_rate=0.5, of_preset=0.1)
