"""Talks among friends: an apology, gossip, a match."""

# ruff: noqa: E501  a pattern is one line, as a line in a play is

from tunesmith.town.talk import Scene, Talk
from tunesmith.town.world import CITIES, EATERIES, GIFTS, JOBS, MONTHS, NUMBERS, VILLAGES


def apology(t: Talk) -> None:
    """Something was done, and must be put right."""
    t.days()
    t.pick(
        deed=(
            "I broke your blue vase",
            "I forgot your birthday",
            "I told everybody about your new job",
            "I lost the book you lent me",
            "I drove into your fence",
            "I ate your birthday cake",
            "I didn't come to your concert",
        )
    )
    deed = str(t.slots["deed"])
    t.put(deed_his=deed.replace("I ", "<a_they> ", 1).replace("your", "<B>'s").replace("you lent me", "<B> lent <a_them>"))
    t.pick(
        gift=GIFTS,
        eatery=EATERIES,
        why=("I was so nervous that day", "my head was full of work", "I hadn't slept for two nights", "my phone was broken"),
    )
    t.a(
        "{I have to tell you something.|I owe you an apology.|Please don't be angry.} {It's true: <deed>.|<deed>, and I feel awful.}"
    )
    t.b(
        "{So it was you!|I know. I waited for you to say it.|You? I thought it was my brother.} {Why didn't you say so at once?|I was quite hurt.}"
    )
    t.a("{I was ashamed.|I didn't dare.} {<why>.|You see, <why>.}")
    setups = (
        "<A> {apologises to <B>|says sorry to <B>|tells <B> how sorry <a_they> is} because <deed_his>",
        "<A> {admits|confesses} to <B> that <deed_his>",
        "<A> is very sorry that <deed_his>",
    )
    way = t.branch("forgive", "same", "work", "cold")
    if way == "forgive":
        t.b(
            "{It's forgotten.|Nobody died.|To tell the truth, I laughed about it later.} {But next time be quicker.|Friends matter more.}"
        )
        t.a("{I've brought you a <gift>.|This is for you, a <gift>.} {It's not much.|}")
        t.b("{You didn't have to.|Now I'm glad that it happened.} {Come in, I'll make tea.|Sit down, there's soup.}")
        t.gist(
            setups,
            (
                "<B> forgives <a_them> and gets a <gift>",
                "<B> isn't angry any more and {asks <a_them> to stay|forgives all}",
                "<A> brings a <gift>, and all is well",
            ),
        )
    elif way == "same":
        t.b(
            "{Well, then I must confess too.|I'm no better, you know.} {Your red bicycle in the river? That was me.|It was me who lost your cat in May.|I never posted your letter to the mayor.}"
        )
        t.a("{You? And you let me worry for months!|I blamed the postman!}")
        t.b("{Then we are even.|Shall we forget both?}")
        t.a("{Dinner at <eatery> on <day>, and each pays half.|Even. And on <day> we'll eat at <eatery>.}")
        t.gist(
            setups,
            (
                "<B> has something to confess as well, so they are even",
                "<B> owns up to something too, and they will have dinner on <day>",
                "it turns out that <B> has done something just as bad",
            ),
            "but",
        )
    elif way == "work":
        t.b("{Words are cheap.|An apology won't mend it.} {How will you make up for it?|What will you do about it?}")
        t.a(
            "{I could paint your kitchen.|I'll clean all your windows.|I'll work in your garden.} {Just say when.|Any day you like.}"
        )
        t.b("{On <day>, then. At seven.|Be here on <day> with your old clothes on.} {And bring breakfast.|}")
        t.a("{At seven! That's hard, but fair.|I'll be there.}")
        t.gist(
            setups,
            (
                "<a_they> will work for <B> on <day> to make up for it",
                "<B> accepts it if <A> works at <b_their> house on <day>",
                "to put it right, <A> has to come and work on <day>",
            ),
        )
    else:
        t.b("{I don't know what to say.|It's not the first time.} {You always have a reason.|I need some time.}")
        t.a("{Can I do anything?|Tell me what I can do.} {Your friendship means a lot to me.|I can't sleep because of it.}")
        t.b("{Leave me alone for a few days.|Let me think until <day>.} {Then we'll see.|I'll ring you, not you me.}")
        t.warm = False
        t.gist(
            setups,
            ("<B> is still hurt and needs time", "<B> can't forgive <a_them> yet", "<B> wants to be left alone for some days"),
            "but",
        )


