"""Length-normalised DPO (Lambert et al., 2024, Tülu 3, arXiv:2411.15124, eq. 6): DPO's loss of log p/p_ref a token."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from tunesmith.objectives.preference import Answers, Preference


@dataclass(frozen=True)
class DPOByLength(Preference):
    """DPO in which a long answer gains nothing by its length. Means are smaller than sums, so `beta` is larger."""

    beta: Annotated[float, Field(gt=0)] = 5.0

    def rewards(self, answers: Answers) -> Tensor:
        return self.beta * answers.ratios / answers.tokens

    def cost(self, chosen: Answers, rejected: Answers) -> Tensor:
        return -F.logsigmoid(self.rewards(chosen) - self.rewards(rejected))
