"""SimPO (Meng et al., 2024, arXiv:2405.14734): -log sigmoid(beta * (log p a token of chosen - that of rejected) - gamma)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from tunesmith.objectives.preference import Answers, Preference


@dataclass(frozen=True)
class SimPO(Preference):
    """Preference optimisation without a reference: mean log-probabilities, a margin apart.

    gamma: by how much the chosen answer's reward should be higher.
    """

    reads_reference: ClassVar[bool] = False

    beta: Annotated[float, Field(gt=0)] = 2.0
    gamma: Annotated[float, Field(ge=0)] = 1.0

    def rewards(self, answers: Answers) -> Tensor:
        return self.beta * answers.logprobs / answers.tokens

    def cost(self, chosen: Answers, rejected: Answers) -> Tensor:
        return -F.logsigmoid(self.rewards(chosen) - self.rewards(rejected) - self.gamma)
