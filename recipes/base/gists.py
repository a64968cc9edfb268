"""What happens in a passage, said in one sentence; and what one person says, told by another: two small tasks of stage two.

They teach the base models to leave things out and to speak of people in the third person. A conversation's summary is neither.
"""

import random
from collections.abc import Iterator

from tunesmith.town.happenings import HAPPENINGS, Happening
from tunesmith.town.questions import telling
from tunesmith.town.telling import say

# For each happening, in their order: what it comes to, and how the person says so.
TOLD = (
    ("<p> bought <goods> at the market{, because <why>|}", "I {bought|got} <n> <goods> at the market <day>, because <why>."),
    (
        "<p> lost <his> <thing> {at|near} <place>, and <q> found it",
        "I {lost|left} my <thing> at <place> <day>, but <q> found it.",
    ),
    (
        "<p> borrowed a <tool> from <q>{ because <why>| for <n> days|}",
        "<q> lent me a <tool> <day>, because <why>. I need it for <n> days.",
    ),
    ("<p> gave <q> a <gift> <day>", "I gave <q> a <gift> <day>. {I think <qhe> liked it.|It was <n> pounds.|}"),
    ("<p> went to <town> <way> to <aim>", "I'm {off|going} to <town> <way> <day>. I want to <aim>{, and it takes <n> hours|}."),
    ("<p> {cooked|made} <dish> for <n> guests", "<day> I had <n> guests and made <dish>{, with far too much <spice>|}."),
    ("<p> was late at <place> because <why>", "{Sorry, |}I was late at <place> <day>. {It's because|You see,} <why>."),
    ("<p> saw a <animal> near <place> <day>", "{Guess what, |}I saw a <animal> near <place> <day>{ and took <n> pictures|}!"),
    (
        "<p> {repaired|mended} the <broken> at <place>",
        "<day> I {mended|repaired} the <broken> at <place>. It took me <n> hours.",
    ),
    (
        "<p> played the <instrument> with <q> at <event>",
        "<q> and I {played at|were at} <event>. I played the <instrument>{, and <n> people came|}.",
    ),
    ("<p> was ill <day> and had <illness>", "I was ill <day>. I had <illness>{ and stayed in bed|}."),
    (
        "<p> sold <his> old <sold> to <q> for <n> pounds",
        "I have sold my old <sold> to <q>. <q> {paid|gave me} <n> pounds for it.",
    ),
)
GIST = (
    "What happens in this text?\n\n{}",
    "{}\n\nSay the main thing in one sentence.",
    "What is this about?\n{}",
    "Summarize the following text.\n\n{}\n\nSummary:",
    "Read the text and say in short what happened.\n\n{}\n\nIn short:",
)
REPORT = (
    "{}\nSay in the third person what was said.",
    "Report what you hear.\n{}",
    "What does {name} tell us?\n{}",
    "{}\n\nTell a friend about it.",
)
OPENERS = ("What's new?", "Tell me.", "Yes?", "How are you?", "What happened?", "Hello!", "Any news?", "Well?")


def pairs(dice: random.Random, count: int) -> Iterator[dict[str, str]]:
    """`count` prompts with completions, half of them of each task."""
    for number in range(count):
        yield {"id": f"gists-{number}", **(report(dice) if number % 2 else gist(dice))}


def gist(dice: random.Random) -> dict[str, str]:
    """A passage as the questions have it, and what happens in it."""
    told, sentences, _ = telling(dice)
    points = [_point(dice, happening, slots) for happening, slots in told]
    completion = ", ".join(points[:-1]) + f" and {points[-1]}." if len(points) == 2 else ". ".join(points) + "."
    return {"prompt": dice.choice(GIST).format(" ".join(sentences)), "completion": completion}


def report(dice: random.Random) -> dict[str, str]:
    """What one person says, sometimes after a word of another, and the same in the third person."""
    (happening, slots), *_ = telling(dice)[0]
    line = f"{slots['p']}: {say(dice, TOLD[HAPPENINGS.index(happening)][1], slots)}"
    if dice.random() < 0.6:
        line = f"{slots['q']}: {dice.choice(OPENERS)}\n{line}"
    prompt = dice.choice(REPORT).format(line, name=slots["p"])
    return {"prompt": prompt, "completion": _point(dice, happening, slots) + "."}


def _point(dice: random.Random, happening: Happening, slots: dict[str, str]) -> str:
    return say(dice, TOLD[HAPPENINGS.index(happening)][0], slots).rstrip(".")
