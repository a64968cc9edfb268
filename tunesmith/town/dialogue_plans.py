"""Talks about plans: a surprise party, an invitation, a holiday."""

# ruff: noqa: E501  a pattern is one line, as a line in a play is

from tunesmith.town.talk import Scene, Talk
from tunesmith.town.world import CITIES, EATERIES, EVENTS, GIFTS, HOBBIES, MONTHS, NUMBERS, PLACES, price


def surprise(t: Talk) -> None:
    """A birthday is planned behind somebody's back."""
    t.third()
    t.days()
    t.times(15, 20)
    t.pick_different(GIFTS, "gift", "gift2")
    t.pick_different(PLACES, "where", "where2")
    t.put(pay=str(price(t.rng, 5, 20)))
    t.a(
        "{<C> turns forty on <day>.|It's <C>'s birthday on <day>.} {Don't tell <c_them>, but I'm planning a party.|I want to surprise <c_them> with a party.} {At <where>, I thought.|What do you think of <where>?}"
    )
    way = t.branch("place", "gift", "knows", "hates", "role")
    setups = (
        "<A> {plans|is planning} a surprise party for <C>'s birthday",
        "<A> wants to surprise <C> with a party on <day>",
        "<A> and <B> talk about a secret birthday party for <C>",
    )
    if way == "place":
        t.b("{<where>? <C> works next door!|<C> walks past <where> every evening.} {Take <where2>.|<where2> would be safer.}")
        t.a("{<where2> is so small.|Isn't <where2> too cold?} {But you're right.|Well, then we'll sit close together.}")
        t.b("{And who brings <c_them> there?|How do we get <c_them> there?}")
        t.a(
            "{You do. Say that your car won't start.|Could you? Tell <c_them> you need help with a box.} {At <time>, not earlier.|Be there at <time>.}"
        )
        t.b("{I'm a terrible liar, but I'll try.|I can lie if I look at my shoes.}")
        t.gist(
            setups,
            (
                "they choose <where2>, and <B> will bring <c_them> at <time>",
                "<B> has to bring <c_them> to <where2> at <time>",
                "it will be at <where2> and not at <where>, and <B> {brings|fetches} <C>",
            ),
        )
    elif way == "gift":
        t.b("{Count me in.|I'd love to come.} {What are you giving <c_them>?|Shall we give something together?}")
        t.a(
            "{A <gift>, I thought.|I've seen a nice <gift>.} {If ten of us pay <pay> pounds each.|It would be <pay> pounds for each of us.}"
        )
        t.b(
            "{<C> doesn't need a <gift>.|A <gift>? <c_they> has two.} {But <c_they> has talked about a <gift2> for months.|Take a <gift2>, <c_they> always wanted one.}"
        )
        t.a("{Really? <c_they> never told me.|How do you know such things?} {A <gift2>, then.|Good, a <gift2>.}")
        t.b("{Here are my <pay> pounds.|I'll collect the money from the others.}")
        t.gist(
            setups,
            (
                "they decide to give <c_them> a <gift2>",
                "on <B>'s advice everybody will pay <pay> pounds for a <gift2>",
                "the present will be a <gift2> instead of a <gift>",
            ),
        )
    elif way == "knows":
        t.b(
            "{A surprise? Oh dear.|I'm afraid I have bad news.} {<C> asked me yesterday what to wear.|<c_they> told me <c_they> is looking forward to it.}"
        )
        t.a("{No! Who told <c_them>?|But how? Only you and I know!}")
        t.b(
            "{You left the list on the kitchen table.|You sent the invitation to <c_them> as well.|Your son told the whole school.}"
        )
        t.a(
            "{I could sink into the ground.|How stupid can one be?} {Then we do it on <day2> instead.|Then we'll come a day too early, on <day2>.}"
        )
        t.b("{Now that will surprise <c_them>.|That's clever. I'll say nothing.}")
        t.gist(
            setups,
            (
                "<C> already knows, so they move it to <day2>",
                "as <C> has heard of it, they will do it on <day2> instead",
                "<B> says that <C> knows, and <A> changes the day to <day2>",
            ),
            "but",
        )
    elif way == "hates":
        t.b(
            "{<C> hates surprises.|Are you sure? <C> can't stand parties.} {Do you remember what happened at the wedding?|<c_they> hid in the cellar the last time.}"
        )
        t.a("{I thought that was the cat!|I had forgotten that.} {What would you do?|And what would <c_they> like?}")
        t.b("{Dinner for four, nothing more.|A quiet walk and a good meal.} {And no songs.|And please no speech.}")
        t.a("{I've already ordered a band.|And the balloons? I have sixty.} {I'll send them away.|Well, dinner it is.}")
        t.gist(
            setups,
            (
                "<B> says that <C> hates surprises, so {it will be a quiet dinner|they plan a quiet meal}",
                "since <C> doesn't like parties, there will only be a dinner",
                "<B> talks <a_them> into a quiet meal",
            ),
            "but",
        )
    else:
        t.b("{How nice! What can I do?|Wonderful. Do you need help?}")
        t.a("{Could you bake?|You could sing something.|Would you make a speech?}")
        t.b(
            "{Please not that. Everybody would run away.|Anything but that, I beg you.} {I can take the photographs.|I can make the photo album, with my camera.|I could bring chairs.}"
        )
        t.a(
            "{Chairs and photos would be great.|Then bring chairs and take photos.} {And be at <where> at <time>.|Come to <where> at <time>.}"
        )
        t.b(
            "{At <time>? I work until then.|I can't be there before <time2>.} {My brother will bring the chairs.|Then my son brings the chairs.}"
        )
        t.gist(
            setups,
            (
                "<B> will {help with chairs and photos|see to chairs and photos}",
                "<B> agrees to take photos but can't be there at <time>",
                "<B> wants to help by bringing chairs and taking photos",
            ),
        )