def gossip(t: Talk) -> None:
    """Have you heard? A rumour, and what is behind it."""
    t.third()
    t.pick(
        news=(
            "is moving to <city>",
            "is getting married",
            "has won <pay> thousand pounds",
            "has sold the house",
            "is leaving the job",
            "has bought a boat",
        )
    )
    t.put(
        city=t.rng.choice(CITIES),
        pay=t.rng.choice(NUMBERS[5:]),
        teller=t.rng.choice(JOBS),
        sum=str(t.rng.randint(20, 90)),
        village=t.rng.choice(VILLAGES),
    )
    t.pick(eatery=EATERIES, month=MONTHS)
    t.a(
        "{Have you heard about <C>?|You'll never guess what I heard.|Can you keep a secret?} {They say that <C> <news>!|The <teller> told me that <C> <news>!}"
    )
    setups = (
        "<A> has heard that <C> <news>",
        "<A> tells <B> {the news|a rumour} that <C> <news>",
        "<A> and <B> talk about <C> and the rumour that <c_they> <news>",
    )
    way = t.branch("false", "true", "here", "other", "stop")
    if way == "false":
        t.b(
            "{<C>? I saw <c_them> yesterday.|I had tea with <c_them> on Sunday.} {<c_they> said nothing of the kind.|And nobody said a word about it.}"
        )
        t.a("{Perhaps it's a secret.|You don't tell everything over tea.}")
        t.b(
            "{No, wait! That's <c_their> cousin in <village>, with the same name.|I know! It's the other <C>, the one in <village>.}"
        )
        t.a(
            "{Oh. And I've told half the town.|Oh no. And half the town knows it from me.} {What shall I do?|How embarrassing!}"
        )
        t.b("{Tell the other half that it's wrong.|Say nothing, and let them talk.}")
        t.gist(
            setups,
            (
                "<B> finds out that it is another <C>, in <village>",
                "it is not true: somebody else with that name is meant",
                "<B> thinks of a person in <village> with the same name",
            ),
            "but",
        )
    elif way == "true":
        t.b(
            "{It's true, I'm afraid.|I know. <c_they> told me in <month>.} {I promised to say nothing.|I wasn't allowed to tell.}"
        )
        t.a(
            "{You knew, and you never told me?|And I'm the last to hear it?} {I thought we were friends!|We see each other every day!}"
        )
        t.b("{A promise is a promise.|You can't keep anything to yourself.} Be honest, how many have you told?")
        t.a("{Only six people.|Well, the choir. And the baker.}")
        t.b("{You see?|That's why.}")
        t.gist(
            setups,
            (
                "<B> has known it all along but had to keep it secret",
                "it is true, and <A> is hurt that <B> didn't tell",
                "<B> already knew and kept it secret, as <A> can't be trusted",
            ),
            "and",
        )
    elif way == "here":
        t.b("{Not so loud!|Sh!} {<c_they> is standing behind you.|Turn round slowly.|<c_they> is sitting at the next table.}")
        t.a("{No! Did <c_they> hear me?|Where? Oh dear.} {I'll pretend to read the menu.|What do I do?}")
        t.b("{<c_they> is laughing, I think.|<c_they> is coming over.} {Ask <c_them> yourself.|Now you can ask if it's true.}")
        t.a("{Hello, <C>! We were talking about the weather.|<C>! What a nice surprise!}")
        t.gist(
            setups,
            (
                "<C> is so near that <c_they> may hear it",
                "<B> notices that <C> is right there",
                "<A> is embarrassed because <C> is close by",
            ),
            "but",
        )
    elif way == "other":
        t.b(
            "{That's nothing.|Old news!} {I heard it isn't the whole story.|The real story is much better.} {<c_they> has found a pot of old coins in the cellar.|<c_they> found a painting in the attic that is worth a fortune.}"
        )
        t.a("{Under that ugly carpet?|I've stood in that very room!} {Who told you?|Are you making that up?}")
        t.b(
            "{<c_their> lawyer is my wife's uncle.|I saw the van of the museum there.} {But it's not official.|Please don't pass it on.}"
        )
        t.a("{My lips are sealed.|Never. Well, only to my sister.}")
        t.gist(
            setups,
            (
                "<B> knows the reason: <c_they> has found something {valuable|worth a fortune}",
                "according to <B>, <C> has found something of great value at home",
                "<B> adds that <C> made a rich find in the house",
            ),
        )
    else:
        t.b(
            "{You know what I think of gossip.|I don't want to hear it.} {Last year they said that I had died.|Remember what they said about you and the postman?}"
        )
        t.a("{That was different.|That was a mean lie!} {This time it's true.|I have it from a good source.}")
        t.b("{Then ask <C>.|If you want to know, ring <C>.} {And if you don't dare, be silent.|That's what I would do.}")
        t.a("{You take the fun out of everything.|You're right, I suppose. I talk too much.}")
        t.gist(
            setups,
            (
                "<B> dislikes gossip and tells <a_them> to ask <C>",
                "<B> doesn't want to hear it",
                "<B> thinks that <A> should {ask <C> directly|speak to <C>}",
            ),
            "but",
        )


