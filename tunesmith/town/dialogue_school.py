"""Talks at school: a play, a failed test, music lessons."""

# ruff: noqa: E501  a pattern is one line, as a line in a play is

from tunesmith.town.talk import Scene, Talk
from tunesmith.town.world import HOBBIES, INSTRUMENTS, NUMBERS, PLAY_ROLES, PLAYS, SUBJECTS, price


def school_play(t: Talk) -> None:
    """Who plays whom?"""
    t.third()
    t.days()
    t.pick(
        play=PLAYS,
        reason=("I'd die of fear", "I can't learn so much text", "I have football on that day", "I always laugh on stage"),
    )
    t.pick_different(PLAY_ROLES, "role", "role2", "role3")
    t.put(
        reason_his=str(t.slots["reason"])
        .replace("I'd", "<b_they> would")
        .replace("I have", "<b_they> has")
        .replace("I can't", "<b_they> can't")
        .replace("I always laugh", "<b_they> always laughs")
    )
    t.a(
        "{We're doing '<play>' this year.|Our next play is '<play>'.} {I'd like you to be <role>.|I want you to be <role>, please!}"
    )
    setups = (
        "<A> wants <B> to play <role> in '<play>'",
        "<A> and <B> talk about the parts in '<play>'",
        "<A> offers <B> the part of <role> in the school play",
    )
    way = t.branch("other", "help", "agrees", "rival")
    if way == "other":
        t.b("{<role>? Please not.|No, anything but <role>.} {<reason>.|You see, <reason>.}")
        t.a(
            "{But you have the best voice.|Everybody is afraid at first.} {What would you like to be?|Which one would you take?}"
        )
        t.b("{<role2>.|Can I be <role2>?} {It's short, and one wears a mask.|Then I only have to stand there.}")
        t.a("{<C> wanted that one.|I promised that to <C>.} {But <c_they> might change.|I'll ask <c_them> to take <role>.}")
        t.b("{Thank you! <c_they> loves to be looked at.|That would be great.}")
        t.gist(
            setups,
            (
                "<B> would rather be <role2>, and <A> will ask <C> to change",
                "<B> refuses because <reason_his> and prefers <role2>",
                "<B> wants to be <role2>, so <C> is to be asked",
            ),
            "but",
        )
    elif way == "help":
        t.b("{I don't want to act at all.|I'm not going on a stage.} {<reason>.|}")
        t.a(
            "{And behind the stage?|There's a lot to do behind the curtain, too.} {We need someone for the lights.|Somebody has to do the lights.}"
        )
        t.b("{Lights? With that big board?|May I use the fog machine too?}")
        t.a("{If you don't set the hall on fire again.|All yours.} {The first time is on <day>.|Be there on <day>.}")
        t.gist(
            setups,
            (
                "<B> doesn't want to act and will do the lights",
                "<B> prefers to do the lights",
                "<B> refuses to go on stage and looks after the lights instead",
            ),
            "but",
        )
    elif way == "agrees":
        t.b("{Me? Really?|I thought <C> would get that.} {How many lines are there?|Do I have to sing?}")
        t.a("{A hundred lines and two songs.|Quite a lot, and one song.} {We practise every <day>.|You must come every <day>.}")
        t.b("{On <day> I have swimming.|<day>? That's when I visit my grandfather.}")
        t.a("{Then <day2>.|I can move it to <day2>.} {For a good actor I do that.|The others won't mind.}")
        t.b("{Then I'll do it!|All right, I'm in.} {My mother will be so proud.|I'm already nervous.}")
        t.gist(
            setups,
            (
                "<B> agrees, and they will practise on <day2>",
                "<B> is glad to do it, on <day2> instead of <day>",
                "the practice is moved to <day2> so that <B> can take part",
            ),
        )
    else:
        t.b(
            "{I know it by heart already.|At last! I've waited for years.} {But what about <C>?|<C> told everybody that it's <c_their> part.}"
        )
        t.a("{<C> was <role3> last year and forgot everything.|<C> can be <role3>.} {I need you.|I've made up my mind.}")
        t.b(
            "{<c_they> won't speak to me any more.|I don't want to lose a friend.} {Can't we take turns?|One night me, one night <c_them>?}"
        )
        t.a("{Take turns? Hm, we play twice.|There are two evenings, in fact.} {That could work.|Why not? It's fair.}")
        t.gist(
            setups,
            (
                "<B> and <C> will {share it|take turns}",
                "for the sake of <C> they decide to take turns",
                "<B> doesn't want to hurt <C> and suggests taking turns",
            ),
            "but",
        )


