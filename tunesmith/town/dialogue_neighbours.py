"""Talks between neighbours: borrowing a tool, a recipe, animals to feed."""

# ruff: noqa: E501  a pattern is one line, as a line in a play is

from tunesmith.town.talk import Scene, Talk
from tunesmith.town.world import DISHES, FURNITURE, INGREDIENTS, NUMBERS, PET_NAMES, ROOMS, VILLAGES

JOBS_FOR = {
    "ladder": ("mend the roof", "pick my cherries", "clean my windows"),
    "drill": ("put up a shelf", "mend my garden gate"),
    "hammer": ("build a hen house", "mend my fence"),
    "saw": ("cut down a tree", "build a bird house"),
    "spade": ("plant a tree", "dig a pond"),
    "wheelbarrow": ("clear the garden", "move some stones"),
    "lawn mower": ("cut my grass before a party", "cut the grass for my aunt"),
    "garden hose": ("fill the children's pool", "wash my van"),
    "paint roller": ("paint the hall", "paint my kitchen"),
    "sewing machine": ("make new curtains", "make costumes for the school play"),
    "tent": ("go camping with my sons", "sleep by the river"),
    "trailer": ("help my sister move", "fetch a piano"),
}


def borrowing(t: Talk) -> None:
    """A tool is asked for."""
    t.days()
    t.third()
    t.pick(tool=tuple(JOBS_FOR))
    t.pick(job=JOBS_FOR[str(t.slots["tool"])])
    t.put(job_his=str(t.slots["job"]).replace("my", "<a_their>"))
    t.a(
        "You {still have|own} a <tool>, {don't you|if I remember well}? {I need one|I'd like to borrow it} on <day> to <job>.",
        "I want to <job> on <day>, and {I have no <tool>|all I lack is a <tool>}. {Could I borrow yours?|May I have yours?}",
    )
    way = t.branch("yes", "late", "broken", "lent", "price", "no")
    setups = (
        "<A> {asks to borrow|would like to borrow|wants to borrow} <B>'s <tool>",
        "<A> needs a <tool> on <day> to <job_his>",
        "<A> asks <B> for a <tool> because <a_they> wants to <job_his>",
    )
    if way == "yes":
        t.b("{Of course.|Sure.} {But the last time you kept it for a month.|You won't forget to bring it back, will you?}")
        t.a(
            "{A month? It was two weeks.|That was my brother, not me.|I was ill then.} {I'll bring it back on <day2>.|You'll have it back by <day2>.}"
        )
        t.b(
            "{By <day2>, then.|Good, I need it myself after that.} It's {in the shed|behind the door|under the stairs}. {Mind the spiders.|It's heavy.}"
        )
        t.gist(
            setups,
            (
                "<B> lends it to <a_them> until <day2>",
                "<B> agrees if it comes back by <day2>",
                "<a_they> may have it but must return it on <day2>",
            ),
        )
    elif way == "late":
        t.b("On <day>? {I need it myself then.|I'm using it that day.} {What about|You can have it on} <day2>?")
        t.a(
            "{I was hoping to be done by then.|They say it will rain on <day2>.} {Well, it can't be helped.|But never mind.} <day2> is fine."
        )
        t.b("{Then come by in the morning.|I'll even bring it to you.}")
        t.gist(
            setups,
            (
                "<B> needs it on <day>, so <A> will have it on <day2>",
                "<a_they> will get it on <day2>",
                "<B> can lend it only on <day2>",
            ),
            "but",
        )
    elif way == "broken":
        t.b(
            "{I'm ashamed to say|To tell the truth}, {it broke in spring|I broke it last week}. {I dropped it.|I drove over it.}"
        )
        t.a("{Oh no.|What a pity.} {And who else has one?|Do you know anybody with a <tool>?}")
        t.b(
            "{Ask <C>.|<C> bought a new one in May.} {<c_they> never lends anything, but bring a cake.|Tell <c_them> that I sent you.}"
        )
        t.a("{<C>? We haven't spoken for years!|I'm a little afraid of <C>.} {All right, I'll try.|Well, I'll bake something.}")
        t.gist(
            setups,
            (
                "it is broken, and <B> sends <a_them> to <C>",
                "<B>'s is broken, so <A> will ask <C>",
                "<B> has broken it and suggests asking <C>",
            ),
            "but",
        )
    elif way == "lent":
        t.b(
            "{I lent it to <C> weeks ago|<C> borrowed it in April}, {and I never saw it again|and you know what <c_they> is like: it never came back}."
        )
        t.a("{Shall I fetch it from <c_them>?|Then I'll ask <c_them> for it.}")
        t.b(
            "{Please do!|I'd be glad if you did.} {Keep it as long as you like.|And when you're done, bring it to me, not to <c_them>.}"
        )
        t.gist(
            setups,
            (
                "<C> still has it, and <A> will fetch it there",
                "<B> lent it to <C>, so <A> offers to get it back",
                "<A> has to fetch it from <C>, who never gave it back",
            ),
            "but",
        )
    elif way == "price":
        t.pick(
            favour=(
                "help me with my hedge",
                "feed my cats on <day2>",
                "drive me to the station on <day2>",
                "teach my son some maths",
            )
        )
        t.put(favour_his=str(t.slots["favour"]).replace("my", "<b_their>").replace(" me ", " <b_them> "))
        t.b("{Yes, but then you must|Gladly, if you} <favour>. {That's my price.|Is that fair?}")
        t.a("{That's blackmail!|You should be a lawyer.|Hm. On <day2>?} {All right.|Well, it's a deal.}")
        t.gist(
            setups,
            (
                "<A> has to <favour_his> in return",
                "<B> says yes if <A> agrees to <favour_his>",
                "in exchange <A> will <favour_his>",
            ),
        )
    else:
        t.b(
            "{I'm sorry, but no.|No, not this time.} {I promised myself never to lend tools again.|Do you remember what happened to my saw?}"
        )
        t.a("{I said I was sorry!|That was an accident.} {I'd be very careful.|I'd even clean it.}")
        t.b(
            "{No means no.|My answer is the same.} {But I'll come and do it for you.|But I can come with it and help you on <day>.}"
        )
        t.a("{Really? That's even better.|You want to watch your <tool>, I see. Agreed!}")
        t.gist(
            setups,
            (
                "<B> refuses to lend it but will come and help",
                "instead of lending it, <B> offers to do the work with <a_them>",
                "<B> doesn't lend tools any more and offers to help on <day>",
            ),
            "but",
        )


