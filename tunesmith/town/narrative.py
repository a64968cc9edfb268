"""Plain text about the town: little stories, days told hour by hour, letters, diaries, notices, news and recipes.

General text: base models are pre-trained on it, and what a tuned model has forgotten of it is measured on it.
"""

from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

from tunesmith.town import scenes, stories, styles, world
from tunesmith.town.source import sifted
from tunesmith.town.telling import cast, expand, say, tidy

Row = dict[str, Any]
STORY_SHARE = 0.62


def rows(split: str, count: int, seed: int = 0) -> Iterator[Row]:
    """Rows {"id", "text", "style"}: `text` is a paragraph or a short notice, letter, diary entry, news item or recipe."""
    return sifted("narrative", split, count, seed, _draw, lambda row: str(row["text"]))


def _draw(rng: Random) -> Row:
    if rng.random() < STORY_SHARE:
        return {"text": story(rng), "style": "story"}
    style = rng.choice(sorted(styles.STYLES))
    return {"text": styles.tell(rng, style, setting(rng)), "style": style}


def story(rng: Random) -> str:
    """One plot, told once."""
    fixed, beats = rng.choice(plots())
    slots: dict[str, Any] = setting(rng)
    if fixed:
        names, values = rng.choice(fixed)
        for name, value in zip(names, values, strict=True):
            slots[name] = expand(rng, value, slots)
    told = [beat.removeprefix("?") for beat in beats if not beat.startswith("?") or rng.random() < 0.67]
    return tidy(" ".join(say(rng, beat, slots) for beat in told))


def setting(rng: Random) -> dict[str, Any]:
    """Slots for people, places and times of one text; the same in each of its sentences."""
    slots: dict[str, Any] = dict(cast(rng))
    slots |= {name: rng.choice(values) for name, values in scenes.WORDS.items()}
    for name in ("weekday", "month", "fact", "place"):  # a second, different one
        other = rng.choice([word for word in scenes.WORDS[name] if word != slots[name]])
        slots[name + "2"] = other
    slots |= {
        "surname": rng.choice(world.SURNAMES),
        "when": expand(rng, scenes.WHEN, slots),
        "town": world.TOWN,
        "n": str(rng.randint(3, 40)),
    }
    return slots


@cache
def plots() -> tuple[tuple[list[tuple[list[str], list[str]]], list[str]], ...]:
    """Every plot: the words that it may fix, and its beats."""
    return tuple(_plot(text) for text in stories.all_plots())


def _plot(text: str) -> tuple[list[tuple[list[str], list[str]]], list[str]]:
    fixed: list[tuple[list[str], list[str]]] = []
    beats: list[str] = []
    for line in text.replace("\n    ", " ").split("\n"):
        if line.startswith("@"):
            names, _, sets = line[1:].partition("=")
            keys = [name.strip() for name in names.split(":")]
            fixed += [(keys, [word.strip() for word in one.split(":", len(keys) - 1)]) for one in sets.split(";")]
        else:
            beats.append(line)
    return fixed, beats
