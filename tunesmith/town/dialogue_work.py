"""Talks at work: an interview, a day off."""

# ruff: noqa: E501  a pattern is one line, as a line in a play is

from tunesmith.town.talk import Scene, Talk
from tunesmith.town.world import HOBBIES, NUMBERS, VILLAGES, price


def interview(t: Talk) -> None:
    """Somebody wants a job."""
    t.days()
    t.pick(
        job=("baker", "gardener", "librarian", "waiter", "driver", "cook", "postman", "nurse"),
        years=NUMBERS[2:10],
        where=VILLAGES,
        hobby=HOBBIES,
    )
    pay = price(t.rng, 9, 18)
    t.put(pay=str(pay), more=str(pay + 2))
    t.b(
        "{Please sit down.|Come in, take a seat.} {So you would like to work here as a <job>.|You've come about the job as a <job>, I believe?}"
    )
    t.a(
        "{Yes, I saw the advertisement in the window.|That's right, my uncle told me about it.} {I was a <job> in <where> for <years> years.|I have done it for <years> years, in <where>.}"
    )
    setups = (
        "<A> {has an interview for|applies for} a job as a <job>",
        "<B> interviews <A>, who was a <job> for <years> years",
        "<A> wants to work for <B> as a <job>",
    )
    way = t.branch("hired", "pay", "trial", "wrong job", "refused")
    if way == "hired":
        t.b("{Why did you leave?|And why did you stop?}")
        t.a(
            "{The boss shouted at the guests.|They closed, and I missed the sea.} {I like quiet places.|I'd rather be near my family.}"
        )
        t.b("{I like honest people.|I see no reason to wait.} Can you start on <day>?")
        t.a("{On <day> I'm moving house.|<day> is difficult for me.} {Would <day2> be possible?|Could it be <day2>?}")
        t.b("{<day2>, then. Bring an apron.|Very well, <day2>. Welcome.}")
        t.gist(
            setups,
            (
                "<a_they> gets it and will start on <day2>",
                "<B> gives <a_them> the job from <day2>",
                "they agree that <A> begins on <day2>",
            ),
        )
    elif way == "pay":
        t.b("{Good. We pay <pay> pounds an hour.|It's <pay> pounds an hour, and free lunch.}")
        t.a("{In <where> I earned more.|That's less than I had hoped.} {Could you make it <more>?|I was thinking of <more>.}")
        t.b("{<more>! I don't earn that much myself.|You're not shy. <more>!} {And what do I get for it?|Why should I?}")
        t.a(
            "{I never come late, and I can sing.|I speak three languages, and I make good coffee.} {You won't be sorry.|Ask anyone.}"
        )
        t.b("{<more> after three months, if it's true.|Let's say <pay> at first, and <more> after three months.}")
        t.a("{That's fair.|Agreed.}")
        t.gist(
            setups,
            (
                "they agree on <pay> pounds an hour and later <more>",
                "<B> promises <more> pounds an hour after three months",
                "<a_they> will first earn <pay> pounds and after three months <more>",
            ),
        )
    elif way == "trial":
        t.b(
            "{Words are nice. I'd like to see you work.|Everybody says that. Show me.} {Come on <day> for a few hours.|Could you work with us on <day>, just to try?}"
        )
        t.a("{Without pay?|And is that paid?}")
        t.b(
            "{You get a meal, and the tips.|Of course it's paid, I'm not a pirate.} {Then we decide.|After that we'll both know more.}"
        )
        t.a("{That sounds right.|Good. What should I wear?}")
        t.gist(
            setups,
            (
                "<B> wants to see <a_them> at work on <day> first",
                "<a_they> has to show on <day> what <a_they> can do",
                "before deciding, <B> asks <a_them> to come on <day>",
            ),
        )
    elif way == "wrong job":
        t.b("{And can you get up at four?|You know that it begins at four in the morning?}")
        t.a(
            "{At four? Nobody told me that.|Four! I go to bed at two.} {I play in a band at night.|I have small children to take to school.}"
        )
        t.b(
            "{Then this isn't for you. But wait|What a pity. But listen}, {our evening shop needs somebody.|we look for someone in the evening, too.} {From six to ten.|It's only selling, though.}"
        )
        t.a(
            "{Selling? I could sell sand in a desert.|From six to ten would suit me well.} {I'll take that.|That's even better.}"
        )
        t.gist(
            setups,
            (
                "the hours don't suit <a_them>, and <a_they> takes evening work",
                "since it begins at four, <A> chooses work in the evening",
                "<B> offers evening work, because <A> can't start so early",
            ),
            "but",
        )
    else:
        t.b(
            "{That's the trouble. We need a beginner.|You know too much for us.} {We can't pay somebody with so much practice.|I can only pay for a learner.}"
        )
        t.a("{I'd work for less.|Money is not everything.}")
        t.b(
            "{And leave in a month. I've seen that before.|You'd be bored by Friday, believe me.} {Try the hotel at the harbour.|The new hotel is looking for people like you.}"
        )
        t.a("{Well, thanks for being open.|I'll try there, then.}")
        t.gist(
            setups,
            (
                "<B> needs a beginner and sends <a_them> to a hotel",
                "<B> turns <a_them> down, as <a_they> knows too much",
                "<a_they> is refused for having too much practice",
            ),
            "but",
        )


