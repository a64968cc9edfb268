"""Talks about the town: the library, a late bus, boats and weather."""

# ruff: noqa: E501  a pattern is one line, as a line in a play is

from tunesmith.town.talk import Scene, Talk
from tunesmith.town.world import BOOKS, NUMBERS, STREETS, VILLAGES


def library(t: Talk) -> None:
    """A fine, and what becomes of it."""
    t.days()
    t.pick_different(BOOKS, "book", "book2")
    t.put(pay=str(t.rng.randint(4, 19)), weeks=t.rng.choice(NUMBERS[3:10]))
    t.a(
        "{I'm bringing back|I'd like to return} '<book>'. {I'm afraid it's a bit late.|It's a little overdue.|I know it's late.}"
    )
    t.b("{A bit? It's <weeks> weeks late.|<weeks> weeks, to be exact.} {The fine is <pay> pounds.|That makes <pay> pounds.}")
    setups = (
        "<A> {returns|brings back} '<book>' <weeks> weeks late",
        "<A> has to pay a fine of <pay> pounds {for a late book|at the library}",
        "<B> asks <A> for <pay> pounds because a book is <weeks> weeks late",
    )
    way = t.branch("pays", "ill", "work", "damaged", "error")
    if way == "pays":
        t.a("<pay> pounds! {For that I could buy it new.|The book is not worth that.}")
        t.b(
            "{You could, but then you'd have to dust it.|The rules hang by the door.} {It helps us to buy new ones.|The money goes to the children's room.}"
        )
        t.a("{Well, then it's for a good cause.|Oh well, it's my own fault.} {And can I have '<book2>'?|Is '<book2>' there?}")
        t.b("{It's out until <day>.|Somebody has it until <day>.} {Shall I keep it for you?|I can put you on the list.}")
        t.a("{Yes, please. And this time I'll be on time.|Please do.}")
        t.gist(
            setups,
            (
                "<a_they> pays and asks for '<book2>', which is out until <day>",
                "<A> pays in the end, and <B> will keep '<book2>' for <a_them>",
                "then <a_they> asks for '<book2>'",
            ),
        )
    elif way == "ill":
        t.a(
            "{I was in hospital.|I broke my leg and couldn't walk.} {Who thinks of books then?|The book lay at home the whole time.}"
        )
        t.b("{I'm sorry to hear that.|Oh, poor you.} {Have you a note from the doctor?|I'd need a paper from the hospital.}")
        t.a("{Not with me.|At home.} {I can bring it on <day>.|I'll have it on <day>.}")
        t.b("{Then you pay nothing.|Bring it, and we'll forget the fine.} {Get well!|And be careful on the stairs.}")
        t.gist(
            setups,
            (
                "<B> will forget the fine if <A> brings a doctor's note on <day>",
                "<a_they> was ill and needn't pay if <a_they> can prove it",
                "because of an illness <A> may not have to pay",
            ),
            "but",
        )
    elif way == "work":
        t.a(
            "{I don't have that much with me.|I've just lost my job.|I'm a student, that's my food for a week.} {Is there no other way?|Can I do something else?}"
        )
        t.b(
            "{You could help us instead.|We need people.} {On <day> we move the children's books.|On <day> evening somebody must read to the children.}"
        )
        t.a("{I'm good at carrying.|With pleasure, I love children.} {What time?|For how long?}")
        t.b("{From three to six.|Three hours, with tea.} {Then we're even.|And the fine is gone.}")
        t.gist(
            setups,
            (
                "<A> will help at the library on <day> instead of paying",
                "<B> lets <a_them> work on <day> in place of the fine",
                "<a_they> may work it off on <day>",
            ),
            "but",
        )
    elif way == "damaged":
        t.b("{And what is this on page forty?|Look at this! Is that jam?|Half the pages are wet.}")
        t.a("{That was there before.|I read it in the bath, I admit.|My son used it for his boat.}")
        t.b(
            "{Then you have to buy us a new one.|I'm afraid you must replace it.} {It costs twelve pounds.|The bookshop has it for twelve pounds.}"
        )
        t.a("{And the fine on top?|Together with the fine?} {That's too hard.|}")
        t.b("{I'll forget the fine if you bring the book by <day>.|Bring a new one by <day>, and we say no more about it.}")
        t.gist(
            setups,
            (
                "the book is damaged, and <A> must bring a new one by <day>",
                "since it is damaged too, <B> wants a new one instead of the fine",
                "<B> drops the fine, but the spoilt book has to be replaced",
            ),
        )
    else:
        t.a("{That can't be.|There must be a mistake.} {I took it out only last <day>.|I've had it since <day>.}")
        t.b(
            "{The computer says something else.|Let me check the card.} {Oh. There's another person with your name.|Oh, I see, the card was mixed up.}"
        )
        t.a("{So I'm not a criminal after all?|Then who is the criminal?}")
        t.b("{No, please forgive me.|It was our mistake, I'm sorry.} {You may keep it another week.|Take a free bookmark.}")
        t.gist(
            setups,
            (
                "it turns out to be a mistake of the library",
                "<B> finds that it was an error and apologises",
                "there is nothing to pay, because the library has mixed things up",
            ),
            "but",
        )


