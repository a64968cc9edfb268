"""What people say before, between and after what matters: greetings, weather, news of the town, goodbyes.

None of it belongs in a summary; it is there so that summing up means choosing.
"""

# ruff: noqa: E501  a pattern is one line, as a line in a play is

from tunesmith.town.talk import Talk
from tunesmith.town.world import (
    BIRDS,
    DISHES,
    EATERIES,
    EVENTS,
    FACTS,
    FILMS,
    HOBBIES,
    INGREDIENTS,
    PLACES,
    SKIES,
    STREETS,
    TEAM_SPORTS,
    VILLAGES,
    WEATHERS,
    WEEKDAYS,
    WOMEN,
)

GREETINGS = (
    "{Hello|Hi|Hey|Hello there}<to>{!|.}",
    "Good {morning|afternoon|evening}<to>{!|.}",
    "{Oh, hello|Ah, there you are|Well, well}<to>{!|.}",
    "{Nice|Good|Lovely} to see you<to>{!|.}",
)
REMARKS = {
    "friends": (
        ("{How are you|How are things|How is life}?", "{Not bad|Quite well|Fine|A bit tired}, thanks. {And you?|You look well.|And how are you?|}"),
        ("{What a <w> day|So <w> again|Such a <w> week}{!|.}", "{Yes, I hardly slept.|They promised us <sky> as well.|My garden likes it, at least.|I can't remember a <w> day like it.}"),
        ("{Did you sleep well?|You look tired.}", "{Not really, the gulls woke me at five.|The baby next door cried all night.|I stayed up with a book, I'm afraid.}"),
        ("Were you at <event>?", "{Only for an hour. It was too crowded.|Yes, and I ate far too much <dish>.|No, I was in <village> that day.}"),
        ("{Have you seen|Did you see} <film> {yet|at the cinema}?", "{Yes, and I fell asleep in the middle.|Not yet, but everybody talks about it.|I cried at the end, to be honest.}"),
        ("{I smell <dish>!|Is that <dish>?|You've been cooking.}", "{It's for tonight. I followed my aunt's recipe.|Yes, and I burnt it a little.}"),
        ("How is the <hobby> going?", "{Slowly, but I enjoy it.|I gave it up last month.|Better every week, thank you.}"),
        ("{I saw a <bird>|There was a <bird>} {by the river|near the bridge|on your roof} {this morning|just now}.", "{How lovely.|Again? It must live here.|The children will want to draw it.}"),
        ("They are digging up <street> again.", "{I know, I had to walk round.|They never finish anything.|That explains the noise.}"),
        ("Our <sport> team lost again.", "{What a surprise.|They need a new trainer.|I stopped watching years ago.}"),
        ("Is that a new coat?", "{Yes, do you like it?|It was my aunt's.|How kind of you to notice.}"),
        ("Did you cut your hair?", "{I did it on <day0>. My mother hates it.|My sister did. Is it too short?}"),
        ("{Is your knee better|How is your back}?", "{Much better, thanks.|It only hurts when it rains.|I still can't climb stairs.}"),
        ("Is it true that <eatery> is closing?", "{Only for the winter.|They say that every year.|Where will I get my <dish>?}"),
        ("{You're out of breath.|Sit down, you're quite red.}", "{I ran all the way from <street>.|My clock is wrong again, so I hurried.|The stairs, you know.}"),
        ("{Sorry I kept you waiting.|Have you been here long?}", "{Don't worry, I had my book.|Only two minutes.|No, I watched the ducks.}"),
        ("Have you been to <eatery> {lately|since they painted it}?", "{On <day0>. The soup was cold.|No, it costs too much now.|Yes, the new cook is good.}"),
    ),
    "counter": (
        ("{It's so <w> outside.|What a <w> day!|Is it still <w> out there?}", "{It is. Come in and shut the door.|Yes, we have had few people in today.|They say there will be <sky> later.}"),
        ("{You're busy today.|What a long queue!|It's quiet in here today.}", "{It's always like this on <day0>s.|Everyone comes before <event>.|Yes, it's the weather.}"),
        ("{I nearly didn't find you.|I walked past twice.|You've moved, I see.}", "{Yes, the sign fell down in the storm.|We used to be in <street>.|People often say that.}"),
        ("{Do you work alone today?|Is your colleague not here?}", "{She's on holiday in <village>.|He went to <place> and never came back!|Only until lunch.}"),
        ("{What a lovely smell!|You've painted the walls!|I like the new lamp.}", "{Thank you. It was my daughter's idea.|You are the first to notice.|Thanks, we did it ourselves.}"),
        ("{Are you open?|Can I come in?|May I?}", "{Yes, come in.|Of course. How can I help?|Yes, until six. What can I do for you?}"),
        ("{I hope I'm not too late.|Are you closing?}", "{No, there is time.|Not for another ten minutes.|Come in, I was only counting the money.}"),
    ),
}  # fmt: skip
ASIDES = (
    ("{Is that your phone?|Your phone is ringing.}", "{Let it ring, it's only my <rel>.|It can wait. Go on.|Just my <rel> again. Where were we?}"),
    ("{Look, a <bird>!|Oh, look at that <bird>!|Was that a <bird>?}", "{Lovely. Where were we?|It comes here every day. Anyway.|My <rel> would love that. But go on.}"),
    ("{Excuse me, I have to sneeze.|Sorry, this cough.|Atishoo! Sorry.}", "{Bless you! Go on.|Half of <street> has a cold. Where were we?|Take your time.}"),
    ("{By the way, did you know? <fact>|I read something today. <fact>}", "{Really? I had no idea. But go on.|Everybody knows that! Go on.|So they say. Anyway.}"),
    ("{Wait, I think I know that man over there.|Isn't that the mayor over there?}", "{No, that's the dentist from <village>. Go on.|Yes, he is late for <event>. Go on.}"),
    ("{What's that song? I know it.|Do you hear the music?}", "{They're practising for <event>. Anyway.|That's the church choir. Go on.}"),
    ("{Sorry, I lost the thread. My <rel> rang at six this morning.|Forgive me, I'm not quite awake today.}", "{No hurry. Where were we?|Take a deep breath. And then go on.|It's this <w> weather. Go on.}"),
    ("{I like your hat, by the way.|What nice gloves, by the way.}", "{Oh, thanks. I got it all from my <rel>. Anyway.|Thank you. A present from my <rel>. But go on.}"),
    ("{Did you see that lightning?|The sun is coming out at last.}", "{They say there will be <sky> on <day0>. Anyway.|It won't last. Where were we?}"),
    ("{What's that smell?|Do you smell that?}", "{Somebody in <street> is burning leaves. Go on.|<dish>, I think, from <eatery>. Anyway.|I smell nothing. Go on.}"),
    ("{Is that clock right?|What time is it?}", "{It's always three minutes slow. Go on.|Early enough. Where were we?|Don't ask. Go on.}"),
    ("{Shall I open the window?|It's rather warm in here.|There's a draught here.}", "{I don't mind. Where were we?|Leave it like that, please. Go on.}"),
    ("{Would you like a biscuit?|Have a plum, they're from my garden.}", "{No, thanks, I've just eaten. Go on.|Mm, delicious. Where were we?|Later, perhaps. Anyway.}"),
    ("{Oh, my shoe is open.|Wait, there's a stone in my shoe.}", "{Take your time.|Hold on to me. Where were we?}"),
    ("{Was that thunder?|Did you feel that drop?}", "{Only a lorry. Go on.|It was <w> on <day0> as well. Anyway.}"),
    ("{Hello, <name>! Sorry, that was my neighbour.|One moment. Hello, <name>!}", "{She looks well. Go on.|Is she still with that fisherman? Anyway.|I didn't see her. Go on.}"),
    ("{Sorry, there's a wasp.|Careful, a wasp!}", "{Don't move. Now it's gone.|It only wants the jam. Go on.}"),
    ("{Ouch, my back.|My knee again. Never mind.}", "{You should see a doctor. Anyway.|It's the <w> weather. Go on.|Mine too. Where were we?}"),
    ("{I must remember to buy <dish0>.|Remind me to ring my <rel>.}", "{I will. Go on.|Write it down. Where were we?}"),
    ("{Have you seen my glasses?|Where did I put my pen?}", "{In your pocket. Go on.|Behind your ear. Where were we?}"),
    ("{You have flour on your nose.|There's a leaf in your hair.}", "{Oh, thanks. Gone? Anyway.|It's there on purpose. Go on.}"),
)  # fmt: skip
PHONE_ASIDES = (
    ("{Hello? Are you still there?|The line is bad. Can you hear me?}", "{Yes, I can hear you now. Go on.|That was the wind. Go on.|Only if you shout. Go on.}"),
    ("{One moment, my <rel> is at the door.|Sorry, somebody has just come in.}", "{I'll wait. Are you back? Good.|Take your time.}"),
    ("{What's that noise behind you?|Is that a dog I hear?}", "{That's only the <sport> on the radio. Anyway.|My <rel> is singing. Go on.|They are mending <street>. Go on.}"),
    ("{Let me find a pen.|Wait, my pen is empty.}", "{I have all day.|Take your time.|Ready? Good.}"),
    ("{Aren't you <name>'s <rel>?|Your voice sounds familiar.}", "{People often say that. Anyway.|We met at <event>, I think. But go on.|I used to work at <place>. Anyway.}"),
)  # fmt: skip
CLOSINGS = {
    "friends": (
        ("{All the best|Bye|I'm off}<toB>. Say hello to your <rel>.", "{I will. Bye!|Gladly. See you soon.}"),
        ("{Well|Good|Right}, {have a nice evening|enjoy your day|take care}<toB>.", "{You too.|And you.|Thanks. Bye!}"),
        ("{I must run now.|I have to go, my <rel> is waiting.}", "{Don't run, walk!|See you soon.|Take care.|Off you go.}"),
        ("{I'd better go.|I have to catch my bus.|My soup is on the stove.}", "{Bye then|See you|Off you go}<toA>{!|.}"),
        ("{All right|Right then|Good}. {See you|Talk to you} {soon|later|on <day0>}.", "{Bye<toA>!|Yes, take care.|Goodbye.}"),
        ("{Shall we get some tea?|Are you walking home?|Coffee at <eatery>?}", "{Why not? You pay.|Another time, I'm late.|Yes, come along.}"),
    ),
    "counter": (
        ("{Thank you very much.|Thanks for your help.|That's very kind of you.}", "{You're welcome.|My pleasure.|Not at all. Goodbye.}"),
        ("{Goodbye, then.|Well, goodbye.|Good. I'll be off, then.}", "{Goodbye.|Have a nice day.|Bye!|Get home safely.}"),
        ("Which way is <street> from here?", "{Left, and then left again.|Just round the corner.|Ask at <eatery>, they know.}"),
        ("Does the bus to <village> stop here?", "{Every hour, outside the door.|No, at <place>.|On <day0>s it does.}"),
        ("Is it true that it will be <w> on <day0>?", "{So they say.|Nobody knows.|I hope not, I want to go to <event>.}"),
        ("{Will you be at <event>?|Are you going to <event>?}", "{If my <rel> looks after the children.|I never miss it.|Only if it isn't <w>.}"),
        ("{Have a good day.|See you again.|Bye, then.}", "{You too.|Goodbye.|Keep warm!|The same to you.}"),
    ),
    "plain": (
        ("{Goodbye, then.|Well, goodbye.|Right, I'll be off.}", "{Goodbye.|Have a nice day.|Bye!|Take care.}"),
        ("{Have a good day.|Bye, then.|Until next time.}", "{You too.|Goodbye.|Keep warm!|The same to you.}"),
    ),
}  # fmt: skip


