# ruff: noqa: E501 -- a pattern is one line of text
"""Short texts that are no stories: letters, diary entries, notices, news, recipes, descriptions, advice; used by `narrative`."""

from collections.abc import Mapping
from random import Random
from typing import Any

from tunesmith.town import papers, world
from tunesmith.town.telling import expand, say, tidy

STYLES: Mapping[str, tuple[str, ...]] = {
    "letter": papers.LETTERS,
    "diary": papers.DIARIES,
    "notice": papers.NOTICES,
    "news": papers.NEWS,
    "portrait": papers.PORTRAITS,
    "advice": papers.ADVICE,
    "place": papers.VIEWS,
    "recipe": (),
    "fact": papers.FACTS,
}
SWEET = ("sugar", "honey", "cream", "cinnamon", "butter", "flour", "chocolate", "lemon juice", "milk", "ginger")
SALTY = (
    "salt",
    "pepper",
    "garlic",
    "parsley",
    "mustard",
    "olive oil",
    "cheese",
    "rice",
    "cream",
    "butter",
    "lemon juice",
    "vinegar",
)
STEPS = (
    "{wash|peel} the <main> and cut it into {small pieces|thin slices}|put the <main> in a {large|deep} bowl",
    "add {the|some} <extra> and {stir|mix} well|warm the <extra> in a {pan|large pot} {over a low heat|for a minute}|beat two eggs with the <extra>",
    "pour in {a cup|half a litre} of {milk|water} and let it {boil|cook} {gently|slowly} for {ten|twenty|thirty} minutes"
    "|bake it in a {hot|medium} oven for {half an hour|forty minutes}",
    "{meanwhile|while you wait}, {whip the cream|cut the bread|warm the plates|set the table|wash the dishes}",
    "{add|finish with} {a pinch of <extra2>|a little more <extra2>|some <extra3>}|taste it; it may need more <extra2>",
    "{serve|eat} it {hot|warm} with {bread|a glass of <drink>}|let it {cool|rest} before you {serve|cut} it|it is even better the next day",
)


def tell(rng: Random, style: str, slots: Mapping[str, Any]) -> str:
    """One text of a style, in the words and people of `slots`."""
    if style == "recipe":
        return recipe(rng, slots)
    lines = rng.choice(STYLES[style]).strip("\n").replace("\n    ", " ").split("\n")
    told = [say(rng, line.removeprefix("?"), slots) for line in lines if not line.startswith("?") or rng.random() < 0.67]
    return tidy("\n".join(told) if style in ("letter", "notice") else " ".join(told))


def recipe(rng: Random, slots: Mapping[str, Any]) -> str:
    """What is needed, and what is done with it."""
    sweet = rng.random() < 0.5
    main = rng.choice(world.MARKET["fruit"] if sweet else (*world.MARKET["vegetable"], "fish", "chicken", "lamb"))
    kind = rng.choice(
        ("pie", "tart", "salad", "cake", "pancakes") if sweet else ("soup", "pie", "stew", "salad", "curry", "tart")
    )
    extra, second, third = rng.sample(SWEET if sweet else SALTY, 3)
    words: dict[str, Any] = {**slots, "main": main, "extra": extra, "extra2": second, "extra3": third}
    whose = rng.choice((f"{slots['Atitle']}'s", f"{slots['B']}'s", "Quick", "Simple", "Sunday", "My grandmother's", "Winter"))
    amount = expand(
        rng, "{500 grams|one kilo|a pound|a bowl} of <main>, {two|three} spoons of <extra>, {a little|some} <extra2>", words
    )
    need = f"You need {amount} and {third}."
    steps = [say(rng, step, words) + "." for step in STEPS if rng.random() < 0.85]
    them = "them" if main.endswith("s") else "it"
    told = " ".join(steps).replace("cut it into", f"cut {them} into", 1)
    return tidy(f"{whose} {single(main)} {kind}. {need} {told}")


def single(noun: str) -> str:
    """The noun in the singular: "cherries" gives "cherry"."""
    for ending, instead in (("ies", "y"), ("oes", "o"), ("s", "")):
        if noun.endswith(ending):
            return noun.removesuffix(ending) + instead
    return noun
