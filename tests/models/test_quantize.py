"""A network in four bits says what its dequantised twin says, lets adapters alone learn, and takes an eighth of the room."""

import copy
import json
import logging
import re
from hashlib import sha256
from itertools import islice
from pathlib import Path

import pytest
import torch

from tests.models.networks import NETWORKS, Speller, network
from tests.models.rows import laid, packed, sequences
from tests.models.speakers import attached, prompts, speaker
from tests.models.weights_in_steps import weight
from tests.tiny import tiny_model
from tests.training.worlds import Count, Everything, stream
from tunesmith.errors import UserError
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.methods.lora import LoRA
from tunesmith.models.direct import direct
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.merge import merge
from tunesmith.models.model import Model
from tunesmith.models.nf4 import NF4Linear, pack, unpack
from tunesmith.models.quantize import count, dequantise, quantise, quantised
from tunesmith.models.sites import sites
from tunesmith.models.weights import save_adapter
from tunesmith.tokens.packing import Room
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State


def twins(name: str, dtype: torch.dtype = torch.float32, **changed: int) -> tuple[Model, Model]:
    """A network in four bits, and the same with its weights written out."""
    family = NETWORKS[name][0]
    small = network(name, **changed).to(dtype)
    quantise(small)
    plain = copy.deepcopy(small)
    dequantise(plain)
    assert quantised(small) and not quantised(plain)
    return tuple(Model(one, Speller(family), family).eval() for one in (small, plain))


def tuned(made: Model) -> Model:
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in made.attach("a", LoRA(rank=2)).trained().values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return made.train()


