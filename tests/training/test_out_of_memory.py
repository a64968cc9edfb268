"""Memory runs out: the step is laid out anew in half the room, and nothing else changes.

A batch of more than so many tokens fails here, as it would on a machine with so much memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch

from tests.objectives.test_policy import EXAMPLES, SHORT, Letters
from tests.tiny import tiny_model
from tests.training.worlds import Count, learner, stream
from tunesmith.data.example import Example, Message
from tunesmith.errors import out_of_memory
from tunesmith.generation import engine as engines
from tunesmith.methods.lora import LoRA
from tunesmith.models.fitting import NoMemoryError
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.model import Model
from tunesmith.objectives.dpo import DPO
from tunesmith.objectives.grpo import GRPO
from tunesmith.objectives.kto import KTO
from tunesmith.objectives.objective import Loss, Objective, Placed
from tunesmith.objectives.ppo import PPO
from tunesmith.objectives.rloo import RLOO
from tunesmith.objectives.sft import SFT
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.packing import Room
from tunesmith.tokens.relaying import laid_again, pieces
from tunesmith.training.loop import Step, train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

PLAN = Plan(examples=6, learning_rate=1e-2)
CPU_SAYS = (
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "8589934592 bytes. Error code 12 (Cannot allocate memory)"
)


def padded(batch: Batch) -> int:
    return batch.input_ids.numel() + (0 if batch.source_ids is None else batch.source_ids.numel())


class Failing(torch.autograd.Function):
    """Memory runs out on the way back, when half of the gradients are there."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, back: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class Small(Count):
    """No more than so many tokens fit, from some batch on; on the way forth or back."""

    most, begins, way = 40, 0, "forth"
    seen: ClassVar[list[int]] = []

    def loss(self, model: Model, batch: Batch) -> Loss:
        type(self).seen.append(padded(batch))
        full = padded(batch) > self.most and len(self.seen) > self.begins
        if full and self.way == "forth":
            raise RuntimeError(CPU_SAYS)
        said = super().loss(model, batch)
        if full and self.way == "half":  # some gradients are there already, of this batch
            (said.total * 7).backward(retain_graph=True)  # type: ignore[no-untyped-call]
        return Loss(Failing.apply(said.total)) if full else said  # type: ignore[no-untyped-call]


def learnt(objective: Objective, plan: Plan, steps: int = 6, name: str = "llama", **how: Any) -> tuple[list[Step], State]:
    made, adapter, state = learner(name, plan, **how)
    return list(train(made, adapter, objective, stream, plan, state, steps)), state


def assert_same(one: State, other: State) -> None:
    for name, parameter in one.trained.items():
        assert torch.equal(parameter, other.trained[name]), name


@pytest.mark.parametrize("way", ["forth", "back", "half"])
@pytest.mark.parametrize("name", ["llama", "t5"])
def test_exactly_as_with_that_room_from_the_start(name, way):
    """With dropout too: what the step that failed had drawn is drawn again."""
    family = {"llama": "causal", "t5": "seq2seq"}[name]
    how: dict[str, Any] = {"name": name, "method": LoRA(rank=2, dropout=0.3)}
    objective = type("Once", (Small,), {"way": way, "seen": [], "most": 40 if name == "llama" else 80})(family)
    steps, state = learnt(objective, PLAN, **how)
    assert "out of memory" in steps[0].warned[0], "from the first step on"
    assert len(objective.seen) > len(steps)
    from_start, other = learnt(Count(family), replace(PLAN, room=Room(**state.facts["room"])), **how)
    assert [step.loss for step in steps] == [step.loss for step in from_start]
    assert_same(state, other)
    assert "room" not in other.facts


def test_the_curve_is_that_of_all_the_memory_there_is():
    objective = type("Later", (Small,), {"seen": [], "begins": 3})()
    steps, state = learnt(objective, PLAN)
    whole, other = learnt(Count(), PLAN)
    assert [step.loss for step in steps[:3]] == [step.loss for step in whole[:3]], "it had fitted so far"
    assert [step.loss for step in steps] == pytest.approx([step.loss for step in whole], rel=2e-5)
    for name, parameter in state.trained.items():
        torch.testing.assert_close(parameter, other.trained[name], rtol=1e-4, atol=2e-4)


def test_it_is_said_once_and_kept():
    objective = type("Said", (Small,), {"seen": [], "most": 40})()
    steps, state = learnt(objective, PLAN, 8)
    told = [step.warned for step in steps]
    assert len(told[0]) >= 1 and not any(told[1:])
    assert f"at most {state.facts['room']['rows']} rows and {state.facts['room']['tokens']} tokens" in told[0][-1]
    failed = sum(tokens > 40 for tokens in objective.seen)
    assert failed == len(told[0]), "no later step was tried in more room"
    objective.seen.clear()
    state.step = state.place = 0
    made, adapter, fresh = learner("llama", PLAN)
    fresh.facts = dict(state.facts)  # as a checkpoint has it
    list(train(made, adapter, objective, stream, PLAN, fresh, 4))
    assert all(tokens <= 40 for tokens in objective.seen)


