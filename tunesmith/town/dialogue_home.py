"""Talks about where one lives: noise, a room to rent, something broken."""

# ruff: noqa: E501  a pattern is one line, as a line in a play is

from tunesmith.town.talk import Scene, Talk
from tunesmith.town.world import HOUSEHOLD, INSTRUMENTS, STREETS, price


def noise(t: Talk) -> None:
    """A neighbour complains."""
    t.times(22, 26)
    t.days()
    t.pick(
        what=("<instrument>", "trumpet", "dog", "piano", "radio", "television"),
        instrument=INSTRUMENTS[:3],
        reason=("I start work at five", "my baby wakes up", "I have an exam soon", "my mother is ill"),
    )
    t.put(
        reason_his=str(t.slots["reason"])
        .replace("I start", "<a_they> starts")
        .replace("I have", "<a_they> has")
        .replace("my", "<a_their>")
    )
    t.a(
        "{We need to talk about|It's about} your <what>. {I heard it until <time> last night.|At <time> it was still going on!} {And <reason>.|<reason>, you know.}",
        "Last night I lay awake until <time> because of your <what>. {<reason>, as you know.|And <reason>!}",
    )
    way = t.branch("sorry", "swap", "wrong", "counter", "join", "refuse")
    setups = (
        "<A> complains {to <B>|} about the noise of <B>'s <what>",
        "<A> can't sleep because of <B>'s <what>",
        "<B>'s <what> {disturbs|bothers} <A>, and <reason_his>",
    )
    if way == "sorry":
        t.b(
            "{Until <time>? Oh, I'm so sorry.|You can hear that? Why didn't you say so before?} {The walls are like paper.|I thought you were away.}"
        )
        t.a("{I didn't want to be the angry neighbour.|I hoped that it would stop.}")
        t.b("{From now on it stops at nine.|After nine you won't hear a thing, I promise.} {And I'll bring you a cake.|}")
        t.gist(
            setups,
            (
                "<B> apologises and promises quiet after nine",
                "<B> is sorry and will stop at nine from now on",
                "<B> promises that it will be quiet from nine on",
            ),
        )
    elif way == "swap":
        t.b("{But it's my only joy.|I have to practise some time.|I work all day. When should I do it?}")
        t.a(
            "{I'm out every <day> and <day2>.|On <day> and <day2> I'm not at home.} {Then you can be as loud as a train.|Do it then!}"
        )
        t.b("{Only two evenings?|Two evenings is not much.} {Well, it's fair.|But I can live with that.}")
        t.gist(
            setups,
            (
                "they agree that <B> may be loud on <day> and <day2>",
                "<B> will make noise only on two evenings, when <A> is out",
                "<A> suggests <day> and <day2>, when <a_they> is out, and <B> accepts",
            ),
        )
    elif way == "wrong":
        t.b("{Last night? But I was in Bristol.|That's impossible. I was at my sister's until this morning.}")
        t.a("{Then who was it?|But it came through the wall!}")
        t.b("{It must be the people upstairs.|Perhaps the new tenant above us.} {I hear it too.|They never sleep.}")
        t.a("{Oh. I owe you an apology.|How stupid of me. I'm sorry.} {Shall we go up together?|Will you come up with me?}")
        t.b("{With pleasure.|Let me get my shoes.}")
        t.gist(
            setups,
            (
                "<B> was away, and it must have been the people upstairs",
                "it wasn't <B>, so <A> apologises",
                "they find that the noise comes from upstairs and go there together",
            ),
            "but",
        )
    elif way == "counter":
        t.b("{And who uses a saw on Sunday mornings?|And your hens? They start at four!}")
        t.a("{That's different.|That's only once a week.}")
        t.b(
            "{Is it? My head doesn't think so.|Not for my ears.} {Let's make a deal: no noise before eight and after nine.|If you stop, I stop.}"
        )
        t.a("{Hm. You have a point.|I suppose we are both guilty.} {Agreed.|Let's shake hands.}")
        t.gist(
            setups,
            (
                "<B> complains about <A>'s noise as well, and they make a deal",
                "it turns out that <A> is loud too, so both promise to be quiet",
                "both agree to make less noise, because <A> is no better",
            ),
            "but",
        )
    elif way == "join":
        t.b("{Didn't you use to play the <instrument> yourself?|But you used to sing so well.}")
        t.a("{That was twenty years ago.|At school, yes.} {What has that to do with it?|}")
        t.b(
            "{Our band needs someone on <day>.|Our band has lost a member.} {Come and join us!|Join us, then you'll be part of the noise.}"
        )
        t.a("{You're mad.|I came here to complain!} {At what time?|What should I bring?}")
        t.gist(
            setups,
            (
                "in the end <B> invites <a_them> to make music together",
                "<B> talks <a_them> into joining in",
                "instead of stopping, <B> asks <a_them> to join the band",
            ),
            "but",
        )
    else:
        t.b("{This is my house.|I pay my rent like you.} {The rules allow it until ten.|Buy yourself something for your ears.}")
        t.a(
            "{You leave me no choice.|I've been patient for weeks.} {I'll write to the landlord.|I'll speak to the landlady on <day>.}"
        )
        t.b("{Do what you like.|She is my aunt, by the way.}")
        t.gist(
            setups,
            (
                "<B> shows no understanding, so <A> will complain to the owner of the house",
                "<B> refuses to stop",
                "since <B> won't change anything, <A> {wants to tell|will turn to} the owner",
            ),
            "but",
        )