def losses(made: Model, batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """What is said, and the gradient of every parameter that has one."""
    made.zero_grad(set_to_none=True)
    said = made(batch).logprobs()
    said.sum().backward()
    trained = {id(p): name for name, p in made.adapter().trained().items()}
    found = {trained.get(id(p), name): p.grad for name, p in made.named_parameters() if p.grad is not None}
    return said.detach(), found


def test_numbers_are_those_of_bitsandbytes():
    """The table was written by `tests/oracle/test_bitsandbytes_oracle.py`."""
    wanted = json.loads(Path(__file__).with_name("nf4.json").read_text(encoding="utf-8"))
    found = pack(weight())
    assert found.codes[:64].numpy().tobytes().hex() == wanted["first codes"]
    assert sha256(found.codes.numpy().tobytes()).hexdigest() == wanted["codes"]
    assert found.scales.numpy().tobytes().hex() == wanted["scales"]
    assert found.spreads.tolist() == wanted["spreads"] and float(found.mean) == wanted["mean"]
    values = unpack(found)
    assert values[:32].tolist() == wanted["first values"]
    assert sha256(values.numpy().tobytes()).hexdigest() == wanted["values"]


@pytest.mark.parametrize("count", [1, 63, 64, 65, 64 * 256 + 7])
def test_any_number_of_weights_is_packed(count):
    torch.manual_seed(0)
    given = torch.randn(count)
    found = unpack(pack(given))[:count]
    assert (found - given).abs().max() < 0.2 * given.abs().max()
    assert torch.equal(unpack(pack(torch.zeros(count))), torch.zeros(-(-count // 64) * 64))


def test_a_packed_weight_takes_an_eighth():
    made = NF4Linear(torch.randn(512, 1024))
    taken = sum(part.numel() * part.element_size() for part in made.buffers())
    assert 4.12 < taken * 8 / made.count < 4.13


def test_its_weight_tells_what_it_is_and_takes_nothing():
    made = NF4Linear(torch.randn(8, 64)).to(torch.bfloat16)
    assert made.weight.shape == (8, 64) and made.weight.dtype == torch.bfloat16 and made.weight.isnan().all()
    assert made.spreads.dtype == made.mean.dtype == torch.float32
    with pytest.raises(RuntimeError):
        made.weight.copy_(torch.zeros(8, 64))


@pytest.mark.parametrize("name", NETWORKS)
def test_it_says_what_its_twin_says_and_only_the_adapter_learns(name):
    small, plain = (tuned(made) for made in twins(name))
    batch = laid(sequences(NETWORKS[name][0]))
    said, gradients = losses(small, batch)
    wanted, theirs = losses(plain, batch)
    torch.testing.assert_close(said, wanted, rtol=1e-5, atol=1e-5)
    assert set(gradients) == set(small.adapter().trained()) & set(theirs) and gradients
    for key, gradient in gradients.items():
        torch.testing.assert_close(gradient, theirs[key], rtol=1e-4, atol=1e-4)


def test_all_maps_of_attention_and_mlp_are_packed_and_nothing_else():
    small, _ = twins("llama")
    found = {path for path, module in small.network.named_modules() if isinstance(module, NF4Linear)}
    assert found == {site.path for site in sites(small.network) if site.role not in ("embedding", "head", "mlp")}
    assert len(found) == 14
    assert count(small.network) == sum(p.numel() for p in network("llama").parameters())


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_site_tells_its_weight(name):
    small, plain = twins(name)
    for ours, other in zip(sites(small.network), sites(plain.network), strict=True):
        assert (ours.path, ours.inputs, ours.outputs) == (other.path, other.inputs, other.outputs)
        assert ours.role == "mlp" or torch.equal(ours.weight(), other.weight())


@pytest.mark.parametrize("name", ["llama", "t5"])
def test_half_precision(name):
    small, plain = (tuned(made) for made in twins(name, torch.bfloat16))
    assert small.dtype == torch.bfloat16
    batch = laid(sequences(NETWORKS[name][0]))
    for ours, theirs in zip(losses(small, batch), losses(plain, batch), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.05)


def test_mixed_precision():
    small, plain = (tuned(made) for made in twins("llama"))
    batch = laid(sequences("causal"))
    with torch.autocast("cpu", torch.bfloat16):
        for ours, theirs in zip(losses(small, batch), losses(plain, batch), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.05)


def test_packed_rows_are_alone():
    small, _ = twins("llama")
    tokens = sequences("causal")
    with torch.no_grad():
        alone, together = (small(batch).logprobs() for batch in (laid(tokens), packed(tokens)))
    torch.testing.assert_close(alone, together, rtol=1e-5, atol=1e-5)


def test_compiled_is_eager(monkeypatch):
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "propagate", False)  # pytest would format gigabytes of it
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    small, _ = twins("llama")
    batch = laid(sequences("causal"))
    said, gradients = losses(tuned(small), batch)
    small.compiling(True, backend="aot_eager")
    compiled, others = losses(small, batch)
    small.compiling(False)
    assert not torch._dynamo.utils.counters["graph_break"]
    torch.testing.assert_close(compiled, said, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(others, gradients, rtol=1e-4, atol=1e-4)


def test_recomputing_changes_nothing():
    small, _ = twins("llama")
    batch = laid(sequences("causal"))
    said, gradients = losses(tuned(small), batch)
    small.checkpointing(True)
    again, others = losses(small, batch)
    assert torch.equal(said, again)
    torch.testing.assert_close(others, gradients)


@pytest.mark.parametrize("name", ["llama", "t5", "gpt2"])
def test_it_speaks_as_its_twin(name):
    small = speaker(name)
    quantise(small.network)
    plain = speaker(name)
    plain.network = copy.deepcopy(small.network)
    dequantise(plain.network)
    plain = Model(plain.network, small.renderer, small.family).eval()
    assert (direct(small.network) is None) == (name == "gpt2")
    asked = prompts()
    for made in (small, plain):
        attached(made, "a", LoRA(rank=2))
    ours, theirs = (generate(made, asked, Sampling(tokens=9), rows=3) for made in (small, plain))
    assert [said.ids for said in ours] == [said.ids for said in theirs]


def test_weights_of_the_network_itself_are_not_trained():
    small, _ = twins("llama")
    with pytest.raises(UserError, match="packed into four bits") as told:
        small.attach("a", Everything())
    assert "method=lora" in str(told.value.hint) and not small.adapters


def test_merging_never_writes_into_four_bits():
    small, plain = (tuned(made) for made in twins("llama"))
    sample = laid(sequences("causal"))
    report = merge(small, "a", sample)
    assert report.largest <= 1e-4 * report.scale and not quantised(small.network)
    merge(plain, "a", sample)
    assert all(torch.equal(a, b) for a, b in zip(small.network.parameters(), plain.network.parameters(), strict=True))


def test_its_network_written_out_is_of_the_same_kind():
    for name in ("gpt2", "llama"):
        before = {path: type(module) for path, module in network(name).named_modules()}
        _, plain = twins(name)
        assert {path: type(module) for path, module in plain.network.named_modules()} == before
        assert plain.network.state_dict().keys() == network(name).state_dict().keys()


def test_an_adapter_tells_what_its_base_was(tmp_path):
    base = tiny_model(tmp_path / "base", "llama")
    made = load(ModelSettings(str(base), quantize="nf4"), device="cpu")
    assert quantised(made.network)
    tuned(made)
    save_adapter(tmp_path / "run", made.adapter(), made)
    again = load(ModelSettings(str(tmp_path / "run")), device="cpu")
    assert quantised(again.network)
    batch = laid(sequences("causal"))
    with torch.no_grad():
        assert torch.equal(made.eval()(batch).logprobs(), again(batch).logprobs())


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path):
    plan = Plan(steps=6, examples=3, learning_rate=1e-2, room=Room(layout="padded"))

    def learner() -> tuple[Model, State]:
        made, _ = twins("llama")
        torch.manual_seed(0)
        return made, State.new(made.attach("a", LoRA(rank=2)), plan)

    def steps(parts: tuple[Model, State], most: int | None = None) -> list[float]:
        made, state = parts
        return [step.loss for step in islice(train(made, made.adapter(), Count("causal"), stream, plan, state, 6), most)]

    whole = steps(learner())
    first, second = learner(), learner()
    begun = steps(first, 3)
    second[1].restore(first[1].save(tmp_path))
    assert begun + steps(second) == whole


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_file_is_packed_as_it_is_read(tmp_path, dtype):
    """The same as to pack the network in memory; head, embedding and norms come out in the precision asked for."""
    base = tiny_model(tmp_path / "base", "llama")
    import transformers

    read = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    read.to(dtype).save_pretrained(base)
    made = load(ModelSettings(str(base), quantize="nf4"), device="cpu")
    assert made.dtype == torch.float32 and {p.dtype for p in made.network.parameters()} == {torch.float32}
    assert {module.weight.dtype for module in made.network.modules() if isinstance(module, NF4Linear)} == {torch.float32}
    quantise(read)
    for name, part in read.named_buffers():
        if re.search("codes|scales|spreads|mean", name):
            assert torch.equal(part, made.network.get_buffer(name)), name


def test_what_has_no_known_map_is_refused():
    class Bare(torch.nn.Module):
        def get_output_embeddings(self):
            return None

    with pytest.raises(UserError, match="no linear map"):
        quantise(Bare())