def test_one_row_that_does_not_fit_is_named():
    objective = type("None", (Small,), {"seen": [], "most": 9})()
    longest, tokens = stream(next(place for place in range(99) if stream(place).id.endswith("-11"))).id, 10
    with pytest.raises(
        NoMemoryError, match=rf"(?s)row `{longest}` of {tokens} tokens .*plan\.recompute.*plan\.window.*quantize"
    ):
        learnt(objective, PLAN)


def test_other_errors_are_not_taken_for_it():
    class Wrong(Count):
        def loss(self, model, batch):
            raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        learnt(Wrong(), PLAN)
    assert not out_of_memory(ValueError("out of memory"))
    assert out_of_memory(MemoryError()) and out_of_memory(RuntimeError("std::bad_alloc"))
    assert out_of_memory(torch.OutOfMemoryError("x")) and out_of_memory(RuntimeError(CPU_SAYS))


def test_an_optimizer_without_memory_for_its_moments_says_so(monkeypatch):
    made, adapter, state = learner("llama", PLAN)

    def full(closure=None):
        raise RuntimeError(CPU_SAYS)

    monkeypatch.setattr(state.optimizer, "step", full)
    with pytest.raises(NoMemoryError, match=r"(?s)optimizer's moments.*method: lora"):
        list(train(made, adapter, Count(), stream, PLAN, state, 3))


# ------------------------------------------------------------------------------------- objectives that look before they learn


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return str(tiny_model(tmp_path_factory.mktemp("llama"), "llama"))


def policy(folder: str, objective: Objective) -> tuple[Model, State, Plan]:
    torch.manual_seed(3)
    model = load(ModelSettings(path=folder, chat="none"), objective.head(), "cpu")
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    plan = Plan(examples=6, learning_rate=1e-2)
    adapter = model.attach("a", LoRA(rank=2))
    return model, State.new(adapter, plan, objective.remembered()), plan


POLICIES = {"ppo": PPO, "grpo": GRPO, "rloo": RLOO}
PAIRS = [replace(example, target="yes it was", rejected="no " * (number + 1)) for number, example in enumerate(EXAMPLES)]


def compared(folder: str, make: Callable[[], Objective], most: int, where: str) -> tuple[list[Step], list[Step], State, State]:
    """Steps with little memory, and with enough."""
    found = []
    for tokens in (most, 10**9):
        objective = make()
        model, state, plan = policy(folder, objective)
        examples = PAIRS if "rewards" not in vars(objective) else EXAMPLES
        assert isinstance(objective.begin(model, examples, Room(), None), str)
        inner, kind, looked = type(objective).loss, type(objective), Model.forward

        def loss(self, model, batch, inner=inner, tokens=tokens):
            if padded(batch) > tokens and where == "loss":
                raise torch.OutOfMemoryError("CUDA out of memory")
            return inner(self, model, batch)

        def forward(self, batch, everywhere=False, looked=looked, tokens=tokens):
            if padded(batch) > tokens and where == "look" and not torch.is_grad_enabled():
                raise torch.OutOfMemoryError("CUDA out of memory")
            return looked(self, batch, everywhere)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(kind, "loss", loss)
            patched.setattr(Model, "forward", forward)
            made = (PAIRS if examples is PAIRS else EXAMPLES).__getitem__
            around_ = lambda place, made=made: made(place % len(EXAMPLES))  # noqa: E731
            found.append((list(train(model, model.adapter(), objective, around_, plan, state, 4)), state))
    (little, one), (enough, other) = found
    return little, enough, one, other


