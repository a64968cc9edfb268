"""Robust DPO (Ray Chowdhury et al., 2024, arXiv:2403.00409): ((1 - e) * L(pair) - e * L(pair turned round)) / (1 - 2e).

L is DPO's loss. Its mean over pairs of which a share e is turned round is that of DPO over the right ones.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from tunesmith.objectives.preference import Answers, Preference


@dataclass(frozen=True)
class RobustDPO(Preference):
    """DPO without the bias that wrong labels bring.

    wrong: share of pairs taken to be labelled the wrong way round.
    """

    wrong: Annotated[float, Field(ge=0, lt=0.5)] = 0.1

    def cost(self, chosen: Answers, rejected: Answers) -> Tensor:
        apart_P = self.beta * (chosen.ratios - rejected.ratios)
        clean_P, turned_P = -F.logsigmoid(apart_P), -F.logsigmoid(-apart_P)
        return ((1 - self.wrong) * clean_P - self.wrong * turned_P) / (1 - 2 * self.wrong)