def recipe(t: Talk) -> None:
    """Advice about cooking."""
    t.pick_different([dish for dish in DISHES if not dish.endswith(("cakes", "cake", "omelette", "pudding"))], "dish", "dish2")
    t.pick_different(INGREDIENTS, "spice", "spice2")
    t.pick(
        number=NUMBERS[3:9],
        guest=("my boss", "my future mother-in-law", "the mayor", "my old teacher", "the whole choir"),
        day=("tonight", "tomorrow", "on Sunday"),
    )
    t.put(guest_his=str(t.slots["guest"]).replace("my", "<a_their>"))
    t.a(
        "{You cook so well.|I need your advice.} <guest> {is coming to dinner <day>|is my guest <day>}, and I want to make <dish>. {How do you do it?|What's the secret?}"
    )
    way = t.branch("spice", "saved", "change", "ready", "veg")
    setups = (
        "<A> asks <B> how to {make|cook} <dish> for <guest_his>",
        "<A> {is cooking|wants to cook} <dish> for <guest_his> and needs advice",
        "<A> has invited <guest_his> and asks about a recipe for <dish>",
    )
    if way == "spice":
        t.b(
            "{A little <spice> at the very end.|My grandmother always put <spice> in it at the end.} {And never let it boil.|And time. It needs three hours.}"
        )
        t.a("<spice>? {In <dish>? The book says|My cookbook says} <spice2>. {Are you sure?|That sounds odd.|}")
        t.b("{Books! They've never met my grandmother.|<spice2> makes it heavy.} Trust me, <spice>.")
        t.a("{If it goes wrong, I'll send <guest> to you.|I'll try it on my brother first.}")
        t.gist(
            setups,
            (
                "<B> recommends <spice> and not <spice2>",
                "the secret is <spice> at the end",
                "<B> {tells|advises} <a_them> to add <spice>",
            ),
        )
    elif way == "saved":
        t.b("{Gladly. How far have you got?|Have you begun yet?}")
        t.a("{It's on the stove and far too salty.|I've put in far too much salt.} {I could cry.|My guests come in an hour.}")
        t.b("{Put a raw potato in it and wait.|Add some <spice> and a potato.} {It drinks the salt.|Don't stir.}")
        t.a("{A potato? Wait. It's getting better!|Let me taste it. That's magic.}")
        t.gist(
            setups,
            (
                "it is too salty, and <B> tells <a_them> to add a potato",
                "a potato saves the dish, which had too much salt",
                "<B>'s trick with a potato helps against too much salt",
            ),
            "and",
        )
    elif way == "change":
        t.b(
            "<dish>? {For <number> people?|In this weather?} {You'll be in the kitchen all night.|You've never made it before.}"
        )
        t.a("{What would you make, then?|Have you a better idea?}")
        t.b(
            "<dish2>. {It makes itself.|You can prepare it the day before.} {I'll write it down for you.|And everybody likes it.}"
        )
        t.a(
            "{That's boring, though.|Is that good enough for <guest>?} {But you're right, <dish2> it is.|Oh well, I'd rather sleep.}"
        )
        t.gist(
            setups,
            (
                "<B> {persuades <a_them> to make|tells <a_them> to make} <dish2> instead",
                "<A> decides on <dish2>, because it is easier",
                "<B> thinks it too much work and suggests <dish2>",
            ),
            "but",
        )
    elif way == "ready":
        t.b(
            "{Can you keep a secret?|You mustn't tell anybody.} {I buy it.|I have never made it in my life. I buy it.} {At the Old Oven, by the back door.|From the cook of the Blue Boat.}"
        )
        t.a("{All these years?|But I praised you for it!} And nobody noticed?")
        t.b("{Nobody. Put it in your own pot.|Not even my husband. Order it for <number>.}")
        t.a("{I'm shocked. Have you got their number?|Well, why not? I'll do the same.}")
        t.gist(
            setups,
            (
                "<B> {admits|confesses} that <b_they> always buys it ready made",
                "<B> secretly buys it, and <A> will do so too",
                "it comes out that <B> never cooks it at all",
            ),
            "but",
        )
    else:
        t.b(
            "{Does <guest> eat meat?|Have you asked what they don't eat?} {I heard something about that.|One never knows these days.}"
        )
        t.a("{Oh no. I have no idea.|I never thought of that!} {And it's too late to ask.|What do I do now?}")
        t.b("{Make two pots.|Then cook <dish2> as well.} {One small, one big.|Nobody is unhappy with two dishes.}")
        t.a("{You think of everything.|Two pots. My poor kitchen!}")
        t.gist(
            setups,
            (
                "<B> suggests {making|cooking} a second dish in case a guest doesn't eat it",
                "as nobody knows what the guest eats, <A> will make two dishes",
                "<B> advises <a_them> to make two dishes to be safe",
            ),
        )