@pytest.mark.parametrize("where", ["loss", "look"])
@pytest.mark.parametrize("kind", POLICIES)
def test_policies_learn_the_same(folder, kind, where):
    def make() -> Objective:
        more = {"kl_target": 0.1, "kl_horizon": 100} if kind == "ppo" else {"answers": 3}
        return POLICIES[kind](rewards=(Letters(),), sampling=SHORT, epochs=2, minibatches=2, **more)

    little, enough, one, other = compared(folder, make, 30, where)
    assert one.facts["room"] and not other.facts
    assert [step.loss for step in little] == pytest.approx([step.loss for step in enough], rel=1e-3, abs=1e-5)
    for name, shown in enough[-1].shown.items():
        assert little[-1].shown[name] == pytest.approx(shown, rel=1e-3, abs=1e-4), name
    for name, parameter in one.trained.items():
        torch.testing.assert_close(parameter, other.trained[name], rtol=1e-3, atol=1e-3)
    for name, value in one.remembered.items():
        torch.testing.assert_close(value, other.remembered[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("objective", [DPO(), DPO(reference="live"), KTO()], ids=["dpo", "live", "kto"])
def test_pairs_stay_together_and_learn_the_same(folder, objective):
    little, enough, one, other = compared(folder, lambda: objective, 60, "loss")
    assert one.facts["room"] and not other.facts
    assert [step.loss for step in little] == pytest.approx([step.loss for step in enough], rel=1e-4)
    for name, shown in enough[-1].shown.items():
        assert little[-1].shown[name] == pytest.approx(shown, rel=1e-3, abs=1e-4), name


def test_batches_taken_apart_and_laid_again_are_those_of_that_room(folder):
    """Numbers of sequences and of targets go along, each to its own."""
    model, _, _ = policy(folder, SFT())
    groups = [SFT().render(Placed(one), model.renderer) for one in PAIRS]
    batches = []
    for batch in model.pack(groups, Room(rows=4)):
        told_N = batch.target_ids.float() + 1000 * batch.numbers[batch.target_seq]
        batches.append(batch.with_extras(of_target=told_N, of_sequence=batch.numbers.float()))
    again = list(laid_again(pieces(batches), lambda parts: model.pack(parts, Room(rows=2)), torch.device("cpu")))
    wanted = list(model.pack(groups, Room(rows=2)))
    assert len(again) == len(wanted) > len(batches)
    for one, other in zip(again, wanted, strict=True):
        assert one.origin.rows == other.origin.rows and one.origin.groups == other.origin.groups
        assert torch.equal(one.input_ids, other.input_ids) and torch.equal(one.numbers, other.numbers)
        assert torch.equal(one.extras["of_sequence"], one.numbers.float())
        assert torch.equal(one.extras["of_target"], one.target_ids.float() + 1000 * one.numbers[one.target_seq])


# ------------------------------------------------------------------------------------------------------------------ answering


QUESTIONS = [
    Example((Message("user", f"{text} {number}"),), "yes", choices=("yes", "no", "perhaps"), id=str(number))
    for number, text in enumerate(["the dog ran", "it was late at night", "who", "green apples are seven", "no", "when"] * 2)
]


@pytest.fixture
def little(monkeypatch) -> Iterator[list[int]]:
    """A machine on which no more than two rows are read at once; what was tried."""
    tried: list[int] = []
    forward, enter = Model.forward, engines.Speech.enter

    def read(self, batch, everywhere=False):
        tried.append(len(batch.lengths))
        if len(batch.lengths) > 2:
            raise RuntimeError(CPU_SAYS)
        return forward(self, batch, everywhere)

    def entered(self, prompts, adapters, trunks=()):
        tried.append(self.rows + len(prompts))
        if self.rows + len(prompts) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return enter(self, prompts, adapters, trunks)

    monkeypatch.setattr(Model, "forward", read)
    monkeypatch.setattr(engines.Speech, "enter", entered)
    yield tried


def asked(model: Model) -> dict[str, Any]:
    from tunesmith.evaluation.ask import choose, speak, weigh
    from tunesmith.generation.sampling import Sampling

    said = speak(model, QUESTIONS, Sampling(tokens=6, temperature=0.9, seed=3))
    chosen, weighed = choose(model, QUESTIONS), weigh(model, QUESTIONS)
    return {
        "speak": [one.said for one in said],
        "choose": [one.scores for one in chosen],
        "weigh": [one.logprob for one in weighed],
    }


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_answers_are_the_same_in_little_memory(tmp_path, family, request, caplog):
    model = load(ModelSettings(path=str(tiny_model(tmp_path, family)), chat="none"), None, "cpu").eval()
    wanted = asked(model)
    tried = request.getfixturevalue("little")
    found = asked(model)
    assert found["speak"] == wanted["speak"]
    assert found["choose"] == [pytest.approx(scores, rel=1e-5) for scores in wanted["choose"]]
    assert found["weigh"] == pytest.approx(wanted["weigh"], rel=1e-5)
    assert (model.fits is not None and model.fits.rows == 1) or model.fits.rows == 2
    assert sum(rows > 2 for rows in tried) == len([one for one in caplog.messages if "out of memory" in one]) < 5


def test_a_prompt_that_does_not_fit_alone_is_an_error(tmp_path, monkeypatch):
    def full(self, prompts, adapters, trunks=()):
        raise torch.OutOfMemoryError("CUDA out of memory")

    model = load(ModelSettings(path=str(tiny_model(tmp_path, "llama")), chat="none"), None, "cpu").eval()
    monkeypatch.setattr(engines.Speech, "enter", full)
    with pytest.raises(NoMemoryError, match=r"(?s)prompt of \d+ tokens does not fit.*model\.quantize"):
        asked(model)
