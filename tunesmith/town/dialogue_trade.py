"""Talks about money and goods: haggling at the market, a bicycle to repair, a table to book."""

# ruff: noqa: E501  a pattern is one line, as a line in a play is

from tunesmith.town.talk import Scene, Talk
from tunesmith.town.world import EATERIES, MARKET, NUMBERS, PARTS, price


def haggling(t: Talk) -> None:
    """A price at the market is talked down, or not."""
    stall = t.rng.choice(list(MARKET))
    t.pick_different(MARKET[stall], "goods", "goods2")
    t.pick(
        count=("two kilos of", "three kilos of", "a small box of", "a whole box of")
        if stall in ("fruit", "vegetable")
        else ("a dozen", "six", "ten")
    )
    t.pick(use=("a party", "a big soup", "my neighbours", "the school", "a wedding", "my mother-in-law"))
    high = price(t.rng, 9, 20)
    t.put(high=str(high), low=str(high - t.rng.randint(3, 6)), mid=str(high - 2))
    t.a(
        "How much {are|do you want for} <count> <goods>?",
        "{I need|I'd like} <count> <goods>. What do they cost?",
        "Are these <goods> fresh? {I want <count> <goods>.|I'd take <count> <goods>.}",
    )
    t.b("{They came this morning.|The best in the county.|Picked at dawn.} <high> pounds{ for you|, because it's you|}.")
    t.a(
        "<high> pounds? {The man over there asks|I paid|My aunt pays} <low>.",
        "{That's a lot.|For that money I'd want the cart as well.} I'll give you <low>.",
    )
    way = t.branch("middle", "other", "leave", "full", "help")
    setups = (
        "<A> wants <count> <goods> {at the market|from <B>}, {but finds <high> pounds too much|but not for <high> pounds}",
        "<A> and <B> {haggle|argue} about the price of <count> <goods>",
        "<B> asks <high> pounds for <count> <goods>, and <A> offers <low>",
    )
    if way == "middle":
        t.b(
            "{Then buy his, and see how long they last.|I have four children!|Do you want me to starve?} <mid>, and that's my last word."
        )
        t.a("<mid>, {and a bunch of parsley|and you carry them to my car}.")
        t.b("{You drive a hard bargain.|You should work here.} Done.")
        t.gist(
            setups,
            (
                "they {settle on|agree on|meet at} <mid> pounds",
                "<A> gets them for <mid> pounds with something extra",
                "in the end <B> sells them for <mid> pounds",
            ),
        )
    elif way == "other":
        t.b("For <low> you can have the <goods2>. {Nobody wants them today.|They are a bit soft.}")
        t.a("{<goods2>? They're for <use>, though.|Hmm. Are they sweet?|I hadn't thought of <goods2>.}")
        t.b("{Try one.|Nobody will know the difference.} {Well?|What do you say?}")
        t.a("{Not bad at all. Give me those.|All right, the <goods2> then.}")
        t.gist(
            setups,
            (
                "<A> takes {the cheaper|some} <goods2> for <low> pounds instead",
                "<B> sells <a_them> <goods2> {for <low> pounds|instead}",
                "in the end <A> buys <goods2>",
            ),
            "but",
        )
    elif way == "leave":
        t.b("{I can't do that.|I'd lose money.} They cost me more myself.")
        t.a("{Then I'll try over there.|No, thanks. I'll make do with potatoes.|Keep them, then.}")
        t.warm = False
        t.b("{Wait! <mid>!|All right, <mid>!|Come back!}")
        t.a("{Too late.|I said <low>.|No, no.} {Good day.|Good luck.}")
        t.gist(
            setups,
            (
                "<A> {walks away|leaves} without buying, although <B> goes down at the end",
                "they can't agree, and nothing is bought",
                "<A> goes to another stall because <B> won't take <low>",
            ),
            "but",
        )
    elif way == "full":
        t.b("{Smell one first.|Here, taste this.} {Well?|Now tell me it's too much.}")
        t.a("Oh. {That's the best I ever had.|I take it back.} {Here are your <high> pounds.|Fine, <high> pounds.}")
        t.b("{I told you.|Everybody says that.}")
        t.gist(
            setups,
            (
                "after {trying|smelling} one, <A> pays the full price",
                "one taste is enough to make <A> pay <high> pounds",
                "<B> lets <a_them> try one, and <A> pays after all",
            ),
            "but",
        )
    else:
        t.b(
            "{Make me an offer when I pack up, at five.|Come at closing time.} {Then everything goes at half price.|Then you can have them for <low>.}"
        )
        t.a("{But then the best are gone.|I can't wait, they're for <use>.}")
        t.b(
            "{Then help me unload this cart, and they're yours for <low>.|My boy is ill. Mind the stall for ten minutes and I'll say <low>.}"
        )
        t.a("{Me? Why not.|That's a deal.|I haven't worked at a market since school. All right.}")
        t.gist(
            setups,
            (
                "<B> gives the lower price in return for {some help|a little work}",
                "<A> gets them for <low> pounds by helping <B>",
                "<A> agrees to help at the stall and pays only <low> pounds",
            ),
        )


