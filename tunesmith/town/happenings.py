# ruff: noqa: E501 -- a pattern is one line of text
"""Things that people of the town do, told in two sentences, with the questions that the telling answers; used by `questions`.

Slots: `<p>` the person (`<he>`, `<his>`), `<q>` a second person, `<n>` a number in words, `<place>`, `<day>` ("on Monday"), and what
each happening adds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tunesmith.town import world


@dataclass(frozen=True, slots=True)
class Happening:
    """first, second: patterns of the two sentences; the second has only pronouns for the person.
    asks:          slot that is asked for -> question.
    pools:         slots of its own -> values. A value `a;b` fixes the slots `name` and `name2` together.
    """

    first: str
    second: str
    asks: Mapping[str, str]
    pools: Mapping[str, tuple[str, ...]]


PLURALS = tuple(good for goods in world.MARKET.values() for good in goods)
SMALL = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve")
WHYS_LATE = (
    "the bus broke down", "the bridge was closed", "the clock was slow", "there was thick fog", "a cow stood on the road",
    "the train did not come", "the road was icy", "the alarm did not ring",
)  # fmt: skip
TRANSPORT = ("by train", "by bus", "by bicycle", "by boat", "on foot", "by car")
HAPPENINGS = (
    Happening(
        "<day>, <p> bought <n> <goods> {in|at} the market {because|since} <why>.|<p> {went to the market <day> and bought <n> <goods>|bought <n> <goods> at the market <day>}, because <why>.",
        "<he> paid <n2> pounds for them{ and carried them home|}.",
        {"p": "Who bought <goods>?", "n": "How many <goods> did <p> buy?", "goods": "What did <p> buy at the market?", "day": "When did <p> go to the market?", "why": "Why did <p> buy <goods>?", "n2": "How many pounds did <p> pay for the <goods>?"},
        {"goods": PLURALS, "why": ("there were guests in the house", "the cupboard was empty", "the doctor had told everybody to eat well", "they were cheap that day", "a neighbour was ill and needed some", "there was to be a picnic", "the school kitchen had asked for them"), "n": ("twenty", "thirty", "forty", "fifteen", "twelve", "ten"), "n2": SMALL[:8]},
    ),
    Happening(
        "<p> lost <his> <thing> {in|near|at} <place> <day>.|<day>, <p> {noticed that|saw that} <his> <thing> was gone; <he> had {left|forgotten} it at <place>.",
        "<q> found it {later|the next day} and gave it back{, and <he> was very glad|}.|luckily, it was found by <q>{, who brought it back|}.",
        {"p": "Who lost {something|a thing}?", "thing": "What did <p> lose?", "place": "Where did <p> lose the <thing>?", "day": "When did <p> lose the <thing>?", "q": "Who found the <thing>?"},
        {"thing": world.THINGS},
    ),
    Happening(
        "<p> {borrowed|got} a <tool> from <q> <day>, because <why>.|because <why>, <p> borrowed a <tool> from <q> <day>.",
        "<he> {kept it for|had it for} <n> days{, and then took it back|}.|<he> promised to {bring it back|return it} after <n> days.",
        {"p": "Who borrowed the <tool>?", "tool": "What did <p> borrow?", "q": "{Who lent the <tool> to <p>|Who did <p> borrow the <tool> from}?", "day": "When did <p> borrow the <tool>?", "why": "Why did <p> borrow the <tool>?", "n": "For how many days did <p> have the <tool>?"},
        {"tool": world.TOOLS, "why": ("there was work to do in the garden", "the roof had to be mended", "the old one was broken", "a friend was moving house", "the fence had fallen down", "there was no money for a new one"), "n": SMALL},
    ),
    Happening(
        "<p> gave <q> a <gift> <day>.|<day>, <q> got a <gift> from <p>.|a <gift> was {<p>'s present to|what <p> gave} <q> <day>.",
        "<q> had {told everybody how much|said} {<qhe> wanted one|that such a thing was missing}{, and <p> had remembered it|}.|it had cost <n> pounds{, but <q> did not know that|}.",
        {"p": "Who gave somebody a <gift>?", "q": "Who was given a <gift>?", "gift": "What did <p> give <q>?", "day": "When did <q> get the <gift>?"},
        {"gift": world.GIFTS, "n": ("twenty", "thirty", "forty", "fifteen", "twelve", "ten")},
    ),
    Happening(
        "<day>, <p> {travelled|went} to <town> <way> to <aim>.|to <aim>, <p> went to <town> <way> <day>.",
        "the {journey|way there} took <n> hours{, and <he> was tired when <he> arrived|}.|<he> stayed there for <n> {days|nights}.",
        {"p": "Who {went|travelled} to <town>?", "town": "Where did <p> {go|travel}?", "way": "How did <p> get to <town>?", "aim": "Why did <p> go to <town>?", "day": "When did <p> go to <town>?"},
        {"town": world.VILLAGES + world.CITIES, "way": TRANSPORT, "aim": ("visit a sick aunt", "buy a horse", "see a dentist", "sing in a concert", "meet an old friend", "sell a boat", "look at a house", "hear a famous singer"), "n": SMALL[:5]},
    ),
    Happening(
        "<p> cooked <dish> for <n> {guests|friends} <day>.|<day>, <p> had <n> guests and made <dish> for them.",
        "{unfortunately|sadly}, <he> used too much <spice>{, so nobody ate much|}.|<he> had learned it from <q>{, who never measures anything|}.",
        {"p": "Who cooked for {guests|other people}?", "dish": "What did <p> cook?", "n": "How many guests did <p> cook for?", "day": "When did <p> cook <dish>?"},
        {"dish": world.DISHES, "n": SMALL, "spice": ("salt", "pepper", "garlic", "vinegar", "mustard", "ginger")},
    ),
    Happening(
        "<p> {came|was} late {for work|for a meeting} at <place> <day>{, because <why>|. The reason was that <why>}.|because <why>, <p> {reached|got to} <place> late <day>.",
        "<he> had to wait {outside|in the rain} for <n> minutes{ before someone opened the door|}.|<q> {was angry about it|had waited for <him> all that time}.",
        {"p": "Who was late?", "place": "Where was <p> late?", "why": "Why was <p> late?", "day": "When was <p> late?"},
        {"why": WHYS_LATE, "n": ("five", "ten", "fifteen", "twenty", "thirty")},
    ),
    Happening(
        "<p> {saw|found} a <animal> {in|at|near} <place> <day>.|<day>, {there was|<p> came across} a <animal> {at|near} <place>{; <p> saw it first|, and <p> stopped to look}.",
        "<he> {took|drew} <n> pictures of it and {sent|showed} them to <q>.|it disappeared {when|because} <why>.",
        {"p": "Who {saw|found} the <animal>?", "animal": "What {animal|kind of animal} did <p> see?", "place": "Where did <p> see the <animal>?", "day": "When did <p> see the <animal>?"},
        {"animal": (*world.BIRDS, "fox", "hedgehog", "seal", "deer", "otter", "badger"), "n": SMALL, "why": ("a dog barked", "a car came", "it began to rain", "the church bell rang")},
    ),
    Happening(
        "<p> {mended|repaired} the <broken> at <place> <day>.|<day>, the <broken> at <place> {broke|stopped working}, and <p> {repaired|mended} it.",
        "it took <him> <n> hours{ and a new screw|}.|<he> needed <n> hours for it, because <why>.",
        {"p": "Who repaired the <broken>?", "broken": "What did <p> repair?", "place": "Where did <p> repair the <broken>?", "n": "How many hours did {it|the work} take?", "day": "When was the <broken> repaired?"},
        {"broken": world.HOUSEHOLD, "n": SMALL, "why": ("the light was bad", "a part was missing", "nobody could help", "the tools were old")},
    ),
    Happening(
        "<p> {played|plays} the <instrument> at <event>, together with <q>.|at <event>, <p> played the <instrument> and <q> sang.",
        "{about|more than} <n> people came to hear them.|they had practised for <n2> weeks{, mostly in <q>'s kitchen|}.",
        {"p": "Who played the <instrument>?", "instrument": "What did <p> play?", "event": "Where did <p> play the <instrument>?", "q": "Who performed with <p>?"},
        {"instrument": world.INSTRUMENTS, "event": world.EVENTS, "n2": SMALL, "n": ("fifty", "sixty", "eighty", "twenty", "thirty", "ninety")},
    ),
    Happening(
        "<p> was ill <day> and had <illness>.|<day>, <p> had <illness> and stayed in bed.",
        "<q> brought <him> {soup and newspapers|flowers|some tea}{, and stayed for an hour|}.|the doctor gave <him> <remedy>.",
        {"p": "Who was ill?", "illness": "What was wrong with <p>?", "day": "When was <p> ill?"},
        {"illness": world.ILLNESSES, "remedy": world.REMEDIES},
    ),
    Happening(
        "<p> {sold|has sold} <his> old <sold> to <q> for <n> pounds.|<q> paid <p> <n> pounds for an old <sold>.",
        "<he> {wanted|needed} the money for a <gift>.|<he> had owned it for <n2> years{ and was a little sad|}.",
        {"p": "Who sold the <sold>?", "q": "Who bought the <sold>?", "sold": "What did <p> sell to <q>?", "n": "How many pounds did the <sold> cost?"},
        {"sold": ("boat", "bicycle", "piano", "sofa", "desk", "van", "tent", "violin", "camera", "radio"), "gift": world.GIFTS, "n": ("twenty", "thirty", "forty", "fifty", "sixty", "ninety"), "n2": SMALL},
    ),
)  # fmt: skip
ASIDES = (
    "it was a <adj> week.", "<fact>", "{nothing else|not much else} happened that week.", "<r> knew nothing about {it|all this}.",
    "<r> was at <place> most of the time.", "the weather was <adj> on most days.", "<r>, who works as a <job>, heard about it later.",
)  # fmt: skip