def renting(t: Talk) -> None:
    """A room or flat is shown."""
    t.days()
    t.pick(
        street=STREETS,
        size=("room", "flat", "small house", "room with a balcony"),
        pet=("cat", "dog", "parrot", "snake", "rabbit"),
        instrument=INSTRUMENTS,
    )
    rent = price(t.rng, 380, 690)
    t.put(rent=str(rent), less=str(rent - t.rng.choice((20, 30, 40, 50))))
    t.a(
        "{I've come about the <size> in <street>.|Is the <size> in <street> still free?} {I saw the note at the library.|My colleague told me about it.}"
    )
    t.b(
        "{Yes, come in and look.|Good. Let me show you round.} {It's <rent> pounds a month|The rent is <rent> pounds}, {heating included|with water|without heating}."
    )
    way = t.branch("takes", "pet", "cheaper", "too dear", "music")
    setups = (
        "<A> {looks at|comes to see} a <size> in <street>",
        "<A> is interested in <B>'s <size>, which costs <rent> pounds a month",
        "<B> shows <A> a <size> for rent",
    )
    if way == "takes":
        t.a("{So much light!|You can see the river from here!} {And is it quiet?|And the neighbours?}")
        t.b(
            "{Very quiet, except for the church bells.|An old couple. You'll never hear them.} {When would you want to move in?|When do you need it?}"
        )
        t.a("{On <day> already, if I may.|Could I come on <day>?}")
        t.b("{On <day> the painters are still here. <day2>?|Let's say <day2>, I have to clean it.}")
        t.a("{<day2>, then.|Good, <day2>.} {I'm so happy.|I'll call my mother at once.}")
        t.gist(
            setups,
            (
                "<a_they> takes it and will move in on <day2>",
                "<A> likes it and can move in on <day2>",
                "they agree that <A> moves in on <day2>",
            ),
        )
    elif way == "pet":
        t.a(
            "{It's just right.|I like it very much.} {There's one more thing: I have a <pet>.|You have nothing against a <pet>, I hope?}"
        )
        t.b("{A <pet>? Oh no.|No animals, I'm afraid.} {The last one ate the curtains.|My wife is afraid of them.}")
        if t.chance():
            t.a(
                "{She is twelve and sleeps all day.|It's a very polite animal.} {Come and meet her.|I could pay a little more.}"
            )
            t.b("{Well, thirty pounds more, and not in the bedroom.|Bring it on <day>, and we'll see how it behaves.}")
            t.gist(
                setups,
                (
                    "<B> doesn't like pets but may make an exception for the <pet>",
                    "after some talk <B> {might accept|may allow} the <pet> as well",
                    "the <pet> is a problem at first, then <B> gives in a little",
                ),
                "but",
            )
        else:
            t.a("{Then I can't take it.|I won't move without it.} {We belong together.|}")
            t.b("{I understand.|I'm sorry.} {Try number nine, they have a goat.|I hope you find something.}")
            t.gist(
                setups,
                (
                    "<A> doesn't take it because pets are not allowed",
                    "<B> allows no animals, and <A> won't give up the <pet>",
                    "the <pet> isn't welcome, so <A> looks elsewhere",
                ),
                "but",
            )
    elif way == "cheaper":
        t.a("{The window doesn't shut.|There's a wet spot on the wall.|The kitchen is as old as the castle.}")
        t.b("{Oh, that? It was always like that.|That gives it charm.}")
        t.a("{With <less> pounds it would have more charm.|I'd take it for <less>.}")
        t.b("{You're hard.|Hm.} {All right, <less>, but you paint it yourself.|<less>, if you stay at least a year.}")
        t.gist(
            setups,
            (
                "<A> gets the rent down to <less> pounds",
                "because of its faults <A> pays only <less> pounds",
                "they agree on <less> pounds, since not all is in order",
            ),
        )
    elif way == "too dear":
        t.a("<rent> pounds? {The note said <less>.|I was told <less>.}")
        t.b("{That was last year.|Somebody wrote the wrong number.} {Everything costs more now.|I can't go lower.}")
        t.a("{I earn little, I'm still a student.|Then I'd have nothing left to eat.} {What a pity.|}")
        t.b(
            "{My cousin has a smaller one in another street.|There is a tiny one under the roof for less.} {Shall I ask?|I'll give you the number.}"
        )
        t.a("{Yes, please.|That would be very kind.}")
        t.gist(
            setups,
            (
                "it is too {dear|expensive}, and <B> tells <a_them> of a smaller one",
                "<a_they> can't pay that and will ask about a smaller one",
                "<A> had expected to pay <less> and can't afford it",
            ),
            "but",
        )
    else:
        t.a(
            "{The walls are thick, that's good.|Can one hear the neighbours?} {I play the <instrument>.|I practise the <instrument>, you see.}"
        )
        t.b("{The <instrument>! My late husband played it.|The <instrument>? How wonderful.} {Play something for me.|}")
        t.a("{Now? Well, if you like.|I could play for you every <day>.}")
        t.b("{Every <day>, and the <size> is yours for <less>.|If you play on <day>s, you pay only <less>.}")
        t.gist(
            setups,
            (
                "<B> lowers the rent because <A> plays the <instrument>",
                "<A> gets it for <less> pounds and will play the <instrument> for <b_them>",
                "in return for music on <day>s, <A> pays only <less> pounds",
            ),
        )