def bus(t: Talk) -> None:
    """Waiting for a bus that doesn't come."""
    t.times(7, 18)
    t.pick_different(VILLAGES, "village", "village2")
    t.pick(
        why=("a job interview", "my brother's wedding", "an exam", "a train to Leeds", "an appointment with the dentist"),
        cause=("a tree on the road", "the strike", "the flood", "an accident at the bridge", "sheep on the road"),
    )
    t.put(why_his=str(t.slots["why"]).replace("my", "<a_their>"))
    t.a(
        "{Has the bus to <village> gone already?|Are you waiting for the bus to <village> too?} {It should have come at <time>.|I've been here since <time>.}"
    )
    t.b(
        "{It hasn't come.|I've been waiting for an hour.|No sign of it.} {They say it's because of <cause>.|I heard about <cause> on the radio.}"
    )
    t.a("{Not today!|Of all days!} I have <why> {in an hour|at <time2>}.")
    setups = (
        "<A> and <B> wait for the bus to <village>, which is late because of <cause>",
        "the bus to <village> doesn't come, and <A> has <why_his>",
        "<A> is {worried|nervous}, because there is no bus to <village> and <a_they> has <why_his>",
    )
    way = t.branch("taxi", "lift", "walk", "wrong stop", "cancel")
    if way == "taxi":
        t.b(
            "{Shall we share a taxi?|What about a taxi together?} {It's thirty pounds, so fifteen each.|Half each, that's fifteen pounds.}"
        )
        t.a("{Fifteen? I have ten.|I've only ten pounds left.}")
        t.b("{Then you pay ten and buy me a coffee some day.|Ten will do. I'm going that way anyhow.}")
        t.a("{You're very kind.|I'll remember that.} {I see one over there.|Taxi!}")
        t.gist(
            setups,
            (
                "they share a taxi, for which <A> pays ten pounds",
                "<B> suggests a taxi together and pays the larger part",
                "in the end they take a taxi together",
            ),
        )
    elif way == "lift":
        t.b(
            "{My sister is coming by car.|My son is fetching me.} {She can take you to <village2>.|We can drop you at <village2>.} {From there you can walk.|There's a train from there.}"
        )
        t.a("{To <village2>? That's the wrong way.|Isn't that a long way round?}")
        t.b("{It's faster than standing here.|Trust me, there's a train every ten minutes.}")
        t.a("{You're right. Thank you.|I'll come with you, then.} {When will the car be here?|Is there room for my bag?}")
        t.gist(
            setups,
            (
                "<B> offers <a_them> a lift as far as <village2>",
                "<A> gets a lift to <village2> with <B>",
                "<A> accepts a lift to <village2>",
            ),
            "and",
        )
    elif way == "walk":
        t.b(
            "{How far is it on foot?|We could walk.} {There's a path along the river.|If we cross the fields, it's three miles.}"
        )
        t.a("{In these shoes?|With this bag?} {Then again, better wet than late.|Well, I have no choice.}")
        t.b("{I'll carry that for you.|I have boots in my bag. What size are you?} {I like company.|And I know a song.}")
        t.gist(
            setups,
            (
                "they decide to walk together",
                "in the end they go on foot, and <B> helps <a_them>",
                "<B> persuades <A> to walk there with <b_them>",
            ),
        )
    elif way == "wrong stop":
        t.b(
            "{Wait. To <village>, did you say?|Did you read the sign?} {From today it leaves from the station.|That one stops in the market square now.}"
        )
        t.a("{Since when?|And you tell me now?} {Then why are you standing here?|And what about you?}")
        t.b(
            "{I'm going to <village2>.|I only came here to read my paper.} {Run, you have four minutes!|If you run, you'll catch the next one.}"
        )
        t.a("{Hold my umbrella! No, keep it!|I'm gone. Thanks!}")
        t.gist(
            setups,
            (
                "it leaves from another stop now, and <A> has to run",
                "<B> then tells <A> that <a_they> is at the wrong stop",
                "<A> is waiting at the wrong stop and must hurry",
            ),
            "but",
        )
    else:
        t.b("{Ring them and explain.|Have you called them?} {Anybody can be late.|They'll understand. Half the town is stuck.}")
        t.a("{My phone is dead.|I've no money on my phone.} {May I use yours?|Would you lend me yours?}")
        t.b("{Of course. Here.|Take mine.} {Be short, it's nearly empty too.|Press the green button.}")
        t.a("{They say I can come tomorrow!|They say I needn't come before evening!} {What a relief.|You've saved me.}")
        t.gist(
            setups,
            (
                "with <B>'s phone <a_they> can put it off",
                "<B> lends <a_them> a phone, and all is well",
                "after a call on <B>'s phone <A> may come later",
            ),
            "but",
        )


