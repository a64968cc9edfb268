"""Models and adapters that are broken: a message with the file or the setting and the remedy, and never a network at random."""

import json
import os
import pickle
import shutil
import stat

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.bad_input.broken import ADAPTERS, INDEX, LAYER, MODELS, WEIGHTS, archived, edited, folders, sharded
from tests.models.test_load import batch, folder_of
from tunesmith import settings
from tunesmith.errors import UserError
from tunesmith.handover import merge_run
from tunesmith.models.load import ModelSettings, load, load_renderer
from tunesmith.models.pickles import convert


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    base, adapter = folders(tmp_path_factory.mktemp("whole"))
    (adapter / "manifest.json").unlink()  # as PEFT writes it: what is wrong is to be found without a list of hashes
    return base, adapter


def read(path, **given):
    return load(settings.build(ModelSettings, {"path": str(path), **given}, "model"), device="cpu")


def copied(folder, place):
    shutil.copytree(folder, place)
    (place / "manifest.json").unlink(missing_ok=True)  # other programs write none, and it would tell of every change
    return place


def refused(folder, words, given):
    with pytest.raises(UserError) as caught:
        read(**{"path": folder, **given})
    told = str(caught.value)
    assert all(word in told for word in words), told
    assert caught.value.hint, "a remedy"
    assert len(told) < 900, "a message that can be read"
    assert not list(folder.parent.rglob("ran")), "code that came along was run"


@pytest.mark.parametrize("kind", MODELS)
def test_a_broken_model_is_refused_with_the_remedy(kind, whole, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    broken, words = MODELS[kind]
    folder = copied(whole[0], tmp_path / "model")
    refused(folder, words, dict(broken(folder) or {}))


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_broken_adapter_is_refused_with_the_remedy(kind, whole, tmp_path):
    broken, words = ADAPTERS[kind]
    folder = copied(whole[1], tmp_path / "adapter")
    refused(folder, words, dict(broken(folder) or {}))


def test_adapters_in_a_circle_are_refused(whole, tmp_path):
    first, second = copied(whole[1], tmp_path / "first"), copied(whole[1], tmp_path / "second")
    edited(first / "adapter_config.json", base_model_name_or_path=str(second))
    edited(second / "adapter_config.json", base_model_name_or_path=str(first))
    refused(first, ("names itself as its base",), {})


@pytest.mark.parametrize("look", [read, lambda path: load_renderer(ModelSettings(path=str(path)))], ids=["all", "tokenizer"])
def test_an_adapter_on_an_adapter_is_refused_before_anything_is_loaded(whole, tmp_path, monkeypatch, look):
    lower, upper = copied(whole[1], tmp_path / "lower"), copied(whole[1], tmp_path / "upper")
    edited(upper / "adapter_config.json", base_model_name_or_path=str(lower))
    monkeypatch.setattr("tunesmith.models.load._config", lambda *given: pytest.fail("something was read"))
    with pytest.raises(UserError) as told:
        look(upper)
    assert str(upper) in told.value.problem and str(lower) in told.value.problem
    assert f"`tunesmith merge {lower} merged`" in told.value.hint
    monkeypatch.undo()
    (tmp_path / "prompts.txt").write_text("One and two.\n")
    merge_run(str(lower), tmp_path / "merged", prompts=tmp_path / "prompts.txt")  # what the hint says goes on
    edited(upper / "adapter_config.json", base_model_name_or_path=str(tmp_path / "merged"))
    assert read(upper).active == "run"


def test_an_adapter_of_another_base_is_refused_for_its_shapes_and_told_for_its_values(whole, tmp_path, capsys):
    other = folder_of(tmp_path / "other", "llama", num_key_value_heads=2, hidden_size=32)
    adapter = copied(whole[1], tmp_path / "adapter")
    edited(adapter / "adapter_config.json", base_model_name_or_path=str(other))
    refused(adapter, ("has the shape", "it was trained on"), {})
    same = copied(whole[0], tmp_path / "same")
    tensors = load_file(same / WEIGHTS)
    save_file({name: value + 1 for name, value in tensors.items()}, same / WEIGHTS, metadata={"format": "pt"})
    edited(adapter / "adapter_config.json", base_model_name_or_path=str(same))
    read(adapter)
    assert "its base has other weights" in capsys.readouterr().err


def test_what_is_odd_but_whole_is_read_as_ever(whole, tmp_path, capsys):
    expected = read(whole[0])(batch()).logprobs()
    folder = copied(whole[0], tmp_path / "sharded")
    sharded(lambda places: None)(folder)
    assert torch.equal(read(folder)(batch()).logprobs(), expected)
    linked = copied(whole[0], tmp_path / "linked")
    (linked / WEIGHTS).rename(tmp_path / "elsewhere")  # as the hub's cache lays it out
    (linked / WEIGHTS).symlink_to(tmp_path / "elsewhere")
    assert torch.equal(read(linked)(batch()).logprobs(), expected)
    assert not capsys.readouterr().err.count("warning")
    more = copied(whole[0], tmp_path / "more")
    save_file(load_file(more / WEIGHTS) | {"vision.patch": torch.zeros(2)}, more / WEIGHTS, metadata={"format": "pt"})
    assert torch.equal(read(more)(batch()).logprobs(), expected)
    assert "holds `vision.patch`, which this network does not read" in capsys.readouterr().err


def test_a_tokenizer_without_padding_or_smaller_than_the_embedding_is_enough(whole, tmp_path):
    folder = copied(whole[0], tmp_path / "model")
    edited(folder / "tokenizer_config.json", pad_token=...)
    edited(folder / "config.json", pad_token_id=None)
    edited(folder / "generation_config.json", pad_token_id=None)
    made = read(folder)
    assert made.renderer.pad == made.renderer.end
    tree = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tree["model"]["vocab"] = {word: number for word, number in tree["model"]["vocab"].items() if number < 40}
    (folder / "tokenizer.json").write_text(json.dumps(tree), encoding="utf-8")
    assert read(folder).renderer.vocabulary == 40


@pytest.mark.parametrize("packed", [False, True])
def test_not_a_number_is_found_in_a_packed_network_too(packed, tmp_path):
    folder = folder_of(tmp_path / "model", "llama", hidden_size=64, num_key_value_heads=2)
    tensors = load_file(folder / WEIGHTS)
    tensors[LAYER].view(-1)[7] = float("nan")
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    refused(folder, (LAYER,), {"quantize": "nf4" if packed else "none"})


def test_a_file_that_may_not_be_read_is_told(whole, tmp_path):
    folder = copied(whole[0], tmp_path / "model")
    read(folder)
    (folder / "config.json").chmod(0)
    for place in (tmp_path, *tmp_path.parents):
        if place.stat().st_uid == os.geteuid() and not place.stat().st_mode & stat.S_IXOTH:
            place.chmod(0o755)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)  # the administrator may read everything
    try:
        refused(folder, ("ermission",), {})
    finally:
        os.seteuid(before)


