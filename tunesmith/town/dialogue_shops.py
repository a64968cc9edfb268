"""Talks in shops and at the market: cakes, clothes, a bicycle, gifts, books, tables, haggling."""

# ruff: noqa: E501  a pattern is one line, as a line in a play is

from tunesmith.town.talk import Scene, Talk
from tunesmith.town.world import COLOURS, EATERIES, GIFTS, MARKET, NUMBERS, PARTS, RELATIONS, TRAITS, HOBBIES, price


def cake(t: Talk) -> None:
    """A cake is ordered; the oven, the date or an allergy decides what becomes of it."""
    t.days()
    t.pick(
        rel=tuple(RELATIONS),
        kind=("chocolate", "lemon", "carrot", "apple", "honey"),
        kind2=("plum", "cherry", "almond", "ginger"),
    )
    t.put(pay=str(price(t.rng, 14, 40)))
    t.a(
        "I'd like to order a <kind> cake for my <rel>'s birthday.",
        "Do you make birthday cakes? My <rel> loves <kind> cake.",
        "{I need|Could you make me} a big <kind> cake. My <rel> {has a birthday|is having a party} soon.",
    )
    t.b("{When do you need it?|For which day?}", "{Certainly|Of course}. When is the party?")
    t.a("On <day>, {if possible|early, please}.", "{It has to be ready on|I'll fetch it on} <day>.")
    way = t.branch("taken", "day", "kind", "nuts", "sold")
    setups = (
        "<A> {orders|asks for|wants} a <kind> cake for <a_their> <rel>'s birthday",
        "<A> needs a <kind> cake on <day> for a birthday",
        "<A> goes to the baker, <B>, for a birthday cake for <a_their> <rel>",
    )
    if way == "taken":
        t.b("{That's fine|No problem}. It will be <pay> pounds. Shall I write a name on it?")
        t.a(
            "{No name, just candles.|Yes, but keep it short.|Better not, he can't count the years any more.|No, thank you.} {I'll pay when I come.|Can I pay on <day>?}"
        )
        t.b("{As you like.|That will do.|Good. I'll start the night before.}")
        t.gist(
            setups,
            (
                "<B> will have it ready on <day> for <pay> pounds",
                "<a_they> will {pay <pay> pounds for it|fetch it} on <day>",
                "it will cost <pay> pounds",
            ),
        )
    elif way == "day":
        t.b(
            "<day>? {Oh dear, our oven is being repaired then.|I'm at a wedding that day.|We are closed that day.} I could do <day2>."
        )
        t.a(
            "Hmm, the party {is on <day>, though|can't wait}. {Well|Then again}, {nobody will mind|we could move it}. <day2> it is."
        )
        t.b("{Good.|You won't be sorry.} That makes <pay> pounds.")
        t.gist(
            setups,
            (
                "<B> can't bake it for <day>, so they agree on <day2>",
                "<a_they> has to take it on <day2> instead",
                "they settle on <day2> because {the baker|<B>} is not free on <day>",
            ),
            "but",
        )
    elif way == "kind":
        t.b(
            "{I'm sorry, we have no <kind>s left.|The <kind> ones don't sell, so I stopped making them.} {May I suggest|What about} a <kind2> cake?"
        )
        t.a("{<kind2>? My <rel> can't stand it.|I don't know.} {Well, is it good?|Have you tried it yourself?}")
        t.b("{People come from Leeds for it.|I eat one every Sunday.|It won a prize at the fair.} And it's only <pay> pounds.")
        t.a("{You've talked me into it.|All right, I'll risk it.|Fine, the <kind2> one then.}")
        t.gist(
            setups,
            (
                "<a_they> {finally takes|ends up with} a <kind2> cake for <pay> pounds",
                "<B> talks <a_them> into a <kind2> cake",
                "as there is none, <A> {chooses|agrees to} a <kind2> cake on <day>",
            ),
            "but",
        )
    elif way == "nuts":
        t.a("And please, no nuts. {One of the guests gets ill from them.|My niece is allergic.}")
        t.b(
            "{I'm glad you said so.|That is a pity.} {There are nuts in all our cakes|Everything here touches nuts}, I'm afraid."
        )
        t.a("{Oh. Then I'll bake it myself.|Then I can't take the risk.|Really? Then I had better try another baker.}")
        t.b("{I understand.|That's safer.} {Our flour is good, at least. Take some.|I'm sorry.}")
        t.gist(
            setups,
            (
                "<a_they> {gives up|drops} the order because there are nuts in all the cakes",
                "<B> can't promise one without nuts",
                "no cake is ordered, since a guest is allergic to nuts",
            ),
            "but",
        )
    else:
        t.b(
            "{We only bake on order, and the week is full.|I have no room in the oven until next month.} But {this one|the one in the window} was ordered and never fetched."
        )
        t.a("{It says 'Happy Birthday, Boris' on it!|But there is a name on it.}")
        t.b("{I can scrape that off.|Who reads cakes?} You can have it for <pay> pounds.")
        t.a("{Then my <rel> will be Boris for a day.|It's better than nothing. I'll take it.}")
        t.gist(
            setups,
            (
                "<B> is too busy and sells <a_them> one that nobody fetched",
                "<a_they> buys one with {another|the wrong} name on it for <pay> pounds",
                "as {the baker|<B>} has no time, <A> takes a cake made for someone else",
            ),
            "but",
        )


