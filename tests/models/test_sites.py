"""The table of roles, over every architecture."""

from collections import Counter

import pytest

from tests.models.networks import NETWORKS, network
from tunesmith.models.sites import reads_source, sites

# Linear maps that no layer has: what stands below a masked network's head.
OTHER = {"bert": ["cls.predictions.transform.dense"], "roberta": ["lm_head.dense"], "distilbert": ["vocab_transform"]}
OTHER["opt-350m"] = ["model.decoder.project_out", "model.decoder.project_in"]
FUSED = {"gpt2", "gpt_neox", "phi3"}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_linear_map_of_a_layer_has_its_role(name):
    found = list(sites(network(name)))
    assert [site.path for site in found if site.role == "other"] == OTHER.get(name, [])
    roles = Counter(site.role for site in found)
    assert roles["head"] == roles["embedding"] == 1
    attentions = 6 if NETWORKS[name][0] == "seq2seq" else 2
    for role in ("qkv",) if name in FUSED else ("query", "key", "value"):
        assert roles[role] == attentions
    assert roles["attention_out"] == attentions
    layers = 0 if name == "mixtral" else 4 if NETWORKS[name][0] == "seq2seq" else 2  # fused experts are no linear maps
    assert roles["mlp_up"] == roles["mlp_down"] == layers


@pytest.mark.parametrize("name", NETWORKS)
def test_sizes_are_inputs_and_outputs(name):
    for site in sites(network(name)):
        if site.role == "mlp_up":
            assert (site.inputs, site.outputs) == (16, 48 if name == "phi3" else 64 if name == "gpt2" else 24)
        if site.role == "embedding":
            assert (site.inputs, site.outputs) == (61, 8 if name == "opt-350m" else 16)


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_the_stack_and_whose_tokens_a_site_reads(name):
    for site in sites(network(name)):
        assert site.stack == ("encoder" if "encoder." in site.path else "decoder")
        crosses = "EncDecAttention" in site.path or "encoder_attn" in site.path
        source = site.stack == "encoder" or (crosses and site.role in ("key", "value"))
        assert reads_source(site) == source


def test_a_site_is_named_by_role_or_by_the_end_of_its_path():
    found = {site.path: site for site in sites(network("llama"))}
    query = found["model.layers.1.self_attn.q_proj"]
    assert query.named(("query",)) and query.named(("q_proj",)) and query.named((r"layers\.1\..*",))
    assert not query.named(("proj", "key", r"layers\.0\..*"))
