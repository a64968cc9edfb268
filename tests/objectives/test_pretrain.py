"""Plain text, as each family of networks learns it; the same place gives the same noise, another epoch another."""

from types import SimpleNamespace

import pytest

from tests.models.speakers import speaker
from tunesmith.data.example import Example, Message
from tunesmith.data.mixture import Mixture
from tunesmith.errors import UserError
from tunesmith.models.load import ASSETS
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.pretrain import Pretrain, plain_text
from tunesmith.tokens.packing import Room
from tunesmith.tokens.renderer import Renderer

SENTINELS, END, MASK = tuple(range(900, 932)), 1, 4
EXAMPLE = Example((), " ".join("word" for _ in range(30)))
IDS = [*range(10, 40), END]


class Speller:
    family, start, sentinels, mask = "seq2seq", 0, SENTINELS, None
    head, tail, answer_head, answer_tail = (), (END,), (), (END,)

    def spell(self, text):
        return list(range(10, 10 + len(text.split())))


def render(objective, place=0, seed=0, renderer=None, example=EXAMPLE):
    [tokens] = objective.render(Placed(example, place, seed), renderer or Speller())
    return tokens


def test_the_text_of_an_example_is_all_that_is_said():
    assert plain_text(Example((), "one")) == "one"
    assert plain_text(Example((Message("user", "ask"),), "say")) == "ask\nsay"


def test_an_encoder_decoder_network_restores_continues_or_fills_in():
    restored = render(Pretrain(whole=1.0))
    assert restored.targets == tuple(IDS) and any(id_ in SENTINELS for id_ in restored.source)
    continued = render(Pretrain(prefix=1.0))
    assert [*continued.source[:-1], *continued.targets] == IDS
    filled = render(Pretrain())
    assert filled.targets[0] == SENTINELS[0] and filled.targets[-1] == filled.source[-1] == END
    assert filled.inputs == (0, *filled.targets[:-1])
    again = [render(Pretrain(whole=0.5, prefix=0.3), place, 7) for place in range(9)]
    assert again == [render(Pretrain(whole=0.5, prefix=0.3), place, 7) for place in range(9)]


def test_bart_spells_the_whole_text_from_one_with_masks():
    bart = Speller()
    bart.sentinels, bart.mask, bart.head, bart.answer_head = (), MASK, (0,), (0,)
    row = render(Pretrain(noise=0.3), renderer=bart)
    assert row.targets == (0, *IDS) and row.source[0] == 0 and row.source[-1] == END
    assert row.source.count(MASK) == 3 and len(row.source) == 1 + 30 - 9 + 3 + 1
    bart.mask = None
    with pytest.raises(UserError, match="neither sentinels"):
        render(Pretrain(), renderer=bart)


def renderer_of(name, family):
    from transformers import AutoTokenizer

    return Renderer.of(AutoTokenizer.from_pretrained(str(ASSETS / name)), family, SimpleNamespace(), chat="none")


def test_masks_are_others_in_every_epoch_and_the_same_after_an_interruption():
    bert = renderer_of("bert", "masked")
    mixture = Mixture([[Example((), f"{n} dogs ran over the old bridge to the mill.") for n in range(5)]], [1.0], seed=3)
    hidden: dict[str, set] = {}
    stream = [render(Pretrain(), place, 3, bert, mixture(place)) for place in range(20)]
    for place, row in enumerate(stream):
        hidden.setdefault(mixture(place).target, set()).add(row.targets)
    assert all(len(masks) > 1 for masks in hidden.values()), "four epochs, more than one choice"
    assert stream[13:] == [render(Pretrain(), place, 3, bert, mixture(place)) for place in range(13, 20)]
    assert stream != [render(Pretrain(), place, 4, bert, mixture(place)) for place in range(20)]


def test_whole_words_are_hidden():
    bert = renderer_of("bert", "masked")
    text = Example((), "unbelievable quarrelsome watermelons disappeared mysteriously")
    begins = bert.begins(bert.spell(text.target))
    assert sum(begins) == 5 < len(begins)
    for place in range(10):
        gone = [target >= 0 for target in render(Pretrain(words=True, noise=0.4), place, 0, bert, text).targets[1:-1]]
        parted = [now != before for before, now, begin in zip(gone, gone[1:], begins[1:], strict=False) if not begin]
        assert any(gone) and not any(parted)


@pytest.mark.parametrize(("name", "family", "count"), [("llama", "causal", 5), ("t5", "seq2seq", 5), ("bert", "masked", 5)])
def test_a_word_begins_behind_a_blank(name, family, count):
    renderer = renderer_of(name, family)
    text = "The old bridge unbelievably disappeared"
    assert sum(renderer.begins(renderer.spell(" " + text))) == count


@pytest.mark.parametrize("policy", ["split", "drop"])
def test_documents_share_rows_and_do_not_see_each_other(policy):
    """What is learnt of a document packed beside others is what is learnt of it alone, whoever its neighbours are."""
    model = speaker("llama", vocab_size=61)
    model.renderer.text = lambda text, ended=False: [1, *model.renderer.spell(text), *[2] * ended]
    texts = [" ".join(f"w{12 + (n * k) % 40}" for n in range(5 + 3 * k)) for k in range(1, 6)]
    examples = Pretrain().within([Example((), text, id=text[:3]) for text in texts], model.renderer, 64, policy, 0, "x")

    def losses(chosen, **room):
        [batches] = Pretrain().updates([Placed(one) for one in chosen], model, Room(**room))
        found, rows = {}, 0
        for batch in batches:
            sums = batch.by_sequence(model(batch).logprobs())
            rows += len(batch.input_ids)
            found |= dict(zip(batch.numbers.tolist(), sums.tolist(), strict=True))
        return [found[number] for number in range(len(chosen))], rows

    packed, rows = losses(examples, layout="packed", width=48)
    alone = [losses([one], layout="padded")[0][0] for one in examples]
    assert rows < len(examples)
    assert packed == pytest.approx(alone, abs=1e-4)
    changed, _ = losses([examples[1], *examples[1:]], layout="packed", width=48)
    assert changed[2:] == pytest.approx(packed[2:], abs=1e-5)