def facts(talk: Talk) -> None:
    """Set the slots that small talk speaks of."""
    talk.pick(w=WEATHERS, sky=SKIES, event=EVENTS, dish=DISHES, film=FILMS, hobby=HOBBIES, bird=BIRDS, street=STREETS)
    talk.pick(sport=TEAM_SPORTS, day0=WEEKDAYS, eatery=EATERIES, village=VILLAGES, place=PLACES, fact=FACTS)
    talk.pick(
        name=[name for name in WOMEN if name not in talk.names],
        dish0=INGREDIENTS,
        rel=("mother", "brother", "sister", "uncle", "boss", "cousin", "neighbour"),
    )


def opening(talk: Talk, manner: str) -> None:
    """A greeting, and mostly a word about something else."""
    facts(talk)
    if manner not in ("greeting", *REMARKS):
        return
    turn, answer = (talk.a, talk.b) if manner == "counter" or talk.chance(0.6) else (talk.b, talk.a)
    talk.slots["to"] = talk.slots["toB" if turn == talk.a else "toA"]
    if talk.chance(0.8):
        turn(*GREETINGS)
    if manner in REMARKS and talk.chance(0.75):
        remark, reply = talk.rng.choice(REMARKS[manner])
        turn(remark)
        answer(reply)
    elif talk.turns:
        talk.slots["to"] = talk.slots["toA" if turn == talk.a else "toB"]
        answer(GREETINGS[0])


def closing(talk: Talk, manner: str) -> None:
    """Thanks and goodbye, mostly."""
    facts(talk)
    closings = list(CLOSINGS["friends" if manner == "friends" else "counter" if manner == "counter" else "plain"])
    if any("hank" in said or "kind" in said for _, said in talk.turns[-2:]):
        closings = [pair for pair in closings if "hank" not in pair[0]]  # nobody thanks twice, or for nothing
    if talk.chance(0.6):
        first, last = talk.rng.choice(closings)
        talk.a(first)
        talk.b(last)


def aside(talk: Talk, manner: str, place: int) -> None:
    """A short interruption before the turn at this place, begun by who speaks there."""
    facts(talk)
    before, after = talk.turns[:place], talk.turns[place:]
    talk.turns = before
    turn, answer = (talk.a, talk.b) if after[0][0] == "A" else (talk.b, talk.a)
    first, last = talk.rng.choice(PHONE_ASIDES if manner == "phone" else ASIDES)
    turn(first)
    answer(last)
    talk.turns += after