def bicycle(t: Talk) -> None:
    """A bicycle is repaired, or isn't worth it."""
    t.days()
    t.pick_different([part for part in PARTS if part not in ("lamp", "gear")], "part", "part2")
    t.put(pay=str(price(t.rng, 15, 60)), old=str(t.rng.randint(8, 30)))
    t.pick(
        why=(
            "I hit a stone near the mill",
            "I fell off by the river",
            "my son rode it down the castle steps",
            "it stood in the rain all winter",
            "a goat got in my way",
        )
    )
    t.pick(plan=("go to work", "ride to Oakley", "do the charity run by bicycle", "go on a tour with my sister"))
    t.a(
        "{Could you have a look at my bicycle?|My bicycle is broken.|I need help with this bicycle.} {The <part> is loose|There is something wrong with the <part>|The <part> makes a terrible noise}. I think it's because <why>."
    )
    t.b("{Lift it up here.|Let me see.} {When do you need it?|And when do you need it?}")
    t.a("{On <day>.|By <day>, please.} {I want to <plan>.|}")
    way = t.branch("fine", "worse", "new", "self", "lend")
    setups = (
        "<A> {brings <a_their> bicycle to <B>|asks <B> to repair <a_their> bicycle} because of the <part>",
        "<A>'s bicycle has a broken <part>",
        "<A> wants <a_their> bicycle {repaired|mended} by <day>",
    )
    if way == "fine":
        t.b("{That's nothing.|I've seen worse.} A new <part> is <pay> pounds, {and you can have it on <day2>|ready on <day2>}.")
        t.a("{<day2> is too late for me.|I said <day>!}")
        t.b("{All right, all right.|For you I'll stay longer tonight.} Then <day>, but {in the evening|not before noon}.")
        t.gist(
            setups,
            (
                "<B> {will do it|promises to finish it} by <day> for <pay> pounds",
                "it will be ready on <day> and cost <pay> pounds",
                "after some talk, <B> agrees to <day>",
            ),
        )
    elif way == "worse":
        t.b(
            "The <part>? {That's not your trouble.|The <part> is fine.} {Look at the <part2>, it's broken right through.|It's the <part2> that's gone.}"
        )
        t.a("{The <part2>? And what does that cost?|Oh dear. Is that expensive?}")
        t.b("<pay> pounds, and it takes until <day2>.")
        t.a("{Well, do it.|Then I'll walk until then. Go ahead.|I have no choice. Please do it.}")
        t.gist(
            setups,
            (
                "<B> finds that the <part2> is broken and will mend it by <day2> for <pay> pounds",
                "it is really the <part2>, and the repair costs <pay> pounds",
                "the trouble is the <part2>, which takes until <day2>",
            ),
            "but",
            ("<B> tells <A> that not the <part> but the <part2> of the bicycle must be repaired, for <pay> pounds",),
        )
    elif way == "new":
        t.b("{How old is this thing?|Was this your grandmother's? How old is it?}")
        t.a("<old> years. {It was my father's.|I learnt to ride on it.}")
        t.b(
            "{To be honest, it isn't worth it.|The repair would cost more than the bicycle.} {I have a good used one for <pay> pounds.|There's a used one outside, <pay> pounds.}"
        )
        if t.chance():
            t.a("{It hurts me, but you're right.|I knew this day would come.} I'll take {the used one|that one}.")
            t.gist(
                setups,
                (
                    "<B> thinks it too old, and <A> buys a used one for <pay> pounds",
                    "<A> takes a used one instead, as a repair would cost too much",
                    "it is <old> years old, so <A> buys another one from <B>",
                ),
                "but",
            )
        else:
            t.a("{Never. This one stays with me.|I can't give it up. I'll find somebody who loves old things.}")
            t.b("{As you like, it's your money.|I admire that.}")
            t.gist(
                setups,
                (
                    "<A> won't buy a used one, although <B> says that the old one isn't worth it",
                    "<B> thinks a repair isn't worth it, and <A> refuses to give it up",
                    "<A> is too fond of it to take the other one that <B> offers",
                ),
                "but",
            )
    elif way == "self":
        t.b(
            "I have {eleven|fifteen|twenty} waiting. {Not before next week.|Not this week.} {But you could do it yourself, it's easy.|Have you two hands?}"
        )
        t.a("{Me? I can't hold a screwdriver.|I wouldn't know where to start.}")
        t.b(
            "{Come on <day2> evening and I'll show you.|There's a class here on <day2>, and tools are free.} You only pay for the <part>."
        )
        t.a("{Well, I could try.|That sounds like fun.|Good, I'll come.}")
        t.gist(
            setups,
            (
                "<B> has no time and will show <a_them> on <day2> how to do it",
                "<A> will learn on <day2> how to repair it",
                "<A> agrees to come on <day2> and repair it with help from <B>",
            ),
            "but",
        )
    else:
        t.b("{The <part> has to be ordered, that takes two weeks.|I haven't got that <part>. It will take ten days.}")
        t.a("{That long! I'm lost without it.|So long? How am I supposed to <plan>?}")
        t.b(
            "{You can have mine until then.|I'll lend you an old one, for nothing.} {It's pink, though.|It has no bell, so shout.}"
        )
        t.a("{I don't mind. You're very kind.|As long as it rolls. Thanks!}")
        t.gist(
            setups,
            (
                "<B> lends <a_them> another one until the new <part> comes",
                "as the <part> must be ordered, <B> lends <A> a bicycle",
                "the <part> takes long to come, so <A> borrows one from <B>",
            ),
        )


