"""Lengths, and what is done with what is too long."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tunesmith
from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.tokens.lengths import TRIED, _most, fit, lengths, quantile, split
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import IGNORED, causal, masked, seq2seq

WORDS = " ".join(f"word{number}" for number in range(60))


@pytest.fixture(scope="module", params=[("llama", "causal"), ("t5", "seq2seq"), ("bert", "masked")], ids=lambda p: p[1])
def renderer(request):
    from transformers import AutoTokenizer

    folder = Path(tunesmith.__file__).parent / "assets" / request.param[0]
    return Renderer.of(AutoTokenizer.from_pretrained(str(folder)), request.param[1], SimpleNamespace(), chat="none")


def render_of(renderer):
    return lambda example: (renderer.render(example),)


def asked(prompt, target="it was long", name="a"):
    return Example((Message("user", prompt),), target, id=name)


def test_parts_of_each_family():
    rows = [
        causal([1, 5, 6, 7, 2], [0, 0, 0, 1, 1]),
        seq2seq([5, 6, 7, 1], [8, 1], 0),
        masked([2, 5, 4, 4, 3], [IGNORED, IGNORED, 7, 8, IGNORED]),
    ]
    found = lengths(rows, 4, virtual=2)
    assert found.prompt == (3, 4, 3)
    assert found.answer == (2, 2, 2)
    assert found.row == (6, 6, 7)
    assert found.shortest == (4, 2, 5)
    assert [row.row() for row in rows] == [4, 4, 5]


@settings(max_examples=50)
@given(st.lists(st.integers(0, 99), min_size=1), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_quantile_is_the_smallest_that_covers(values, share):
    found = quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values)


def test_table_and_verdict():
    rows = [causal(list(range(n)), [0.0] * (n - 3) + [1.0] * 3) for n in (5, 8, 21, 13)]
    found = lengths(rows, 10)
    header, lines = found.table()
    assert header == ["", "median", "90 %", "99 %", "longest", "all"]
    assert lines[1] == ["answer", "3", "3", "3", "3", "12"]
    assert lines[2][1:5] == ["7", "20", "20", "20"]
    refuse, drop, cut, split_ = found.cuts()
    assert (refuse.rows, drop.dropped, drop.tokens, drop.learnt) == (2, 2, 34, 6)
    assert (cut.dropped, cut.tokens, cut.learnt) == (0, 12, 0)
    assert split_.tokens == 0
    assert found.verdict()[0] == "2 of 4 rows are longer than 10 tokens:"
    assert lengths(rows, 30).verdict() == ["all 4 rows fit into 30 tokens"]
    assert lengths(rows, None).cuts() == []
    assert lengths([], 5).table()[1][0][1] == ""


def test_what_cannot_be_cut_is_told_as_left_out():
    rows = [causal(list(range(21)), [0.0] * 3 + [1.0] * 18)]
    cut = lengths(rows, 10).cuts()[2]
    assert (cut.dropped, cut.learnt) == (1, 18)


def test_no_window_keeps_everything(renderer):
    examples = [asked(WORDS)]
    assert fit(examples, render_of(renderer), None) == examples


@pytest.mark.parametrize("policy", ["refuse", "drop", "cut_prompt"])
@pytest.mark.parametrize("virtual", [0, 9])
def test_only_what_may_be_too_long_is_rendered(renderer, policy, virtual):
    rows = [asked("short"), asked("word " * 8), asked(WORDS), asked("Où ?")]
    rows = rows[:2] if policy == "refuse" else rows
    rendered = []

    def render(example):
        rendered.append(example.messages[0].content)
        return (renderer.render(example),)

    kept = fit(rows, render, 70, policy, virtual, most=renderer.most)
    assert kept == fit(rows, render_of(renderer), 70, policy, virtual)
    assert ("short" in rendered) == (renderer.family == "masked")
    assert ("word " * 8 in rendered) == (renderer.family == "masked" or virtual > 0)
    assert policy == "refuse" or {WORDS, "Où ?"} <= set(rendered)


def test_what_cannot_be_learnt_is_told_at_once(renderer):
    with pytest.raises(UserError, match="nothing to learn"):
        fit([asked("short", "")], render_of(renderer), 70, most=renderer.most)


def test_refuse_names_the_example(renderer):
    with pytest.raises(UserError, match=r"task `x`: example `long` has .* tokens and the window holds 40"):
        fit([asked("short"), asked(WORDS, name="long")], render_of(renderer), 40, "refuse", 0, "task `x`")


def test_drop_says_how_many(renderer, caplog):
    with caplog.at_level(logging.WARNING):
        kept = fit([asked("short"), asked(WORDS)], render_of(renderer), 40, "drop")
    assert [example.messages[0].content for example in kept] == ["short"]
    assert "1 of 2 examples are longer than 40 tokens and left out" in caplog.text


@pytest.mark.parametrize("virtual", [0, 7])
def test_cut_prompt_keeps_head_and_tail_and_the_whole_answer(renderer, virtual, caplog):
    long = asked(f"Summarize: {WORDS}\n\nSummary:")
    with caplog.at_level(logging.WARNING):
        (kept,) = fit([long], render_of(renderer), 60, "cut_prompt", virtual)
    text = kept.messages[0].content
    assert text.startswith("Summarize: word0") and text.endswith("Summary:") and " ... " in text
    assert kept.target == long.target
    assert 50 <= renderer.render(kept).row(virtual) <= 60
    assert "middle of their prompt cut out" in caplog.text


def test_what_was_cut_stands_where_it_stood(renderer):
    rows = [asked("a"), asked(WORDS), asked("b"), asked("Tell me.", WORDS), asked("c")]
    kept = fit(rows, render_of(renderer), 40, "cut_prompt")
    assert [example.messages[0].content[:3] for example in kept] == ["a", "wor", "b", "c"]
    assert [kept[place] for place in range(4)] == list(kept)


def test_an_answer_is_never_cut(renderer, caplog):
    with caplog.at_level(logging.WARNING):
        assert fit([asked("Tell me.", WORDS)], render_of(renderer), 40, "cut_prompt") == []
    assert "left out" in caplog.text


def test_split_loses_no_letter(renderer):
    if renderer.family == "masked":
        return
    text = Example((), WORDS + ".\n\nThe end", id="text")
    pieces = fit([text], render_of(renderer), 50, "split")
    assert "".join(piece.target for piece in pieces) == text.target
    assert len({piece.id for piece in pieces}) == len(pieces) > 3
    assert all(renderer.render(piece).row() <= 50 for piece in pieces)


def test_split_is_for_plain_text(renderer):
    with pytest.raises(UserError, match="no plain text"):
        fit([asked(WORDS)], render_of(renderer), 40, "split")


@settings(max_examples=100)
@given(st.text(st.sampled_from("ab \n"), max_size=60), st.integers(1, 9))
def test_split_pieces_are_the_text(text, most):
    pieces = split(text, lambda piece: len(piece) <= most)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= most for piece in pieces)


@settings(max_examples=200)
@given(st.integers(-1, 3000), st.integers(0, 4000))
def test_the_largest_number_that_holds(high, most):
    tried = []
    assert _most(high, lambda number: tried.append(number) or number <= most) == max(0, min(high, most))
    assert max(tried, default=0) <= max(2 * most, TRIED)


def test_a_long_text_is_split_in_a_time_that_grows_with_its_length():
    def tried(words):
        letters = 0

        def fits(piece):
            nonlocal letters
            letters += len(piece)
            return len(piece) <= 700

        assert len(split("words " * words, fits)) > words / 200
        return letters

    assert tried(40_000) < 4.5 * tried(10_000)


def test_a_window_too_small_for_a_letter():
    with pytest.raises(UserError, match="not even one letter"):
        split("abc", lambda piece: False)
