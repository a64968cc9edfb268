"""Random initial weights, where those of an architecture do not go with the optimizer."""

import math

import torch
from torch import nn


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """Give a random T5 initial weights that AdamW can move; leave other networks as they are.

    T5's own (Raffel et al., 2020, by Mesh TensorFlow) differ a hundredfold in scale from matrix to matrix, for Adafactor moves
    each weight in proportion to its size. AdamW moves all by the same step: with embeddings of deviation 1 the vocabulary
    hardly learns, and with queries of 0.01 attention jumps. Here all matrices are alike, queries take up the 1 / sqrt(d_kv)
    that T5's attention lacks, and the decoder's last norm takes up the 1 / sqrt(d_model) before its tied head.
    """
    config = getattr(network, "config", None)
    if getattr(config, "model_type", "") != "t5":
        return
    assert config is not None
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1:
            parameter.fill_(1.0)
        elif "relative_attention_bias" in name:
            parameter.zero_()
        elif name == "shared.weight":
            parameter.normal_(std=0.05)
        else:
            parameter.normal_(std=0.03 / (math.sqrt(config.d_kv) if name.endswith(".q.weight") else 1.0))
    if config.tie_word_embeddings:
        network.get_submodule("decoder.final_layer_norm").get_parameter("weight").fill_(math.sqrt(config.d_model))
