"""Laws of speaking: company, batch size and cache never change an answer."""

import pytest
import torch

from tests.models.methods import BESIDE
from tests.models.networks import NETWORKS
from tests.models.rows import laid
from tests.models.speakers import attached, prompts, speaker
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.models import routing
from tunesmith.models.model import Model
from tunesmith.tokens.sequence import IGNORED, Tokens, seq2seq

SPEAKING = [name for name, (family, _, _) in NETWORKS.items() if family != "masked"]
KINDS = ["llama", "gpt2", "qwen3", "mistral", "t5", "bart"]
METHODS = BESIDE
ONE_BY_ONE = {"PromptTuning", "PrefixTuning", "PTuning"}  # they change virtual tokens alone
GREEDY = Sampling(tokens=14)
DRAWN = Sampling(tokens=14, temperature=1.3, top_p=0.9, top_k=20, seed=5)


def scattered(answers: list[tuple[int, ...]]) -> int:
    """The id that stands first at as many different places of the answers as can be: as a stop, it ends them apart."""
    ids = sorted({id_ for answer in answers for id_ in answer})
    return max(ids, key=lambda id_: len({answer.index(id_) for answer in answers if id_ in answer}))


def uncached(model: Model, prompt: list[int], tokens: int, adapter: str | None = None) -> tuple[list[int], float]:
    """Greedily, the whole row read again for every token."""
    said: list[int] = []
    logprob = 0.0
    adapters = None if adapter is None else (adapter,)
    name = model.active if adapter is None else adapter
    virtual = model.adapter(name).method.virtual_tokens if name else 0
    inside = model.adapter(name).method.in_decoder if name else False
    while len(said) < tokens and not (said and said[-1] in model.renderer.stops):
        row = Tokens(tuple(prompt + said), (IGNORED,) * len(prompt + said))
        if model.family == "seq2seq":
            row = seq2seq(prompt, [*said, 0], model.renderer.start)
        with torch.no_grad():
            logits = model(laid([row], virtual, adapters, inside)).next_logits()[0].log_softmax(-1)
        said.append(int(logits.argmax()))
        logprob += float(logits[said[-1]])
    return said, logprob


@pytest.mark.parametrize("name", SPEAKING)
def test_mixed_lengths_in_a_batch_equal_one_by_one_equal_uncached(name):
    model, asked = speaker(name, stops=frozenset()), prompts()
    endless = generate(model, asked, GREEDY)
    model.renderer.stops = frozenset({scattered([said.ids for said in endless])})
    together, alone = generate(model, asked, GREEDY, rows=4), generate(model, asked, GREEDY, rows=1)
    for prompt, first, second in zip(asked, together, alone, strict=True):
        ids, logprob = uncached(model, prompt, GREEDY.tokens)
        assert list(first.ids) == list(second.ids) == ids
        assert first.logprob == pytest.approx(logprob, abs=2e-4)
        assert second.logprob == pytest.approx(logprob, abs=2e-4)
    assert len({len(spoken.ids) for spoken in together}) > 1, "a law about rows that leave early"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", KINDS)
def test_an_adapter_speaks_cached_as_uncached(name, method):
    model, asked = attached(speaker(name), "a", METHODS[method]), prompts()
    bare = generate(model, asked, GREEDY, rows=4, adapters=[""] * len(asked))
    spoken = generate(model, asked, GREEDY, rows=4)
    assert [s.ids for s in spoken] != [s.ids for s in bare], "the adapter says something of its own"
    for prompt, said in zip(asked, spoken, strict=True):
        ids, logprob = uncached(model, prompt, GREEDY.tokens)
        assert list(said.ids) == ids
        assert said.logprob == pytest.approx(logprob, abs=2e-4)


@pytest.mark.parametrize("name", KINDS)
def test_adapters_mixed_in_a_batch_equal_each_alone(name):
    model, asked = speaker(name), prompts()
    for number, (called, method) in enumerate(METHODS.items()):
        attached(model, called, method, seed=number)
    names = [("", *METHODS)[n % (1 + len(METHODS))] for n in range(len(asked))]
    mixed = generate(model, asked, GREEDY, rows=5, adapters=names)
    for prompt, adapter, said in zip(asked, names, mixed, strict=True):
        [alone] = generate(model, [prompt], GREEDY, adapters=[adapter])
        assert said.ids == alone.ids
        assert list(said.ids) == uncached(model, prompt, GREEDY.tokens, adapter)[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["llama", "gpt2", "t5"])
