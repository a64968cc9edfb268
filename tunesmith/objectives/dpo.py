"""DPO (Rafailov et al., 2023, arXiv:2305.18290): -log sigmoid(beta * (log p/p_ref of chosen - log p/p_ref of rejected))."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from tunesmith.objectives.preference import Answers, Preference


@dataclass(frozen=True)
class DPO(Preference):
    """Direct preference optimisation: the model is its own reward model, measured from where it started."""

    def cost(self, chosen: Answers, rejected: Answers) -> Tensor:
        return -F.logsigmoid(self.beta * (chosen.ratios - rejected.ratios))
