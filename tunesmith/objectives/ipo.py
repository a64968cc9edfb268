"""IPO (Azar et al., 2023, arXiv:2310.12036, eq. 17): (h - 1 / (2 * beta))^2, h the difference of log p/p_ref a token.

Means over tokens, as its authors confirmed to other implementations: sums would make the loss grow with length.
"""

from dataclasses import dataclass

from torch import Tensor

from tunesmith.objectives.preference import Answers, Preference


@dataclass(frozen=True)
class IPO(Preference):
    """Identity preference optimisation: the margin is led to 1 / (2 * beta) and no further."""

    def cost(self, chosen: Answers, rejected: Answers) -> Tensor:
        apart_P = chosen.ratios / chosen.tokens - rejected.ratios / rejected.tokens
        return (apart_P - 1 / (2 * self.beta)).square()
