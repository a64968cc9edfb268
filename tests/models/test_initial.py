"""A random T5 starts like any other network: nearly uniform over its vocabulary, whatever its size; others are left alone."""

import math

import pytest
import torch

from tests.models.networks import V, network
from tunesmith.models.initial import initialise


@pytest.mark.parametrize("name", ["t5", "t5-gated-tied"])
def test_a_random_t5_knows_nothing_and_says_so(name: str) -> None:
    made = network(name, d_model=64, d_kv=16, num_heads=4, d_ff=128)
    initialise(made)
    ids = torch.randint(3, V, (8, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        loss = float(made(input_ids=ids, labels=ids).loss)
    assert loss == pytest.approx(math.log(V), rel=0.1)


def test_queries_take_up_the_scale_that_attention_lacks() -> None:
    made = network("t5", d_model=64, d_kv=16, num_heads=4, d_ff=128)
    initialise(made)
    deviations = {n.split(".")[-2]: float(p.detach().std()) for n, p in made.named_parameters() if "SelfAttention" in n}
    assert deviations["q"] == pytest.approx(deviations["k"] / 4, rel=0.1)


def test_other_networks_are_left_alone() -> None:
    made, same = network("llama"), network("llama")
    initialise(made)
    assert all(torch.equal(a, b) for a, b in zip(made.parameters(), same.parameters(), strict=True))
