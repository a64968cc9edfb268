"""What `tunesmith label --export` writes is what TRL's trainers read: a step of each, from the file."""

import json
import warnings

import pytest

from tests.serving.test_exports import SAID, TALK, USER, voted
from tests.tiny import tiny_model
from tunesmith import labelling
from tunesmith.serving.pairs import Pair

trl = pytest.importorskip("trl", reason="TRL is not installed")
datasets = pytest.importorskip("datasets", reason="datasets is not installed")

CHAT = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
KINDS = {
    "dpo": (trl.DPOConfig, trl.DPOTrainer),
    "conversational": (trl.DPOConfig, trl.DPOTrainer),
    "kto": (trl.KTOConfig, trl.KTOTrainer),
    "reward": (trl.RewardConfig, trl.RewardTrainer),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny"), "llama")


@pytest.mark.parametrize("turns", [False, True], ids=["prompts", "dialogues"])
@pytest.mark.parametrize("layout", KINDS)
def test_trl_takes_a_step_on_it(tmp_path, model, layout, turns):
    import transformers

    said = [one for one in SAID if one] * 2
    prompts = [TALK if turns and n % 2 else USER for n in range(len(said))]
    pairs = [Pair(f"p{n}", prompt, (f"yes {n}", f"no {n} and no"), ("m", "n")) for n, prompt in enumerate(prompts)]
    votes = voted(tmp_path / "labels.sqlite", said, pairs)
    votes.close()
    file = tmp_path / "rows.jsonl"
    count = labelling.export_labels(file, db=votes.path, layout=layout, ties="both")
    rows = datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(rows) == count
    assert rows.to_list() == [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = CHAT
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    kinds = transformers.AutoModelForSequenceClassification if layout == "reward" else transformers.AutoModelForCausalLM
    network = kinds.from_pretrained(model, **({"num_labels": 1} if layout == "reward" else {}))
    network.config.pad_token_id = tokenizer.pad_token_id
    config, trainer = KINDS[layout]
    settings = {"max_steps": 1, "per_device_train_batch_size": 4, "report_to": "none", "use_cpu": True, "save_strategy": "no"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = trainer(
            network,
            args=config(output_dir=str(tmp_path / "run"), bf16=False, disable_tqdm=True, **settings),
            train_dataset=rows,
            processing_class=tokenizer,
        )
        found = made.train()
    assert found.training_loss == pytest.approx(found.training_loss) and found.training_loss > 0
