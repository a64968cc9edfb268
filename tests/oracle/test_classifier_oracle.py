"""A head on sequences reads the token that transformers' own classifier reads, in any batch."""

import pytest
import torch

from tests.models.networks import NETWORKS, V, network
from tests.models.rows import laid, packed, sequences
from tunesmith.models.head import HeadPlan
from tunesmith.models.model import Model


@pytest.mark.parametrize("name", ["llama", "qwen2", "mistral", "gpt2"])
def test_values_are_those_of_transformers_for_each_row_alone(name):
    import transformers

    own = network(name)
    config = transformers.AutoConfig.for_model(NETWORKS[name][1], **{**NETWORKS[name][2], "num_labels": 3})
    peer = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    peer.base_model.load_state_dict(own.base_model.state_dict())
    made = Model(own, None, "causal", HeadPlan(labels=("a", "b", "c"))).eval()
    with torch.no_grad():
        made.head.weight.copy_(peer.score.weight)
    tokens = sequences("causal")
    assert all(3 <= id_ < V for one in tokens for id_ in one.inputs), "none is padding"
    wanted = torch.cat([peer(input_ids=torch.tensor([one.inputs])).logits for one in tokens])
    for batch in (laid(tokens), packed(tokens)):
        torch.testing.assert_close(made(batch).values(), wanted, rtol=1e-4, atol=1e-5)
