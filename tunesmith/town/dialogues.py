"""Dialogues of the town with summaries, in the manner of DialogSum: the rows of the main job.

Each row: `dialogue` (lines "Name: words"), `summary`, `summaries` (three references in the test split, the one summary
elsewhere) and `topic`. The scenes are in `dialogue_*.py`.
"""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from random import Random

from tunesmith.town import smalltalk
from tunesmith.town.source import Row, sifted
from tunesmith.town.talk import Scene, Talk

WORDS = (78, 165)  # a dialogue's length, names of the speakers included
TURNS = (6, 15)


def scenes() -> tuple[Scene, ...]:
    """Every scene of the files `dialogue_*.py` of this room, in the order of their names."""
    names = sorted(m.name for m in iter_modules(import_module(__package__).__path__) if m.name.startswith("dialogue_"))
    return tuple(scene for name in names for scene in import_module(f"{__package__}.{name}").SCENES)


def rows(split: str, count: int, seed: int) -> Iterator[Row]:
    """`count` dialogues of a split; the same for the same seed, and none of another split."""
    every = scenes()
    for row in sifted("dialogues", split, count, seed, lambda rng: dialogue(rng, every), lambda row: str(row["dialogue"])):
        yield row if split == "test" else {**row, "summaries": row["summaries"][:1]}


def dialogue(rng: Random, every: tuple[Scene, ...]) -> Row:
    """One dialogue of one of the scenes with three summaries, without an id."""
    scene = rng.choice(every)
    while True:
        talk = perform(scene, rng)
        text = talk.text
        if talk.faithful and TURNS[0] <= len(talk.turns) <= TURNS[1] and WORDS[0] <= len(text.split()) <= WORDS[1]:
            return {"dialogue": text, "summary": talk.gists[0], "summaries": talk.gists, "topic": scene.topic}


def perform(scene: Scene, rng: Random) -> Talk:
    """The scene with small talk around it, and now and then an interruption."""
    talk = Talk(rng, scene.roles)
    smalltalk.opening(talk, scene.manner)
    start = len(talk.turns)
    scene.play(talk)
    if talk.chance(0.55):
        smalltalk.aside(talk, scene.manner, rng.randrange(min(start + 2, len(talk.turns) - 1), len(talk.turns)))
    if talk.warm:
        smalltalk.closing(talk, scene.manner)
    assert len(talk.gists) == 3, f"{scene.topic}: three summaries are needed"
    return talk
