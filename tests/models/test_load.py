"""Models from folders: whole, in pieces, of the wrong kind."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.models.networks import SMALL, V
from tunesmith.errors import UserError
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.models.head import HeadPlan
from tunesmith.models.load import ModelSettings, load, load_renderer
from tunesmith.models.weights import save_adapter
from tunesmith.tokens.batch import Rows, collate
from tunesmith.tokens.sequence import causal

FAMILIES = {"llama": "causal", "t5": "seq2seq", "bert": "masked"}


def folder_of(place, kind, dtype=torch.float32, **changed):
    """A tiny network with a tokenizer of its own, as transformers writes them."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    from tests.models.networks import T5

    words = ["<pad>", "<s>", "</s>", "<unk>", "<mask>", *[f"w{n}" for n in range(V - 5)]]
    raw = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    named = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=raw, **named).save_pretrained(place)
    kinds = {
        "causal": transformers.AutoModelForCausalLM,
        "seq2seq": transformers.AutoModelForSeq2SeqLM,
        "masked": transformers.AutoModelForMaskedLM,
    }
    config = transformers.AutoConfig.for_model(kind, **{**(T5 if kind == "t5" else SMALL), **changed})
    torch.manual_seed(0)
    network = kinds[FAMILIES[kind]].from_config(config)
    network.to(dtype).save_pretrained(place)
    return place


def batch():
    ids = [5, 9, 6, 8, 7]
    return collate(Rows(((causal(ids, [1.0] * 5),),), ((0,),)))


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_family_is_found(tmp_path, kind):
    made = load(ModelSettings(path=str(folder_of(tmp_path, kind))), device="cpu")
    assert made.family == FAMILIES[kind] == made.renderer.family
    assert not made.training and not any(p.requires_grad for p in made.parameters())
    renderer, window = load_renderer(ModelSettings(path=str(tmp_path)))
    assert (renderer.stops, renderer.start, renderer.family) == (made.renderer.stops, made.renderer.start, made.family)
    assert window == made.window


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_as_float32_on_a_cpu(tmp_path, half):
    made = load(ModelSettings(path=str(folder_of(tmp_path, "llama", half))), device="cpu")
    assert made.dtype == torch.float32
    asked = load(ModelSettings(path=str(tmp_path), dtype="bfloat16"), device="cpu")
    assert asked.dtype == torch.bfloat16
    adapter = asked.attach("a", LoRA())
    assert {p.dtype for p in adapter.trained().values()} == {torch.float32}, "adapters are float32 on any network"
    assert asked(batch()).logprobs().dtype == torch.float32


@pytest.mark.parametrize("bare", [False, True])
def test_a_run_with_an_adapter_stands_on_its_base(tmp_path, bare):
    base = folder_of(tmp_path / "base", "llama")
    made = load(ModelSettings(path=str(base)), plan=HeadPlan(labels=("a", "b", "c")), device="cpu")
    adapter = made.attach("mine", LoRA(rank=2))
    with torch.no_grad():
        for parameter in adapter.trained().values():
            parameter.add_(torch.randn_like(parameter))
    save_adapter(tmp_path / "run", adapter, made)
    folder = tmp_path / "run"
    again = load(ModelSettings(path=str(folder / "adapter" if bare else folder)), device="cpu")
    assert again.head is not None and torch.equal(again.head.weight, made.head.weight)
    torch.testing.assert_close(again(batch()).logprobs(), made(batch()).logprobs())
    assert again.source == str(base)


