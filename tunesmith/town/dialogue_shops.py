"""Talks in shops: a cake to order, clothes brought back, a gift to choose."""

# ruff: noqa: E501  a pattern is one line, as a line in a play is

from tunesmith.town.talk import Scene, Talk
from tunesmith.town.world import COLOURS, GIFTS, HOBBIES, RELATIONS, TRAITS, price


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
            "the colour is not right",
        )
    )
    t.put(
        fault_said={"it's too small": "it is too small", "the colour is not right": "the colour is not right"}.get(
            str(t.slots["fault"]), str(t.slots["fault"])
        )
    )
    t.a(
        "I bought this <colour> <thing> {here on <day>|last <day>}, but <fault>.",
        "It's about this <colour> <thing>. I'm afraid <fault>.",
        "{I want to bring this <colour> <thing> back|I'd like my money back for this <colour> <thing>}. {I got it on <day> and|Look,} <fault>.",
    )
    t.b("{I see.|Let me look.|Oh dear.} {Have you got the receipt?|Did you keep the receipt?}")
    way = t.branch("refund", "exchange", "no receipt", "repair", "wrong shop")
    setups = (
        "<A> {brings back|returns|wants to return} a <colour> <thing> because <fault_said>",
        "<A> is not happy with a <thing> that <a_they> bought",
        "<A> comes to the shop with a <colour> <thing> and says that <fault_said>",
    )
    if way == "refund":
        t.a("{Yes, here it is.|It's in the bag.|Somewhere. Ah, here.} I paid <pay> pounds.")
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
    t.b("{How about|What do you think of|What about} a <gift>?")
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


SCENES = (
    Scene("birthday cake", ("Customer", "Baker"), "counter", cake),
    Scene("returning clothes", ("Customer", "Assistant"), "counter", exchange),
    Scene("choosing a gift", ("Customer", "Assistant"), "counter", gift),
)