def exchange(t: Talk) -> None:
    """Something bought is brought back."""
    t.pick(
        thing=("coat", "jumper", "jacket", "dress", "skirt", "shirt", "raincoat"),
        colour=COLOURS,
        colour2=("dark", "striped", "plain", "bright"),
    )
    t.days()
    t.put(pay=str(price(t.rng, 20, 90)))
    t.pick(
        fault=(
            "it's too small",
            "the sleeves are too long",
            "there is a hole in it",
            "a button is missing",
            "it lost its colour in the wash",
            "my husband has the same one",
        )
    )
    t.put(
        fault_said={"it's too small": "it is too small", "my husband has the same one": "it is the same as another one"}.get(
            str(t.slots["fault"]), str(t.slots["fault"])
        )
    )
    t.a(
        "I bought this <colour> <thing> {here on <day>|last <day>}, but <fault>.",
        "It's about this <colour> <thing>. I'm afraid <fault>.",
        "{I want to bring this <thing> back|I'd like my money back for this <thing>}. {I got it on <day> and|Look,} <fault>.",
    )
    t.b("{I see.|Let me look.|Oh dear.} {Have you got the receipt?|Did you keep the receipt?}")
    way = t.branch("refund", "exchange", "no receipt", "repair", "wrong shop")
    setups = (
        "<A> {brings back|returns|wants to return} a <colour> <thing> because <fault_said>",
        "<A> is not happy with a <thing> that <a_they> bought",
        "<A> comes to the shop with a <colour> <thing> and says that <fault_said>",
    )
    if way == "refund":
        t.a("{Yes, here it is.|It's in the bag.|Somewhere... here.} I paid <pay> pounds.")
        t.b("{Would you like another one?|Can I offer you a different one?}")
        t.a("{No, I'd rather have the money.|No, I've gone off <thing>s.|I don't need one any more.}")
        t.b("{Fair enough.|Very well.} Here are your <pay> pounds.")
        t.gist(
            setups,
            ("<B> gives <a_them> the <pay> pounds back", "<a_they> gets the money back", "the shop pays back <pay> pounds"),
        )
    elif way == "exchange":
        t.a("{Here you are.|Yes, in my purse.}")
        t.b("{We have the same one in other sizes.|I have a <colour2> one in the back.} {Shall I get it?|Try it on.}")
        t.a("{That's much better.|Oh, this one suits me.} {Does it cost more?|Is it the same price?}")
        t.b("{Five pounds more, but I'll forget about that.|It costs the same.|It's even cheaper, so you get something back.}")
        t.a("{Wonderful.|Then I'll take it.}")
        t.gist(
            setups,
            (
                "<B> exchanges it for another one",
                "<a_they> leaves with a different <thing>",
                "they find another one that suits <A>",
            ),
        )
    elif way == "no receipt":
        t.a("{No, I threw it away.|The dog ate it, I think.|I never keep them.}")
        t.b(
            "Then I can't {give you the money|pay you back}. {The rules are strict.|My boss would shout at me.} I could give you a voucher for <pay> pounds."
        )
        if t.chance():
            t.a("A voucher? {Well, better than nothing.|I suppose I'll need socks some day.}")
            t.gist(
                setups,
                (
                    "without a receipt <a_they> only gets a voucher for <pay> pounds",
                    "<B> offers a voucher, as there is no receipt, and <A> accepts",
                    "<A> has lost the receipt and has to take a voucher",
                ),
                "but",
            )
        else:
            t.a("{That's no use to me.|I don't want a voucher!} {I'll write to your boss.|Then I'll never shop here again.}")
            t.b("{I'm sorry you see it like that.|As you wish.}")
            t.warm = False
            t.gist(
                setups,
                (
                    "<a_they> angrily refuses a voucher because {the receipt is lost|<a_they> has no receipt}",
                    "<B> can't pay without a receipt, and <A> leaves in anger",
                    "<A> has no receipt and doesn't want the voucher that <B> offers",
                ),
                "but",
            )
    elif way == "repair":
        t.a("{Yes, but I don't want the money.|I like it, that's the trouble.|Yes. Could you mend it, though?}")
        t.b("{Our tailor can put that right.|We can fix that here.} {It would be ready on <day2>.|Come back on <day2>.}")
        t.a("{Does that cost anything?|And who pays?}")
        t.b("{Nothing, of course.|It's free for our customers.}")
        t.gist(
            setups,
            (
                "<B> will have it mended for free by <day2>",
                "the shop will repair it without charge",
                "<A> keeps it, and it will be put right by <day2>",
            ),
            "and",
        )
    else:
        t.a("{Yes, here.|Of course I did.}")
        t.b("{But this is from the shop across the street!|This receipt isn't ours, it says Mason and Daughter.}")
        t.a("{Oh no, how embarrassing.|Really? You all look the same to me.} {I'm so sorry.|I'll go there at once.}")
        t.b("{It happens every week.|Never mind.} {Their door is the green one.|You can't miss it.}")
        t.gist(
            setups,
            (
                "it turns out that it was bought in another shop",
                "<B> notices that the receipt is from a different shop",
                "<A> has come to the wrong shop and is {embarrassed|sorry}",
            ),
            "but",
        )


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
    t.pick_different(PARTS, "part", "part2")
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
        t.b("{How old is this thing?|Was this your grandmother's?}")
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
                "<B> has no time but will show <a_them> on <day2> how to do it",
                "<A> will learn to do it on <day2>",
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


