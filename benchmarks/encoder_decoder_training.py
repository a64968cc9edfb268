"""Full tuning of an encoder-decoder network beside transformers' Seq2SeqTrainer: tokens a second, peak memory and loss.

    pip install -e '.[bench]'
    python benchmarks/encoder_decoder_training.py [--brief] [--rounds 3] [--only t5]

Rows: the first dialogues of DialogSum's validation set with their summaries, spelled by `tokenizers/dialogsum-8k`; the
validation loss is that of the next 40. Networks with random weights, float32, no dropout, batches of 8: the shapes of T5-small
(6 + 6 layers x 512, vocabulary 32,128) and BART-base (6 + 6 x 768, vocabulary 50,265). Sides, each in a process of its own:
ours; Seq2SeqTrainer as it comes (rows shuffled); Seq2SeqTrainer at its best (rows of like length together). `equal`: both
are fed the same batches in one order, and the losses of every step are compared.
"""

import argparse
import tempfile
from typing import Any

import torch
import transformers
from apart import EXAMPLES, RATE, TRAINER, Figures, examples, held_out, main, pair, renderer, trained, tuned
from record import OURS
from training_speed import columns

from tunesmith.methods.full import Full
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.sft import SFT

ROWS = 48
PLAIN, BEST = "Seq2SeqTrainer as it comes", "Seq2SeqTrainer at its best"
SIDES = (OURS, PLAIN, BEST)
SHAPES: dict[str, dict[str, Any]] = {
    "t5": {
        "vocab_size": 32_128,
        "d_model": 512,
        "d_kv": 64,
        "num_heads": 8,
        "d_ff": 2048,
        "num_layers": 6,
        "num_decoder_layers": 6,
        "dropout_rate": 0.0,
        "decoder_start_token_id": 0,
        "pad_token_id": 0,
        "eos_token_id": 1,
    },
    "bart": {
        "vocab_size": 50_265,
        "d_model": 768,
        "encoder_layers": 6,
        "decoder_layers": 6,
        "encoder_attention_heads": 12,
        "decoder_attention_heads": 12,
        "encoder_ffn_dim": 3072,
        "decoder_ffn_dim": 3072,
        "max_position_embeddings": 1024,
        "dropout": 0.0,
        "activation_dropout": 0.0,
        "attention_dropout": 0.0,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
        "decoder_start_token_id": 0,
        "forced_eos_token_id": None,
    },
}


def network(kind: str) -> Any:
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **SHAPES[kind])
    return transformers.AutoModelForSeq2SeqLM.from_config(config).train()


def ours(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    made = network(kind)
    memory = Memory(torch.device("cpu"))
    model = Model(made, renderer(made.config, "seq2seq"), "seq2seq")
    adapter = model.attach("a", Full())
    figures = tuned(model, adapter, memory, given)
    return {**figures, "held_out": held_out(model, ROWS)}


def theirs(kind: str, given: argparse.Namespace, best: bool) -> dict[str, Any]:
    made = network(kind)
    speller = renderer(made.config, "seq2seq")

    memory = Memory(torch.device("cpu"))
    order = "sequential" if given.equal else "group_by_length" if best else "random"
    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.Seq2SeqTrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=EXAMPLES,
            learning_rate=RATE,
            train_sampling_strategy=order,
            **TRAINER,
        )
        trainer = transformers.Seq2SeqTrainer(
            model=made,
            args=settings,
            train_dataset=[columns(SFT().render(Placed(row), speller)[0]) for row in examples(given.rows)],
            data_collator=transformers.DataCollatorForSeq2Seq(speller.tokenizer, model=made),
        )
        figures = trained(trainer, memory)
    return {**figures, "held_out": held_out(Model(made, speller, "seq2seq"), ROWS)}


def one(kind: str, given: argparse.Namespace) -> Figures:
    return ours(kind, given) if given.side == OURS else theirs(kind, given, given.side == BEST)


def compared(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    speller = renderer(transformers.AutoConfig.for_model(kind, **SHAPES[kind]), "seq2seq")
    rows = [SFT().render(Placed(row), speller)[0] for row in examples(given.rows)]
    return pair(kind, given, SIDES, sum(len(row.source) + len(row.targets) for row in rows))


if __name__ == "__main__":
    main("encoder_decoder_training", __doc__, ROWS, SIDES, SHAPES, one, compared, {"method": "full"})