def match(t: Talk) -> None:
    """How did it end?"""
    t.third()
    t.pick(
        sport=("football", "hockey", "handball"),
        village=VILLAGES,
        day=("yesterday", "on Saturday", "last night"),
        day2=("Friday", "Sunday", "Tuesday"),
    )
    low = t.rng.randint(0, 3)
    t.put(
        low=NUMBERS[low],
        high=NUMBERS[low + t.rng.randint(1, 4)],
        why=t.rng.choice(("a wedding", "a headache", "work", "a flat tyre")),
    )
    t.put(low="nil" if low == 0 else NUMBERS[low])
    t.a(
        "{How did the <sport> match end|How was the <sport> match} {against <village> <day>|<day> against <village>}? {I couldn't come because of <why>.|I missed it because of <why>.}"
    )
    setups = (
        "<A> missed the <sport> match against <village> and asks {<B> about it|how it ended}",
        "<A> {wants to know|asks} how the match against <village> ended",
        "<B> tells <A> about the <sport> match against <village>",
    )
    way = t.branch("won", "lost", "stopped", "joke")
    if way == "won":
        t.b(
            "{We won, <high> to <low>!|<high> to <low> for us!} {But it looked bad until the last minutes.|And I lost my voice.}"
        )
        t.a(
            "{I don't believe it.|You're joking!} {We haven't won since Easter.|Against them?} {Who scored?|How did that happen?}"
        )
        t.b(
            "{<C>, of all people.|It was all <C>.} {<c_they> had just come back from hospital.|<c_they> only played because somebody was ill.}"
        )
        t.a(
            "{<C>? <c_they> can't run straight!|And I laughed at <c_them>!} {I must congratulate <c_them>.|I owe <c_them> a drink.}"
        )
        t.gist(
            setups,
            (
                "the home team won <high> to <low> thanks to <C>",
                "they won <high> to <low>, and <C> was the hero",
                "thanks to <C> it was won by <high> to <low>",
            ),
        )
    elif way == "lost":
        t.b("{Don't ask.|I don't want to talk about it.} {We lost <high> to <low>.|<high> to <low> for them.}")
        t.a("{But we were so good last week.|What went wrong?} {Was <C> not playing?|Who was in goal?}")
        t.b(
            "{<C> was the problem.|<C> was there, sadly.} {<c_they> scored against us.|<c_they> was sent off after ten minutes.}"
        )
        t.a("{Poor <C>.|Everybody has a bad day.} {There's training on <day2>. Will you come?|Well, there's always <day2>.}")
        t.b("{Only if <c_they> doesn't.|I'm giving up <sport>. I'll take up chess.}")
        t.gist(
            setups,
            (
                "they lost <high> to <low>, mostly because of <C>",
                "it was lost by <high> to <low>, and <B> blames <C>",
                "<B> is cross because they lost and blames <C>",
            ),
        )
    elif way == "stopped":
        t.b(
            "{It didn't end.|There was no end.} {After an hour it began to thunder.|A cow walked onto the field.|The lights went out.}"
        )
        t.a("{And then?|You're making that up.} {Did they just go home?|}")
        t.b(
            "{They waited for an hour, then it was called off.|The referee stopped it.} {They'll play again on <day2>.|The rest comes on <day2>.}"
        )
        t.a(
            "{On <day2>? Then I can see it after all!|Good for me! I'm free on <day2>.} {Keep me a seat.|Shall we go together?}"
        )
        t.b("{If you bring the sandwiches.|Gladly. Bring an umbrella.}")
        t.gist(
            setups,
            (
                "it was stopped and will be played again on <day2>",
                "there is no result yet, because it had to be stopped",
                "it was broken off, so <A> can see it on <day2>",
            ),
        )
    else:
        t.b("{Didn't you read the paper?|You haven't heard?} {<village> didn't come.|The other team never arrived.}")
        t.a("{What do you mean? Were they ill?|Not one of them?}")
        t.b(
            "{Their bus went to the wrong town.|They had the wrong day in their calendar.} {So we won without playing.|We got the points all the same.}"
        )
        t.a("{That's the only way we ever win.|So I missed nothing.} {And what did you do all afternoon?|And the audience?}")
        t.b("{We ate all the sausages.|We played against the fathers and lost.}")
        t.gist(
            setups,
            (
                "the other team didn't come, so it was won without playing",
                "it was won without a game because <village> never arrived",
                "<village> failed to come, and <A> has missed nothing",
            ),
        )


SCENES = (
    Scene("apology", None, "greeting", apology),
    Scene("gossip", None, "friends", gossip),
    Scene("match result", None, "friends", match),
)
