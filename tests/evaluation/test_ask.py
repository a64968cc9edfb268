"""Asking: what is scored, against the networks' own logits, and that rows never change a number."""

import math

import pytest
import torch

from tests.models.speakers import attached, speaker
from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.evaluation.ask import choose, speak, weigh
from tunesmith.evaluation.heads import classify
from tunesmith.evaluation.texts import sequences
from tunesmith.generation.sampling import Sampling
from tunesmith.methods.prompt import PromptTuning
from tunesmith.models.head import HeadPlan
from tunesmith.tokens.packing import Room

TWO = HeadPlan(labels=("w40", "w41"))
KINDS = ["llama", "t5", "bart", "bert"]
EXAMPLES = [
    Example((Message("user", "w14 w22 w30"),), "w40", choices=("w40", "w41", "w42 w43"), id="a"),
    Example((Message("user", "w15"),), "w41", choices=("w40", "w41"), id="b"),
    Example(
        (Message("user", "w20 w21 w22 w23 w24 w25 w26"),), "w50 w51", choices=("w50 w52", "w50 w51", "w33 w34 w35"), id="c"
    ),
]


def by_hand(model, example, choice):
    """Log-probability of each token of a choice, from the logits of transformers itself, one row at a time."""
    shown, said = model.renderer.prompt(example), model.renderer.spell(choice)
    with torch.no_grad():
        if model.family == "causal":
            logits = model.network(torch.tensor([shown + said])).logits[0, len(shown) - 1 : -1]
        elif model.family == "seq2seq":
            decoder = torch.tensor([[model.renderer.start, *said[:-1]]])
            logits = model.network(torch.tensor([shown]), decoder_input_ids=decoder).logits[0]
        else:
            logits = model.network(torch.tensor([shown + [3] * len(said)])).logits[0, len(shown) :]
    return logits.log_softmax(-1).gather(1, torch.tensor(said)[:, None])[:, 0].tolist()


@pytest.mark.parametrize("norm", ["none", "tokens", "bytes"])
@pytest.mark.parametrize("name", KINDS)
def test_choices_are_worth_what_the_networks_logits_say(name, norm):
    model = speaker(name)
    for example, answer in zip(EXAMPLES, choose(model, EXAMPLES, norm), strict=True):
        parts = [by_hand(model, example, choice) for choice in example.choices]
        sizes = {"none": [1] * 3, "tokens": [len(part) for part in parts], "bytes": [len(choice) for choice in example.choices]}
        by = sizes[norm][: len(parts)]
        expected = [sum(part) / unit for part, unit in zip(parts, by, strict=True)]
        assert answer.scores == pytest.approx(expected, abs=1e-4)
        best = expected.index(max(expected))
        assert answer.said == example.choices[best]
        assert answer.logprob == pytest.approx(sum(parts[best]), abs=1e-4)
        assert answer.tokens == len(parts[best])
        assert answer.how == f"choose norm={norm}"
        assert answer.prompt_tokens == len(model.renderer.prompt(example))


@pytest.mark.parametrize("name", KINDS)
def test_rows_never_change_a_number(name):
    model = attached(speaker(name, plan=TWO), "a", PromptTuning(virtual_tokens=2))
    two = [EXAMPLES[1]] * 3
    ways = [
        lambda room: [score for a in choose(model, EXAMPLES, room=room) for score in a.scores],
        lambda room: [a.logprob for a in weigh(model, EXAMPLES, room)],
        lambda room: [score for a in classify(model, two, room) for score in a.scores],
    ]
    for way in ways:
        expected = way(Room(rows=1))
        for rows in (4, 16):
            assert way(Room(rows=rows)) == pytest.approx(expected, abs=1e-5)
        if name == "llama":
            assert way(Room(layout="packed", width=40, tokens=80)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["llama", "t5"])
def test_weighing_sums_the_target_and_its_end(name):
    model = speaker(name)
    for example, answer in zip(EXAMPLES, weigh(model, EXAMPLES), strict=True):
        parts = by_hand(model, example, f"{example.target} w{model.renderer.end}")
        assert answer.logprob == pytest.approx(sum(parts), abs=1e-4)
        assert answer.tokens == len(parts)
        assert answer.how == "weigh"