def feeding(t: Talk) -> None:
    """Somebody goes away; the animals stay."""
    t.days()
    t.pick_different(PET_NAMES, "pet", "pet2")
    t.pick(
        kind=("cat", "dog", "parrot", "tortoise", "goat"),
        village=VILLAGES,
        number=NUMBERS[3:10],
        room=ROOMS,
        furniture=FURNITURE,
    )
    t.a(
        "{I'm going to <village> for <number> days|We're off to <village> for <number> days} {from <day>|on <day>}. {Could you look after <pet>, our <kind>?|Would you feed <pet>, our <kind>?}"
    )
    way = t.branch("yes", "scared", "away", "deal", "bring")
    setups = (
        "<A> asks <B> to {look after|feed} <a_their> <kind> while <a_they> is in <village>",
        "<A> is going away for <number> days and needs someone for <a_their> <kind>, <pet>",
        "<A> goes to <village> on <day> and can't take the <kind> along",
    )
    if way == "yes":
        t.b("{With pleasure.|Of course, <pet> and I are friends.} {What does it eat?|How often do I have to come?}")
        t.a(
            "Twice a day. {Fish in the morning|Not much}, and {never any cheese|the door to the <room> must stay shut}. {The key is under the pot.|I'll give you the key tonight.}"
        )
        t.b("{And if it doesn't eat?|And if something happens?}")
        t.a("{Sing to it. I mean it.|Then ring the vet, not me.}")
        t.gist(
            setups,
            (
                "<B> {agrees|is glad} to come twice a day",
                "<B> will do it and is told what to do",
                "<B> says yes and hears how to feed it",
            ),
        )
    elif way == "scared":
        t.b("{The <kind> that bit the postman?|The one with those teeth?} {I'm afraid of it.|I still have a mark on my hand.}")
        t.a("{It was only playing.|The postman laughed first.} {It's old now.|It's very sweet in fact.}")
        t.b(
            "{No, really. Ask my daughter.|I can't. But my daughter would love it.} {She wants to be a vet.|She is not afraid of anything.}"
        )
        t.a("{Would she? I'd pay her five pounds a day.|That's a good idea. I'll pay her well.}")
        t.gist(
            setups,
            (
                "<B> is afraid of it, but <b_their> daughter could do it",
                "instead of <B>, who is scared, the daughter will be asked",
                "<B>'s daughter will do it for money, as <B> is afraid",
            ),
            "but",
        )
    elif way == "away":
        t.b("{From <day>? But we are away ourselves.|I'd love to, but I leave on <day> too.}")
        t.a("{Oh, that's bad luck.|And I've asked everybody else.}")
        t.b("{Can't you go on <day2>?|I'm back on <day2>.} {Then I could do it.|From then on it's no trouble.}")
        t.a("{I could call my aunt and come later.|The tickets can be changed.} {<day2>, then.|I'll go on <day2>.}")
        t.gist(
            setups,
            (
                "<B> is away then, so <A> will leave on <day2>",
                "<A> changes the trip to <day2>, when <B> is back",
                "<B> can do it only from <day2>, and <A> goes later",
            ),
            "but",
        )
    elif way == "deal":
        t.b("{And who watered my plants in summer?|You forgot my plants in July.} {They all died.|I had forty of them.}")
        t.a(
            "{I know. I felt awful.|I've said sorry a hundred times.} {I'll bring you new ones from <village>.|I'll buy you a tree.}"
        )
        t.b("{A lemon tree?|Big ones?} {Well, the <kind> can't help it.|All right, but only because of <pet>.}")
        t.gist(
            setups,
            (
                "<B> is still cross about some plants but agrees",
                "<B> agrees after <A> promises new plants",
                "although <A> let <B>'s plants die, <B> will do it",
            ),
            "and",
        )
    else:
        t.b(
            "{It would be easier if it stayed here.|I can't come to you twice a day, my leg hurts.} {Bring it to me.|It can live in my <room>.}"
        )
        t.a("{It will scratch your <furniture>.|It sleeps on people's heads.} {Are you sure?|}")
        t.b(
            "{My <furniture> is older than both of us.|I've been alone too long.} {Bring it on <day>.|I'm looking forward to it.}"
        )
        t.gist(
            setups,
            (
                "<B> offers to take it in at home",
                "it may stay at <B>'s house",
                "<B> wants <a_them> to bring it, although it scratches",
            ),
            "and",
        )


SCENES = (
    Scene("borrowing a tool", None, "friends", borrowing),
    Scene("cooking advice", None, "friends", recipe),
    Scene("looking after a pet", None, "friends", feeding),
)