def invitation(t: Talk) -> None:
    """Come with me, will you?"""
    t.third()
    t.days()
    t.times(14, 20)
    t.pick_different((*EVENTS, "the cinema", "the theatre"), "what", "what2")
    t.pick(eatery=EATERIES)
    t.pick(
        excuse=(
            "I have to work",
            "my parents are coming",
            "I promised to help my brother move",
            "I'm on duty at the hospital",
            "I'm taking my niece to the zoo",
        )
    )
    t.put(
        excuse_his=str(t.slots["excuse"])
        .replace("I have", "<b_they> has")
        .replace("I'm", "<b_they> is")
        .replace("I ", "<b_they> ")
        .replace("my", "<b_their>")
    )
    t.a(
        "{Would you like to come to <what> with me on <day>?|I have two tickets for <what> on <day>. Do you want to come?|Are you free on <day>? I'd like to go to <what>.}"
    )
    setups = (
        "<A> {invites|asks} <B> to {come to|go to} <what> on <day>",
        "<A> wants to go to <what> with <B>",
        "<A> asks whether <B> {would like to come|wants to come along} to <what>",
    )
    way = t.branch("refuse", "other day", "third", "changes", "dinner")
    if way == "refuse":
        t.b("{On <day>? Oh, I'd love to, but|What a pity,} <excuse>.")
        t.a("{Can't you get out of it?|Couldn't somebody else do that?} {It's only once a year.|The tickets are paid.}")
        t.b("{Not this time, they count on me.|I gave my word.} {Ask <C>, <c_they> loves such things.|Why don't you ask <C>?}")
        t.a("{<C> talks all the time.|I wanted to go with you.} {But I'll think about it.|Well, perhaps I will.}")
        t.gist(
            setups,
            (
                "<B> can't, because <excuse_his>",
                "<B> refuses, since <excuse_his>, and suggests <C>",
                "<B> has no time and tells <a_them> to ask <C>",
            ),
            "but",
        )
    elif way == "other day":
        t.b("{<day> is bad, <excuse>.|I'm sorry, on <day> <excuse>.} {Is it on <day2> as well?|What about <day2>?}")
        t.a(
            "{I'll look. Yes, on <day2> at <time>.|On <day2> it starts at <time>.} {My sister could take the other tickets.|I can change the tickets.}"
        )
        t.b("{Then <day2>!|Good, on <day2> I'm all yours.} {Shall I fetch you?|I'll bring the sweets.}")
        t.gist(
            setups,
            (
                "<B> is busy then, so they will go on <day2> at <time>",
                "<B> suggests <day2>, and they agree",
                "they decide on <day2> because <excuse_his>",
            ),
            "but",
        )
    elif way == "third":
        t.b("{Who else is coming?|Is <C> coming too?}")
        t.a("{<C> and a few others.|Only <C>.} {Why do you make that face?|What's wrong with that?}")
        t.b(
            "{We haven't spoken since spring.|<C> still owes me money, and an apology.} {If <c_they> goes, I stay at home.|I won't sit next to <c_them>.}"
        )
        t.a(
            "{You're like children.|It's time that you two made peace.} {I'll sit in the middle.|I'll talk to <c_them> before.}"
        )
        if t.chance():
            t.b("{Oh well, for your sake.|All right, but only for you.}")
            t.gist(
                setups,
                (
                    "<B> doesn't want to meet <C>, but agrees for <A>'s sake",
                    "<B> first refuses because of <C> and then gives in",
                    "in spite of a quarrel with <C>, <B> will come",
                ),
                "and",
            )
        else:
            t.b("{No. Go without me.|I'm sorry, I can't do it.} {Another time, without <c_them>.|}")
            t.gist(
                setups,
                (
                    "<B> won't come because of a quarrel with <C>",
                    "<B> refuses, as <C> will be there",
                    "<B> is angry with <C> and stays at home",
                ),
                "but",
            )
    elif way == "changes":
        t.b("{<what>? That's not my sort of thing.|To be honest, <what> bores me.}")
        t.a(
            "{You've never been!|You said that about opera as well.} {There's free food at the end.|<C> is going to play there.}"
        )
        t.b("{Free food? Why didn't you say so?|Really? That changes everything.} {When does it start?|At what time?}")
        t.a("At <time>. {Let's meet half an hour before.|I'll wait at the door.}")
        t.gist(
            setups,
            (
                "<B> isn't interested at first but {then agrees|is won over}",
                "<A> persuades <B>, and it starts at <time>",
                "<B> says no and then yes",
            ),
            "and",
        )
    else:
        t.b(
            "{I'm too tired for <what>.|So many people? I don't feel like it.} {Can't we just eat something?|I'd rather have a quiet dinner.}"
        )
        t.a("{Again? We always just eat.|We could do both.}")
        t.b("{My feet hurt. <eatery>, and I'll pay.|I'm inviting you to <eatery>.} {At <time>?|Let's say <time>.}")
        t.a("{If you pay, I won't say no.|You know how to change my mind.} {<what> can wait.|I'll give the tickets to <C>.}")
        t.gist(
            setups,
            (
                "<B> is not in the mood, and they will eat at <eatery> instead",
                "<B> prefers dinner at <eatery> at <time>",
                "in the end <B> invites <a_them> to <eatery>",
            ),
            "but",
        )


