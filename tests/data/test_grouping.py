"""Clusters by file: which tasks belong to which, and what is left out together."""

import pytest

from tunesmith import registry
from tunesmith.data.grouping import Grouping, grouping, plain, shipped
from tunesmith.errors import UserError
from tunesmith.tasks.task import Task

OWN = """
data_sets:
  reviews: sentiment
  Reviews-of.books: literature
  stories: [reading, common sense]
left_out_with:
  sentiment: [literature]
"""


def test_the_files_that_come_along_are_read():
    assert shipped() == ["flan", "t0"]
    flan, t0 = grouping("flan"), grouping("t0")
    assert flan.of("glue/sst2") == ("sentiment",)
    assert flan.of("superglue/record") == ("read_comp_and_common_sense",)
    assert flan.away("common_sense") == ("common_sense", "read_comp_and_common_sense")
    assert flan.away("entailment") == ("entailment", "paraphrase")
    assert flan.away("sentiment") == ("sentiment",)
    assert t0.of("p3/glue_mrpc_same_thing") == t0.of("glue_qqp_quora") == ("paraphrase",)
    assert t0.of("xsum_DOC_tldr") == ("summarization",)
    assert t0.of("town/dialogues") == ()


@pytest.mark.parametrize(
    ("name", "cluster"),
    [
        ("glue/cola", "linguistic_acceptability"),
        ("glue/mnli", "entailment"),
        ("glue/wnli", "entailment"),
        ("glue/stsb", "paraphrase"),
        ("superglue/wic", "word_disambiguation"),
        ("superglue/wsc", "coreference"),
        ("superglue/copa", "common_sense"),
        ("superglue/boolq", "reading_comprehension"),
        ("superglue/multirc", "reading_comprehension"),
        ("superglue/cb", "entailment"),
    ],
)
def test_registered_benchmarks_find_their_flan_cluster(name, cluster):
    assert name in registry.values("tunesmith.tasks", Task)
    assert grouping("flan").of(name) == (cluster,)


def test_a_persons_own_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(OWN)
    mine = grouping(str(file))
    assert mine.of("Reviews") == ("sentiment",)
    assert mine.of("reviews_of_books_2024") == ("literature",), "the longest name counts"
    assert mine.of("rereviews") == mine.of("book") == ()
    assert mine.of("stories") == ("reading", "common sense")
    assert mine.away("sentiment") == ("sentiment", "literature")
    assert grouping(None) == Grouping()
    assert plain("SuperGLUE/WSC.fixed") == "superglue/wsc_fixed"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reviews: sentiment", "has no `data_sets`"),
        ("data_sets: {reviews: 3}", "`data_sets.reviews` is `3`"),
        ("data_sets: {reviews: sentiment}\nleft_out: {}", "left_out_with"),
        ("data_sets: {reviews: sentiment}\nleft_out_with: {sentimant: [x]}", "sentiment"),
        ("data_sets: [", "is not YAML"),
    ],
)
def test_mistakes_are_told(tmp_path, text, said):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        grouping(str(file))
    assert said in str(error.value)
    with pytest.raises(UserError, match="no clusters `flam`") as error:
        grouping("flam")
    assert "flan" in error.value.hint