def boat(t: Talk) -> None:
    """A boat trip, if the weather allows."""
    t.days()
    t.times(8, 16)
    t.pick(
        number=NUMBERS[2:9],
        danger=("strong wind", "fog", "thunder", "high waves"),
        trip=("the seals", "Little Marsh", "the lighthouse", "the bird island"),
        street=STREETS,
    )
    t.put(pay=str(t.rng.randint(8, 25)))
    t.a(
        "{Do you still have places on the boat to <trip>?|I'd like to go and see <trip> by boat.} {We are <number>.|For <number> people.} {On <day>, if that's possible.|We thought of <day>.}"
    )
    t.b(
        "{Places, yes. Weather, no.|I have places, but look at the sky.} {They expect <danger> on <day>.|The forecast for <day> is <danger>.}"
    )
    setups = (
        "<A> wants to {take a boat|go by boat} to <trip> on <day> with a group of <number>",
        "<A> asks <B> about a boat trip to <trip> on <day>",
        "<A> would like to see <trip> by boat on <day>, but bad weather is expected",
    )
    way = t.branch("move", "risk", "smaller", "sick", "full")
    if way == "move":
        t.a("{And on <day2>?|What about <day2>?} {We are here all week.|The children would cry if it didn't work.}")
        t.b(
            "{<day2> looks good.|<day2> will be as smooth as a mirror.} {We leave at <time>, <pay> pounds each.|At <time> from the harbour, <pay> pounds a head.}"
        )
        t.a("{<time>? Well, for that one gets up.|At <time>? I hoped for <time2>.} {All right.|Fine, we'll be there.}")
        t.b("{The sea doesn't wait.|Take warm coats.} {Bring something to eat.|And no hats, they fly away.}")
        t.gist(
            setups,
            (
                "they agree on <day2> at <time>",
                "because of the weather they will go on <day2>, for <pay> pounds each",
                "<B> offers <day2> instead at <pay> pounds a person",
            ),
            "and",
        )
    elif way == "risk":
        t.a("{We're not afraid of a little <danger>.|I was in the navy.} {Can't you make an exception?|I'd pay double.}")
        t.b(
            "{My father thought like that.|Do you see that wreck over there?} {No money in the world.|I don't go out in <danger>, and that's that.}"
        )
        t.a("{You're wasting our holiday.|Then I'll ask somebody braver.} {There are other boats.|}")
        t.b("{Ask them. They'll say the same.|Good luck. Nobody will sail.}")
        t.warm = False
        t.gist(
            setups,
            (
                "<B> refuses to sail in <danger>, even for more money"
                if "double" in t.text
                else "<B> refuses to sail in <danger>",
                "<B> won't go out in such weather, and <A> is annoyed",
                "<A> can't persuade <B> to sail in spite of the <danger>",
            ),
            "but",
        )
    elif way == "smaller":
        t.a(
            "{What a pity. My mother is eighty, it's her dream.|The children have talked of nothing else.} {Is there nothing we can do?|}"
        )
        t.b(
            "{We could go up the river instead.|On the river it's always calm.} {To the old mill and back, <pay> pounds each.|There are swans, and it's only <pay> pounds each.}"
        )
        t.a(
            "{The river? That's for ducks.|Hm, are there seals in the river?} {But better than nothing. When?|Well, why not? At what time?}"
        )
        t.b("At <time>. {Don't be late.|I'll wait by the green boat.}")
        t.gist(
            setups,
            (
                "<B> {suggests|offers} a trip on the river instead, which <A> accepts",
                "they will go up the river at <time>, as the sea is too dangerous",
                "<A> takes a river trip for <pay> pounds each",
            ),
            "but",
        )
    elif way == "sick":
        t.a("{Is it that bad?|How bad will it be?} {My stomach is not the strongest.|My son is sick even on the bus.}")
        t.b(
            "{Then stay on land, honestly.|I wouldn't, if I were you.} {Go up to the castle. You see the whole sea from there.|Take the path along the cliffs instead.}"
        )
        t.a("{You're talking yourself out of money.|That's honest of you.} {Then we'll do that.|We'll follow your advice.}")
        t.b("{Buy me a beer afterwards.|I prefer a clean deck.}")
        t.gist(
            setups,
            (
                "<B> advises <a_them> to stay on land, and <A> agrees",
                "<B> honestly advises against it",
                "<A> follows <B>'s advice to walk instead",
            ),
            "but",
        )
    else:
        t.a("{And in the morning, before it starts?|What if we go early?}")
        t.b(
            "{There is one at <time>, but I've only two places left on it.|At <time> it's still calm. But I can take only two.}"
        )
        t.a(
            "{Two! And the others?|We can't split up the family.} {Well, the young ones can swim behind.|Let me think. My parents could go.}"
        )
        t.b("{Decide quickly, it's two or none.|Yes or no? People are waiting.} {<pay> pounds each.|}")
        t.a("{Then my parents go. It's their wedding day.|My parents, then. We'll wave from the harbour.}")
        t.gist(
            setups,
            (
                "there are only two places, and <A>'s parents will go",
                "<A> {books|takes} the last two places for <a_their> parents",
                "only <A>'s parents can go, at <time>",
            ),
            "but",
        )


SCENES = (
    Scene("library fine", ("Reader", "Librarian"), "counter", library),
    Scene("late bus", ("Person1", "Person2"), "greeting", bus),
    Scene("boat trip", ("Tourist", "Boatman"), "counter", boat),
)
