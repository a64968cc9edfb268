# ruff: noqa: E501 -- a pattern is one line of text
"""Single statements about people of the town, each said in several ways; used by `entailment`, `paraphrase` and `similarity`.

A frame's forms all say the same. Its statement becomes another one when two slots change places or one slot gets a new value.
"""

from dataclasses import dataclass
from random import Random

from tunesmith.town import world
from tunesmith.town.telling import say


@dataclass(frozen=True, slots=True)
class Frame:
    """forms:  patterns that mean the same; `<p>` and `<q>` are people.
    pools:  values of the other slots.
    equal:  the statement is the same, or true as well, when `<p>` and `<q>` change places.
    wider:  patterns that follow from it; those in `against` contradict it, those in `open` are neither.
    """

    forms: tuple[str, ...]
    pools: dict[str, tuple[str, ...]]
    wider: tuple[str, ...]
    against: tuple[str, ...]
    open: tuple[str, ...]
    equal: bool = False


DAYS = tuple(f"on {day}" for day in world.WEEKDAYS)
SOLD = ("boat", "bicycle", "piano", "sofa", "van", "tent", "violin", "camera", "radio", "clock", "mirror", "horse")
EXAMS = ("exam", "driving test", "swimming test", "cookery course")
NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve")
FRAMES = (
    Frame(
        ("<p> sold <q> <phis> old <thing> <day>.", "<q> bought <p>'s old <thing> <day>.", "<day>, <p>'s old <thing> was sold to <q>.", "<day>, <q> bought an old <thing> from <p>."),
        {"thing": SOLD, "day": DAYS},
        ("<q> {bought|paid for} something <day>.", "<p> {got rid of|no longer owns} <phis> old <thing>.", "<p> sold something.", "<q> and <p> did business <day>."),
        ("<p> kept <phis> old <thing>.", "<q> sold <p> {a|an old} <thing>.", "<p> gave <q> {a|the} <thing> as a present.", "nobody bought <p>'s old <thing>."),
        ("<p> needed the money.", "<q> {paid forty pounds|is pleased with the <thing>}.", "<p> has bought a new <thing>.", "<q> wanted a <thing> for {the children|a friend}."),
    ),
    Frame(
        ("<p> lent <q> a <tool> <day>.", "<q> borrowed a <tool> from <p> <day>.", "<day>, <q> was lent a <tool> by <p>.", "<day>, <p> let <q> borrow a <tool>."),
        {"tool": world.TOOLS, "day": DAYS},
        ("<q> {got|had} a <tool> from <p>.", "<q> borrowed something <day>.", "<p> let somebody use a <tool>."),
        ("<p> borrowed a <tool> from <q>.", "<q> did not get a <tool> from <p>.", "<p> refused to lend <q> a <tool>."),
        ("<q> {brought the <tool> back the next day|broke the <tool>}.", "<p> and <q> are neighbours.", "<p> has two <tool>s.", "the <tool> {is new|belongs to a cousin of <p>}."),
    ),
    Frame(
        ("<p> gave <q> a <gift> .", "<q> got a <gift> from <p>.", "<q> was given a <gift> by <p>.", "a <gift> was <p>'s present to <q>."),
        {"gift": world.GIFTS},
        ("<p> gave <q> a present.", "<q> {received|got} something from <p>.", "<q> now has a <gift>."),
        ("<q> gave <p> a <gift>.", "<q> did not get anything from <p>.", "<p> kept the <gift>."),
        ("<q> {liked|did not like} the <gift>.", "the <gift> was expensive.", "<p> bought the <gift> in <city>."),
    ),
    Frame(
        ("<p> is <n> years older than <q>.", "<q> is <n> years younger than <p>.", "when <p> was born, <q> was not yet born: there are <n> years between them.", "<p> was born <n> years before <q>."),
        {"n": NUMBERS},
        ("<p> is older than <q>.", "<q> is younger than <p>.", "<p> and <q> are not of the same age."),
        ("<q> is older than <p>.", "<p> and <q> are of the same age.", "<p> is younger than <q>.", "<q> was born before <p>."),
        ("<p> is taller than <q>.", "<p> and <q> are {related|friends|married}.", "<q> is {still a child|over thirty}.", "<p> {works|lives} with <q>."),
    ),
    Frame(
        ("<p> {arrived|came} before <q>.", "<q> {arrived|came} after <p>.", "when <q> {arrived|came}, <p> was already there.", "<p> was there earlier than <q>."),
        {},
        ("<q> was not the first to come.", "<p> was there {sooner|earlier} than <q>.", "both <p> and <q> came."),
        ("<q> {arrived|came} before <p>.", "<p> and <q> came at the same moment.", "<p> did not come at all.", "<p> was later than <q>."),
        ("<q> was late.", "<p> came by {bus|bicycle}.", "<p> had to wait an hour.", "<p> was the first to arrive.", "<q> {apologised|was angry}."),
    ),
    Frame(
        ("<p> beat <q> at <game>.", "<q> lost to <p> at <game>.", "<p> won the game of <game> against <q>.", "<q> was beaten by <p> at <game>."),
        {"game": ("chess", "tennis", "table tennis", "darts", "cards", "badminton")},
        ("<p> and <q> played <game>.", "<q> lost a game.", "<p> won.", "<q> did not win."),
        ("<q> beat <p> at <game>.", "<p> lost to <q>.", "<p> did not win against <q>.", "<p> has never played against <q>."),
        ("<p> had never beaten <q> before.", "<q> was {tired|ill}.", "<p> {practises every day|is the best player in town}.", "it was a close game."),
    ),
    Frame(
        ("<p> teaches <q> <subject>.", "<q> is taught <subject> by <p>.", "<q> has <subject> lessons with <p>.", "<p> is <q>'s <subject> teacher."),
        {"subject": (*world.SUBJECTS, "the violin", "the piano")},
        ("<q> {takes|has} lessons.", "<p> is {a|<q>'s} teacher.", "<p> knows <q>."),
        ("<q> teaches <p> <subject>.", "<p> {takes|has} <subject> lessons with <q>.", "<p> has no pupils.", "<p> and <q> have never met."),
        ("<q> {likes|is good at} <subject>.", "<q> pays <p> for the lessons.", "<p> is {strict|patient}.", "<q> wants to be a teacher."),
    ),
    Frame(
        ("<p> invited <q> to <event>.", "<q> was invited to <event> by <p>.", "<p> asked <q> to come along to <event>.", "<q> got an invitation to <event> from <p>."),
        {"event": world.EVENTS},
        ("<q> was invited to something.", "<p> {invited somebody to|knew about} <event>.", "<p> wanted <q> to come."),
        ("<q> invited <p> to <event>.", "nobody invited <q> to <event>.", "<p> did not {want <q> to come|ask <q> to come}."),
        ("<q> {went|did not go} to <event>.", "<p> has bought the tickets.", "<q> was pleased about it.", "<event> will be {on <weekday>|in <month>}."),
    ),
    Frame(
        ("<p> met <q> near <place> <day>.", "<q> met <p> near <place> <day>.", "<day>, <q> and <p> met near <place>.", "<p> and <q> saw each other near <place> <day>."),
        {"place": world.PLACES, "day": DAYS},
        ("<p> saw <q> <day>.", "<q> was near <place> <day>."),
        ("<p> did not see <q> <day>.", "<p> and <q> have never met.", "<day>, <q> stayed in bed all day."),
        ("<p> and <q> {had planned to meet|talked for an hour|were glad to meet}.", "it was raining when <p> met <q>.", "<p> often goes to <place>."),
        equal=True,
    ),
    Frame(
        ("<p> has <n> <animals>.", "<n> <animals> belong to <p>.", "<p> is the owner of <n> <animals>.", "<p> owns <n> <animals>."),
        {"n": NUMBERS[1:], "animals": ("dogs", "cats", "hens", "geese", "horses", "rabbits", "goats", "ducks", "sheep")},
        ("<p> has {animals|more than one animal}.", "<p> has <less> <animals> or more.", "<p> has more than <less> <animals>.", "<p> has {at least|no fewer than} <less> <animals>."),
        ("<p> has no <animals>.", "<p> has {fewer than|only} <less> <animals>.", "<p> has more than <more> <animals>.", "<p> does not like animals and has none."),
        ("<p> has {a|more than one} parrot.", "<p> {lives on a farm|sells animals}.", "<p>'s <animals> are {old|brown}.", "<q> has <animals> too."),
    ),
    Frame(
        ("all the <kids> went to <place>, and <p> went with them.", "not one of the <kids> stayed away from <place>, and <p> came along.", "<p> and every one of the <kids> went to <place>.", "<p> went to <place> with all of the <kids>."),
        {"kids": ("pupils", "children", "players", "singers", "visitors", "cooks", "nurses", "farmers"), "place": world.PLACES},
        ("some of the <kids> went to <place>.", "<p> went to <place>.", "the <kids> were not alone at <place>."),
        ("none of the <kids> went to <place>.", "some of the <kids> stayed {at home|away}.", "only <p> went to <place>."),
        ("the <kids> enjoyed <place>.", "<q> went with them.", "it was <p>'s idea.", "they went there {on foot|by bus}."),
    ),
    Frame(
        ("<p> {did not pass|failed} the <exam>, but <q> did{ pass|}.", "the <exam> was passed by <q> but not by <p>.", "<q> passed the <exam>; <p> failed.", "only <q> passed the <exam>: <p> failed it."),
        {"exam": EXAMS},
        ("<q> passed the <exam>.", "<p> failed {something|the <exam>}.", "not everybody passed the <exam>.", "<q> did better than <p>."),
        ("<p> passed the <exam>.", "<q> failed the <exam>.", "both <p> and <q> passed the <exam>.", "neither <p> nor <q> passed the <exam>."),
        ("<p> will try again{ in <month>|}.", "<q> had worked harder than <p>.", "the <exam> was {easy|very hard}.", "<q> helped <p> to learn for the <exam>."),
    ),
    Frame(
        ("<p> ate <food> and drank <drink>.", "<p> had <food> to eat and <drink> to drink.", "<p> had <food> with <drink>.", "<p>'s meal was <food> and <drink>."),
        {"food": world.DISHES, "drink": world.DRINKS},
        ("<p> had something to drink.", "<p> drank <drink>.", "<p> ate something.", "<p> did not go hungry."),
        ("<p> ate nothing.", "<p> {drank nothing|had nothing to drink}.", "<p> did not touch the <food>.", "<p> left the <drink>."),
        ("<p> was very hungry.", "<p> {had cooked the <food>|ate alone|likes <food>}.", "<q> paid for the meal.", "the <food> was good."),
    ),
    Frame(
        ("<p> works as a <job>, and <q> works as a <job2>.", "<p> is a <job> and <q> is a <job2>.", "<q> is a <job2>, while <p> works as a <job>.", "<q>'s work is that of a <job2>; <p>'s is that of a <job>."),
        {"job": world.JOBS[:16], "job2": world.JOBS[16:]},
        ("<p> {is|works as} a <job>.", "<q> has a job.", "<p> and <q> do not do the same work."),
        ("<p> {is|works as} a <job2>.", "<p> and <q> have the same {job|trade}.", "<q> {has no work|is a <job>}."),
        ("<p> and <q> {are friends|are married|live in the same street}.", "<p> earns more than <q>.", "<q> likes being a <job2>."),
    ),
)  # fmt: skip
Slots = dict[str, str]


