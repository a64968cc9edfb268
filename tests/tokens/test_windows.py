"""Windows of long texts: every token is learnt once, nothing is lost at a border, and a text ends once."""

import logging
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as some

import tunesmith
from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.pretrain import Pretrain
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.windows import Cutting

FAMILIES = {"llama": "causal", "t5": "seq2seq", "bert": "masked"}
TEXTS = [" ".join(f"word{n * k % 37}, and" for n in range(60)) + ".\n\nThe end" for k in range(1, 4)] + ["Short.", "Two words."]


def renderer_of(name):
    from transformers import AutoTokenizer

    folder = Path(tunesmith.__file__).parent / "assets" / name
    return Renderer.of(AutoTokenizer.from_pretrained(str(folder)), FAMILIES[name], SimpleNamespace(), chat="none")


@pytest.fixture(scope="module", params=FAMILIES)
def renderer(request):
    return renderer_of(request.param)


def fitted(objective, renderer, texts=TEXTS, window=40, virtual=0):
    examples = [Example((), text, id=str(n)) for n, text in enumerate(texts)]
    return objective.within(examples, renderer, window, "split", virtual, "task `x`")


def rows(objective, renderer, windows, seed=0):
    return [objective.render(Placed(one, place, seed), renderer)[0] for place, one in enumerate(windows)]


@given(some.integers(1, 90), some.integers(1, 20), some.integers(0, 19), some.booleans())
def test_every_token_is_learnt_once(length, width, overlap, predicts):
    if overlap + predicts >= width + predicts:
        with pytest.raises(UserError, match="leaves nothing to learn"):
            Cutting(width, overlap)
        return
    cutting = Cutting.causal(width, overlap) if predicts else Cutting(width, overlap)
    windows = list(cutting.windows(range(length)))
    assert [id_ for one in windows for id_ in one.ids[one.context :]] == list(range(predicts, length))
    assert all(len(one.ids) <= width + predicts for one in windows)
    assert all(one.ids == tuple(range(one.ids[0], one.ids[0] + len(one.ids))) for one in windows)
    assert all(one.context == min(overlap + predicts, one.ids[one.context]) for one in windows), "what stands before is read"
    assert [one.ended for one in windows] == [False] * (len(windows) - 1) + [True] * bool(windows)


@pytest.mark.parametrize("virtual", [0, 7])
@pytest.mark.parametrize("overlap", [0, 9])
def test_a_causal_network_learns_every_token_and_every_end_once(overlap, virtual):
    renderer = renderer_of("llama")
    windows = fitted(Pretrain(overlap=overlap), renderer, virtual=virtual)
    made = rows(Pretrain(overlap=overlap), renderer, windows)
    assert max(row.row(virtual) for row in made) == 40
    learnt = [target for row in made for target in row.targets if target >= 0]
    assert learnt == [id_ for text in TEXTS for id_ in renderer.text(text, ended=True)[1:]]
    assert learnt.count(renderer.end) == len(TEXTS), "a text ends where it ends, not where a window does"
    assert [row.targets[-1] == renderer.end for row in made] == [window.ended for window in windows]
    alone = rows(Pretrain(ended=False), renderer, fitted(Pretrain(ended=False), renderer))
    assert not any(renderer.end in row.targets for row in alone)


def test_a_window_is_the_text_as_the_tokenizer_spells_it(renderer):
    ids = renderer.spell(TEXTS[0])
    found = [id_ for one in fitted(Pretrain(ended=False), renderer, TEXTS[:1]) for id_ in one.ids[one.context :]]
    assert found == ids, "no piece is spelled anew at a border"


@pytest.mark.parametrize("noise", [0.15, 0.5, 0.9])
@pytest.mark.parametrize("span", [1.0, 3.0])
def test_hidden_or_shown_every_token_is_there_and_rows_fit(noise, span):
    renderer = renderer_of("t5")
    objective = Pretrain(noise=noise, span=span)
    windows = fitted(objective, renderer)
    for row, one in zip(rows(objective, renderer, windows), windows, strict=True):
        assert row.row() <= 40
        counted = Counter(row.source) + Counter(row.targets)
        assert {id_: n for id_, n in counted.items() if id_ not in (*renderer.sentinels, renderer.end)} == Counter(one.ids)


def test_a_text_is_not_said_to_end_where_a_window_does():
    renderer = renderer_of("t5")
    objective = Pretrain(prefix=1.0)
    windows = fitted(objective, renderer, TEXTS[:1])
    ends = [row.targets[-1] == renderer.end for row in rows(objective, renderer, windows)]
    assert ends == [one.ended for one in windows] and len(ends) > 3


@pytest.mark.parametrize("overlap", [0, 9])
def test_a_masked_network_hides_its_own_tokens_only(overlap):
    renderer = renderer_of("bert")
    objective = Pretrain(noise=0.9, overlap=overlap)
    windows = fitted(objective, renderer)
    for row, one in zip(rows(objective, renderer, windows), windows, strict=True):
        hidden = [place for place, target in enumerate(row.targets) if target >= 0]
        assert row.row() <= 40 and row.inputs[0] == renderer.head[0] and row.inputs[-1] == renderer.tail[0]
        assert min(hidden) >= len(renderer.head) + one.context
    assert sum(len(one.ids) - one.context for one in windows) == sum(len(renderer.spell(text)) for text in TEXTS)


def test_windows_are_told_and_named(caplog):
    with caplog.at_level(logging.WARNING):
        windows = fitted(Pretrain(), renderer_of("llama"))
    assert "task `x`: 3 of 5 texts are longer than 40 tokens and read in windows" in caplog.text
    assert [one.id for one in windows][-3:] == [f"2#{len([w for w in windows if w.id.startswith('2#')]) - 1}", "3", "4"]
    assert windows[0].letters == 4 * len(windows[0].ids)


def test_a_conversation_among_texts_is_a_text(renderer):
    asked = Example((Message("user", "Who?"),), "Ann.", id="a")
    [window] = Pretrain().within([asked], renderer, 40, "split", 0, "x")
    [row] = Pretrain().render(Placed(window), renderer)
    assert (row,) == Pretrain().render(Placed(asked), renderer)


def test_what_has_nothing_to_learn_is_left_out(caplog):
    renderer = renderer_of("llama")
    renderer = Renderer(**{**vars(renderer), "head": ()})
    with caplog.at_level(logging.WARNING):
        windows = fitted(Pretrain(ended=False), renderer, ["a", "a b c"])
    assert len(windows) == 1 and "1 of 2 texts have no token to learn" in caplog.text


def test_an_encoder_decoder_network_has_no_overlap():
    with pytest.raises(UserError, match=r"`objective.overlap` is 4"):
        fitted(Pretrain(overlap=4), renderer_of("t5"))


def test_without_a_limit_every_text_is_whole(renderer):
    assert [one.ended for one in fitted(Pretrain(), renderer, window=None)] == [True] * len(TEXTS)


def test_another_policy_is_the_houses(renderer):
    examples = [Example((), text, id=str(n)) for n, text in enumerate(TEXTS)]
    assert Pretrain().within(examples, renderer, 40, "drop", 0, "x") == examples[3:]
    with pytest.raises(UserError, match="the window holds 40"):
        Pretrain().within(examples, renderer, 40, "refuse", 0, "x")