def exam(t: Talk) -> None:
    """Marks, and what to do about them."""
    t.days()
    t.pick(subject=SUBJECTS, hobby=HOBBIES, mark=NUMBERS[2:5], mark2=NUMBERS[6:10])
    t.put(pay=str(t.rng.randint(8, 20)))
    t.a(
        "{I've failed my <subject> test again.|I got <mark> out of ten in <subject>.} {My father will kill me.|I don't know what to do.|I studied all night!}"
    )
    t.b("{Again? What happened?|Oh no. Was it that hard?|Show me. Oh dear.}")
    t.a(
        "{I understood the questions, but not the words.|My head was empty.|I learnt the wrong chapter.} {Next time is on <day>.|I can do it again on <day>.}"
    )
    setups = (
        "<A> has failed a <subject> test and is worried",
        "<A> tells <B> about a bad result in <subject>",
        "<A> can repeat the <subject> test on <day>",
    )
    way = t.branch("lessons", "swap", "mistake", "tell")
    if way == "lessons":
        t.b("{You need lessons.|My cousin gives lessons.} {She takes <pay> pounds an hour.|It costs <pay> pounds an hour.}")
        t.a("{<pay> pounds! Where should I get that?|I've no money until my birthday.}")
        t.b("{Walk her dogs.|She has three dogs to be walked.} {Then you'll pay nothing.|She'd do it for free then, I think.}")
        t.a("{I like dogs better than <subject>.|That's a good deal.} {Can you ask her?|Give me her number.}")
        t.gist(
            setups,
            (
                "<B> suggests lessons, for which <A> could walk some dogs",
                "<B>'s cousin could help in return for walking her dogs",
                "<a_they> may get lessons and walk dogs instead of paying",
            ),
        )
    elif way == "swap":
        t.b("{I'm good at <subject>.|<subject> is easy for me.} {And you're good at <hobby>.|But I'm hopeless at <hobby>.}")
        t.a("{At <hobby>? Yes, why?|What has <hobby> to do with it?}")
        t.b("{I teach you, and you teach me.|We could help each other.} {Every evening until <day>.|One hour each.}")
        t.a("{That I must see.|You and <hobby>? This will be fun.} {Let's start today.|Deal.}")
        t.gist(
            setups,
            (
                "<B> will help with <subject> and learn <hobby> in return",
                "they will teach each other <subject> and <hobby>",
                "in exchange for help with <hobby>, <B> will teach <a_them>",
            ),
        )
    elif way == "mistake":
        t.b(
            "{Wait, let me count the points.|Look here, at the second page.} {Nobody has marked the back.|The teacher forgot this page.}"
        )
        t.a("{But I wrote so much there!|Really? All of that was right!}")
        t.b("{Then it's <mark2> out of ten.|With that you have <mark2>.} {Go and tell the teacher.|You must go back at once.}")
        t.a("{I'm running!|I'll go right now. I could hug you.}")
        t.gist(
            setups,
            (
                "<B> sees that a page was forgotten, so it is really <mark2>",
                "<B> discovers that the teacher overlooked a page",
                "it is a mistake, because one page wasn't marked",
            ),
            "but",
        )
    else:
        t.b("{Have you told your parents?|Do they know at home?}")
        t.a("{I hid it under the carpet.|Not yet. I ate the letter.} {They think I'm the best in class.|}")
        t.b(
            "{They will find out on <day> anyway.|Secrets smell after three days.} {Tell them today. It gets worse with time.|Tell them before dinner, not after.}"
        )
        t.a("{Will you come with me?|Could you be there?} {They never shout when there are guests.|}")
        t.b("{All right, but I'm only there for the cake.|If I may sit near the door.}")
        t.gist(
            setups,
            (
                "<B> advises <a_them> to tell the parents and will come along",
                "<A> hasn't told the parents, and <B> will go with <a_them>",
                "<B> agrees to be there when <A> tells the parents",
            ),
        )