def repairs(t: Talk) -> None:
    """Something at home is broken; a craftsman is called."""
    t.days()
    t.times(8, 17)
    t.put(pay=str(price(t.rng, 40, 120)), thing=t.rng.choice(HOUSEHOLD))
    t.pick(since=("since <day>", "for two days", "since the storm", "since I cleaned it"))
    t.b(
        "{Repairs and more, hello.|This is the workshop.} {What can I do for you?|How can I help?}",
        "{Hello, workshop.|Cooper's workshop, good morning.} {What's broken?|}",
    )
    t.a(
        "{Hello, it's about my <thing>.|My <thing> is giving me trouble.|I have a problem with the <thing>.} {It hasn't worked|It's been broken} <since>."
    )
    setups = (
        "<A> {phones|calls} <B> because <a_their> <thing> is broken",
        "<A>'s <thing> {has stopped working|doesn't work}, and <a_they> calls the workshop",
        "<A> needs somebody to repair the <thing>",
    )
    way = t.branch("visit", "trick", "money", "busy", "friend")
    if way == "visit":
        t.b("{I can come on <day2> at <time>.|I have time on <day2>, at <time>.}")
        t.a("{Not before?|Until then we'll have no peace.} {I have guests on <day2>.|I work on <day2>.}")
        t.b("{Then today at <time2>, after my lunch.|For an emergency I could come today at <time2>.}")
        t.a("{Today! Wonderful.|You save my life.} {Ring twice, please.|The dog is harmless.}")
        t.gist(
            setups,
            (
                "<B> {will come|agrees to come} today at <time2>",
                "it will be repaired today at <time2> and not on <day2>",
                "<B> first offers <day2> and then today at <time2>",
            ),
        )
    elif way == "trick":
        t.b(
            "{Is there a red button at the back?|Have you looked at the plug?} {Press it for ten seconds.|Pull it out and put it in again.}"
        )
        t.a("{Wait a moment. No, nothing.|I'm on my knees. It's dark here.} {Oh! It makes a sound.|Now something is moving!}")
        t.b("{You see?|There you are.} {It does that when it's cold.|They all do that after a few years.}")
        t.a("{It works! What do I owe you?|I can't believe it. And what does that cost?}")
        t.b("{Nothing. Tell your friends about me.|A good word to your neighbours.}")
        t.gist(
            setups,
            (
                "with <B>'s advice on the phone <a_they> gets it to work",
                "<B> tells <a_them> what to do, and it works again for free",
                "<A> can put it right with the help of <B> on the phone",
            ),
            "but",
        )
    elif way == "money":
        t.b("{How old is it?|What kind is it?}")
        t.a("{It came with the house.|Older than my children.} {What would it cost?|Is it worth it?}")
        t.b("{About <pay> pounds, if I find the parts.|With the drive, <pay> pounds.} {A new one costs double.|}")
        if t.chance():
            t.a(
                "{<pay>! Let me ask my neighbour first.|So much? Then I'll try it myself.} {He has golden hands.|I have a book about it.}"
            )
            t.gist(
                setups,
                (
                    "<pay> pounds is too much for <a_them>, and nothing is agreed",
                    "<A> finds the price of <pay> pounds too high",
                    "<A> doesn't want to pay <pay> pounds and will try without <B>",
                ),
                "but",
            )
        else:
            t.a("{That's less than I feared.|All right.} When {can you come|do you have time}?")
            t.b("{On <day2>, around <time>.|<day2>, let's say at <time>.}")
            t.gist(
                setups,
                (
                    "<B> will do it on <day2> for about <pay> pounds",
                    "they agree on <day2> at <time>, and it will cost <pay> pounds",
                    "for <pay> pounds <B> will come on <day2>",
                ),
            )
    elif way == "busy":
        t.b(
            "{We have no time before next month.|Half the town is calling. Next month, perhaps.} {The storm broke everything.|My partner is in hospital.}"
        )
        t.a("{Next month? I have small children!|But I can't live like this.}")
        t.b(
            "{Write down this name: Miller, in Oakley.|There's a good man in Milton, Mr Reed.} {He is slow but honest.|He talks a lot, but he knows his trade.}"
        )
        t.a("{Thank you. I'll try him.|Good, I'm writing it down.}")
        t.gist(
            setups,
            (
                "<B> has no time and {recommends|names} somebody else",
                "<B> is too busy and gives <a_them> another name",
                "since <B> can't come soon, <A> will try another man",
            ),
            "but",
        )
    else:
        t.b("{Isn't it the one that I sold you in May?|That's the one with two years' guarantee.}")
        t.a("{I don't know. Do I have to pay, then?|Is it? Where would I find the paper?}")
        t.b("{It's in our books. It costs you nothing.|You pay nothing, not even the drive.} I'll send my son on <day2>.")
        t.a("{Tell him to bring his own slippers.|Good. After <time>, please.}")
        t.gist(
            setups,
            (
                "it is still under guarantee, and <B>'s son will come on <day2>",
                "<A> needn't pay, because of the guarantee",
                "<B> sends <b_their> son on <day2> free of charge",
            ),
        )


SCENES = (
    Scene("noise at night", None, "greeting", noise),
    Scene("renting a room", ("Visitor", "Owner"), "counter", renting),
    Scene("something broken", ("Caller", "Repairer"), "phone", repairs),
)