def gift(t: Talk) -> None:
    """Help in choosing a gift."""
    t.pick(
        rel=tuple(RELATIONS),
        occasion=("birthday", "wedding", "new flat", "fiftieth birthday", "exam"),
        hobby=HOBBIES,
        trait=TRAITS,
    )
    t.pick_different(GIFTS, "gift", "gift2", "gift3")
    t.put(limit=str(price(t.rng, 20, 60)))
    rel = RELATIONS[str(t.slots["rel"])]
    t.put(they=rel, them="her" if rel == "she" else "him", their="her" if rel == "she" else "his")
    t.a(
        "I'm looking for a present for my <rel>{, for <their> <occasion>|}. {I have no idea what.|Can you help me?}",
        "{It's my <rel>'s <occasion> soon, and I have no idea.|What do people give for <rel>s these days?} I need a present.",
    )
    t.b("{What does <they> like?|Tell me about <them>.|How much would you like to spend?} {I'm sure we'll find something.|}")
    t.a("<they> is very <trait> and likes <hobby>. {Not more than <limit> pounds, please.|I can spend <limit> pounds.}")
    t.b("{How about|What do you think of|People like} a <gift>?")
    t.a(
        "{<they> has one already.|I gave <them> that last year, and it's still in the box.|No, that's what my sister is giving.}"
    )
    way = t.branch("second", "third", "voucher", "back")
    setups = (
        "<A> {looks for|needs|wants} a present for <a_their> <rel>",
        "<A> asks <B> to help choose a present for <a_their> <rel>, who likes <hobby>",
        "<B> helps <A> to find a gift for a <trait> <rel>",
    )
    if way == "second":
        t.b("{And this|Then perhaps} a <gift2>? {It's <limit> pounds.|It goes well with <hobby>.}")
        t.a("{That's it!|Yes, that's just like <them>.} {Could you wrap it?|Please put a ribbon on it.}")
        t.gist(
            setups,
            (
                "<A> {chooses|decides on|takes} a <gift2>",
                "a <gift2> is what they find in the end",
                "after turning down a <gift>, <A> buys a <gift2>",
            ),
        )
    elif way == "third":
        t.b("{Then a <gift2>?|We also have a <gift2>.}")
        t.a("{Too serious.|It's nice, but <they> would never use it.|That's more than I can pay.}")
        t.b("{My last idea is|Then it must be} a <gift3>.")
        t.a("{Why didn't you say so at once? I'll take it.|Perfect, and I'd like one for myself too.}")
        t.gist(
            setups,
            (
                "<A> {finally|in the end} takes a <gift3>",
                "only <B>'s third idea, a <gift3>, is right",
                "having refused two things, <A> buys a <gift3>",
            ),
            "and",
        )
    elif way == "voucher":
        t.b(
            "{A <gift2>, maybe?|Or a <gift2>?} {No? Then take a voucher, and <they> can choose.|You don't like it, I see. We also do vouchers.}"
        )
        t.a(
            "{A voucher is so dull.|Isn't that a bit lazy?} {But it's safe. <limit> pounds, please.|Oh well, make it <limit> pounds.}"
        )
        t.gist(
            setups,
            (
                "<A> {buys|settles for} a voucher of <limit> pounds",
                "nothing is right, so it becomes a voucher",
                "in the end <a_they> takes a voucher{, although it is dull|}",
            ),
            "but",
        )
    else:
        t.b("{And a <gift2>?|A <gift2> is always welcome.}")
        t.a("{Let me think about it.|I'm not sure.} {I had better ask our aunt first.|I'll ask my mother what <they> needs.}")
        t.b("{Good idea. I'll keep the <gift2> for you until Saturday.|Of course. I can put the <gift2> aside.}")
        t.gist(
            setups,
            (
                "<A> wants to ask the family first, and <B> puts a <gift2> aside",
                "<A> can't decide, so <B> keeps a <gift2> for <a_them>",
                "nothing is bought yet, but <B> will keep a <gift2>",
            ),
            "but",
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
    t.b("<eatery>, good {morning|afternoon}.", "Hello, this is <eatery>{. How can I help|}.")
    t.a("{Good day|Hello}. I'd like {to book a table|a table} for <number> on <day> at <time>. {It's for <occasion>.|}")
    setups = (
        "<A> {rings|calls} <eatery> to book a table for <number> on <day>",
        "<A> wants to book a table at <eatery> for <number> people",
        "<A> asks for a table at <eatery> on <day> at <time>",
    )
    way = t.branch("time", "day", "garden", "wrong", "more")
    if way == "time":
        t.b("{At <time> we are full.|I only have something at <time2>.} {Would <time2> do?|Could you come at <time2>?}")
        t.a("{That's not ideal, because of the babysitter.|My mother eats early.} {But we'll manage.|All right, <time2>.}")
        t.b("{Very good|Fine}. {And the name?|I'll write that down.}")
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
        t.a("No, <number>. {We're a small family.|The line is bad.}")
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
    Scene("birthday cake", ("Customer", "Baker"), "counter", cake),
    Scene("returning clothes", ("Customer", "Assistant"), "counter", exchange),
    Scene("market haggling", ("Customer", "Seller"), "counter", haggling),
    Scene("bicycle repair", ("Customer", "Mechanic"), "counter", bicycle),
    Scene("choosing a gift", ("Customer", "Assistant"), "counter", gift),
    Scene("booking a table", ("Caller", "Waiter"), "phone", table),
)
