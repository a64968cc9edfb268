# ruff: noqa: E501 -- a pattern is one line of text
"""What people of the town say about what they bought, ate, saw and read: patterns of good (+) and bad (-) remarks for `reviews`."""

from dataclasses import dataclass

from tunesmith.town import world

Topic = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Kind:
    """Something that is reviewed: its names, how a review begins, and remarks by topic."""

    names: tuple[str, ...]
    openings: tuple[str, ...]
    topics: dict[str, Topic]


PRICE: Topic = {
    "+": (
        "the price was {fair|very reasonable|lower than I had feared}.",
        "it is not cheap, but it is worth every penny.",
        "you get a lot for your money.",
        "I would gladly have paid {twice as much|more}.",
    ),
    "-": (
        "it was far too {dear|expensive} for what you get.",
        "for that price I {had expected|expected} {something better|a good deal more}.",
        "what looks cheap on the sign is not cheap {in the end|when the bill comes}.",
        "they charged us {twice for the same thing|extra for everything, even for a glass of water}.",
    ),
}
STAFF: Topic = {
    "+": (
        "the staff {could not have been kinder|were friendly and never in a hurry|had time for every question}.",
        "<name> {remembered our names|made us laugh|looked after us as if we were family}.",
        "nobody was rude, not even when {the baby screamed|we came late|I changed my mind three times}.",
        "a smile at the door, {good advice|a kind word} and no pressure: that is how it should be.",
    ),
    "-": (
        "the staff {looked right through us|were {rude|bored} from the start|seemed to hope that we would leave}.",
        "nobody had {a smile|time|an answer} for us.",
        "when I complained, <name> only {laughed|shrugged|walked away}.",
        "they were friendly until I {asked for help|wanted my change}; then it got unpleasant.",
    ),
}
DELIVERY: Topic = {
    "+": (
        "I was told to wait a week, and it was {ready|done} {the next day|after two days}.",
        "promised for <day>, done on <day>: that is rare.",
    ),
    "-": (
        "it was promised for <day>; it was {ready|done} <n> {days|weeks} later.",
        "I rang <n> times before anybody {came|called back}.",
    ),
}
WAIT: Topic = {
    "+": (
        "we did not have to wait at all.",
        "{everything|it all} went quickly, although the place was full.",
    ),
    "-": (
        "we waited {an hour|forty minutes}, and nobody said sorry.",
        "quick service, it says on the sign; {I could have read a whole book|I nearly fell asleep} while I waited.",
    ),
}
FOOD: Topic = {
    "+": (
        "the <dish> was {excellent|wonderful|full of flavour|as good as my grandmother's}.",
        "I had heard bad things about the <dish>, and none of them were true.",
        "there was not a crumb left of the <dish>.",
        "I do not even like <drink>, but theirs was {lovely|delicious}.",
    ),
    "-": (
        "the <dish> was {cold in the middle|burnt|dry and without any taste|far too salty}.",
        "everyone praises the <dish>; I {left half of it|cannot think why}.",
        "the <dish> looked delicious and tasted of {nothing|soap|old fat}.",
        "I would not give the <dish> to {my dog|a hungry gull}.",
    ),
}
ROOM: Topic = {
    "+": (
        "the place is {bright, warm and clean|small but full of charm}.",
        "there is {a fine view of the river|a fire in winter}, and you can {sit|stay} as long as you like.",
        "from outside it looks like nothing, but inside it is {lovely|a little palace}.",
    ),
    "-": (
        "the {tables were sticky|floor was dirty} and {it smelt of wet dog|there was a draught}.",
        "it was so {loud|dark} that we could not {hear each other|read the menu}.",
        "it had none of the charm that they promise on the poster.",
    ),
}
GOODS: Topic = {
    "+": (
        "what I bought {there |}has lasted for {years|<n> years} and still looks new.",
        "they have everything, even the things that {nobody else has|other shops stopped selling long ago}.",
        "my <kin> was delighted with what I {brought home|chose}.",
        "I was afraid that it would break at once, but I was wrong.",
    ),
    "-": (
        "what I bought {broke|fell to pieces} {on the first day|after <n> days|before I got home}.",
        "half of the shelves were empty, and {the rest was dusty|they did not have what I wanted}.",
        "it looked {good|wonderful} in the window, but at home {a piece was missing|it was the wrong size|the paint came off}.",
        "they sold me {a used one|the wrong one} as {new|the best} and would not take it back.",
    ),
}
STORY: Topic = {
    "+": (
        "the story {kept me awake until two|surprised me again and again|is simple and goes straight to the heart}.",
        "I thought that I knew how it would end, and I was {quite |happily |}wrong.",
        "not a single {scene|minute|chapter} is too long.",
        "{I laughed, and then I cried|we talked about it all the way home}.",
    ),
    "-": (
        "{after ten minutes|from the first minute} I knew how it would end, and so it did.",
        "the story {goes nowhere|makes no sense|is as thin as paper}.",
        "people say that you laugh until you cry; I did neither.",
        "I {fell asleep twice|looked at my watch every five minutes}.",
    ),
}
CRAFT: Topic = {
    "+": (
        "the language is {beautiful|clear and fresh}.",
        "the {main character|heroine} is someone you {would like to meet|believe from the first word}.",
        "nothing about it is dull, not even the {villain|beginning}.",
    ),
    "-": (
        "the {characters are made of wood|jokes are as old as the bridge}.",
        "the language is {dull|stiff and without feeling}.",
        "it tries so hard to be clever that it forgets to be good.",
    ),
}
PLAYERS: Topic = {
    "+": (
        "<name> {was splendid in the main part|sang so well that the room went quiet}.",
        "for a small town, the {lights|costumes} were {a wonder|amazing}.",
    ),
    "-": (
        "<name> {forgot <he> had to speak loudly|could not be heard past the second row|was hoarse and out of tune}.",
        "the seats were {hard|too narrow} and {the person in front of me never stopped talking|it was freezing}.",
    ),
}
SAILING: Topic = {
    "+": (
        "we saw {seals|dolphins|a heron|hundreds of birds} from quite near.",
        "the captain told {good stories|us all about the coast} and {let the children steer|never made a boring joke}.",
        "it rained the whole time, and nobody minded, because {there was hot <drink>|the cabin was dry and warm}.",
        "the sea was rough, but I never felt unsafe.",
    ),
    "-": (
        "the seals that they promise {must have been on holiday|stayed away}; we saw one {gull|plastic bag}.",
        "the boat {was so full that we stood all the way|smelt of diesel|leaked, and our shoes were wet}.",
        "after {twenty|thirty} minutes of a two-hour trip we {turned back|were on land again}.",
        "the captain {did not say a word|shouted at the children}.",
    ),
}
REPAIR: Topic = {
    "+": (
        "the <thing> {works better than before|has not given any trouble since}.",
        "<who> found the fault that <n> others had {missed|looked for in vain}.",
        "everything was left clean; I did not even need a broom.",
    ),
    "-": (
        "the <thing> {broke again the same evening|now makes a noise that it never made before}.",
        "<who> left {a hole in the wall|mud on the carpet} and a long bill.",
        "the fault was never found, although <who> {came|looked for it} again and again.",
    ),
}
BEDS: Topic = {
    "+": (
        "I slept {like a stone|better than at home}.",
        "the bed was {soft|wide} and the {sheets smelt of soap|window opened on the garden}.",
        "we had been warned about the noise, but we heard nothing but {the river|an owl}.",
    ),
    "-": (
        "I did not close my eyes {all night|before four}: {the pipes knocked|the walls are made of paper}.",
        "the bed was {as hard as a board|too short for anyone over ten}.",
        "a quiet room, they had said; {the bar was under it|the church bell was next to it}.",
    ),
}
SHOW: Topic = {
    "+": (
        "{we came for an hour and stayed all day|even my <kin>, who hates museums, wanted to come back}.",
        "there is something {to touch and try|to discover} in every corner.",
        "I had never thought that {old tools|bread|coins} could be so interesting.",
    ),
    "-": (
        "{half|most} of the rooms were closed, and {nobody told us before we paid|the rest was dark}.",
        "you have seen everything in ten minutes, and {that is slow|you will have forgotten it in five}.",
        "the children, who love such things, {asked to go home|were bored}.",
    ),
}
PRINT: Topic = {
    "+": (
        "the pictures alone are worth {a look|the walk to the library}.",
        "the {print is large|paper is good}, and it is a pleasure to hold.",
    ),
    "-": (
        "the print is so small that {I got a headache|my eyes hurt}.",
        "my copy lost its last pages {on the bus|in two days}, and I did not miss them.",
    ),
}
VISIT = (
    "{I|we} went to <it> on <day>.",
    "{last <day>|on <day>} {my <kin> took me to <it>|we tried <it>}.",
    "it was {my|our} {first|second|third} visit to <it>.",
    "{we had heard a lot about|everyone had told us about} <it>.",
)
BOUGHT = (
    "I {was|went shopping} at <it> on <day>.",
    "{I needed a present, so I tried|on <day> I stopped at} <it>.",
    "{my <kin> sent me to|I have been a customer of} <it>{ again|}.",
)
KINDS: dict[str, Kind] = {
    "inn": Kind(world.EATERIES, VISIT, {"price": PRICE, "staff": STAFF, "wait": WAIT, "food": FOOD, "room": ROOM}),
    "shop": Kind(
        tuple(shop.place for shop in world.SHOPS),
        BOUGHT[:2],
        {"price": PRICE, "staff": STAFF, "goods": GOODS, "wait": WAIT, "room": {"+": ROOM["+"][:1], "-": ROOM["-"][2:]}},
    ),
    "boat": Kind(
        (
            "the boat trip to the lighthouse",
            "the seal trip",
            "the evening trip on the Arden",
            "the ferry to Little Marsh",
            "the boat trip round the bay",
        ),
        ("{we|I} took <it> on <day>.", "{on <day> we went on|for my birthday I was given} <it>.", "<it> was my <kin>'s idea."),
        {"price": PRICE, "staff": STAFF, "sea": SAILING, "wait": {"+": WAIT["+"][:1], "-": WAIT["-"][:1]}},
    ),
    "book": Kind(
        tuple(f'"{book}"' for book in world.BOOKS),
        (
            "{I read|my <kin> gave me} <it>{ in two days| last week|}.",
            "{I found|I took} <it> {in|from} the library.",
            "everyone is reading <it>.",
        ),
        {"story": STORY, "craft": CRAFT, "price": {"+": PRICE["+"][1:3], "-": PRICE["-"][1:2]}, "print": PRINT},
    ),
    "play": Kind(
        tuple(f'"{play}"' for play in (*world.PLAYS, *world.FILMS)),
        ("{we|I} saw <it> on <day>.", "{on <day> my <kin> and I went to see|the school group took us to} <it>."),
        {"story": STORY, "craft": CRAFT, "players": PLAYERS, "price": PRICE},
    ),
    "repair": Kind(
        tuple(
            f"{title} {name}, the {job}"
            for title in ("Mr", "Mrs")
            for name in world.SURNAMES[:24]
            for job in ("plumber", "carpenter", "mechanic", "electrician")
        ),
        (
            "{our|my} <thing> was broken, so {I|we} called <it>.",
            "<it>, came to repair our <thing>.",
            "{on <day> we asked|my <kin> recommended} <it>.",
        ),
        {
            "repair": REPAIR,
            "price": PRICE,
            "wait": DELIVERY,
            "manner": {
                "+": STAFF["+"][3:],
                "-": ("I was told that it was all my own fault.", "not a word of greeting, and not a word of explanation."),
            },
        },
    ),
    "hotel": Kind(
        (
            "the Bridge Hotel",
            "the Swan Inn",
            "the guest house in Mill Lane",
            "Mrs Brook's guest house",
            "the Harbour Hotel",
            "the camping site at the lake",
        ),
        ("{we|I} stayed at <it> for <n> nights.", "we spent {a|our} {weekend|holiday} at <it>."),
        {
            "beds": BEDS,
            "house": ROOM,
            "price": PRICE,
            "staff": STAFF,
            "food": {
                "+": ("breakfast was {rich and fresh|the best part of the day}.",),
                "-": ("breakfast was {a cold egg and yesterday's bread|finished before we came down}.",),
            },
        },
    ),
    "sight": Kind(
        (
            "the bread museum in the old mill",
            "the castle",
            "the town museum",
            "the exhibition in the town hall",
            "the lantern walk",
            "the flower show",
            "the book fair",
        ),
        VISIT[:2],
        {"show": SHOW, "price": PRICE, "staff": STAFF, "wait": WAIT},
    ),
}
VERDICTS: dict[int, tuple[str, ...]] = {
    5: (
        "{I cannot say a bad word about it|I have nothing to complain about, and I usually do}.",
        "{go there|try it}, you will not regret it{!|.}",
        "it could not {have been|be} better.",
        "I have never had {anything|it} so good in this town.",
        "{simply|quite simply} perfect.",
        "if I could give six stars, I would.",
        "don't listen to those who call it dull: it is the best there is.",
        "I was ready to be disappointed, and I was {delighted|thrilled} instead.",
    ),
    4: (
        "{very good|good}, with room for a little more.",
        "not perfect, but {I shall come again|I would do it again}.",
        "{all in all|on the whole} we were happy.",
        "a small thing or two could be better; {the rest is great|I recommend it all the same}.",
        "better than I had expected.",
        "nearly everything was right.",
        "I would {recommend it|go again}, though perhaps not on a {Saturday|Sunday}.",
    ),
    3: (
        "neither good nor bad.",
        "{some things were fine, others were not|it has two sides}.",
        "I don't know if I would go again.",
        "it was {all right|average}, no more and no less.",
        "you can {do better|find better}, and you can do worse.",
        "for every good point there is a bad one.",
        "I was not angry, and I was not delighted.",
    ),
    2: (
        "{all in all|on the whole} we were disappointed.",
        "not the worst, but {I shall not come again|I would not do it again}.",
        "it could be good if somebody {cared|took the trouble}.",
        "I had hoped for {much |}more.",
        "the good part does not make up for the rest.",
        "I would rather {stay at home|go somewhere else} next time.",
        "nearly everything could be better.",
    ),
    1: (
        "{never again|once and never again}{!|.}",
        "I cannot say one good word about it.",
        "{stay away|save your money}{!|.}",
        "it could not have been worse.",
        "I would give no star at all if I could.",
        "whoever calls it the best in town has never been anywhere else.",
        "I had such hopes; what a {waste of time|mistake}.",
        "don't believe the {kind words|praise} you hear: it is dreadful.",
    ),
}
