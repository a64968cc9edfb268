"""Rows with the columns and the types that the hub's data sets have, written for tests, by promptsource's folder.

Labels are whole numbers (ClassLabel); `choices` is a mapping of lists; every label and every branch of a template is met.
"""

from typing import Any

Row = dict[str, Any]

CHOICES = {"text": ["a tree", "a dog", "a cow", "a hat"], "label": ["A", "B", "C", "D"]}
ONE, TWO = "A man plays a lute.", "Music is made ||| by a man {{who}} sits."


def labelled(row: Row, labels: int) -> list[Row]:
    """The row once with each label."""
    return [row | {"label": label, "idx": label} for label in range(labels)]


def pair(first: str, second: str, labels: int) -> list[Row]:
    return labelled({first: ONE, second: TWO}, labels)


def arc(question: str) -> list[Row]:
    return [{"id": "q", question: "A fish lives in ", "choices": CHOICES, "answerKey": key} for key in "ABCD"]


ROWS: dict[str, list[Row]] = {
    "ag_news": labelled({"text": "Oil ||| rises\\again "}, 4),
    "ai2_arc": arc("question"),
    "cnn_dailymail": [{"id": "1", "article": "Long ago.\nIt was.", "highlights": "Ago .\nWas ."}],
    "glue/ax": pair("premise", "hypothesis", 3),
    "glue/cola": labelled({"sentence": "It do."}, 2),
    "glue/mnli": pair("premise", "hypothesis", 3),
    "glue/mrpc": pair("sentence1", "sentence2", 2),
    "glue/qnli": labelled({"question": "Who?", "sentence": "He."}, 2),
    "glue/qqp": pair("question1", "question2", 2),
    "glue/rte": pair("sentence1", "sentence2", 2),
    "glue/sst2": labelled({"sentence": "fine "}, 2),
    "glue/stsb": [{"sentence1": ONE, "sentence2": TWO, "label": grade, "idx": 0} for grade in (0.0, 2.5, 3.8, 5.0)],
    "glue/wnli": pair("sentence1", "sentence2", 2),
    "hellaswag": [
        {
            **{"ind": 4, "activity_label": "Running", "ctx_a": "A man runs.", "ctx_b": "he", "ctx": "A man runs. he"},
            **{"endings": [" rests.", "falls.", " wins ", "eats."], "source_id": "x~v_1", "split": "train"},
            **{"split_type": "indomain", "label": label},
        }
        for label in "0123"
    ],
    "imdb": labelled({"text": "Great.<br />Fine."}, 2),
    "openbookqa": [row | {"fact1": "fish swim", "humanScore": 1.0, "clarity": 2.0} for row in arc("question_stem")],
    "piqa": labelled({"goal": "cook rice", "sol1": "use fire.", "sol2": "use ice."}, 2),
    "samsum": [{"id": "1", "dialogue": "Ann: hi\r\nBo: {% ho %}", "summary": "They greet."}],
    "super_glue/axb": pair("sentence1", "sentence2", 2),
    "super_glue/axg": pair("premise", "hypothesis", 2),
    "super_glue/boolq": labelled({"passage": "It is.", "question": "is it"}, 2),
    "super_glue/cb": pair("premise", "hypothesis", 3),
    "super_glue/copa": [
        row | {"question": asks}
        for asks in ("cause", "effect")
        for row in labelled({"premise": "It rained.", "choice1": "It got wet.", "choice2": "I slept."}, 2)
    ],
    "super_glue/multirc": labelled({"paragraph": "P.", "question": "Q?", "answer": "A"}, 2),
    "super_glue/record": [
        {
            **{"passage": "Ann ran.\n@highlight\nBo saw it", "query": "@placeholder ran", "entities": ["Ann", "Bo"]},
            **{"answers": answers, "idx": {"passage": 1, "query": 2}},
        }
        for answers in (["Bo"], ["Ann", "Bo"], ["Ann", "Bo", "Bo"])
    ],
    "super_glue/rte": pair("premise", "hypothesis", 2),
    "super_glue/wic": labelled(
        {"word": "play", "sentence1": ONE, "sentence2": TWO, "start1": 6, "start2": 0, "end1": 11, "end2": 5}, 2
    ),
    "super_glue/wsc.fixed": labelled(
        {"text": "Ann saw her dog", "span1_index": 0, "span2_index": 2, "span1_text": "Ann", "span2_text": "her"}, 2
    ),
    "winogrande": [
        {"sentence": "Ann beat _ again", "option1": "Bo", "option2": "Cy", "answer": answer} for answer in ("1", "2")
    ],
    "xsum": [{"id": "1", "document": "Long.\nTold.", "summary": "Short."}],
}
