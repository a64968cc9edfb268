"""Heads of ours in transformers' classes and in PEFT, and theirs here: the same logits, names and labels."""

import json

import pytest
import torch

from tests.models.networks import NETWORKS, model, network
from tests.models.rows import laid, sequences
from tunesmith.methods.frozen import Frozen
from tunesmith.methods.full import Full
from tunesmith.methods.ia3 import IA3
from tunesmith.methods.lora import LoRA
from tunesmith.methods.prompt import PromptTuning
from tunesmith.methods.selective import Selective
from tunesmith.models.classifiers import PROVED, class_of, peer_of, saved_head, saved_plan, use_of
from tunesmith.models.head import HeadPlan
from tunesmith.models.load import _stand
from tunesmith.models.weights import load_adapter, save_adapter, save_network
from tunesmith.tokens.sequence import IGNORED, Tokens

peft = pytest.importorskip("peft")

LABELS = ("bad", "so so", "good")
MASKED = ("bert", "roberta", "distilbert")
CAUSAL = [name for name, (family, kind, _) in NETWORKS.items() if family == "causal" and kind in PROVED]
WHOLE = {"pooling": "first", "hidden": True}


class NoTokenizer:
    pad_token_id = 0

    def save_pretrained(self, folder):
        pass


def plan_of(name, kind):
    labels = LABELS if kind in ("label", "labels", "tags") else ()
    return HeadPlan(kind, labels, **(WHOLE if name in MASKED and kind != "tags" else {}))


def made_for(name, kind="label", seed=0):
    made = model(name, seed, plan=plan_of(name, kind))
    made.renderer.tokenizer = NoTokenizer()
    made.network.config.pad_token_id = made.network.config.pad_token_id or 0
    with torch.no_grad():
        for parameter in made.head.parameters():
            parameter.normal_(std=0.3)
    return made


def base_of(made, folder):
    made.network.save_pretrained(folder)
    made.source, made.folder = str(folder), folder
    return folder


def shaken(adapter):
    with torch.no_grad():
        for parameter in adapter.trained().values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return adapter


def rows_for(made, kind):
    rows = sequences(made.family)
    if kind == "tags":
        return [Tokens(row.inputs, (0,) * len(row.inputs)) for row in rows]
    return [Tokens(row.inputs, (IGNORED,) * len(row.inputs)) for row in rows]


@torch.no_grad()
def ours(made, rows, kind):
    batch = laid(rows)
    return made(batch).token_values() if kind == "tags" else made(batch).values()


@torch.no_grad()
def theirs(peer, rows, kind):
    said = []
    for row in rows:
        ids = torch.tensor([row.inputs])
        logits = peer.eval()(input_ids=ids[None] if kind == "choice" else ids).logits
        said.append(logits[0] if kind == "tags" else logits)
    return torch.cat(said)


def equal(one, other):
    torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-5)


def in_peft(base, folder, kind, outputs=3):
    use = class_of(use_of(kind))
    more = {} if kind == "choice" else {"num_labels": outputs}
    return peft.PeftModel.from_pretrained(use.from_pretrained(base, **more), folder)


