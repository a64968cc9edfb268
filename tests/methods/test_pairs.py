"""Any two methods that may stand together: they learn, are written, and what is read says the same."""

import itertools

import pytest
import torch

from tests.models.networks import FEW, model
from tests.models.rows import laid, sequences
from tunesmith.errors import UserError
from tunesmith.methods.adalora import AdaLoRA
from tunesmith.methods.bottleneck import Bottleneck
from tunesmith.methods.combined import Combined
from tunesmith.methods.dora import DoRA
from tunesmith.methods.ia3 import IA3
from tunesmith.methods.lora import LoRA
from tunesmith.methods.pissa import PiSSA
from tunesmith.methods.prefix import PrefixTuning
from tunesmith.methods.prompt import PromptTuning
from tunesmith.methods.ptuning import PTuning
from tunesmith.methods.selective import Selective
from tunesmith.models.looking import look
from tunesmith.models.weights import load_adapter, save_adapter

HERE = ("query", "qkv", "attention_out")
PARTS = {
    "lora": LoRA(rank=3, on=HERE),
    "dora": DoRA(rank=3, on=HERE),
    "pissa": PiSSA(rank=3, on=HERE, alpha=5.0),
    "pissa, stabilised": PiSSA(rank=3, on=HERE, rank_stabilised=True),
    "adalora": AdaLoRA(rank=2, start_rank=3, on=HERE),
    "ia3": IA3(on=HERE, inputs=()),
    "bottleneck": Bottleneck(size=3, place="pfeiffer"),
    "prompt": PromptTuning(virtual_tokens=3),
    "ptuning": PTuning(virtual_tokens=3),
    "ptuning, lstm": PTuning(virtual_tokens=3, maker="lstm"),
    "prefix": PrefixTuning(virtual_tokens=3),
    "norms": Selective(parts=("norm",)),
}
ALONE = ("both stand at", "virtual tokens before", "is trained itself")  # what is said where two cannot stand together


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("first", PARTS)
def test_pairs_are_written_and_read(name, first, tmp_path):
    seconds = list(PARTS)[list(PARTS).index(first) + 1 :]
    for second in seconds:
        torch.manual_seed(3)
        made = model(name)
        try:
            method = Combined(parts=(PARTS[first], PARTS[second]))
            adapter = made.attach("pair", method)
        except UserError as error:
            assert any(words in error.problem for words in ALONE), error
            continue
        with torch.no_grad():
            for parameter in adapter.trained().values():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        batch = laid(sequences(made.family), method.virtual_tokens, in_decoder=method.in_decoder and made.family == "seq2seq")
        said = made.eval()(batch).logprobs()
        again = model(name)
        load_adapter(save_adapter(tmp_path / second, adapter, made), again, "read")
        torch.testing.assert_close(again.eval()(batch).logprobs(), said, rtol=1e-4, atol=1e-5, msg=f"{first}, {second}")


def test_every_pair_that_is_refused_is_meant():
    """What stands in `ALONE` refuses those that share a place, and nothing else."""
    made = 0
    for first, second in itertools.combinations(PARTS.values(), 2):
        try:
            model("llama").attach("pair", Combined(parts=(first, second)))
            made += 1
        except UserError:
            pass
    assert made == 66 - 15 - 6  # six stand at the same maps, four put tokens before the sequence


@pytest.mark.parametrize("init", ["vocabulary", "text"])
@pytest.mark.parametrize("name", ["llama", "t5"])
def test_a_prefix_beside_others_begins_as_it_does_alone(name, init):
    prefix = PrefixTuning(virtual_tokens=3, init=init, text="a bc" if init == "text" else "")
    found = []
    for method in (prefix, Combined(parts=(LoRA(rank=2, on=HERE), prefix))):
        made = model(name)
        torch.manual_seed(4)
        adapter = made.attach("a", method, begin=False)
        torch.manual_seed(5)
        method.begin(adapter.deltas, look(made.network, made.family, made.spell, list(adapter.deltas)))
        found.append({path: one.vectors_PD for path, one in adapter.deltas.items() if hasattr(one, "vectors_PD")})
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][path], found[1][path]) for path in found[0])
