"""Judging: examples left out, shots, metrics, and files of a run."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import torch

from tests.models.speakers import attached, speaker
from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.evaluation.ask import Ask
from tunesmith.evaluation.judge import judge, judge_run
from tunesmith.evaluation.shots import Pool, with_shots
from tunesmith.methods.lora import LoRA
from tunesmith.metrics.accuracy import accuracy
from tunesmith.metrics.cross_entropy import cross_entropy
from tunesmith.models.head import HeadPlan
from tunesmith.run import Run
from tunesmith.tasks.task import Task


class AsIs:
    """A template whose rows are examples already."""

    name = "as_is"
    inverted, original = False, True

    def apply(self, row, id_=""):
        return row["example"]


@dataclass(frozen=True)
class Rows:
    of: dict[str, list[Example]] = field(default_factory=dict)

    def splits(self) -> tuple[str, ...]:
        return tuple(self.of)

    def rows(self, split: str) -> Iterator[dict]:
        return ({"example": example} for example in self.of[split])


def example(number: int, words: int = 3, **options) -> Example:
    content = " ".join(f"w{12 + (number * 7 + n) % 40}" for n in range(words))
    return Example((Message("user", content),), f"w{40 + number % 2}", choices=("w40", "w41"), id=f"e{number}", **options)


def task(ask: str = "choose", splits: dict[str, list[Example]] | None = None, metrics=(accuracy,)) -> Task:
    rows = splits or {"train": [example(n, 2) for n in range(30, 50)], "test": [example(n, 2 + n) for n in range(8)]}
    return Task("made", Rows(rows), (AsIs(),), metrics, "made", ask, tokens=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "ask"), [("llama", "choose"), ("llama", "speak"), ("t5", "speak"), ("bert", "choose")])
def test_answers_are_measured_and_totalled(name, ask):
    told = []
    judged = judge(speaker(name), task(ask), on_progress=lambda done, total: told.append((done, total)))
    assert [answer.example for answer in judged.answers] == [f"e{n}" for n in range(8)]
    right = [float(answer.said == answer.target) for answer in judged.answers]
    assert [answer.stats["accuracy"] for answer in judged.answers] == [(one,) for one in right]
    assert judged.scores["accuracy"].value == pytest.approx(sum(right) / 8)
    assert judged.scores["accuracy"].answers == 8
    assert max(told)[0] == max(told)[1]
    assert judged.context_tokens == 0


def test_answers_know_the_cluster_of_their_example(tmp_path):
    rows = [example(n, meta={"cluster": f"passage {n // 2}"} if n < 4 else {}) for n in range(5)]
    record = Run(tmp_path)
    judge_run(record, speaker("llama"), [task("choose", {"test": rows})])
    assert [a.cluster for a in record.answers("made")] == ["passage 0", "passage 0", "passage 1", "passage 1", ""]


def test_model_quality_is_weighed_by_tokens_not_by_examples():
    model, made = speaker("llama"), task("weigh", metrics=(cross_entropy,))
    long = Example((Message("user", "w12"),), "w13 w14 w15 w16 w17 w18", id="long")
    made = task("weigh", {"test": [example(1), long]}, metrics=(cross_entropy,))
    judged = judge(model, made)
    nats, tokens = sum(-a.logprob for a in judged.answers), sum(a.tokens for a in judged.answers)
    assert tokens == 2 + 7
    assert judged.scores["cross_entropy"].value == pytest.approx(nats / tokens)
    assert judge(model, made, ask=Ask(rows=1)).scores["cross_entropy"].value == pytest.approx(nats / tokens, abs=1e-5)


@pytest.mark.parametrize("ask", ["choose", "speak"])
def test_shots_stand_before_every_question_and_their_tokens_are_counted(ask):
    model, made = speaker("llama"), task(ask)
    bare, judged = judge(model, made), judge(model, made, ask=Ask(shots=3, seed=4))
    spent = [shown.prompt_tokens - alone.prompt_tokens for shown, alone in zip(judged.answers, bare.answers, strict=True)]
    assert spent == [3 * 3] * 8  # two words and a target each
    assert judged.context_tokens == 9
    assert all(answer.how.endswith("shots=3") for answer in judged.answers)
    assert len({answer.prompt.split("\n\n")[0] for answer in judged.answers}) == 1
    assert judge(model, made, ask=Ask(shots=3, seed=4)).answers[0].prompt == judged.answers[0].prompt
    assert Pool(made, 3, 4).before() == Pool(made, 3, 4).before() != Pool(made, 3, 5).before()


def test_shots_that_do_not_fit_are_dropped_and_it_is_said():
    model = speaker("llama", max_position_embeddings=16)
    judged = judge(model, task("speak"), ask=Ask(shots=4))
    counts = [int(answer.how.split("shots=")[1]) for answer in judged.answers]
    assert counts == [min(4, (16 - 5 - (2 + n)) // 3) for n in range(8)]
    assert "fewer than 4 shots" in " ".join(judged.notes)
    assert judged.context_tokens == pytest.approx(3 * sorted(counts)[4], abs=1.5)


def test_with_a_chat_template_shots_are_earlier_turns():
    model = speaker("llama")
    model.renderer.chat = object()
    shot, asked = example(1), Example((Message("system", "w9"), Message("user", "w12")), "w40")
    roles = [message.role for message in with_shots(asked, [shot, shot], model.renderer).messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]


def test_shots_need_a_train_split():
    with pytest.raises(UserError, match="no train split"):
        judge(speaker("llama"), task(splits={"test": [example(1)]}), ask=Ask(shots=1))
    with pytest.raises(UserError, match="has 20 examples"):
        judge(speaker("llama"), task(), ask=Ask(shots=21))


def test_examples_that_do_not_fit_are_refused_or_left_out_and_counted():
    model, made = speaker("llama", max_position_embeddings=8), task("speak")
    with pytest.raises(UserError, match="2 of 8 examples"):
        judge(model, made)
    judged = judge(model, made, ask=Ask(too_long="leave_out"))
    assert judged.left_out == ("e6", "e7")
    assert all("2 left out that do not fit the window" in score.protocol for score in judged.scores.values())
    assert len(judged.answers) == 6
    assert "2 of 8" in judged.notes[0]


def test_judging_leaves_no_trace():
    model = attached(speaker("llama"), "a", LoRA(rank=2, dropout=0.5)).train()
    torch.manual_seed(8)
    expected = torch.rand(2)
    torch.manual_seed(8)
    first = judge(model, task("speak"), ask=Ask(temperature=1.0))
    assert torch.equal(torch.rand(2), expected)
    assert all(module.training for module in model.modules())
    assert [a.said for a in judge(model.eval(), task("speak"), ask=Ask(temperature=1.0)).answers] == [
        a.said for a in first.answers
    ]


def test_a_model_with_a_head_for_the_choices_is_asked_by_it():
    assert judge(speaker("bert", plan=HeadPlan(labels=("w40", "w41"))), task("speak")).answers[0].how == "classify"


def test_what_was_forgotten_is_asked_in_words():
    model = speaker("bert", plan=HeadPlan(labels=("w40", "w41")))
    assert judge(model, task("choose"), head=False).answers[0].how == "choose norm=none"


def test_an_empty_split_is_refused():
    with pytest.raises(UserError, match="no examples"):
        judge(speaker("llama"), task(splits={"test": []}))


def test_a_limit_takes_the_first_examples():
    assert [answer.example for answer in judge(speaker("llama"), task(), limit=3).answers] == ["e0", "e1", "e2"]


def test_a_run_keeps_answers_and_scores(tmp_path):
    run, told = Run(tmp_path), []
    found = judge_run(run, speaker("llama"), [task()], limit=4, on_progress=lambda *facts: told.append(facts))
    assert run.answers("made") == found["made"].answers
    assert run.scores()["made"] == found["made"].scores
    assert told[-1] == ("made", 8, 8)
