"""What processes of tests need, imported once for all of them."""

import torch
import torch._dynamo
import torch.distributed.fsdp
import transformers.models.bert.modeling_bert
import transformers.models.llama.modeling_llama
import transformers.models.t5.modeling_t5  # noqa: F401

import tunesmith.experiment
import tunesmith.verbs  # noqa: F401
from tunesmith.models.load import network_class

for family in ("causal", "seq2seq", "masked"):
    network_class(family)
torch.set_num_threads(1)
