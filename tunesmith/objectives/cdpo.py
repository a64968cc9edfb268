"""Conservative DPO (Mitchell, 2023): (1 - e) * L(pair) + e * L(pair turned round), L DPO's loss, e a share of wrong labels."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from tunesmith.objectives.preference import Answers, Preference


@dataclass(frozen=True)
class ConservativeDPO(Preference):
    """DPO for labels of which a share is wrong: the margin goes no further than that share allows.

    wrong: share of pairs taken to be labelled the wrong way round.
    """

    wrong: Annotated[float, Field(ge=0, lt=0.5)] = 0.1

    def cost(self, chosen: Answers, rejected: Answers) -> Tensor:
        apart_P = self.beta * (chosen.ratios - rejected.ratios)
        return -(1 - self.wrong) * F.logsigmoid(apart_P) - self.wrong * F.logsigmoid(-apart_P)