def draw(rng: Random) -> tuple[Frame, Slots]:
    """A frame, and values for its slots."""
    frame = rng.choice(FRAMES)
    return frame, fill(rng, frame)


def fill(rng: Random, frame: Frame) -> Slots:
    """Values for a frame's slots, and for those of times and places in general."""
    slots = {"city": rng.choice(world.CITIES), "month": rng.choice(world.MONTHS), "weekday": rng.choice(world.WEEKDAYS)}
    slots |= {name: rng.choice(values) for name, values in frame.pools.items()}
    number = NUMBERS.index(slots.get("n", "three"))
    slots |= {"less": NUMBERS[max(number - 1, 0)], "more": NUMBERS[min(number + 1, len(NUMBERS) - 1)]}
    return slots | people(*world.people(rng, 2))


def people(first: world.Person, second: world.Person) -> Slots:
    """The slots of two people."""
    return {"p": first.name, "phis": first.their, "q": second.name, "qhis": second.their}


def swapped(slots: Slots) -> Slots:
    """The same with the two people in each other's place."""
    return {**slots, "p": slots["q"], "q": slots["p"], "phis": slots["qhis"], "qhis": slots["phis"]}


def changed(rng: Random, frame: Frame, slots: Slots) -> Slots:
    """The same with one slot's value replaced; a person where the frame has no other slots."""
    name = rng.choice(sorted(frame.pools) or ["p"])
    if name == "p":
        other = world.person(rng, "she" if slots["phis"] == "her" else "he", without=(slots["p"], slots["q"]))
        return {**slots, "p": other.name}
    return {**slots, name: rng.choice([value for value in frame.pools[name] if value != slots[name]])}


def statement(rng: Random, frame: Frame, slots: Slots, number: int | None = None) -> str:
    """The statement in one of its forms."""
    return say(rng, frame.forms[number] if number is not None else rng.choice(frame.forms), slots)