CASES = [
    *((name, kind) for name in MASKED for kind in ("label", "tags", "choice")),
    *((name, "label") for name in CAUSAL),
    *((name, "tags") for name in ("llama", "gpt2", "gpt_neox", "qwen2")),
    ("bert", "labels"),
    ("roberta", "number"),
    ("llama", "reward"),
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_an_adapter_with_its_head_says_the_same_in_peft_and_again_here(name, kind, tmp_path):
    if name in ("gemma3", "opt") and kind == "tags":
        pytest.skip("transformers has no such class")
    made = made_for(name, kind)
    base = base_of(made, tmp_path / "base")
    shaken(made.attach("a", LoRA(rank=2)))
    rows = rows_for(made, kind)
    wanted = ours(made, rows, kind)
    folder = save_adapter(tmp_path, made.adapter(), made)
    assert not (folder / "head.safetensors").exists()
    equal(theirs(in_peft(base, folder, kind, max(1, len(made.head.plan.labels))), rows, kind), wanted)
    again = made_for(name, kind, seed=0)
    again.stand(None)
    load_adapter(folder, again, "b")
    assert again.head.plan == made.head.plan
    equal(ours(again, rows, kind), wanted)


@pytest.mark.parametrize("method", [Frozen(), Selective(last=1), IA3(), LoRA(rank=2, on=("output.dense|lin1",))], ids=repr)
@pytest.mark.parametrize("name", MASKED)
def test_so_it_is_with_other_methods(name, method, tmp_path):
    made = made_for(name)
    base = base_of(made, tmp_path / "base")
    shaken(made.attach("a", method))
    rows = rows_for(made, "label")
    wanted = ours(made, rows, "label")
    folder = save_adapter(tmp_path, made.adapter(), made)
    assert not (folder / "head.safetensors").exists(), json.loads((folder / "adapter_config.json").read_text())
    equal(theirs(in_peft(base, folder, "label"), rows, "label"), wanted)
    again = made_for(name)
    again.stand(None)
    load_adapter(folder, again, "b")
    equal(ours(again, rows, "label"), wanted)


@pytest.mark.parametrize("kind", ["label", "tags"])
@pytest.mark.parametrize("name", ["bert", "roberta", "llama", "gpt2"])
def test_what_peft_trained_is_read_with_its_head(name, kind, tmp_path):
    made = made_for(name, kind)
    made.stand(None)
    names = dict(enumerate(LABELS))
    made.network.config.id2label, made.network.config.label2id = names, {label: n for n, label in names.items()}
    base = base_of(made, tmp_path / "base")
    network = class_of(use_of(kind)).from_pretrained(base)
    pooled = ["pooler"] if name == "bert" and kind == "label" else None
    target = ["c_attn"] if name == "gpt2" else ["q_proj", "v_proj"] if name == "llama" else ["query", "value"]
    config = peft.LoraConfig(
        task_type={"label": "SEQ_CLS", "tags": "TOKEN_CLS"}[kind],
        r=2,
        target_modules=target,
        fan_in_fan_out=name == "gpt2",
        modules_to_save=pooled,
    )
    wrapped = peft.get_peft_model(network, config)
    with torch.no_grad():
        for parameter in wrapped.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    wrapped.save_pretrained(tmp_path / "adapter")
    load_adapter(tmp_path / "adapter", made, "theirs")
    assert (made.head.plan.kind, made.head.plan.labels) == (kind, LABELS)
    rows = rows_for(made, kind)
    equal(ours(made, rows, kind), theirs(wrapped, rows, kind))


def test_a_pooler_that_peft_did_not_train_is_the_base_s(tmp_path):
    import transformers

    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model("bert", **NETWORKS["bert"][2], num_labels=3)
    network = transformers.AutoModel.from_config(config)
    network.save_pretrained(tmp_path / "base")
    classifier = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "base").eval()
    wrapped = peft.get_peft_model(classifier, peft.LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query"]))
    wrapped.save_pretrained(tmp_path / "adapter")
    made = made_for("bert")
    made.stand(None)
    made.network.bert.load_state_dict(network.state_dict(), strict=False)
    made.folder = tmp_path / "base"
    load_adapter(tmp_path / "adapter", made, "theirs")
    assert made.head.plan.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    rows = rows_for(made, "label")
    equal(ours(made, rows, "label"), theirs(wrapped, rows, "label"))


@pytest.mark.parametrize(("name", "kind"), [*CASES, ("bert", "number"), ("llama", "labels")])
def test_a_whole_network_is_one_of_transformers_classes(name, kind, tmp_path):
    made = made_for(name, kind)
    shaken(made.attach("a", Full()))
    rows = rows_for(made, kind)
    wanted = ours(made, rows, kind)
    save_network(tmp_path / "out", made, as_classifier=True)
    assert not (tmp_path / "out" / "head.safetensors").exists()
    peer = class_of(use_of(kind)).from_pretrained(tmp_path / "out")
    equal(theirs(peer, rows, kind), wanted)
    problem = {"label": "single_label_classification", "labels": "multi_label_classification"}
    if kind in ("label", "labels", "number"):
        assert peer.config.problem_type == problem.get(kind, "regression")
    if made.head.plan.labels:
        assert peer.config.id2label == dict(enumerate(LABELS))
    (tmp_path / "out" / "head.json").unlink()  # as another program writes it
    again = model(name, seed=3)
    again.renderer.tokenizer = NoTokenizer()
    again.network.config = peer.config
    again.network.base_model.load_state_dict(peer.base_model.state_dict(), strict=False)
    _stand(again, None, tmp_path / "out")
    assert again.head.plan.labels == made.head.plan.labels
    assert again.head.plan.kind == ("number" if kind == "reward" else kind)
    equal(ours(again, rows, kind), wanted)


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("bert", HeadPlan(labels=LABELS)),  # the mean of all tokens
        ("bert", HeadPlan(labels=LABELS, pooling="first")),  # without the pooler
        ("bert", HeadPlan("tags", LABELS, hidden=True)),
        ("llama", HeadPlan(labels=LABELS, hidden=True)),
        ("llama", HeadPlan(labels=LABELS, pooling="mean")),
        ("llama", HeadPlan("choice")),
        ("cohere", HeadPlan(labels=LABELS)),
        ("t5", HeadPlan(labels=LABELS)),
    ],
)
def test_a_head_that_no_class_computes_stands_in_a_file_of_its_own(name, plan, tmp_path):
    made = model(name, plan=plan)
    made.renderer.tokenizer = NoTokenizer()
    assert peer_of(made.head.plan, made.network) is None
    made.attach("a", LoRA(rank=2))
    folder = save_adapter(tmp_path, made.adapter(), made)
    assert (folder / "head.safetensors").is_file()
    assert "modules_to_save" not in json.loads((folder / "adapter_config.json").read_text())
    assert saved_plan(folder, made) == made.head.plan
    assert torch.equal(saved_head(folder, made.head.plan, made).weight, made.head.weight)


def test_virtual_tokens_keep_the_head_apart(tmp_path):
    made = made_for("bert")
    made.attach("a", PromptTuning(virtual_tokens=2))
    folder = save_adapter(tmp_path, made.adapter(), made)
    assert (folder / "head.safetensors").is_file()


def test_every_network_is_tried():
    tried = {NETWORKS[name][1] for name, _ in CASES}
    assert tried == PROVED - {"xlm-roberta", "camembert"}  # which share RoBERTa's classes


def test_a_network_of_roberta_s_kin_has_its_classes():
    for kind in ("xlm-roberta", "camembert"):
        import transformers

        config = transformers.AutoConfig.for_model(kind, **NETWORKS["roberta"][2])
        made = transformers.AutoModelForMaskedLM.from_config(config)
        peer = peer_of(HeadPlan("label", LABELS, **WHOLE), made)
        theirs_ = transformers.AutoModelForSequenceClassification.from_config(config).state_dict()
        assert set(peer.names.values()) <= set(theirs_)
    assert network("bert").base_model_prefix == "bert"