# Names on a hub that cannot be reached, or that has no such thing
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nobody/nothing-at-all", ("nobody/nothing-at-all", "cannot be reached", "local folder")),
        ("not a name!", ("not a name!",)),
        ("../../etc", ("../../etc",)),
        ("a//b", ("a//b",)),
        ("town/t55", ("town/t55", "did you mean `town/t5`")),
        ("owner/name\0x", ("owner/name",)),
        ("x" * 300, ("model.path",)),
        ("~nobody-here/model", ("model.path",)),
    ],
)
def test_hub_names_without_a_network_or_misspelt(path, words, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError) as caught:
        read(path)
    told = str(caught.value).replace("\n", " ")
    assert all(word in told for word in words) and caught.value.hint, told


class Evil:
    """Runs when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("shape", ["whole", "pieces", "checkpoint", "parallel", "adapter"])
def test_pickles_convert_to_the_same_network(shape, whole, tmp_path):
    base, adapter = whole
    folder = copied(adapter if shape == "adapter" else base, tmp_path / "pickled")
    weights = next(folder.glob("*.safetensors"))
    tensors = load_file(weights)
    weights.unlink()
    if shape == "pieces":
        names = sorted(tensors)
        for number, inside in enumerate((names[::2], names[1::2]), start=1):
            torch.save({name: tensors[name] for name in inside}, folder / f"pytorch_model-0000{number}-of-00002.bin")
    elif shape == "checkpoint":
        torch.save({"state_dict": tensors, "step": 7}, folder / "last.ckpt")
    elif shape == "parallel":
        torch.save({f"module.{name}": value for name, value in tensors.items()}, folder / "model.pt")
    else:
        torch.save(tensors, folder / ("adapter_model.bin" if shape == "adapter" else "pytorch_model.bin"))
    made = convert(folder, tmp_path / "out")
    expected = read(adapter if shape == "adapter" else base)(batch()).logprobs()
    assert torch.equal(read(made.folder)(batch()).logprobs(), expected)
    assert made.tensors == len(tensors) and (made.folder / INDEX).exists() == (shape == "pieces")
    assert not list(made.folder.glob("*.bin")) and not list(made.folder.glob("*.pt"))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_with_code_is_not_converted(whole, tmp_path):
    folder = copied(whole[0], tmp_path / "model")
    (folder / WEIGHTS).unlink()
    torch.save({"weight": torch.zeros(2), "more": Evil(tmp_path / "ran")}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"holds more than tensors.*open"):
        convert(folder, tmp_path / "out")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(UserError, match=r"holds more than tensors|cannot be read"):
        convert(folder, tmp_path / "out")
    assert not (tmp_path / "ran").exists() and not (tmp_path / "out").exists()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["model"], "nothing half-written"


def test_what_cannot_be_converted_is_told(whole, tmp_path):
    for folder, words in ((tmp_path / "nowhere", "no folder"), (whole[0], "no pickle")):
        with pytest.raises(UserError, match=words) as caught:
            convert(folder, tmp_path / "out")
        assert caught.value.hint
    folder = copied(whole[0], tmp_path / "model")
    archived(folder)
    torch.save({"a": 1}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="no weights by name"):
        convert(folder, tmp_path / "out")
    (folder / "pytorch_model.bin").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(UserError, match="cannot be read"):
        convert(folder, tmp_path / "out")
    with pytest.raises(UserError, match="there already"):
        convert(folder, folder)
