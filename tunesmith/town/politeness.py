# ruff: noqa: E501 -- a pattern is one line of text
"""Requests and questions of the town with a polite and a rude reply, as preference pairs."""

from collections.abc import Iterator
from random import Random
from typing import Any

from tunesmith.town import scenes, world
from tunesmith.town.source import sifted
from tunesmith.town.telling import expand, say

Row = dict[str, Any]
HELLO = "{excuse me|sorry|hello|good morning|good evening|hi}{, <name>|}"
# request; polite replies; rude replies that say the same
SCENES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "{<hello>, where is <place>?|<hello>, how do I get to <place>?|can you tell me the way to <place>{, please|}?}",
        ("{of course|certainly|gladly}: {go straight on|turn left} and {you will see it on the right|it is behind the church}.", "{it is not far|it is near}: {follow this street|cross the bridge}. {have a nice day|you cannot miss it}!", "I'm sorry, I am {not from here|a stranger here} myself, but {the driver|that lady} {may|will} know."),
        ("{buy a map|can't you read|use your eyes}{, will you|}.", "{how should I know|do I look like a map}? {go away|ask somebody else}.", "{straight on|left}. {and don't bother me again|now leave me alone}."),
    ),
    (
        "{<hello>, could you|can you|would you} {help me with|hold|carry} {this <thing>|my bags}{, please|}?",
        ("{of course|with pleasure|certainly}, {let me take it|give it to me|where shall I put it}.", "{gladly|I'd love to}, {just one moment|I'll be right with you}.", "I'm {very |}sorry, {my back hurts|my hands are full}, but {I'll call somebody|<other> can help you}."),
        ("{do it yourself|you have two hands}{!|.}", "{why should I|not my job}{?|.}", "{can't you see that I'm busy|not again|carry it yourself}!"),
    ),
    (
        "{<hello>, do you have|do you sell|is there any} {<fruit>|<vegetable>|<gift>s}{ today| left|}?",
        ("{I'm afraid not|I'm sorry, we have none left}, but {there will be some|please come again} on <day>.", "{yes, of course|certainly}! how {many|much} would you like?", "{yes|we do}, they are {over there|next to the door}. {may I help you|please help yourself}?"),
        ("{no|nothing left}. {next|you should have come earlier}!", "{what do you think|it says so on the sign}, {can't you read|open your eyes}.", "{look for it yourself|that's your problem}, I'm {having my lunch|not your servant}."),
    ),
    (
        "{<hello>, when does|what time does} {{the bus to <village>|the train to <city>|the ferry} leave|{<event>|the film|the concert} {start|begin}}?",
        ("at <hour>{, so you have plenty of time|, but it is often late}.", "let me {see|look}: at <hour>. {enjoy it|have a good time}!", "I'm not sure, {I'm sorry|I'm afraid}; {shall I ask for you|let me find out}?"),
        ("{can't you read the sign?|there's a sign, you know.}", "at <hour>. {and now stop asking|don't ask me again}.", "{who cares|what do I care}{?|!} {I'm not your secretary|find out yourself}."),
    ),
    (
        "{I'm sorry, |I'm afraid that |<name>, }I {broke|lost|dropped|forgot} your <thing>.",
        ("{never mind|don't worry}, {it was old|these things happen|it is only a thing}.", "{thank you for telling me|that's all right}. {we'll find another one|it can be mended}.", "{oh dear|what a pity}, but {are you all right|it could have happened to me}."),
        ("{you fool|how stupid can you be}! {you'll pay for that|get out}.", "{of course you did|typical}. you {ruin|spoil} everything.", "{never touch my things again|I knew that you were useless}!"),
    ),
    (
        "{<hello>, |}{would you like|do you want} {some <dish>|a cup of <drink>|a piece of cake}?",
        ("{yes, please|that would be lovely|how kind of you}{, I'm quite hungry|, thank you|}.", "{no, thank you|that is very kind}, I have just eaten{, but it {looks|smells} wonderful|}.", "{thank you|yes, please}, {just a little|but only if there is enough for all}."),
        ("{what, that|ugh}? {it looks awful|I'd rather starve}.", "{give it here|hurry up with it}.", "{is that all you have|not from your kitchen}{?|.}"),
    ),
    (
        "{<name>, |}{how do you like|what do you think of} my {new <thing>|<colour> hat|new hair|picture}?",
        ("{it is lovely|how beautiful}{. where did you find it?|, and you look happy!}", "{I like the colour|how interesting}! {did you choose it yourself|is it from {<city>|the market}}?", "it is {not quite to my taste|a little bright for me}, but {it suits you|I can see why you like it}."),
        ("{it is ugly|horrible}{, like everything you own|, take it away}.", "{did you pay for that|were you drunk}?", "{my <animal> has better taste|I've seen better in the rubbish}."),
    ),
    (
        "{<hello>, |}{may I|can I|could I} {sit {here|next to you}|borrow your <thing>|open the window|borrow your <tool>|use your telephone|have a look at your paper}{, please|}?",
        ("{of course|please do|certainly}{, go ahead|, I don't need it now|}.", "{I'm sorry|I'm afraid}, {I need it myself|somebody is ill here|it is taken}, but {in ten minutes, gladly|please ask me later}.", "{with pleasure|yes, gladly}{, make yourself at home|, as long as you like|}."),
        ("{no|certainly not}. {go and bother somebody else|leave me in peace}.", "{what for|what next}? {you have no manners|people like you want everything}.", "if you {must|can't live without it}. {but be quick|and then go away}."),
    ),
    (
        "{my <kin> is ill|my friend <name> is ill|I failed the <subject> test|I lost my job|our <pet> has died}{ and I don't know what to do|}.",
        ("{I'm so sorry|how sad}. {can I do anything|would you like to talk about it}?", "{that is hard|I'm sorry to hear that}. {come and have some tea|you can always call me}.", "{oh no|how terrible}. {we'll find a way together|you are not alone}."),
        ("{so what|and why tell me}? {I have my own problems|everybody has problems}.", "{that's your own fault|serves you right}.", "{stop crying|don't make such a fuss}{, you baby|}."),
    ),
    (
        "{<hello>, the <dish> is cold|there is a fly in my <drink>|this bill is wrong|I ordered <dish>, not <dish2>}.",
        ("{I'm very sorry|I do apologise}, {I'll bring you a new one|let me put that right} at once.", "{thank you for telling me|please forgive us}. {it won't cost you anything|the next one is on the house}.", "oh, I {must have mixed something up|made a mistake}, {excuse me|I'm sorry}; just one moment."),
        ("{eat it or leave|nobody else complains}{!|.}", "{and what do you expect me to do|are you trying to be clever}?", "{then go and cook yourself|you always find something}, {don't you|madam}."),
    ),
    (
        "{<hello>, |}{{are you coming|would you like to come} to <event>{ on <day>| with us| with me and <other>|}|shall we go to <event>{ on <day>| together|}}?",
        ("{I'd love to|what a good idea}{, thank you for asking|}! {shall I bring anything|when do we meet}?", "{what a pity|I'm sorry}, {I have to work|my <kin> is coming} {that day|on <day>}. another time, perhaps?", "{thank you for the invitation|how kind}, I'll {be there|come with <other>}."),
        ("with you? {never|not in a hundred years}.", "{I've got better things to do|it will be boring, like you}.", "{if I must|only if you pay}. {don't talk to me there|and don't be late as usual}."),
    ),
    (
        "{<other> said that|somebody told me that} {the shop|the library|<eatery>} {is closed|opens} on <day>. {is that true|is that so}?",
        ("{yes, that's right|that's correct}{, but you can come on <day2>|, I'm afraid|}.", "{I'm not quite sure|let me check}; {I'll ask|one moment, please}.", "{no, but thank you for asking|oh no, that has changed}: it is {the other way round|on <day2> now}."),
        ("{believe what you like|why ask me, then}.", "<other> {talks a lot of nonsense|is an idiot}, and so are you.", "{what does the sign say|do I have to say everything twice}? {off with you|go home}."),
    ),
    (
        "{<hello>, |}{could you|would you} {be a little quieter|turn the music down|move your {van|bicycle}}{, please|}? {the baby is asleep|I have to get out|I'm trying to work}.",
        ("{I'm sorry|of course}, {I didn't notice|I had no idea}{. it won't happen again|}.", "{certainly|right away}{, please excuse me|, and thank you for telling me so kindly}.", "{oh, I beg your pardon|sorry about that}; {we'll stop|I'll do it} in a minute."),
        ("{it's my street too|I do what I like}.", "{buy yourself some earplugs|move somewhere else}{!|.}", "{mind your own business|says who}? {I was here first|you are the noisy one}."),
    ),
    (
        "{thank you for|thanks for} {your help|the <gift>|the lovely {evening|<day>}|waiting for me|the {apples|<fruit>|<vegetable>}|lending me the <tool>}{, <name>|}!",
        ("{you're welcome|not at all}{, any time|, I enjoyed it too}.", "{it was a pleasure|don't mention it}. {see you soon|greetings to your <kin>}!", "{I'm glad that you liked it|that's what friends are for}."),
        ("{about time that you said it|you owe me something now}.", "it was {a waste of time|very boring}{, to be honest|}.", "{don't think I'll do it again|that was the last time}."),
    ),
)  # fmt: skip


def rows(split: str, count: int, seed: int = 0) -> Iterator[Row]:
    """Rows {"id", "request", "polite", "rude"}: two replies to the same words, of which the polite one is preferred."""
    return sifted("politeness", split, count, seed, _draw, lambda row: str(row["request"]))


def _draw(rng: Random) -> Row:
    request, polite, rude = rng.choice(SCENES)
    slots: dict[str, Any] = {name: rng.choice(values) for name, values in scenes.WORDS.items()}
    first, second = world.people(rng, 2)
    day, other_day = world.two(rng, world.WEEKDAYS)
    dish, other_dish = world.two(rng, world.DISHES)
    slots |= {"name": first.name, "other": second.name, "day": day, "day2": other_day, "dish": dish, "dish2": other_dish}
    slots |= {"pet": rng.choice(world.PETS)}
    slots["hello"] = expand(rng, HELLO, slots)
    return {
        "request": say(rng, request, slots),
        "polite": say(rng, rng.choice(polite), slots),
        "rude": say(rng, rng.choice(rude), slots),
    }
