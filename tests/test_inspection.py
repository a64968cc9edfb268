"""What is told of a change, against changes that are known."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.models.networks import model
from tests.tiny import rows, tiny_model
from tunesmith import cli, registry, verbs
from tunesmith.comparison.inspected import Inspected, verdict
from tunesmith.comparison.inspected_panels import panels
from tunesmith.errors import UserError
from tunesmith.inspection import (
    Stored,
    change,
    differences,
    inspect,
    of_delta,
    pairwise,
    part_of,
    product_singular_values,
    row_of,
    singular_values,
    tight,
)
from tunesmith.methods.adalora import AdaLoRA
from tunesmith.models.load import ModelSettings, load

TREE = {
    "model": {"path": "model"},
    "tasks": {"sums.jsonl": 1.0},
    "forgetting": "none",
    "plan": {"steps": 4, "examples": 4, "learning_rate": 1e-2},
    "ask": {"tokens": 4},
    "limit": {"test": 2, "validation": 4},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    tiny_model(folder / "model")
    rows(folder / "sums.jsonl")
    return folder


def trained(method, folder, **more):
    return verbs.train({**TREE, "name": "one", "method": method, **more}, into=folder, quiet=True).folder


def known(values, outputs=12, inputs=7):
    """A matrix with these singular values."""
    torch.manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(size, len(values))).Q for size in (outputs, inputs))
    return left @ torch.diag(torch.tensor(values)) @ right.T


def test_the_numbers_of_a_known_change_by_hand():
    weight = torch.full((12, 7), 2.0)
    found = change("decoder.block.3.layer.0.SelfAttention.q", "decoder", singular_values(known([4.0, 2.0, 1.0])), weight, 7)
    assert found.singular[:3] == pytest.approx((4, 2, 1), abs=1e-5)
    assert found.norm == pytest.approx(math.sqrt(21), rel=1e-5)
    assert found.relative == pytest.approx(math.sqrt(21) / (2 * math.sqrt(84)), rel=1e-5)
    assert found.stable_rank == pytest.approx(21 / 16, rel=1e-5)
    entropy = -sum(p * math.log(p) for p in (4 / 7, 2 / 7, 1 / 7))
    assert found.effective_rank == pytest.approx(math.exp(entropy), rel=1e-4)
    assert found.rank_90 == 2  # 16 of 21 are 76 %, 20 are 95 %
    assert (found.row, found.role) == ("decoder 3", "query")


def test_equal_singular_values_have_their_number_as_every_rank():
    found = change("x", "", torch.tensor([3.0, 3.0, 3.0, 3.0]), torch.ones(4, 4), 4)
    assert (found.stable_rank, found.rank_90) == (pytest.approx(4), 4)
    assert found.effective_rank == pytest.approx(4)


def test_no_change_and_a_vector():
    still = change("a.layers.0.fc1", "only", torch.zeros(3), torch.ones(3, 3), 3)
    assert (still.relative, still.singular, still.stable_rank) == (0.0, (), None)
    vector = change("a.layers.0.final_layer_norm", "only", torch.tensor([3.0]), torch.tensor([0.0, 4.0]), 2)
    assert (vector.relative, vector.singular, vector.role) == (0.75, (), "norm")


@pytest.mark.parametrize("shape", [(9, 6), (6, 9), (40, 6)])
def test_factors_tell_the_singular_values_of_their_product(shape):
    torch.manual_seed(1)
    b, a = torch.randn(shape[0], 3), torch.randn(3, shape[1])
    expected = torch.linalg.svdvals(b.double() @ a.double())[:3]
    assert product_singular_values(b, a) == pytest.approx(expected)
    assert singular_values(b @ a)[:3] == pytest.approx(expected.float(), rel=1e-4)


def test_where_a_weight_stands():
    assert row_of("encoder.block.2.layer.0.SelfAttention.k") == "encoder 2"
    assert row_of("model.layers.11.mlp.up_proj", "only") == "layer 11"
    assert row_of("lm_head") == "outside"
    assert part_of("decoder.block.0.layer.1.EncDecAttention.q") == "cross_query"
    assert part_of("decoder.block.0.layer.1.layer_norm") == "norm"
    assert part_of("shared") == "embedding"
    assert part_of("lm_head") == "head"


def test_lora_of_a_run_equals_what_merging_adds(home, tmp_path, monkeypatch):
    monkeypatch.chdir(home)
    run = trained({"kind": "lora", "rank": 2}, tmp_path / "lora")
    made = inspect(run)
    saved = load_file(run / "adapter" / "adapter_model.safetensors")
    base = Stored(home / "model")
    assert len(made.found.changes) == len(saved) / 2
    for found in made.found.changes:
        a, b = (saved[f"base_model.model.{found.site}.lora_{part}.weight"] for part in "AB")
        expected = torch.linalg.svdvals(2 * (b @ a))[:2]
        assert torch.tensor(found.singular) == pytest.approx(expected, rel=1e-3, abs=1e-6)
        assert found.relative == pytest.approx(float((2 * b @ a).norm() / base.read(f"{found.site}.weight").norm()), rel=1e-3)
        assert found.limit == 2
    assert made.folder == run / "inspection"
    files = {path.name for path in made.folder.iterdir()}
    assert files >= {"inspection.json", "inspection.md", "change.svg", "change.png", "singular-values.png"}
    assert json.loads((made.folder / "inspection.json").read_text())["changes"][0]["limit"] == 2


def test_full_tuning_is_told_tensor_by_tensor(home, tmp_path, monkeypatch):
    monkeypatch.chdir(home)
    run = trained("full", tmp_path / "full")
    made = inspect(run).found
    before, after = Stored(home / "model"), Stored(run / "model")
    assert made.left_out == ()
    rows = list(dict.fromkeys(change.row for change in made.changes))
    assert rows == ["encoder 0", "decoder 0", "outside"]
    assert {change.site for change in made.changes} == {name.removesuffix(".weight") for name in after.files}
    one = next(change for change in made.changes if change.role == "mlp_down")
    added = after.read(f"{one.site}.weight") - before.read(f"{one.site}.weight")
    assert one.norm == pytest.approx(float(added.norm()), rel=1e-4)
    assert one.singular == pytest.approx(torch.linalg.svdvals(added).tolist(), rel=1e-3, abs=1e-5)


METHODS = {  # what cannot be left out
    "selective": {"parts": ["attention", "norm"]},
    "combined": {"parts": [{"kind": "lora", "rank": 2}, {"kind": "prompt", "virtual_tokens": 2}]},
}


@pytest.mark.parametrize("method", sorted({*registry.names("tunesmith.methods")} - {"frozen"}))  # which changes no network
def test_every_method_can_be_inspected(home, tmp_path, monkeypatch, method):
    """Each run has a change, a prompt, or a reason why neither is told; a change is what folding adds."""
    monkeypatch.chdir(home)
    run = trained({"kind": method, **METHODS.get(method, {})}, tmp_path / method)
    found = inspect(run).found
    assert found.changes or found.prompts or found.left_out
    if not (run / "adapter").is_dir():
        return
    adapter = load(ModelSettings(path=str(run)), device="cpu").adapter("run")
    for path, delta in adapter.deltas.items():
        weight = adapter.sites[path].weight()
        try:
            added = (delta.fold(weight) - weight).detach()
        except NotImplementedError:
            continue
        [one] = [change for change in found.changes if change.site == path]
        assert one.norm == pytest.approx(float(added.norm()), rel=1e-3, abs=1e-6)


def test_a_planted_change_is_found_and_nothing_else(home, tmp_path):
    weights = load_file(home / "model" / "model.safetensors")
    name = "encoder.block.0.layer.1.DenseReluDense.wi_0.weight"
    name = name if name in weights else next(name for name in weights if "DenseReluDense.w" in name)
    weights[name] = weights[name] + known([0.5, 0.25], *weights[name].shape)
    save_file(weights, tmp_path / "model.safetensors")
    found = list(differences(weights, Stored(tmp_path).read, Stored(home / "model"), []))
    [moved] = [change for change in found if change.norm]
    assert f"{moved.site}.weight" == name
    assert moved.singular[:2] == pytest.approx((0.5, 0.25), rel=1e-4)
    assert moved.rank_90 == 2


def test_words_near_a_soft_prompt(home, tmp_path, monkeypatch):
    monkeypatch.chdir(home)
    method = {"kind": "prompt", "virtual_tokens": 3, "init": "text", "text": "sum sum sum"}
    run = trained(method, tmp_path / "prompt", plan={"steps": 1, "examples": 4, "learning_rate": 1e-9})
    [prompt] = inspect(run, nearest=3).found.prompts
    assert len(prompt.tokens) == 3
    for token in prompt.tokens:  # it has hardly moved from the word it began as
        first = token.by_cosine[0]
        assert first.cosine == pytest.approx(1, abs=1e-4)
        assert first.distance == pytest.approx(0, abs=1e-2)
        assert token.by_distance[0].word == first.word
        assert [near.cosine for near in token.by_cosine] == sorted((near.cosine for near in token.by_cosine), reverse=True)
    ours, random, words = prompt.tightness
    assert ours.cosine > 0.99 > random.cosine
    assert words.cosine < 0.9999
    assert "prompt.svg" in {path.name for path in (run / "inspection").iterdir()}


def test_tightness_by_hand():
    words = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    found = tight("x", torch.tensor([[2.0, 0.0]]), words, 2)
    assert (found.cosine, found.distance, found.together) == (1.0, 1.0, 0.0)
    own = tight("x", words[:1], words, 1, own=torch.tensor([0]))
    assert own.cosine == 0.0
    assert own.distance == pytest.approx(math.sqrt(2))


def test_what_cannot_be_inspected(home, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(home)
    run = trained("none", tmp_path / "none")
    with pytest.raises(UserError, match="has learnt nothing"):
        inspect(run)
    run = trained("full", tmp_path / "full")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="which is not here") as error:
        inspect(run)
    assert "--base" in error.value.hint
    cli.main(["inspect", str(run), "--base", str(home / "model"), "--json"])
    assert json.loads(capsys.readouterr().out)["method"] == "full"
    cli.main(["inspect", str(run), "--base", str(home / "model")])
    assert "By part" in capsys.readouterr().out


def test_the_ranks_that_adalora_gave_are_told_by_place():
    made = model("llama")
    adapter = made.attach("a", AdaLoRA(rank=2, start_rank=4, on=("query", "value")))
    for number, delta in enumerate(adapter.deltas.values()):
        with torch.no_grad():
            delta.e_R1.fill_(0.5)
        delta.cut(torch.tensor([1.0, 1.0, float(number > 1), 0.0]))
    changes = [of_delta(adapter.sites[path], delta) for path, delta in adapter.deltas.items()]
    assert [one.given for one in changes] == [2, 2, 3, 3] and all(len(one.singular) == one.given for one in changes)
    for one, (path, delta) in zip(changes, adapter.deltas.items(), strict=True):
        weight = adapter.sites[path].weight()
        assert one.norm == pytest.approx(float((delta.fold(weight) - weight).detach().norm()), rel=1e-4)
    [panel] = panels(Inspected("r", "adalora", "b", tuple(changes), ()))["ranks"]
    assert "10 in all" in panel.note


def test_more_neighbours_than_there_are_words_are_all_of_them(home, tmp_path, monkeypatch):
    monkeypatch.chdir(home)
    run = trained({"kind": "prompt", "virtual_tokens": 2}, tmp_path / "prompt", plan={"steps": 1, "examples": 4})
    [prompt] = inspect(run, nearest=99999).found.prompts
    assert {len(token.by_cosine) for token in prompt.tokens} == {prompt.vocabulary - 1}
    with pytest.raises(UserError, match="`--nearest` is 0"):
        inspect(run, nearest=0)


def test_the_mean_cosine_between_vectors_is_that_of_all_pairs():
    torch.manual_seed(0)
    vectors = torch.randn(7, 5)
    pairs = [torch.cosine_similarity(a, b, dim=0) for i, a in enumerate(vectors) for j, b in enumerate(vectors) if i != j]
    assert pairwise(vectors) == pytest.approx(float(torch.stack(pairs).mean()), abs=1e-6)


def other(home, folder, scale):
    """The network with other weights, in the same shapes."""
    weights = {name: value * scale + 0.01 for name, value in load_file(home / "model" / "model.safetensors").items()}
    folder.mkdir()
    for file in (home / "model").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.parametrize("method", ["full", {"kind": "selective", "parts": ["norm"]}], ids=["full", "selective"])
def test_another_network_is_no_base(home, tmp_path, monkeypatch, method, capsys):
    monkeypatch.chdir(home)
    run = trained(method, tmp_path / "run")
    tiny_model(tmp_path / "llama", "llama")
    with pytest.raises(UserError) as error:
        inspect(run, base=str(tmp_path / "llama"))
    assert method != "full" or ("is another network: 0 of" in error.value.problem and "--base" in error.value.hint)
    assert inspect(run, base=str(home / "model")).found.left_out == inspect(run).found.left_out
    [doubt] = set(inspect(run, base=str(other(home, tmp_path / "other", 1.5))).found.left_out) - set(
        inspect(run).found.left_out
    )
    assert "has other weights than the network that this was tuned from" in doubt
    cli.main(["inspect", str(run), "--base", str(tmp_path / "other")])
    assert "has other weights" in " ".join(capsys.readouterr().out.split())


def test_a_base_that_was_moved_is_found_for_an_adapter(home, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(home)
    tiny_model(tmp_path / "base")
    run = trained({"kind": "lora", "rank": 2}, tmp_path / "run", model={"path": str(tmp_path / "base")})
    before = inspect(run).found
    (tmp_path / "base").rename(tmp_path / "moved")
    found = inspect(run, base=str(tmp_path / "moved")).found
    assert found.changes == before.changes and found.base == str(tmp_path / "moved")
    with pytest.raises(UserError, match="an adapter and no network") as told:
        inspect(run, base=str(run))
    assert str(tmp_path / "base") in told.value.hint
    inspect(run, base=str(other(home, tmp_path / "other", 1.5)))
    assert "its base has other weights" in capsys.readouterr().err


@pytest.mark.parametrize(("method", "rate"), [("full", 30.0), ("lora", 1e-30)])
def test_a_run_in_which_nothing_changed_says_so(home, tmp_path, monkeypatch, method, rate, capsys):
    monkeypatch.chdir(home)
    run = trained(method, tmp_path / "run", plan={"steps": 3, "examples": 4, "learning_rate": rate, "validate_every": 1})
    assert json.loads((run / "world.json").read_text())["best_step"] == 0
    cli.main(["inspect", str(run)])
    told = " ".join(capsys.readouterr().out.split())
    assert told.startswith("Nothing changed: all ") and "the weights of step 0 were kept" in told
    assert "Moved most" not in told and "By part" not in told
    written = (run / "inspection" / "inspection.md").read_text()
    assert "Nothing changed" in written and "Every weight" not in written
    assert not list((run / "inspection").glob("*.png"))


def test_vectors_alone_have_a_headline(home, tmp_path, monkeypatch):
    monkeypatch.chdir(home)
    run = trained({"kind": "selective", "parts": ["norm"]}, tmp_path / "run")
    assert any("vectors changed, by" in line for line in verdict(inspect(run).found))
