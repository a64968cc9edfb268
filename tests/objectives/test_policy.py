"""PPO, GRPO and RLOO: formulas by hand, and the laws of learning from a model's own answers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.methods import small
from tests.tiny import tiny_model
from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.generation.sampling import Sampling
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.model import Model
from tunesmith.objectives.grpo import GRPO
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.ppo import PPO, advantages, explained
from tunesmith.objectives.rloo import RLOO
from tunesmith.objectives.rollout import REWARD, Rollout
from tunesmith.rewards.length import Length
from tunesmith.rewards.reward import Reward
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.packing import Room
from tunesmith.training.loop import Step, train, validate
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

WORDS = ("the dog ran home", "it was", "who is there at this hour", "no", "seven green apples", "yes, but when")
EXAMPLES = [Example((Message("user", text),), "yes", id=str(number)) for number, text in enumerate(WORDS)]
PLACED = [Placed(example, number) for number, example in enumerate(EXAMPLES)]
SHORT = Sampling(tokens=7, temperature=0.8)
KINDS: dict[str, type[Rollout]] = {"ppo": PPO, "grpo": GRPO, "rloo": RLOO}
FAMILIES = ("llama", "t5")
law = pytest.mark.parametrize(("family", "kind"), [(family, kind) for family in FAMILIES for kind in KINDS])


@dataclass(frozen=True, kw_only=True)
class Letters(Reward):
    """How many of the letters are an `e`."""

    def score(self, examples: Any, answers: Any) -> list[float]:
        return [10 * answer.count("e") / max(len(answer), 1) for answer in answers]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {kind: str(tiny_model(tmp_path_factory.mktemp(kind), kind)) for kind in FAMILIES}


def policy(folders: dict[str, str], family: str, objective: Rollout, method: Method | None = None) -> Model:
    torch.manual_seed(3)
    model = load(ModelSettings(path=folders[family], chat="none"), objective.head(), "cpu")
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.attach("a", method or LoRA(rank=2))
    assert objective.begin(model, EXAMPLES, Room(), None) == ""
    return model


def around(place: int) -> Example:
    return EXAMPLES[place % len(EXAMPLES)]


def made(kind: str, **settings: Any) -> Rollout:
    return KINDS[kind](**{"rewards": (Letters(),), "sampling": SHORT, "epochs": 2, "minibatches": 2, **settings})


def looked(objective: Rollout, model: Model, room: Room = Room()) -> list[list[Batch]]:
    """The batches of every update, as the model is before the first of them."""
    return [list(batches) for batches in objective.updates(PLACED, model, room)]


@law
@pytest.mark.parametrize("method", [LoRA(rank=2, dropout=0.3), Full()], ids=["lora", "full"])
def test_the_ratio_is_exactly_one_and_kl_exactly_zero_at_first(
    folders: dict[str, str], family: str, kind: str, method: Method
) -> None:
    objective = made(kind)
    model = policy(folders, family, objective, method)
    for batch in looked(objective, model)[0]:
        model.train()
        logprobs_N = objective.logprobs(model, batch)  # with gradients, as it is learnt
        assert logprobs_N.requires_grad
        found, before = logprobs_N.detach(), objective.reference(model, batch)
        shown = objective.loss(model, batch).shown
        if family == "t5" and isinstance(method, Full):  # with gradients of its biases, attention takes another kernel
            torch.testing.assert_close(before, found, rtol=1e-6, atol=2e-6)
            found = before
        assert torch.equal(found if kind != "rloo" else batch.by_sequence(found), batch.extras["old"])
        assert torch.equal(before, found)
        assert float(shown["kl"]) == pytest.approx(0.0, abs=1e-9)
        assert float(shown["ratio"]) == pytest.approx(batch.count(objective.per), rel=1e-6)
        assert float(shown["clipped"]) == 0.0


@law
def test_log_probabilities_are_of_the_temperature_of_the_draw(folders: dict[str, str], family: str, kind: str) -> None:
    objective = made(kind)
    model = policy(folders, family, objective)
    [batch] = looked(objective, model)[0]
    wanted = (model(batch).logits() / SHORT.temperature).log_softmax(1).gather(1, batch.target_ids[:, None])[:, 0]
    torch.testing.assert_close(objective.logprobs(model, batch), wanted, rtol=1e-5, atol=1e-5)


@law
def test_rows_and_padding_change_nothing(folders: dict[str, str], family: str, kind: str) -> None:
    """Whitening, baselines and every mean are over real tokens and answers of the whole update, however it is cut."""
    objective = made(kind, answers=3, unfinished=0.5)
    found = []
    for room in (Room(rows=1), Room(rows=2), Room(rows=64), Room(layout="packed", width=90)):
        model = policy(folders, family, objective)
        parts = looked(objective, model, room)
        assert len(parts) == objective.rounds == 4
        sums = []
        for batches in parts:
            count = sum(batch.count(objective.per) for batch in batches)
            losses = [objective.loss(model, batch) for batch in batches]
            shown = {name: float(sum(loss.shown[name] for loss in losses)) / count for name in losses[0].shown}
            sums.append([float(sum(loss.total for loss in losses)) / count, *(shown[name] for name in sorted(shown))])
        found.append(sums)
    for other in found[1:]:
        assert torch.tensor(other).allclose(torch.tensor(found[0]), rtol=1e-4, atol=2e-5)


@law
def test_what_is_shown_are_means_over_answers(folders: dict[str, str], family: str, kind: str) -> None:
    objective = made(kind, minibatches=1, answers=2)
    model = policy(folders, family, objective)
    said = objective.speak(PLACED, model, Room(), 2)
    batches = looked(objective, model)[0]
    count = sum(batch.count(objective.per) for batch in batches)
    losses = [objective.loss(model, batch) for batch in batches]
    for name, values in (
        ("reward", [one.reward for one in said]),
        ("length", [len(one.spoken.ids) for one in said]),
        ("ended", [one.spoken.finished for one in said]),
    ):
        assert float(sum(loss.shown[name] for loss in losses)) / count == pytest.approx(sum(values) / len(values), rel=1e-5)


@law
def test_what_was_said_is_what_is_learnt(folders: dict[str, str], family: str, kind: str) -> None:
    """Every id of an answer is a target, its end too; nothing of the prompt is; equal prompts get answers of their own."""
    objective = made(kind, minibatches=1, answers=3)
    model = policy(folders, family, objective)
    said = objective.speak(PLACED, model, Room(), 3)
    found = {}
    for batch in looked(objective, model)[0]:
        for number, sequence in enumerate(batch.numbers.tolist()):
            found[sequence] = batch.target_ids[batch.target_seq == number].tolist()
    assert [found[number] for number in range(len(said))] == [list(one.spoken.ids) for one in said]
    assert [one.example.id for one in said] == [example.id for example in EXAMPLES for _ in range(3)]
    assert len({one.spoken.ids for one in said[:3]}) > 1


def ragged(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    lengths = [4, 1, 0, 7, 2]
    sequences = torch.tensor([s for s, length in enumerate(lengths) for _ in range(length)])
    return torch.randn(len(sequences)), torch.randn(len(sequences)), sequences


@pytest.mark.parametrize(("discount", "trace"), [(1.0, 0.95), (0.9, 0.5), (1.0, 0.0), (1.0, 1.0)])
def test_advantages_are_those_of_a_plain_loop(discount: float, trace: float) -> None:
    reward_N, value_N, target_seq = ragged(0)
    wanted = torch.zeros_like(value_N)
    for sequence in range(5):
        places = (target_seq == sequence).nonzero().flatten().tolist()
        for t, place in enumerate(places):
            for k, later in enumerate(places[t:]):
                behind = value_N[places[t + k + 1]] if t + k + 1 < len(places) else torch.tensor(0.0)
                wanted[place] += (discount * trace) ** k * (reward_N[later] + discount * behind - value_N[later])
    torch.testing.assert_close(advantages(reward_N, value_N, target_seq, discount, trace), wanted)
    nothing = torch.zeros(0)
    assert advantages(nothing, nothing, torch.zeros(0, dtype=torch.long), 1.0, 0.9).shape == (0,)


def test_ppo_puts_the_score_on_the_last_token_and_counts_kl_once(folders: dict[str, str]) -> None:
    objective = made("ppo", whiten=False, trace=0.0, kl_weight=0.3, unfinished=2.0, minibatches=1)
    model = policy(folders, "llama", objective)
    with torch.no_grad():
        for parameter in model.adapter().trained().values():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        model.head.hold([0.0])
    said = objective.speak(PLACED, model, Room(), 1)
    assert any(not one.spoken.finished for one in said)
    for batch in looked(objective, model)[0]:
        kl_N = objective.logprobs(model, batch) - objective.reference(model, batch)
        assert kl_N.abs().max() > 1e-3
        wanted_N = -0.3 * kl_N.detach()
        for number, sequence in enumerate(batch.numbers.tolist()):
            last = (batch.target_seq == number).nonzero().flatten()[-1]
            wanted_N[last] += Letters().score([], [said[sequence].spoken.text])[0] - 2.0 * (not said[sequence].spoken.finished)
        torch.testing.assert_close(batch.extras["advantage"], wanted_N, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(batch.extras["goal"], wanted_N, rtol=1e-4, atol=1e-5)


def test_ppo_whitens_over_the_real_tokens_of_a_rollout(folders: dict[str, str]) -> None:
    objective = made("ppo")
    model = policy(folders, "llama", objective)
    everything = [batch for batches in looked(objective, model, Room(rows=2))[:2] for batch in batches]
    advantage_N = torch.cat([batch.extras["advantage"] for batch in everything])
    assert float(advantage_N.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(advantage_N.std()) == pytest.approx(1.0, rel=1e-4)


def test_ppo_loss_by_hand(folders: dict[str, str]) -> None:
    objective = made("ppo", value_weight=0.4, value_clip=0.1, clip=0.2)
    model = policy(folders, "llama", objective)
    [batch] = looked(objective, model)[0]
    torch.manual_seed(1)
    old_N, value_N = batch.extras["old"] + torch.randn_like(batch.extras["old"]) * 0.4, batch.extras["value"] + 0.3
    batch = batch.with_extras(old=old_N, value=value_N)
    reading = model(batch)
    new, values = reading.logprobs(SHORT.temperature).tolist(), reading.token_values()[:, 0].tolist()
    total = clipped = 0.0
    for n in range(len(new)):
        ratio, advantage = float(torch.tensor(new[n] - float(old_N[n])).exp()), float(batch.extras["advantage"][n])
        total -= min(ratio * advantage, min(max(ratio, 0.8), 1.2) * advantage)
        goal, was = float(batch.extras["goal"][n]), float(value_N[n])
        near = was + min(max(values[n] - was, -0.1), 0.1)
        total += 0.4 * 0.5 * max((values[n] - goal) ** 2, (near - goal) ** 2)
        clipped += (ratio > 1.2 and advantage > 0) or (ratio < 0.8 and advantage < 0)
    loss = objective.loss(model, batch)
    assert float(loss.total) == pytest.approx(total, rel=1e-5)
    assert float(loss.shown["clipped"]) == clipped > 0


def test_explained_variance() -> None:
    goal_N = torch.tensor([1.0, 2.0, 4.0, 0.0])
    assert explained(torch.zeros(4), goal_N) == 1.0
    assert explained(goal_N, goal_N) == 0.0
    assert explained(torch.zeros(1), goal_N[:1]) == 0.0


def test_kl_weight_moves_towards_its_target(folders: dict[str, str]) -> None:
    """Ziegler et al., 2019, 2.2: at most a fifth, by the share of the horizon; what was spoken is judged by the old one."""
    objective = made("ppo", kl_target=1.0, kl_horizon=60)
    model = policy(folders, "llama", objective)
    [batch, *_] = looked(objective, model)[0]
    assert float(batch.extras["shown kl_weight"][0]) == pytest.approx(0.05)
    assert float(objective.coefficient) == pytest.approx(0.05 * (1 - 0.2 * 6 / 60))  # KL is 0: no leash is needed
    assert float(objective.fresh().coefficient) == pytest.approx(0.05)
    assert made("ppo").coefficient is not made("ppo").coefficient


def test_group_advantages_by_hand(folders: dict[str, str]) -> None:
    for scaled in (True, False):
        objective = made("grpo", answers=4, scaled=scaled, minibatches=1)
        model = policy(folders, "llama", objective)
        said = objective.speak(PLACED, model, Room(), 4)
        rewards_PG = torch.tensor([one.reward for one in said]).view(-1, 4)
        wanted_PG = rewards_PG - rewards_PG.mean(1, keepdim=True)
        if scaled:
            wanted_PG = wanted_PG / (rewards_PG.std(1, keepdim=True) + 1e-4)
        found = torch.tensor([one.row.extras["advantage"] for one in objective.judged(said)]).view(-1, 4)
        torch.testing.assert_close(found, wanted_PG, rtol=1e-4, atol=1e-5)


def test_leave_one_out_by_hand(folders: dict[str, str]) -> None:
    objective = made("rloo", answers=3, kl_weight=0.2)
    model = policy(folders, "llama", objective)
    with torch.no_grad():
        for parameter in model.adapter().trained().values():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    for batches in looked(objective, model, Room(rows=2))[:2]:
        worth, found = {}, {}
        for batch in batches:
            kl_S = batch.by_sequence(objective.logprobs(model, batch) - objective.reference(model, batch))
            for place, number in enumerate(batch.numbers.tolist()):
                worth[number] = float(batch.extras[REWARD][place] - 0.2 * kl_S[place])
                found[number] = float(batch.extras["advantage"][place])
        for number, advantage in found.items():
            group = range(number - number % 3, number - number % 3 + 3)
            others = [worth[other] for other in group if other != number]
            assert advantage == pytest.approx(worth[number] - sum(others) / 2, rel=1e-4, abs=1e-5)


def curve(folders: dict[str, str], kind: str, steps: int, **settings: Any) -> tuple[Iterator[Step], State, Model, Rollout]:
    objective = made(kind, **settings)
    model = policy(folders, "llama", objective, Full())
    plan = Plan(steps=steps, examples=6, learning_rate=3e-2, warmup=0.0, schedule="constant")
    state = State.new(model.adapter(), plan, objective.remembered())
    return train(model, model.adapter(), objective, around, plan, state, steps), state, model, objective


@pytest.mark.parametrize("kind", KINDS)
def test_resume_is_exact_and_saves_what_adapts(folders: dict[str, str], kind: str, tmp_path: Path) -> None:
    settings = {"kl_target": 0.1, "kl_horizon": 20} if kind == "ppo" else {}
    whole, *_ = curve(folders, kind, 12, **settings)
    wanted = [(s.loss, s.gradient_norm, s.shown) for s in whole]
    begun, state, _, objective = curve(folders, kind, 12, **settings)
    first = [(s.loss, s.gradient_norm, s.shown) for s in islice(begun, 8)]
    saved = state.save(tmp_path)
    coefficient = {name: value.clone() for name, value in objective.remembered().items()}
    rest, state, model, objective = curve(folders, kind, 12, **settings)
    for parameter in model.adapter().trained().values():
        parameter.data.normal_()
    state.restore(saved)
    for name, value in coefficient.items():
        assert torch.equal(objective.remembered()[name], value) and float(value) != 0.05
    assert first + [(s.loss, s.gradient_norm, s.shown) for s in rest] == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_the_reward_rises(folders: dict[str, str], kind: str) -> None:
    steps, _, model, objective = curve(folders, kind, 28, answers=8, epochs=1, minibatches=1, kl_weight=0.0)
    before = validate(model, objective, EXAMPLES * 8, Plan()).loss
    rewards = [step.shown["reward"] for step in steps]
    assert sum(rewards[-5:]) > 2 * sum(rewards[:5]), rewards
    after = validate(model, objective, EXAMPLES * 8, Plan())
    assert after.loss < 1.5 * before < 0, "the loss of validation is the negative of the reward"
    assert after.loss == pytest.approx(-after.shown["reward"])
    assert [sample["prompt"] for sample in after.samples] == list(WORDS[:4])


def test_validation_costs_kl_and_changes_nothing(folders: dict[str, str]) -> None:
    steps, _, model, objective = curve(folders, "ppo", 4, kl_weight=0.5)
    list(steps)
    model.train()
    state = torch.get_rng_state()
    found = validate(model, objective, EXAMPLES, Plan(room=Room(rows=2)))
    assert found.loss == pytest.approx(0.5 * found.shown["kl"] - found.shown["reward"], rel=1e-5)
    assert validate(model, objective, EXAMPLES, Plan(room=Room(rows=64))).loss == pytest.approx(found.loss, rel=1e-5)
    assert model.training and torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", ["LoRA", "IA3", "PromptTuning", "PrefixTuning", "Selective", "Bottleneck"])
@pytest.mark.parametrize("family", FAMILIES)
def test_other_ways_of_tuning(folders: dict[str, str], family: str, kind: str) -> None:
    objective = made("ppo")
    model = policy(folders, family, objective, small(kind))
    plan = Plan(steps=4, examples=6, learning_rate=1e-3)
    state = State.new(model.adapter(), plan, objective.remembered())
    before = {name: p.detach().clone() for name, p in state.trained.items()}
    steps = list(train(model, model.adapter(), objective, around, plan, state, 4))
    assert len(steps) == 4
    assert any(not torch.equal(p, before[name]) for name, p in state.trained.items())
    assert not torch.equal(state.trained["head.weight"], before["head.weight"])
    model.forget_values()
    assert model.head is None and not [name for name in model.adapter().trained() if name.startswith("head.")]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"rewards": ()}, "`rewards` is empty"),
        ({"sampling": Sampling()}, "nothing is tried"),
        ({"sampling": Sampling(temperature=1.0, repetition_penalty=1.2)}, "repetition_penalty"),
    ],
)
def test_what_cannot_be_learnt_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        made("ppo", **settings)


def test_fewer_prompts_than_minibatches_and_replay_are_refused(folders: dict[str, str]) -> None:
    objective = made("ppo", rewards=(Length(),))
    model = policy(folders, "llama", objective)
    with pytest.raises(UserError, match="minibatches"):
        list(objective.updates(PLACED[:1], model, Room()))
    with pytest.raises(UserError, match="replay"):
        list(objective.updates([Placed(replace(example, replayed=True)) for example in EXAMPLES], model, Room()))
