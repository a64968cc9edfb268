"""Train the small tokenizers of the three base models on the text of the town.

    python recipes/base/make_tokenizers.py [FOLDER]

writes FOLDER/t5 (SentencePiece-like: words with their leading blank), FOLDER/llama (byte-level BPE with a chat template) and
FOLDER/bert (uncased WordPiece), 3072 pieces each with their special tokens; FOLDER is `tunesmith/assets` by default. Nothing
that can be typed in ASCII is unknown to any of them. Two runs on the same town write the same files.
"""

import json
import os
import re
import string
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unicodedata import normalize

os.environ.setdefault("RAYON_NUM_THREADS", "1")  # one thread: sums in one order, so the same pieces every time

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tunesmith.town.source import generator, kinds

ROOT = Path(__file__).resolve().parents[2]
PIECES = 3072
ROWS = 1500  # of each kind: enough to see every word of the town many times
SENTINELS = 32
LETTERS = [*string.printable[:-5], "\n", "\t", *"£€°–—‘’“”…àâäçéèêëîïñôöùûüßÄÖÜÉ"]
WORDS = r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?[0-9]| ?[^\s\p{L}0-9]+|\s"  # word, digit or signs, with a blank
CHAT = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

# What tasks say beside the town's own words: instructions, labels, and a little code.
SAYINGS = """\
Summarize the following conversation. Summarise the dialogue in one or two sentences. What was that conversation about? Summary:
Is this review positive or negative? How many stars does the review give: 1, 2, 3, 4 or 5? Answer with one word.
Premise: Hypothesis: Does the premise entail the hypothesis? entailment, neutral or contradiction? yes, no or maybe?
Do these two sentences mean the same thing? Sentence 1: Sentence 2: equivalent, not equivalent, true, false, similar, different
Is this sentence grammatically correct? acceptable, unacceptable, correct, incorrect. How similar are they from 0 to 5?
Read the passage and answer the question. Passage: Question: Answer: Choose the best answer.
Options: A) B) C) D) (A) (B) (C) (D)
Find the names of persons, places, organisations and times in the text. person: place: none, Names: Entities: List them.
Translate the sentence from English. Translation: English: French: German: Write this pseudocode in Python. Code: Python:
Write a polite reply. Rewrite the text. Continue the story. The answer is terrible, bad, okay, good, great. Explain why, please.
You are a helpful assistant. User: Assistant: System: Text: Review: Dialogue: Conversation: Sentence: Paraphrase: Reply: Label:
def total(numbers):
    result = 0
    for number in numbers:
        if number > 0 and number % 2 == 0:
            result += number
        elif not number:
            continue
        else:
            break
    while result < 10:
        result = result + 1
    return result
for i in range(len(items)):
    print(items[i], "is", max(items), min(items), sum(items), sorted(items))
set result to 0. for each number in the list: if number is greater than 10 then add it to result, otherwise skip it. print it.
"""


def texts() -> Iterator[str]:
    """Every text of every kind of the town's training rows, and what tasks say beside them."""
    for kind in kinds():
        for row in generator(kind)("train", ROWS, 0):
            yield from _strings({name: value for name, value in row.items() if name != "id"})
    for path in sorted((ROOT / "tunesmith/data/templates").glob("*.yaml")):
        yield re.sub(r"{%.*?%}|{{.*?}}|\|\|\|", " ", path.read_text(encoding="utf-8"))
    for _ in range(100):
        yield SAYINGS


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _strings(inner)


def t5(corpus: list[str]) -> tuple[Tokenizer, dict[str, Any]]:
    """BPE over words with their leading blank; line breaks are kept, digits stand alone.

    BPE and not Unigram, because Unigram's trainer gives other pieces every time.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFKC()
    words = pre_tokenizers.Split(Regex(WORDS), "isolated")
    blanks = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, blanks])
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first", split=False)
    sentinels = [f"<extra_id_{number}>" for number in range(SENTINELS)]
    tokenizer.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=PIECES,
            special_tokens=["<pad>", "</s>", "<unk>", *sentinels],
            initial_alphabet=[*LETTERS, "▁"],
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "additional_special_tokens": sentinels}
    return tokenizer, names


def llama(corpus: list[str]) -> tuple[Tokenizer, dict[str, Any]]:
    """Byte-level BPE: no text is unknown. A text begins with <s>; what the assistant says ends with </s>."""
    tokenizer = Tokenizer(models.BPE())
    words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), words])
    tokenizer.decoder = decoders.ByteLevel()
    roles = ["<|system|>", "<|user|>", "<|assistant|>"]
    tokenizer.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=PIECES,
            special_tokens=["<pad>", "<s>", "</s>", *roles],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)])
    return tokenizer, {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "additional_special_tokens": roles}


def bert(corpus: list[str]) -> tuple[Tokenizer, dict[str, Any]]:
    """Uncased WordPiece."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    plain = (letter for letter in LETTERS if not letter.isspace() and len(normalize("NFD", letter)) == 1)
    letters = sorted({letter.lower() for letter in plain})
    # Told as special pieces, the letters inside a word are all there, in one order; the trainer takes them as they come.
    first = [*specials, *letters, *(f"##{letter}" for letter in letters if letter.isalnum())]
    learner = _wordpiece(models.WordPiece(unk_token="[UNK]"))
    learner.train_from_iterator(corpus, trainers.WordPieceTrainer(vocab_size=PIECES, special_tokens=first, show_progress=False))
    tokenizer = _wordpiece(models.WordPiece(learner.get_vocab(), unk_token="[UNK]"))
    tokenizer.add_special_tokens(specials)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    return tokenizer, names


def _wordpiece(model: models.WordPiece) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def write(folder: Path, tokenizer: Tokenizer, names: dict[str, Any], more: dict[str, Any]) -> None:
    """A tokenizer as transformers loads it, with nothing fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **names, "clean_up_tokenization_spaces": False, **more}
    for file, tree in (("tokenizer_config.json", config), ("special_tokens_map.json", names)):
        (folder / file).write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")


def main(folder: Path) -> None:
    """Train and write all three."""
    corpus = list(texts())
    letters = sum(map(len, corpus))
    print(f"{len(corpus)} texts of {', '.join(kinds())}: {letters} letters", file=sys.stderr)
    for train, more in ((t5, {}), (llama, {"chat_template": CHAT}), (bert, {"do_lower_case": True})):
        tokenizer, names = train(corpus)
        write(folder / train.__name__, tokenizer, names, more)
        ids = sum(len(e.ids) for e in tokenizer.encode_batch(corpus[:2000], add_special_tokens=False))
        per_piece = sum(map(len, corpus[:2000])) / ids
        print(f"{train.__name__}: {tokenizer.get_vocab_size()} pieces, {per_piece:.2f} letters a piece", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tunesmith/assets")
