# ruff: noqa: E501 -- a pattern is one line of text
"""Times, weather and small words that any text of the town may need: slots by name, used by `narrative`."""

from collections.abc import Mapping

from tunesmith.town import world

WHEN = (
    "{one|on a|one} <adjday> {<month>|<season>|<season>|} {morning|evening|afternoon}|on the {first|second|third|last} <weekday> {in|of} <month>"
    "|{late|early} one <weekday> {morning|evening}|{last|one} <season>|three days before {Christmas|Easter}|in the {first|last} week of <month>"
)
WORDS: Mapping[str, tuple[str, ...]] = {
    "month": world.MONTHS,
    "season": world.SEASONS,
    "weekday": world.WEEKDAYS,
    "street": world.STREETS,
    "place": world.PLACES,
    "eatery": world.EATERIES,
    "village": world.VILLAGES,
    "city": world.CITIES,
    "petname": world.PET_NAMES,
    "colour": world.COLOURS,
    "dish": world.DISHES,
    "drink": world.DRINKS,
    "hobby": world.HOBBIES,
    "sport": world.SPORTS,
    "teamsport": world.TEAM_SPORTS,
    "instrument": world.INSTRUMENTS,
    "event": world.EVENTS,
    "book": world.BOOKS,
    "film": world.FILMS,
    "tool": world.TOOLS,
    "thing": world.THINGS,
    "gift": world.GIFTS,
    "mood": world.MOODS,
    "trait": world.TRAITS,
    "bird": world.BIRDS,
    "animal": world.FARM_ANIMALS,
    "fact": world.FACTS,
    "part": world.PARTS,
    "subject": world.SUBJECTS,
    "hour": ("seven o'clock", "eight o'clock", "half past nine", "noon", "two o'clock", "half past four", "six o'clock"),
    "number": ("three", "four", "five", "six", "eight", "ten", "twelve", "twenty", "thirty"),
    "adjday": ("cold", "warm", "wet", "windy", "foggy", "bright", "grey", "quiet", "dark", "frosty", "sunny", "stormy"),
    "kin": ("mother", "father", "brother", "sister", "uncle", "aunt", "grandmother", "grandfather", "cousin"),
    "fruit": world.MARKET["fruit"],
    "vegetable": world.MARKET["vegetable"],
}