def lessons(t: Talk) -> None:
    """Music lessons."""
    t.days()
    t.times(14, 19)
    t.pick_different([name for name in INSTRUMENTS if name != "drums"], "inst", "inst2")
    t.put(
        pay=str(price(t.rng, 10, 20)), age=t.rng.choice(NUMBERS[5:13]), who=t.rng.choice(("daughter", "son", "nephew", "niece"))
    )
    t.a(
        "{Do you still give lessons?|I hear you give music lessons.} {My <who> wants to learn the <inst>.|It's for my <who>, who wants to play the <inst>.}"
    )
    t.b("{How old is the child?|That's nice. How old?} {And is it the child's own wish?|}")
    t.a(
        "<age>{, and full of energy|, but very small|}. {It's all we hear about at home.|There's no talking about anything else.}"
    )
    setups = (
        "<A> wants <inst> lessons for <a_their> <who>",
        "<A> asks <B> to teach <a_their> <who> the <inst>",
        "<A> is looking for somebody to teach <a_their> <who> music",
    )
    way = t.branch("fine", "other", "self", "full")
    if way == "fine":
        t.b("{I have <day> at <time>.|<day> at <time> is free.} {It's <pay> pounds a lesson.|I take <pay> pounds.}")
        t.a("{On <day> there's football.|Not <day>, please.} {And <day2>?|Is <day2> possible?}")
        t.b("{<day2> at <time2>, but no later.|On <day2> only at <time2>.}")
        t.a("{Perfect. Do we need our own <inst>?|Good. Where can I buy a <inst>?}")
        t.b("{Borrow one first. Most stop after a month.|I'll lend you one.}")
        t.gist(
            setups,
            (
                "the lessons will be on <day2> at <time2> for <pay> pounds",
                "they agree on <day2> at <time2>",
                "<B> can do it on <day2> and takes <pay> pounds",
            ),
        )
    elif way == "other":
        t.b(
            "{The <inst> is too big at that age.|For the <inst> one needs longer arms.} {Begin with the <inst2>.|I'd start with the <inst2>.}"
        )
        t.a("{The <inst2>? There will be tears.|But I've already bought a <inst>.}")
        t.b(
            "{Two years of <inst2>, and then we'll see.|Let the child try both on <day>.} {Come on <day>, it costs nothing.|A first lesson on <day> is free.}"
        )
        t.a("{We'll come and look.|Well, trying can't hurt.}")
        t.gist(
            setups,
            (
                "<B> suggests the <inst2> and a free lesson on <day>",
                "<B> thinks the <inst2> would be better at first",
                "they will try the <inst2> on <day>, because the <inst> is too difficult",
            ),
            "but",
        )
    elif way == "self":
        t.b("{And what about you?|Do you play yourself?}")
        t.a("{Me? I'm far too old.|I always wanted to, but we had no money.}")
        t.b(
            "{My oldest pupil is eighty.|Nobody is too old.} {Come together. For two it's <pay> pounds.|Two together pay <pay> pounds.}"
        )
        t.a("{You're serious?|My neighbours will move out.} {On <day>, then, both of us.|Well, why not? We'll come on <day>.}")
        t.gist(
            setups,
            (
                "in the end <A> will learn it too",
                "<B> persuades <A> to take lessons as well",
                "both of them will come on <day> for <pay> pounds",
            ),
        )
    else:
        t.b(
            "{I'm full until summer.|I have no free hour before summer.} {But my best pupil teaches beginners.|There's my pupil, though, who teaches small ones.}"
        )
        t.a("{A pupil? How old is she?|Is that as good?}")
        t.b("{She's sixteen and very patient. She takes half as much.|More patient than I am, and half the price.}")
        t.a("{Half the price sounds good.|Patience is what we need.} {Please give me her number.|May I ring her?}")
        t.gist(
            setups,
            (
                "<B> has no time and recommends a pupil, who is cheaper",
                "<B> is full until summer, so one of <b_their> pupils may do it",
                "a pupil of <B>'s could do it for half the price",
            ),
            "but",
        )


SCENES = (
    Scene("school play", ("Teacher", "Pupil"), "greeting", school_play),
    Scene("failed test", None, "friends", exam),
    Scene("music lessons", ("Parent", "Teacher"), "friends", lessons),
)
