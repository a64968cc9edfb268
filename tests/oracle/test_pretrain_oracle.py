"""Plain text against transformers itself: the losses of its own networks, its page on perplexity, pseudo-perplexity by hand."""

from types import SimpleNamespace

import pytest
import torch

from tests.models.networks import network
from tunesmith.data.example import Example
from tunesmith.evaluation.ask import weigh
from tunesmith.models.load import ASSETS
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.pretrain import Pretrain
from tunesmith.tokens.packing import Room
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import IGNORED

NAMES = {"llama": "causal", "t5": "seq2seq", "bert": "masked"}
TEXTS = [
    "The old bridge was mended on Friday, and the mill went on. Nobody had seen who did it.",
    "Ann sold two loaves.",
    "A letter came for the baker: his sister had found work beyond the river, and a house with a red door.",
]
WINDOW = 24


def made(name, **changed):
    """A tiny network with random weights that reads with the embedded tokenizer."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(ASSETS / name))
    bare = network(name, vocab_size=len(tokenizer) + 8, **changed)
    renderer = Renderer.of(tokenizer, NAMES[name], SimpleNamespace(decoder_start_token_id=0), chat="none")
    return Model(bare, renderer, NAMES[name]).eval()


def learnt(model, objective, room, window=None):
    """(loss, targets) of all texts, and the sequences they make."""
    examples = objective.within([Example((), text) for text in TEXTS], model.renderer, window, "split", 0, "x")
    placed = [Placed(example, place) for place, example in enumerate(examples)]
    [batches] = objective.updates(placed, model, room)
    sums = [(objective.loss(model, batch).total.item(), batch.count("target")) for batch in batches]
    rows = [objective.render(one, model.renderer)[0] for one in placed]
    return sum(loss for loss, _ in sums) / sum(count for _, count in sums), rows


@pytest.mark.parametrize("room", [Room(layout="packed", width=80), Room(layout="padded")], ids=lambda room: room.layout)
def test_the_causal_loss_is_transformers_own(room):
    model = made("llama")
    ours, _ = learnt(model, Pretrain(), room)
    nats = count = 0.0
    for text in TEXTS:
        ids = torch.tensor([[*model.renderer.tokenizer(text)["input_ids"], model.renderer.end]])
        nats += model.network(input_ids=ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        count += ids.shape[1] - 1
    assert ours == pytest.approx(nats / count, abs=1e-5)


@pytest.mark.parametrize("words", [False, True])
def test_the_masked_loss_is_berts_own(words):
    model = made("bert")
    ours, rows = learnt(model, Pretrain(noise=0.3, words=words), Room())
    width = max(len(row.inputs) for row in rows)
    padded = {"input_ids": (0, "inputs"), "labels": (IGNORED, "targets")}
    given = {
        name: torch.tensor([[*getattr(row, part), *[fill] * (width - len(row.inputs))] for row in rows])
        for name, (fill, part) in padded.items()
    }
    seen = torch.tensor([[1] * len(row.inputs) + [0] * (width - len(row.inputs)) for row in rows])
    assert ours == pytest.approx(model.network(attention_mask=seen, **given).loss.item(), abs=1e-5)


@pytest.mark.parametrize("objective", [Pretrain(), Pretrain(whole=1.0), Pretrain(prefix=1.0)])
def test_the_loss_of_hidden_spans_is_t5s_own(objective):
    model = made("t5")
    ours, rows = learnt(model, objective, Room(), window=20)
    nats = count = 0.0
    for row in rows:
        said = torch.tensor([row.targets])
        nats += model.network(input_ids=torch.tensor([row.source]), labels=said).loss.item() * said.numel()
        count += said.numel()
    assert len(rows) > len(TEXTS)
    assert ours == pytest.approx(nats / count, abs=1e-5)


@torch.no_grad()
def slid(bare, ids, most, stride):
    """The loop of huggingface.co/docs/transformers/perplexity: summed nats, and tokens that are counted."""
    nats = count = before = 0.0
    for begin in range(0, len(ids), stride):
        end = min(begin + most, len(ids))
        fresh = int(end - before)
        shown = torch.tensor([ids[begin:end]])
        labels = shown.clone()
        labels[:, :-fresh] = IGNORED
        counted = int((labels[:, 1:] != IGNORED).sum())
        nats += bare(shown, labels=labels).loss.item() * counted
        count += counted
        before = end
        if end == len(ids):
            break
    return nats, count


@pytest.mark.parametrize("stride", [1, 7, 12, WINDOW - 1])
def test_sliding_windows_are_those_of_transformers_page(stride):
    model = made("llama", max_position_embeddings=WINDOW)
    text = " ".join(TEXTS)
    ids = model.renderer.text(text)
    nats, count = slid(model.network, ids, WINDOW + 1, stride)  # the page's last token of a window predicts nothing
    [answer] = weigh(model, [Example((), text)], overlap=WINDOW - stride)
    assert len(ids) > 2 * WINDOW
    assert answer.tokens == count == len(ids) - 1
    assert -(answer.logprob or 0.0) == pytest.approx(nats, abs=1e-3)
    assert answer.how == f"weigh overlap={WINDOW - stride}"


@torch.no_grad()
def test_pseudo_perplexity_hides_each_token_alone():
    """Salazar et al., 2020: the sum over places of log p(token | all others)."""
    model = made("bert")
    answers = weigh(model, [Example((), text) for text in TEXTS], Room(rows=5), one_by_one=True)
    for text, answer in zip(TEXTS, answers, strict=True):
        ids = model.renderer.tokenizer(text)["input_ids"]
        expected = 0.0
        for place in range(1, len(ids) - 1):
            shown = torch.tensor([[*ids[:place], model.renderer.mask, *ids[place + 1 :]]])
            expected += model.network(shown).logits[0, place].log_softmax(-1)[ids[place]].item()
        assert answer.tokens == len(ids) - 2
        assert answer.logprob == pytest.approx(expected, abs=1e-3)
        assert answer.how == "weigh one_by_one"
