"""What is frozen is computed once an example: the same losses step by step as when it is computed in every step."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from tests.models.networks import NETWORKS, model
from tests.training.worlds import Count, stream
from tunesmith.errors import UserError
from tunesmith.methods.bottleneck import Bottleneck
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.methods.prompt import PromptTuning
from tunesmith.methods.selective import Selective
from tunesmith.models.head import HeadPlan
from tunesmith.models.kept import Keep, boundary
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss
from tunesmith.run import Run
from tunesmith.tokens.packing import Room
from tunesmith.training.guard import Guard
from tunesmith.training.learning import Learning
from tunesmith.training.loop import train, validate
from tunesmith.training.plan import Plan
from tunesmith.training.progress import Reporter
from tunesmith.training.state import State

ONE_STACK = [name for name, (family, _, _) in NETWORKS.items() if family != "seq2seq"]
PLAN = Plan(examples=6, learning_rate=1e-2)
SEEN, STEPS = 9, 5  # five steps of six examples, of which there are nine
TOP = r"(layers?|h)\.1\."
WAYS = {
    "head": (Method(), HeadPlan(labels=("odd", "even"))),
    "layers": (Selective(last=1), None),
    "lora": (LoRA(rank=2, on=(TOP + r".*(q_proj|c_attn|query_key_value|qkv_proj|query|q_lin)",)), None),
}


@dataclass(frozen=True)
class Sort(Count):
    """Words, and a head that tells whether an example begins at an even number."""

    def loss(self, model: Model, batch) -> Loss:
        if model.head is None:
            return super().loss(model, batch)
        labels_S = batch.input_ids[batch.last_rows, batch.last_columns] % 2
        return Loss(torch.nn.functional.cross_entropy(model(batch).values(), labels_S, reduction="sum"))


def again(place: int):
    """A stream that comes back to its examples in another order."""
    return stream((place * 5 + place // SEEN) % SEEN)


def curve(
    name: str, method: Method, head: HeadPlan | None, folder: Path, keep: Keep, plan: Plan = PLAN, flat: bool = True, **changed
):
    """Losses of steps and of a validation, the word on what is kept, and how many sequences were computed."""
    made = model(name, plan=head, **changed)
    made._flat &= flat
    torch.manual_seed(0)
    adapter = made.attach("a", method)
    state = State.new(adapter, plan)
    objective = Sort(made.family)
    with made.keeping(keep, folder) as word:
        steps = list(train(made, adapter, objective, again, plan, state, STEPS))
        loss = validate(made, objective, [stream(place) for place in range(SEEN + 2)], plan).loss
        computed = made._kept.computed if made._kept else None
    return [*((s.loss, s.gradient_norm) for s in steps), (loss, 0.0)], word, computed


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ONE_STACK)
def test_losses_are_those_without(name, way, flat, tmp_path):
    method, head = WAYS[way]
    wanted, word, _ = curve(name, method, head, tmp_path, Keep("never"), flat=flat)
    assert not word
    found, word, computed = curve(name, method, head, tmp_path, Keep(), flat=flat)
    assert "once" in word
    assert computed == SEEN + 2, "each example is computed once, whatever its place in the stream"
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, rel=1e-4)
    assert not list(tmp_path.iterdir()), "nothing stays behind"


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("name", ["t5", "t5-gated-tied", "bart"])
@pytest.mark.parametrize("method", [Selective(pattern=r"decoder\."), LoRA(rank=2, on=(r".*decoder\..*(q|q_proj)",))])
def test_an_encoder_that_is_frozen_reads_each_source_once(name, method, flat, tmp_path):
    wanted, _, _ = curve(name, method, None, tmp_path, Keep("never"), flat=flat)
    found, word, computed = curve(name, method, None, tmp_path, Keep(), flat=flat)
    assert word and computed == SEEN + 2
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.parametrize("changes", [{"recompute": True}, {"room": Room(layout="packed", width=30)}, {"room": Room(rows=2)}])
def test_however_a_step_is_laid_out(changes, tmp_path):
    plan = replace(PLAN, **changes)
    wanted, _, _ = curve("llama", Selective(last=1), None, tmp_path, Keep("never"), plan)
    for flat in (True, False):
        found, _, computed = curve("llama", Selective(last=1), None, tmp_path, Keep(), plan, flat)
        assert computed == SEEN + 2
        for one, other in zip(found, wanted, strict=True):
            assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.parametrize("way", ["head", "layers"])
def test_half_precision_is_within_a_hundredth(way, tmp_path):
    method, head = WAYS[way]
    wanted, _, _ = curve("bert", method, head, tmp_path, Keep("never"))
    found, _, _ = curve("bert", method, head, tmp_path, Keep(precision="half"))
    assert found != wanted
    for (loss, _), (other, _) in zip(found, wanted, strict=True):
        assert loss == pytest.approx(other, rel=1e-2)


@pytest.mark.parametrize("precision", ["full", "half"])
def test_what_finds_no_room_is_computed_again_to_the_same_numbers(precision, tmp_path):
    wanted, _, few = curve("bert", Selective(last=1), None, tmp_path, Keep(precision=precision))
    for gigabytes in (1e-6, 1e-9):  # room for a few examples, and for none
        found, _, computed = curve("bert", Selective(last=1), None, tmp_path, Keep(precision=precision, gigabytes=gigabytes))
        assert computed > few
        for one, other in zip(found, wanted, strict=True):
            assert one == pytest.approx(other, rel=1e-5)


def test_numbers_beyond_half_precision_are_refused(tmp_path):
    made = model("llama")
    with torch.no_grad():
        made.network.model.embed_tokens.weight.mul_(1e6)
    made.attach("a", Selective(last=1))
    with made.keeping(Keep(precision="half"), tmp_path), pytest.raises(UserError, match="full"):
        validate(made, Count(), [stream(0)], PLAN)


def test_dropout_below_is_left_out_only_where_that_is_asked_for(tmp_path):
    """`always` is the run whose frozen part has no dropout, number by number; `auto` leaves such a network alone."""

    def run(keep: Keep, share: float):
        made = model("bert")
        for part in made.network.bert.embeddings.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = share
        torch.manual_seed(0)
        adapter = made.attach("a", Selective(last=1))
        with made.keeping(keep, tmp_path) as word:
            steps = train(made, adapter, Count("masked"), again, PLAN, State.new(adapter, PLAN), STEPS)
            return [step.loss for step in steps], word

    without, dropped = run(Keep("never"), 0.0), run(Keep("never"), 0.5)
    left, word = run(Keep(), 0.5)
    assert left == dropped[0] != without[0]
    assert "plan.keep.frozen=always" in word
    assert run(Keep("always"), 0.5)[0] == pytest.approx(without[0], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("bert", LoRA(rank=2)),
        ("bert", Bottleneck(size=4)),
        ("llama", PromptTuning(virtual_tokens=2)),
        ("llama", Selective(parts=("embedding",))),
        ("llama-tied", Selective(pattern="embed_tokens")),
        ("t5", Selective(parts=("embedding",))),
        ("t5", LoRA(rank=2)),
        ("bart", PromptTuning(virtual_tokens=2)),
    ],
)
def test_where_the_first_layer_or_what_is_before_it_learns_nothing_is_kept(name, method, tmp_path):
    made = model(name)
    made.attach("a", method)
    with made.keeping(Keep("always"), tmp_path) as word:
        assert not word
        assert made._kept is None


def test_the_reference_reads_what_is_kept_too(tmp_path):
    """A guard holds the trained network against the one before; both share the frozen part."""

    def run(keep: Keep):
        made = model("llama")
        adapter = made.attach("a", Selective(last=1))
        state = State.new(adapter, PLAN)
        with made.keeping(keep, tmp_path):
            guarding = Guard(divergence=0.7).begin(made, adapter)
            steps = list(train(made, adapter, Count(), again, PLAN, state, STEPS, guarding=guarding))
            return [step.shown["divergence"] for step in steps], made._kept and made._kept.computed

    (wanted, _), (found, computed) = run(Keep("never")), run(Keep())
    assert found == pytest.approx(wanted, rel=1e-4, abs=1e-7)
    assert wanted[-1] > 1e-4 and computed == SEEN


def test_a_network_that_nobody_tried_is_computed_as_ever():
    made = model("bert")
    made.attach("a", Selective(last=1))
    assert boundary(made.network) is not None
    made.network.config.model_type = "unheard_of"
    assert boundary(made.network) is None


def test_layers_that_run_as_compiled_functions_are_passed_too_and_put_back(tmp_path):
    made = model("llama")
    made.attach("a", Selective(last=1))
    made.compiling(True, backend="eager")
    compiled = [layer._compiled_call_impl for layer in made.network.model.layers]
    with made.keeping(Keep(), tmp_path):
        assert made.network.model.layers[0]._compiled_call_impl is not compiled[0]
        found = [validate(made, Count(), [stream(0)], PLAN)[0] for _ in range(2)]
        assert made._kept.computed == 1
    assert [layer._compiled_call_impl for layer in made.network.model.layers] == compiled
    made.compiling(False)
    assert found == pytest.approx([validate(made, Count(), [stream(0)], PLAN)[0]] * 2, rel=1e-5)


class Stream:
    __call__ = staticmethod(again)

    def __len__(self) -> int:
        return SEEN


def test_a_run_says_that_it_keeps_states_and_leaves_none(tmp_path, capsys):
    made, objective = model("bert"), Count("masked")
    adapter = made.attach("a", Selective(last=1))
    plan = replace(PLAN, steps=3, epochs=None)
    learning = Learning(Run(tmp_path), plan, 0, Reporter("bert"), Memory(made.device))
    assert learning.learn(made, adapter, objective, Stream(), [stream(0)])
    assert made._kept is None
    assert "computed once an example" in "".join(capsys.readouterr())
    assert {path.suffix for path in tmp_path.iterdir() if path.name != "state"} <= {".json", ".jsonl"}