def test_adapters_of_one_kind_asked_at_once_equal_each_alone(name, method, monkeypatch):
    model, asked = speaker(name), prompts()
    for number in range(3):
        attached(model, f"a{number}", METHODS[method], seed=number)
    names = [("a0", "a1", "a2", "")[n % 4] for n in range(len(asked))]
    stacked = []
    table = routing.table
    monkeypatch.setattr(routing, "table", lambda rows, *given: stacked.append(rows) or table(rows, *given))
    mixed = generate(model, asked, GREEDY, rows=5, adapters=names)
    assert bool(stacked) == (method not in ONE_BY_ONE)
    for prompt, adapter, said in zip(asked, names, mixed, strict=True):
        [alone] = generate(model, [prompt], GREEDY, adapters=[adapter])
        assert said.ids == alone.ids
        assert said.logprob == pytest.approx(alone.logprob, abs=1e-3)


@pytest.mark.parametrize("name", KINDS)
def test_a_drawn_answer_depends_neither_on_company_nor_on_batch_size(name):
    model, asked = speaker(name), prompts()
    expected = [spoken.ids for spoken in generate(model, asked, DRAWN, rows=1)]
    assert [spoken.ids for spoken in generate(model, asked, DRAWN, rows=4)] == expected
    assert [spoken.ids for spoken in generate(model, asked, DRAWN, rows=16)] == expected
    backwards = generate(model, asked[::-1], DRAWN, rows=3)
    assert [spoken.ids for spoken in backwards[::-1]] == expected
    assert [generate(model, [prompt], DRAWN)[0].ids for prompt in asked[:3]] == expected[:3]


@pytest.mark.parametrize("name", ["llama", "t5", "bart"])
def test_equal_prompts_get_draws_of_their_own(name):
    model = speaker(name)
    spoken = generate(model, [[12, 13, 14]] * 6, DRAWN, rows=4)
    assert len({said.ids for said in spoken}) > 1
    assert generate(model, [[12, 13, 14]] * 2, DRAWN)[1].ids == spoken[1].ids


def test_speaking_leaves_no_trace():
    model = attached(speaker("llama"), "a", METHODS["LoRA"])
    model.train()
    model.network.model.norm.eval()
    before = {module: module.training for module in model.modules()}
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    generate(model, prompts(), DRAWN, rows=4)
    assert torch.equal(torch.rand(3), expected)
    assert before == {module: module.training for module in model.modules()}
    loss = model(laid([Tokens((12, 13), (13, 14))])).logprobs().sum()
    loss.backward()
    assert all(p.grad is not None for p in model.adapter().trained().values())


@pytest.mark.parametrize("name", [*SPEAKING])
def test_a_prompt_that_several_rows_answer_is_read_once_and_changes_none(name):
    """Side by side, apart, alone: the same draws; the copies of a prompt get answers of their own."""
    model, asked = speaker(name), prompts()[:5]
    drawn = Sampling(tokens=9, temperature=1.3, seed=5)
    several = [prompt for prompt in asked for _ in range(3)]
    together = generate(model, several, drawn, rows=7)
    alone = generate(model, several, drawn, rows=1)
    assert [one.ids for one in together] == [one.ids for one in alone]
    assert len({one.ids for one in together}) > len(asked)


@pytest.mark.parametrize("name", ["llama", "gpt2", "t5", "bart"])
def test_a_prompt_is_read_once_under_soft_prompts_too(name):
    model = attached(speaker(name), "a", METHODS["PrefixTuning"], seed=1)
    several = [prompt for prompt in prompts()[:4] for _ in range(2)]
    names = ["a", "a", "", "", "a", "", "", "a"]
    together, alone = (generate(model, several, GREEDY, rows=rows, adapters=names) for rows in (8, 1))
    assert [one.ids for one in together] == [one.ids for one in alone]