def table(t: Talk) -> None:
    """A table at an eatery is booked by telephone."""
    t.days()
    t.times(17, 21)
    t.pick(
        eatery=EATERIES,
        number=NUMBERS[2:9],
        number2=NUMBERS[9:],
        occasion=("our wedding day", "my father's birthday", "a small party", "a business dinner", "a family visit"),
    )
    t.b("<eatery>, good {morning|afternoon}.", "Hello, this is <eatery>. {How can I help?|What can I do for you?|}")
    t.a(
        "{Good day|Hello}. I'd like to book a table. {It's for <occasion>.|}",
        "{Is it still possible to book a table|Have you got a table free} {this week|in the next days}? {It's for <occasion>.|}",
    )
    t.b("{For how many, and when?|Gladly. For which day?|When would you like to come, and with how many?}")
    t.a("For <number>, on <day>{, if possible|}. {At <time>.|We'd come at <time>.|Let's say at <time>.}")
    setups = (
        "<A> {rings|calls} <eatery> to book a table for <number> on <day>",
        "<A> wants to book a table at <eatery> for <number> people",
        "<A> asks for a table at <eatery> on <day> at <time>",
    )
    way = t.branch("time", "day", "garden", "wrong", "more")
    if way == "time":
        t.b("{At <time> we are full.|I only have something at <time2>.} {Would <time2> do?|Could you come at <time2>?}")
        t.a("{That's not ideal, because of the babysitter.|My mother eats early.} {But we'll manage.|All right, <time2>.}")
        t.b("{Very good|Fine}. {I've put you down.|I'll write that down.}")
        t.gist(
            setups,
            (
                "<a_they> has to come at <time2> instead",
                "it is full at <time>, so they agree on <time2>",
                "the table is booked for <time2>, as there is no room at <time>",
            ),
            "but",
        )
    elif way == "day":
        t.b(
            "{On <day> we are closed.|We have a wedding on <day>, the house is full.} {But there's a table on <day2>.|<day2> would be fine.}"
        )
        t.a("{Just a moment, I'll ask my family. Yes, <day2> is all right.|Then <day2>, at the same time.}")
        t.gist(
            setups,
            (
                "the table is booked for <day2> instead",
                "as <day> is not possible, <A> takes <day2>",
                "<B> can only offer <day2>, which <A> accepts",
            ),
            "but",
        )
    elif way == "garden":
        t.b("{Inside or in the garden?|We have a table by the kitchen, or one in the garden.}")
        t.a("{In the garden, please, if it stays dry.|The garden, of course.} {And is a dog allowed?|Can we bring our dog?}")
        t.b("{In the garden, yes.|As long as it doesn't eat the guests.}")
        t.gist(
            setups,
            (
                "<a_they> takes one in the garden, where dogs are allowed",
                "<B> gives <a_them> a table in the garden and allows the dog",
                "they agree on a table in the garden, because <A> brings a dog",
            ),
        )
    elif way == "wrong":
        t.b("{For how many, <number2>?|<number2>, did you say?}")
        t.a("No, <number>. {We're only a small family.|I think the line is bad.}")
        t.b("{Sorry. And on <day2>?|And that was <day2>?}")
        t.a("{<day>! At <time>!|No, on <day>.} {Shall I come by and write it down for you?|Are you listening at all?}")
        t.b("{<number> on <day> at <time>. Now I have it.|Forgive me, the kitchen is so loud. It's all noted.}")
        t.gist(
            setups,
            (
                "<B> {gets it wrong twice|misunderstands} before the table is booked",
                "after some misunderstandings it is booked for <time>",
                "the booking is made although <B> hears everything wrong",
            ),
        )
    else:
        t.b("{That's noted.|A table for <number>, very well.} {Anything else?|Under which name?}")
        t.a(
            "{Wait, I forgot my cousins.|Oh, and my uncle is coming with his band.} {We will be <number2>.|That makes <number2> of us.}"
        )
        t.b(
            "<number2>? {Then I must give you the back room.|Then you need the big room.} {It costs forty pounds extra.|There everybody eats the same menu.}"
        )
        t.a("{That's fine.|Good, then we can sing.}")
        t.gist(
            setups,
            (
                "they need the back room, because there will be <number2> of them",
                "<A> then remembers more guests and gets the back room",
                "it becomes the big room for <number2>, as <A> forgot some guests",
            ),
            "but",
        )


SCENES = (
    Scene("market haggling", ("Customer", "Seller"), "counter", haggling),
    Scene("bicycle repair", ("Customer", "Mechanic"), "counter", bicycle),
    Scene("booking a table", ("Caller", "Waiter"), "phone", table),
)