def test_plain_text_is_weighed_in_windows_and_nothing_is_cut():
    model = speaker("llama", max_position_embeddings=8)
    words = [12 + n % 40 for n in range(21)]
    [answer] = weigh(model, [Example((), " ".join(f"w{word}" for word in words), id="t")])
    expected = 0.0
    for start in (0, 8, 16):
        window = words[start : start + 9]
        with torch.no_grad():
            logits = model.network(torch.tensor([window[:-1]])).logits[0].log_softmax(-1)
        expected += float(logits.gather(1, torch.tensor(window[1:])[:, None]).sum())
    assert answer.tokens == 20
    assert answer.logprob == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("length", [1, 2, 3, 20, 21, 22, 64])
def test_every_token_of_a_text_is_hidden_once(length):
    model = speaker("bert")
    model.renderer.head, model.renderer.tail = (50,), (51,)
    words = [12 + n % 30 for n in range(length)]
    found = sequences(model.renderer, " ".join(f"w{word}" for word in words), None)
    scored = sorted(target for tokens in found for target in tokens.targets if target >= 0)
    assert scored == sorted(words)


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_an_encoder_decoder_network_reads_half_and_says_the_rest(name):
    model = speaker(name)
    [tokens] = sequences(model.renderer, "w12 w13 w14 w15 w16", None)
    assert tokens.source == (12, 13, 14)
    assert tokens.targets == (15, 16)
    [answer] = weigh(model, [Example((), "w12 w13 w14 w15 w16")])
    assert answer.said == "w15 w16"
    assert answer.tokens == 2


def test_a_text_of_one_token_has_nothing_to_weigh():
    with pytest.raises(UserError, match="nothing to predict"):
        weigh(speaker("llama"), [Example((), "w12")])


def test_spoken_answers_know_what_they_took():
    model = speaker("t5")
    told = []
    answers = speak(model, EXAMPLES, Sampling(tokens=6), rows=2, on_progress=lambda done, total: told.append((done, total)))
    assert [answer.example for answer in answers] == ["a", "b", "c"]
    assert sorted(told) == [(1, 3), (2, 3), (3, 3)]
    for answer, example in zip(answers, EXAMPLES, strict=True):
        assert answer.how in ("speak", "speak cut")
        assert (answer.tokens == 6) == answer.how.endswith("cut")
        assert answer.prompt == example.messages[0].content
        assert answer.prompt_tokens == len(example.messages[0].content.split())
        assert answer.logprob is not None
        assert answer.logprob < 0


@pytest.mark.parametrize("name", KINDS)
def test_a_head_is_read_at_the_end_of_the_prompt(name):
    model = speaker(name, plan=TWO)
    two = [EXAMPLES[1]]
    [answer] = classify(model, two)
    assert math.isclose(sum(map(math.exp, answer.scores)), 1, abs_tol=1e-5)
    assert answer.said == two[0].choices[answer.scores.index(max(answer.scores))]
    with pytest.raises(UserError, match=r"w42 w43.*labels w40, w41"):
        classify(model, EXAMPLES[:1])
    with pytest.raises(UserError, match="no head"):
        classify(speaker(name), two)


def test_one_output_is_a_number():
    [answer] = classify(speaker("bert", plan=HeadPlan("number")), [Example((Message("user", "w12"),), "3.5")])
    assert float(answer.said) == pytest.approx(answer.scores[0], rel=1e-5)


def test_a_choice_that_does_not_fit_is_refused():
    with pytest.raises(UserError, match="`c` has 8 tokens; the network reads at most 4"):
        choose(speaker("llama", max_position_embeddings=4), EXAMPLES)


def test_without_choices_there_is_nothing_to_choose():
    with pytest.raises(UserError, match="example `x` has no choices"):
        choose(speaker("llama"), [Example((Message("user", "w12"),), "w13", id="x")])


def test_choices_that_read_the_same_share_a_row():
    model, rows = speaker("llama"), []
    model.network.register_forward_pre_hook(lambda _, __, given: rows.append(len(given["input_ids"])), with_kwargs=True)
    four = tuple(f"w{n}" for n in (40, 41, 42, 43))
    choose(model, [Example((Message("user", f"w{n}"),), "w40", choices=four) for n in (12, 13, 14)])
    assert sum(rows) == 3
