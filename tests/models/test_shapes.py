"""Shapes of well-known networks: as large as they are published."""

import pytest
import torch

from tunesmith.errors import UserError
from tunesmith.models.footprint import network_of
from tunesmith.models.shapes import FAMILIES, SHAPES, config_of


@pytest.mark.parametrize("name", SHAPES)
def test_a_known_shape_has_the_published_number_of_parameters(name):
    config, family, full = config_of(name)
    assert full == name
    assert family == FAMILIES.get(SHAPES[name].kind, "causal")
    with torch.device("meta"):
        network = network_of(config, family, torch.bfloat16)
    assert sum(p.numel() for p in network.parameters()) == SHAPES[name].parameters


def test_a_shape_is_known_without_its_owner_and_in_any_case():
    assert config_of("qwen3-8b")[2] == "Qwen/Qwen3-8B"


def test_a_misspelt_shape_gets_the_nearest():
    with pytest.raises(UserError) as error:
        config_of("./Qwen3-8b")
    assert "Qwen3-8B" in str(error.value)


def test_a_folder_is_read_by_its_config(tmp_path):
    from tests.tiny import tiny_model

    config, family, _ = config_of(str(tiny_model(tmp_path / "llama", "llama")))
    assert (config.hidden_size, family) == (16, "causal")
