"""Is what we compute what the network computes? Asked of architectures that no law covers, when they are loaded.

Dimension key: B rows, T tokens a row, D hidden size, V vocabulary.
"""

import torch

from tunesmith.errors import UserError
from tunesmith.models.families import states
from tunesmith.models.model import Model

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.05}


@torch.no_grad()
def prove(model: Model) -> None:
    """Compare logits of three tokens with the network's own; refuse a network that does unknown things behind its head."""
    network = model.network.eval()
    ids_BT = torch.tensor([[3, 4, 5]], device=model.device).clamp(max=len(model.vocabulary.weight) - 1)
    inputs = {"input_ids": ids_BT}
    if model.family == "seq2seq":
        inputs["decoder_input_ids"] = ids_BT
    own_BTV = network(**inputs).logits.float()
    ours_BTV = model.vocabulary.logits(states(network, **inputs)[0])
    largest = float((own_BTV - ours_BTV).abs().max()) if own_BTV.shape == ours_BTV.shape else float("inf")
    if not largest <= TOLERANCE[model.dtype] * (1 + float(own_BTV.abs().max())):
        kind = network.config.model_type
        raise UserError(
            f"`{kind}` computes its logits in a way that is not known here (largest difference {largest:.3g})",
            "what it does behind its head needs a line in `tunesmith/models/families.py`",
        )
