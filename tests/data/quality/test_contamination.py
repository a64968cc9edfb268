"""A test row planted in training rows is found in every form that is said to be found, and in no other row."""

import random

import pytest

from tests.data.quality.rows import found, numbers, records
from tunesmith.data.quality.findings.contamination import Contamination
from tunesmith.data.quality.grams import Grams, span_of
from tunesmith.data.quality.texts import word_hashes, words_of

RNG = random.Random(7)
WORDS = ["".join(RNG.choice("abcdefghijklmnoprstuvw") for _ in range(RNG.randint(2, 9))) for _ in range(4000)]


def sentence(count):
    return " ".join(RNG.choice(WORDS) for _ in range(count)).capitalize() + "."


def text(sentences, words=7):
    return " ".join(sentence(words) for _ in range(sentences))


TEST = [(text(10), sentence(15)) for _ in range(20)]
TRAIN = [(text(10), sentence(12)) for _ in range(50)]
QUESTION, ANSWER = TEST[3]


def planted(question, answer):
    rows = list(TRAIN)
    rows[31] = (question, answer)
    return found(Contamination(), records(*rows), ("held out", records(*TEST)))


def spoilt(question, every):
    words = question.split()
    return " ".join("other" if number % every == every - 1 else word for number, word in enumerate(words))


FORMS = {
    "whole": (QUESTION, ANSWER, "its question and answer"),
    "question alone": (QUESTION, sentence(12), "its question "),
    "answer alone": (text(10), ANSWER, "its answer "),
    "another case": (QUESTION.upper(), sentence(12), "its question "),
    "other white space": (QUESTION.replace(" ", "\n  "), sentence(12), "its question "),
    "without punctuation": (QUESTION.replace(".", ""), sentence(12), "its question "),
    "with words before and behind": (f"{text(4)} {QUESTION} {text(4)}", sentence(12), "its question "),
    "inside an answer": (text(3), f"{sentence(9)} {QUESTION}", "its question "),
    "shortened": (" ".join(QUESTION.split()[:35]), sentence(12), "its question "),
    "a word in 40 changed": (spoilt(QUESTION, 40), sentence(12), "its question "),
    "plain text": ("", f"{QUESTION} {ANSWER}", "its question and answer"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_planted_row_is_found(form):
    question, answer, part = FORMS[form]
    shown = planted(question, answer)
    hits = [hit for hit in shown.hits if hit.drops]
    assert [hit.number for hit in hits] == [31]
    assert hits[0].beside == ("held out", 3)
    assert part in f"{hits[0].why} "
    table = dict(zip(shown.table.header, shown.table.rows[0], strict=True))
    both, question_alone, answer_alone = table["both"], table["question"], table["answer"]
    assert (both, question_alone, answer_alone) == {
        "its question and answer": (1, 0, 0),
        "its question ": (0, 1, 0),
        "its answer ": (0, 0, 1),
    }[part]


def test_nothing_is_found_where_nothing_is():
    shown = found(Contamination(), records(*TRAIN), ("held out", records(*TEST)))
    assert not shown.hits
    assert shown.table.rows == (("held out", 20, 0, 0, 0, "0.0%", "0.0%"),)


def test_sentences_in_another_order_are_near_duplicates():
    """No run of eight words outlives it where sentences have seven, but most runs of five letters do."""
    shown = planted(" ".join(reversed(QUESTION.split(". "))), sentence(12))
    assert numbers(shown) == [31] and "Jaccard index" in shown.hits[0].why


def test_words_in_another_order_are_not_found():
    """A limit that is told."""
    assert not planted(" ".join(sorted(QUESTION.split())), sentence(12)).hits


def test_a_passage_is_told_apart_and_stays():
    passage = " ".join(QUESTION.split()[10:25])
    shown = planted(f"{text(6)} {passage} {text(6)}", sentence(12))
    assert numbers(shown) == [31] and not shown.hits[0].drops
    assert "passage of 13 words" in shown.hits[0].why
    table = dict(zip(shown.table.header, shown.table.rows[0], strict=True))
    assert table["GPT-3: a long run"] == "5.0%" and table["PaLM: 70 % of runs of 8"] == "0.0%"


def test_wordings_are_no_passages():
    """A run that more than ten rows hold is how questions are put (Brown et al. 2020)."""
    wording = sentence(15)
    test = records(*((f"{wording} {question}", answer) for question, answer in TEST))
    rows = [(f"{wording} {question}", answer) for question, answer in TRAIN]
    assert not found(Contamination(), records(*rows), ("held out", test)).hits
    few = found(Contamination(), records(*rows[:10]), ("held out", test))
    assert few.rows == 10 and not any(hit.drops for hit in few.hits)


def test_short_questions_leak_by_their_words_and_short_answers_beside_them():
    test = records(("Who wrote Emma?", "Jane Austen"), ("Who came?", "Bob"))
    shown = found(
        Contamination(), records(("who wrote EMMA", "jane austen"), ("Who left?", "Bob"), ("Who came?", "Ann")), ("t", test)
    )
    assert [(hit.number, "and answer" in hit.why) for hit in shown.hits] == [(0, True), (2, False)]


def test_near_duplicates_of_short_questions():
    test = records(("The committee met in Geneva on Tuesday", "yes"))
    shown = found(
        Contamination(), records(("The committee met in Genevaa on Tuesday", "no"), ("The board met", "no")), ("t", test)
    )
    assert numbers(shown) == [0] and "Jaccard index 0.8" in shown.hits[0].why


def test_without_evaluation_sets_it_says_so():
    shown = found(Contamination(), records(*TRAIN))
    assert not shown.hits and "--against" in shown.told[0]


def test_grams_are_those_of_brute_force():
    texts = [words_of(text(3)) for _ in range(30)]
    row = texts[4][:12] + words_of(sentence(9)) + texts[9][2:14]
    grams = Grams(5)
    for number, words in enumerate(texts):
        grams.add(number, word_hashes(words))
    held, counts = grams.done().shared(grams.known(word_hashes(row)))

    def runs(words):
        return {tuple(words[start : start + 5]) for start in range(len(words) - 4)}

    wanted = {number: len(runs(words) & runs(row)) for number, words in enumerate(texts) if runs(words) & runs(row)}
    assert dict(zip(held.tolist(), counts.tolist(), strict=True)) == wanted
    whole, seen = grams.found(len(texts))
    assert whole.tolist() == [len(runs(words)) for words in texts]
    assert {number: count for number, count in enumerate(seen.tolist()) if count} == wanted


def test_the_length_of_a_run_follows_the_set():
    assert span_of([100] * 50, 8, 13) == 13
    assert span_of([9] * 50, 8, 13) == 9
    assert span_of([3] * 50, 8, 13) == 8
    assert span_of([], 8, 13) == 13