@pytest.mark.parametrize("tied", [True, False])
def test_full_tuning_is_written_for_transformers_alone(tmp_path, tied):
    import transformers

    made = load(ModelSettings(path=str(folder_of(tmp_path / "base", "llama", tie_word_embeddings=tied))), device="cpu")
    adapter = made.attach("mine", Full())
    with torch.no_grad():
        for parameter in {id(p): p for p in adapter.trained().values()}.values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    saved = save_adapter(tmp_path / "run", adapter, made)
    assert saved == tmp_path / "run" / "model"
    alone, info = transformers.AutoModelForCausalLM.from_pretrained(saved, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert (alone.lm_head.weight is alone.model.embed_tokens.weight) == tied
    ids = batch().input_ids
    own = alone(ids).logits[0].log_softmax(-1).gather(1, batch().target_ids[:, None])[:, 0]
    torch.testing.assert_close(made(batch()).logprobs(), own, rtol=1e-4, atol=1e-5)
    again = load(ModelSettings(path=str(tmp_path / "run")), device="cpu")
    torch.testing.assert_close(again(batch()).logprobs(), own, rtol=1e-4, atol=1e-5)
    assert transformers.AutoTokenizer.from_pretrained(saved).eos_token == "</s>"


def refused(match, **settings):
    with pytest.raises(UserError, match=match) as error:
        load(ModelSettings(**settings), device="cpu")
    assert error.value.hint, "a remedy"
    return error.value


def test_a_pickle_is_refused_with_the_remedy(tmp_path):
    folder = folder_of(tmp_path, "llama")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert "tunesmith convert" in refused("pickle", path=str(folder)).hint


def test_what_cannot_be_a_model_is_refused(tmp_path):
    refused("no such folder", path=str(tmp_path / "nowhere"))
    refused("neither a network", path=str(tmp_path))
    refused("no such model comes along", path="town/t9")
    folder = folder_of(tmp_path / "a", "llama")
    refused("`model.family` is `seq2seq`", path=str(folder), family="seq2seq")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    refused("cannot be read", path=str(folder))


def test_a_config_that_is_no_language_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    refused("neither continues", path=str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    refused("line 1 is not JSON", path=str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "made-up"}))
    refused("cannot be read", path=str(tmp_path))


def test_remote_code_runs_only_if_asked(tmp_path):
    folder = folder_of(tmp_path, "llama")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').write('ran')\n")
    assert "trust_remote_code" in refused("cannot be read", path=str(folder)).hint
    assert not (tmp_path / "ran").exists()


def test_missing_weights_are_not_made_up(tmp_path):
    folder = folder_of(tmp_path, "llama")
    weights = load_file(folder / "model.safetensors")
    cut = {name: value for name, value in weights.items() if "layers.1.mlp" not in name}
    save_file(cut, folder / "model.safetensors", metadata={"format": "pt"})
    refused(r"lacks the weight `model\.layers\.1\.mlp", path=str(folder))
    headless = {name: value for name, value in weights.items() if "lm_head" not in name}
    save_file(headless, folder / "model.safetensors", metadata={"format": "pt"})
    refused("without a vocabulary head", path=str(folder))
    assert load(ModelSettings(path=str(folder)), plan=HeadPlan(labels=("a", "b")), device="cpu").head is not None


def test_an_unknown_architecture_is_tried_before_it_is_believed(tmp_path, monkeypatch):
    from tunesmith.models import families
    from tunesmith.models import load as loading

    folder = folder_of(tmp_path, "llama")
    monkeypatch.setattr(loading, "PROVED", set())
    load(ModelSettings(path=str(folder)), device="cpu")
    monkeypatch.setattr(families.Vocabulary, "logits", lambda self, x: x @ self.weight.T * 2)
    refused("not known here", path=str(folder))


def test_the_real_models_load(shared):
    stories = load(ModelSettings(path=str(shared("models/stories260K"))), device="cpu")
    assert (stories.family, stories.window) == ("causal", 512)
    phonemes = load(ModelSettings(path=str(shared("models/bart-g2p-en-us"))), device="cpu")
    assert phonemes.family == "seq2seq"


def test_a_half_written_adapter_is_never_seen(tmp_path, monkeypatch):
    made = load(ModelSettings(path=str(folder_of(tmp_path / "base", "llama"))), device="cpu")
    adapter = made.attach("mine", LoRA(rank=2))
    saved = save_adapter(tmp_path / "run", adapter, made)
    before = load_file(saved / "adapter_model.safetensors")
    from tunesmith.models import weights as files

    def cut(*args, **options):
        raise OSError("no space left on device")

    monkeypatch.setattr(files, "save_file", cut)
    with pytest.raises(OSError, match="no space"):
        save_adapter(tmp_path / "run", adapter, made)
    assert load_file(saved / "adapter_model.safetensors").keys() == before.keys()
    shutil.rmtree(tmp_path / "run")


def test_random_weights_need_only_a_config_and_a_tokenizer(tmp_path):
    folder = folder_of(tmp_path, "llama")
    (folder / "model.safetensors").unlink()
    settings = ModelSettings(path=str(folder), random=True)
    torch.manual_seed(1)
    first = load(settings, device="cpu")
    torch.manual_seed(1)
    again = load(settings, device="cpu")
    assert torch.equal(first(batch()).logprobs(), again(batch()).logprobs())
    refused("no weights", path=str(folder))
