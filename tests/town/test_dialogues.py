"""The dialogues of the town: the same for the same seed, apart between splits, faithful, varied, and no gift to lead-2."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import mean

import pytest
import yaml
from rouge_score.rouge_scorer import RougeScorer

import tunesmith.data
from tunesmith.errors import UserError
from tunesmith.town import dialogues, world
from tunesmith.town.source import TownSource
from tunesmith.town.talk import Talk

SIZES = {"train": 2000, "validation": 150, "test": 150}


@pytest.fixture(scope="module")
def rows():
    source = TownSource("dialogues", sizes=SIZES)
    return {split: list(source.rows(split)) for split in source.splits()}


def test_row_format(rows):
    for split, size in SIZES.items():
        assert len(rows[split]) == size
        assert len({row["id"] for row in rows[split]}) == size
        for row in rows[split]:
            assert set(row) == {"id", "dialogue", "summary", "summaries", "topic"}
            assert row["summary"] == row["summaries"][0]
            assert len(set(row["summaries"])) == (3 if split == "test" else 1)


def test_same_seed_same_town_and_another_seed_another(rows):
    again = TownSource("dialogues", sizes={"test": 20})
    assert list(again.rows("test")) == rows["test"][:20]
    other = TownSource("dialogues", sizes={"test": 20}, seed=1)
    assert not {row["dialogue"] for row in other.rows("test")} & {row["dialogue"] for row in rows["test"]}


def test_splits_never_overlap_not_even_across_seeds(rows):
    train = {row["dialogue"] for row in rows["train"]}
    train |= {row["dialogue"] for row in TownSource("dialogues", sizes={"train": 500}, seed=7).rows("train")}
    assert not train & {row["dialogue"] for row in rows["test"] + rows["validation"]}
    assert not {row["dialogue"] for row in rows["test"]} & {row["dialogue"] for row in rows["validation"]}


def test_two_speakers_take_turns(rows):
    for row in rows["test"]:
        names = [line.split(": ", 1)[0] for line in row["dialogue"].split("\n")]
        assert len(set(names)) == 2
        assert all(one != two for one, two in pairwise(names))
        assert dialogues.TURNS[0] <= len(names) <= dialogues.TURNS[1]
        assert len(row["dialogue"].split()) <= dialogues.WORDS[1]


def test_lengths_of_summaries(rows):
    lengths = [len(summary.split()) for row in rows["test"] for summary in row["summaries"]]
    assert 18 <= mean(lengths) <= 24
    assert min(lengths) >= 9
    assert max(lengths) <= 36


def test_text_is_clean(rows):
    for row in rows["test"] + rows["train"]:
        for text in (row["summary"], *row["dialogue"].split("\n")):
            assert not re.search(r"[{}<>|]|  | [,.;?!]|\.\.|,,|\b(a|an|the) (a|an|the)\b|\bA [aeio]", text), text
        assert row["summary"][0].isupper() or row["summary"][0] == "#"
        assert row["summary"].endswith(".")


def test_numbers_and_days_of_a_summary_are_said_in_the_dialogue(rows):
    days = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
    for row in rows["test"]:
        said = row["dialogue"].lower()
        for summary in row["summaries"]:
            for fact in re.findall(rf"\d+|{days}|o'clock|half past \w+|quarter to \w+", summary):
                assert fact.lower() in said, (fact, row)


def test_unsaid_facts_are_noticed():
    talk = Talk(Random(0))
    talk.put(day="Monday", price="12")
    talk.a("See you on <day>.")
    talk.b("Yes.")
    talk.gist(("<A> meets <B> on <day>",) * 3, ("it costs nothing",) * 3)
    assert talk.faithful
    talk.gist(("<A> meets <B> on <day>",) * 3, ("it costs <price> pounds",) * 3)
    assert not talk.faithful


def test_varied(rows):
    train = rows["train"]
    assert len({row["summary"] for row in train}) >= 0.98 * len(train)
    topics = Counter(row["topic"] for row in train)
    assert len(topics) >= 30
    assert max(topics.values()) <= 3 * min(topics.values())
    turns = [[line.split(": ", 1)[1] for line in row["dialogue"].split("\n")] for row in train]
    assert len({words[0] for words in turns}) > 800
    assert len({words[-1] for words in turns}) > 300
    words = {word for row in train for word in re.findall("[a-z']+", row["dialogue"].lower())}
    assert len(words) < 2700


def test_copying_the_first_lines_is_no_summary_but_a_second_person_agrees(rows):
    scorer = RougeScorer(["rouge1"], use_stemmer=True)

    def rouge(reference: str, said: str) -> float:
        return scorer.score(reference, said)["rouge1"].fmeasure

    lead = mean(rouge(row["summary"], " ".join(row["dialogue"].split("\n")[:2])) for row in rows["test"])
    person = mean(rouge(row["summaries"][0], row["summaries"][1]) for row in rows["test"])
    assert lead < 0.3
    assert 0.4 < person < 0.65
    assert person - lead > 0.15


def test_unknown_kind_and_split_are_told_with_the_nearest_name():
    with pytest.raises(UserError, match="dialogues"):
        list(TownSource("dialogue").rows("train"))
    with pytest.raises(UserError, match="test"):
        list(TownSource("dialogues").rows("tests"))


def test_templates_name_the_fields_of_a_row(rows):
    path = Path(tunesmith.data.__file__).parent / "templates" / "town-dialogues.yaml"
    templates = yaml.safe_load(path.read_text())["templates"]
    assert len(templates) >= 4
    first = next(iter(templates.values()))
    assert first["jinja"] == "Summarize the following conversation.\n\n{{dialogue}}\n\nSummary: ||| {{summary}}"
    for template in templates.values():
        assert template["jinja"].count("|||") == 1
        assert set(re.findall(r"{{(\w+)}}", template["jinja"])) <= set(rows["test"][0])


def test_small_words_of_the_town():
    assert [world.a(noun) for noun in ("apple", "uniform", "hour", "dog")] == ["an apple", "a uniform", "an hour", "a dog"]
    assert world.listed(["a", "b", "c"]) == "a, b and c"
    assert world.pounds(1) == "one pound"
    assert {world.clock(Random(seed), 12, 12) for seed in range(40)} == {
        "twelve o'clock",
        "half past twelve",
        "quarter past twelve",
        "quarter to one",
    }
    people = world.people(Random(0), 30)
    assert len({person.name for person in people}) == 30
    assert all(person.them == ("her" if person.name in world.WOMEN else "him") for person in people)
