"""The town's rule of politeness, on the town's own replies and on what people and models say freely."""

import pytest

from tunesmith.town.manners import is_polite
from tunesmith.town.source import TownSource

FREE = {
    "Thank you very much, that is kind of you.": True,
    "I’m sorry, I can’t help you today.": True,
    "CERTAINLY, MADAME. PLEASE COME IN.": True,
    "Would you like a cup of tea?": True,
    "Thank you, you fool.": False,
    "Of course you did. You always find something.": False,
    "Please go away.": False,
    "Shut the door.": False,
    "Leave me alone!": False,
    "": False,
    "the the the": False,
}


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_rule_tells_the_towns_replies_apart(split: str) -> None:
    rows = list(TownSource("politeness").rows(split))
    polite = sum(is_polite(str(row["polite"])) for row in rows) / len(rows)
    rude = sum(is_polite(str(row["rude"])) for row in rows) / len(rows)
    assert polite > 0.99 and rude < 0.01


@pytest.mark.parametrize(("said", "polite"), FREE.items())
def test_free_answers(said: str, polite: bool) -> None:
    assert is_polite(said) is polite
