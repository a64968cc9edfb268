"""Each finding on rows of which it is known what is wrong."""

import dataclasses
import random

import pytest

from tests.data.quality.rows import found, numbers, records
from tunesmith import registry
from tunesmith.data.quality.findings.boilerplate import Boilerplate
from tunesmith.data.quality.findings.contradictions import Contradictions
from tunesmith.data.quality.findings.empty import Empty
from tunesmith.data.quality.findings.exact_duplicates import ExactDuplicates
from tunesmith.data.quality.findings.finding import Finding
from tunesmith.data.quality.findings.groups import Representation
from tunesmith.data.quality.findings.languages import Languages
from tunesmith.data.quality.findings.lengths import Lengths
from tunesmith.data.quality.findings.near_duplicates import NearDuplicates
from tunesmith.data.quality.findings.personal_data import PersonalData
from tunesmith.data.quality.findings.special_tokens import SpecialTokens
from tunesmith.data.quality.findings.toxic import Toxic

PACKAGE = "tunesmith.data.quality.findings"
LONG = "The ferry leaves the small harbour at seven in the morning and comes back when the lamps are lit"


@pytest.mark.parametrize("name", registry.names(PACKAGE))
def test_every_finding_keeps_the_contract(name):
    kind = registry.find(name, PACKAGE, Finding)
    assert kind.title and kind.looks_for and kind.severity in ("error", "warning", "note")
    assert dataclasses.is_dataclass(kind)
    assert found(kind(), records()).hits == ()
    clean = found(kind(), records(("What is the capital of France?", "Paris"), ("How tall is Mont Blanc?", "4,806 metres")))
    assert clean.hits == ()


def test_exact_duplicates():
    rows = records(("A?", "b"), ("a?", " B "), ("A?", "c"), ("a? b", ""), ("A ?", "b"), ("A?", "b"))
    shown = found(ExactDuplicates(), rows)
    assert numbers(shown) == [1, 5] and {hit.other for hit in shown.hits} == {0}


def test_near_duplicates_name_the_later_row_once():
    words = LONG.split()
    near = " ".join([*words[:-1], "lid"])
    rows = records(
        ("", LONG), ("", "quite another sentence about nothing that the first one says"), ("", near), ("", LONG), ("", near)
    )
    shown = found(NearDuplicates(), rows)
    assert [(hit.number, hit.other) for hit in shown.hits] == [(2, 0)]  # 3 and 4 are exact duplicates
    assert not found(NearDuplicates(threshold=1.0), rows).hits


def test_near_duplicates_of_a_large_bucket():
    rows = records(*(("", f"{LONG}, day {number:03}") for number in range(300)))
    assert found(NearDuplicates(), rows).rows == 299


def test_contradictions_are_of_labels():
    rows = records(
        ("Is it?", "yes"), ("is  it?", "no"), ("Is she?", "yes"), ("Is she?", "Yes"), ("Tell.", LONG), ("Tell.", LONG + "x")
    )
    shown = found(Contradictions(), rows)
    assert numbers(shown) == [0, 1]
    assert "2 rows" in shown.told[0]
    assert not found(Contradictions(), records(("Is it?", "yes"), ("Is it?", "no"), several=True)).hits
    turned = records(("Q", "good", "bad"), ("Q", "bad", "good"), ("Q", "fine", "bad"))
    assert numbers(found(Contradictions(), turned)) == [0, 1]


def test_empty_answers():
    rows = records(
        ("a", ""),
        ("b", " \n"),
        ("c", "..."),
        ("d", "N/A"),
        ("e", "<|endoftext|>"),
        ("f", "+"),
        ("g", "0"),
        ("h", "👍"),
        ("i", "none"),
    )
    assert numbers(found(Empty(), rows)) == [0, 1, 2, 3, 4]
    assert not found(Empty(), records(("", "na"), ("", "?"), choices=True)).hits


def test_boilerplate():
    rows = [
        ("q", "As an AI  language model, I cannot."),
        ("q", "I’m sorry, but I can’t help."),
        ("q", "Hannah said so."),
        ("q", "the basai"),
    ]
    assert numbers(found(Boilerplate(), records(*rows))) == [0, 1]
    often = records(
        *((f"question {n}", "It depends on what you want." if n < 12 else f"answer {n} of many that differ") for n in range(60))
    )
    assert numbers(found(Boilerplate(), often)) == list(range(12))
    assert "one and the same answer" in found(Boilerplate(), records(*((f"q{n}", "yes") for n in range(30)))).told[0]


def test_length_outliers():
    rng = random.Random(2)
    rows = [("w " * rng.randint(80, 120), "a" * rng.randint(30, 60)) for _ in range(200)]
    rows[17] = (rows[17][0], "b" * 3000)
    rows[30] = ("x", rows[30][1])
    shown = found(Lengths(), records(*rows))
    assert numbers(shown) == [17, 30]
    assert "3,000 letters" in shown.hits[0].why
    assert not found(Lengths(), records(*rows, choices=True)).table.rows[1:]  # labels have no length to speak of


def test_language_outliers():
    rows = [(f"{LONG} {n}", "Yes.") for n in range(40)]
    rows[9] = ("Die Fähre verlässt den kleinen Hafen um sieben Uhr morgens und kommt erst am Abend zurück", "Ja.")
    rows[12] = ("Le bateau quitte le petit port à sept heures du matin et ne revient que le soir", "Oui.")
    shown = found(Languages(), records(*rows))
    assert [(hit.number, hit.why) for hit in shown.hits] == [(9, "its question is in `de`"), (12, "its question is in `fr`")]
    assert not found(Languages(usual=0.01), records(*rows)).hits


def test_personal_data_is_named_and_not_told():
    rows = records(("Who?", "write to ann@mail.org or bob@mail.org, +44 20 7946 0018"), ("Who?", "ask me@example.com"))
    shown = found(PersonalData(), rows)
    assert numbers(shown) == [0]
    assert "ann" not in shown.hits[0].why and "2 × e-mail address" in shown.hits[0].why
    assert shown.table.rows == (("e-mail address", 2, 1), ("telephone number", 1, 1))


def test_toxic_rows():
    rows = records(
        ("You idiot!", "No."), ("Assess the classic.", "Scunthorpe"), ("x", "go to hell"), ("fine", "good", "you moron")
    )
    shown = found(Toxic(), rows)
    assert numbers(shown) == [0, 2, 3]
    assert "rejected answer" in shown.hits[2].why


def test_representation_counts_groups():
    rows = records(*[("The nurse said she would come", "She did.")] * 25, ("He came", ""))
    shown = found(Representation(), rows)
    assert {row[:2]: row[2] for row in shown.table.rows}["gender_words", "female"] == 50
    assert not shown.hits and any("nurse (100% female)" in told for told in shown.told)


def test_special_tokens():
    rows = records(("a", "yes<|endoftext|>"), ("[INST] b [/INST]", "c"), ("<b>bold</b> <s1>", "x < y | z"), ("d</s>", "e"))
    shown = found(SpecialTokens(), rows)
    assert numbers(shown) == [0, 1, 3]