def day_off(t: Talk) -> None:
    """A free day is asked for."""
    t.third()
    t.days()
    t.pick(
        why=(
            "my sister is getting married",
            "my daughter has her first concert",
            "I'm moving house",
            "my mother comes home from hospital",
            "I have a driving test",
            "we are getting a puppy",
        )
    )
    t.put(
        why_his=str(t.slots["why"])
        .replace("my", "<a_their>")
        .replace("I'm", "<a_they> is")
        .replace("I have", "<a_they> has")
        .replace("we are", "<a_they> is")
    )
    t.a(
        "{Have you got a minute?|May I ask you something?} {I need <day> off.|Could I have <day> off?} {It's important: <why>.|You see, <why>.}"
    )
    setups = (
        "<A> asks {for a free day on <day>|<B>, the boss, for <day> off}",
        "<A> would like to have <day> off, because <why_his>",
        "<A> wants a day off since <why_his>",
    )
    way = t.branch("swap", "half", "yes", "no")
    if way == "swap":
        t.b("{On <day>? We have twenty orders.|<day> is our worst day.} {Who will do your work?|Who should stand in for you?}")
        t.a(
            "{<C> said <c_they> would.|I could ask <C>.} {I would take <c_their> <day2> then.|For that I'd work on <day2> for <c_them>.}"
        )
        t.b("{<C> breaks everything.|Does <C> know the machine?} {Well, if you show <c_them> how.|But if you're sure.}")
        t.a("{I'll show <c_them> everything.|We'll go through it tomorrow.}")
        t.gist(
            setups,
            (
                "<C> will take <a_their> place, and <A> works on <day2>",
                "<B> agrees that <A> changes with <C>",
                "<a_they> may change with <C> and will work on <day2>",
            ),
        )
    elif way == "half":
        t.b("{The whole day?|From morning to night?} {I can do without you after noon.|Half a day I could allow.}")
        t.a(
            "{It begins at ten.|I'd be far too late.} {Couldn't I come in the evening instead?|I could make up for it in the evening.}"
        )
        t.b("{Then come from five to nine.|Evening is fine. Five to nine.} {And bring some cake.|I'll leave you the key.}")
        t.gist(
            setups,
            (
                "<a_they> has to work in the evening instead",
                "<B> lets <a_them> come from five to nine instead",
                "they agree on work from five to nine",
            ),
        )
    elif way == "yes":
        t.b("{How many days have you taken this year?|When did you last have a holiday?}")
        t.a("{None, I believe.|I can't remember. Two years ago?}")
        t.b(
            "{That's against the law!|That can't be good for you.} {Take the whole week.|I don't want to see you until next Monday.}"
        )
        t.a(
            "{A week! What shall I do all that time?|The whole week? You're serious?} {And the orders?|And who looks after the shop?}"
        )
        t.b("{I worked before you were born.|We'll manage somehow.}")
        t.gist(
            setups,
            (
                "<B> gives <a_them> the whole week",
                "<B> insists on a whole week, as <A> has had no holiday",
                "<a_they> gets a week, which is more than <a_they> asked for",
            ),
        )
    else:
        t.b("{I'm sorry, it's impossible.|Not on <day>, I'm afraid.} {Two people are ill.|The inspector comes on <day>.}")
        t.a("{I asked you weeks ago.|But I put it on the calendar in spring!} {It can't be moved.|I can't be in two places.}")
        if t.chance():
            t.b(
                "{Did you? Show me.|In spring? Let me look.} {Oh. There it is, in red.|So you did. I'm sorry.} {Then you must go, of course.|A promise is a promise. Go.}"
            )
            t.a("{Thank you. I'd never have forgiven you.|I knew you'd be fair.}")
            t.gist(
                setups,
                (
                    "<B> first says no and then finds that it was agreed long ago",
                    "<B> has to agree, because it was asked for in time",
                    "after a refusal <B> gives in, since it was asked long before",
                ),
                "and",
            )
        else:
            t.b("{I can't change it.|My answer is no.} {You may leave an hour early, that's all.|One hour earlier, no more.}")
            t.a("{Then I'll look for another job.|I'll remember that when you need me.}")
            t.warm = False
            t.gist(
                setups,
                (
                    "<B> refuses, and <A> is angry",
                    "<B> only lets <a_them> leave an hour early",
                    "<a_they> may only go an hour earlier",
                ),
                "but",
            )


SCENES = (
    Scene("job interview", ("Applicant", "Manager"), "greeting", interview),
    Scene("a day off", ("Worker", "Boss"), "greeting", day_off),
)