def trip(t: Talk) -> None:
    """Holidays are planned; two people want different things."""
    t.pick_different((*CITIES, "the mountains", "the seaside", "the lakes", "Scotland", "Wales"), "where", "where2", "where3")
    t.pick_different(("train", "car", "bicycle", "bus"), "how", "how2")
    t.pick(month=MONTHS[3:10], number=NUMBERS[3:11], hobby=HOBBIES)
    t.put(pay=str(price(t.rng, 200, 600)))
    t.a(
        "{Have you thought about <month>?|We must book our trip in <month>.|Let's talk about our holiday in <month>.} {I'd like to go to <where>.|I want to see <where>.} {My aunt says it's lovely.|We've talked about it for years.}"
    )
    t.b(
        "{<where> again?|<where>? Really?} {It's full of people.|It costs too much.} {I was thinking of <where2>.|What about <where2>?}"
    )
    setups = (
        "<A> wants to go to <where> on holiday, while <B> prefers <where2>",
        "<A> and <B> {discuss|talk about} their holiday in <month>",
        "<A> and <B> can't agree at first where to go in <month>",
    )
    way = t.branch("first", "coin", "neither", "separate", "home")
    if way == "first":
        t.a("{And what would we do there? Look at cows?|There? What does one do there?}")
        t.b(
            "{Sleep! Read!|There's a nice lake.} {But I see you have made up your mind.|But you've already bought the map, haven't you?}"
        )
        t.a("{And the tickets, to be honest.|I've even packed.} {By <how>, <number> days.|We go by <how>, for <number> days.}")
        t.b("{You're impossible.|I should have known.} {Fine, but next year it's my turn.|All right, <where>.}")
        t.gist(
            setups,
            (
                "they will go to <where> by <how> for <number> days",
                "<B> gives in, and they go to <where>",
                "in the end it is <where>, for <number> days",
            ),
        )
    elif way == "coin":
        t.a("{We always quarrel about this.|Let's not fight.} {Shall we toss a coin?|Have you a coin?}")
        t.b("{Heads is <where>, tails is <where2>.|Good. Heads for you.} {Ready?|I'll throw.}")
        t.a("{Tails. Hm. Best of three?|Tails! You cheated!}")
        t.b("{No, no. <where2> it is.|I won, so <where2>!} {I'll book tonight.|You'll love it.}")
        t.gist(
            setups,
            (
                "they toss a coin, and it will be <where2>",
                "<B> wins when they toss a coin, so they go to <where2>",
                "a coin decides for <where2>",
            ),
        )
    elif way == "neither":
        t.a("{<where2> is too far for <number> days.|My back won't survive the beds in <where2>.}")
        t.b(
            "{Then somewhere in between.|Can't we find something that both of us like?} {Who said <where3> the other day?|There's <where3>.}"
        )
        t.a("{<where3>! I've never been there.|<where3>? That's not a bad idea.} {By <how>?|We could go by <how>.}")
        t.b("{By <how2>, then we can take the dog.|I'd rather go by <how2>. I get sick otherwise.}")
        t.a("{By <how2>, then.|As long as I may sit by the window.}")
        t.gist(
            setups,
            (
                "they {settle on|decide on} <where3>, by <how2>",
                "they choose <where3> instead and will travel by <how2>",
                "in the end they will go to <where3>",
            ),
        )
    elif way == "separate":
        t.a("{We could go separately.|What if each goes alone?} {You there, and I to <where>.|I'm serious.}")
        t.b("{Without me? Who will carry your bag?|Separately? Are you tired of me?}")
        t.a("{Only for <number> days. Then we'd have something to tell.|No, but you snore. And it's only <number> days.}")
        t.b(
            "{Hm. I could do nothing but <hobby>.|Nobody would tell me when to get up.} {The more I think of it, the more I like it.|Agreed.}"
        )
        t.gist(
            setups,
            (
                "they decide to travel separately for <number> days",
                "each of them will go alone, for <number> days",
                "<A> suggests separate trips, and <B> begins to like the idea",
            ),
        )
    else:
        t.a(
            "{Do you know what that costs?|Have you looked at our account?} {We have <pay> pounds left.|There are only <pay> pounds in it.}"
        )
        t.b("{<pay>? Since when?|So little? What happened?}")
        t.a("{The new boiler.|You bought a boat engine.|The roof, remember?}")
        t.b(
            "{Then we stay here.|Then it's the garden this year.} {We could swim in the river every day.|I'll put up the tent behind the house.}"
        )
        t.a("{And eat ice cream for breakfast!|And nobody has to pack.}")
        t.gist(
            setups,
            (
                "they have only <pay> pounds left and will stay at home",
                "they stay at home to save money",
                "there is no money for a trip, so they will stay where they are",
            ),
            "but",
        )


SCENES = (
    Scene("surprise party", None, "friends", surprise),
    Scene("invitation", None, "friends", invitation),
    Scene("planning a holiday", None, "greeting", trip),
)
