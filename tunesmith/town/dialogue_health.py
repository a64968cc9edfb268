"""Talks at the doctor's and the vet's."""

# ruff: noqa: E501  a pattern is one line, as a line in a play is

from tunesmith.town.talk import Scene, Talk
from tunesmith.town.world import ILLNESSES, NUMBERS, PET_NAMES, PETS, REMEDIES, price


def appointment(t: Talk) -> None:
    """An appointment at the doctor's."""
    t.days()
    t.times(8, 17)
    t.pick(
        ill=ILLNESSES,
        doctor=("Mill", "Shaw", "Young", "Price", "Reed"),
        doctor2=("Stone", "Swan", "Bell", "West"),
        number=NUMBERS[2:7],
    )
    t.b("{Doctor <doctor>'s practice, good morning.|Surgery, good morning.} {What can I do for you?|How can I help?}")
    t.a(
        "{I need to see the doctor.|Could I see Doctor <doctor>?} {I've had <ill> for <number> days.|It's about <ill> that won't go away.} {Today, if possible.|As soon as possible, please.}"
    )
    setups = (
        "<A> {rings the doctor|calls the doctor's} because of <ill>",
        "<A> has <ill> and wants to see the doctor",
        "<A> asks for an appointment because of <ill>",
    )
    way = t.branch("later", "other", "now", "move")
    if way == "later":
        t.b("{Today is full.|Half the town is ill.} {I have <day> at <time>.|The first free time is <day> at <time>.}")
        t.a(
            "{I work until noon on <day>.|<day> at <time> I'm on the train.} {Is there nothing later?|Later in the day, maybe?}"
        )
        t.b("{At <time2>, then.|There's also <time2> that day.}")
        t.a("{Good. I'll write it down.|That's better, thank you.} {Should I bring anything?|}")
        t.gist(
            setups,
            (
                "<a_they> gets an appointment on <day> at <time2>",
                "they agree on <day> at <time2>",
                "<B> gives <a_them> a place on <day> at <time2>",
            ),
        )
    elif way == "other":
        t.b(
            "{The doctor is on holiday until <day>.|The doctor isn't here before <day>.} {Doctor <doctor2> could see you today at <time>.|But Doctor <doctor2> has time today, at <time>.}"
        )
        t.a("{Doctor <doctor2>? Isn't that the one with cold hands?|I don't know Doctor <doctor2>.} {Is it far?|}")
        t.b("{A very good doctor, and next door.|Everybody likes Doctor <doctor2>. It's just across the street.}")
        t.a("{Well, better than waiting.|All right. I can't wait until <day>.}")
        t.gist(
            setups,
            (
                "the doctor is away, and <A> will go to Doctor <doctor2>",
                "<a_they> will see Doctor <doctor2> at <time> instead",
                "<B> sends <a_them> to Doctor <doctor2>, who has time today",
            ),
            "but",
        )
    elif way == "now":
        t.b("{Do you have a fever too?|Is it getting worse?} {Any trouble breathing?|}")
        t.a("{Since this morning, yes. And I feel dizzy.|Yes, and I couldn't sleep at all. I feel dizzy.}")
        t.b(
            "{Then don't wait. Come at once.|That doesn't sound good. Come right away.} {Can someone drive you?|But don't drive yourself.}"
        )
        t.a("{My neighbour has a van.|I'll ask my son to drive me.} {We'll be there in ten minutes.|}")
        t.gist(
            setups,
            (
                "<B> tells <a_them> to come at once",
                "since <a_they> is also dizzy, <A> should come at once",
                "as it sounds serious, <A> is to come without delay",
            ),
        )
    else:
        t.b("{Haven't you an appointment on <day> already, at <time>?|I see your name here, on <day> at <time>.}")
        t.a(
            "{That's only for my eyes.|Oh, I forgot. That was for the yearly check.} {Can both be done together?|Could we do both at once?}"
        )
        t.b(
            "{Then you'd need more time.|That would take half an hour.} {Come on <day2> at <time2> instead.|I'd have to put you on <day2>, at <time2>.}"
        )
        t.a("{<day2> is fine.|On <day2>, yes.} {One walk instead of two.|My knees will be grateful.}")
        t.gist(
            setups,
            (
                "<a_their> old appointment is moved to <day2> at <time2>",
                "<a_they> will come on <day2> and have both things looked at",
                "as there is already an appointment, both will be done on <day2>",
            ),
        )


def consultation(t: Talk) -> None:
    """What the doctor says."""
    t.pick(
        ill=ILLNESSES,
        remedy=REMEDIES,
        number=NUMBERS[3:10],
        hobby=("running", "rugby", "dancing", "swimming", "hiking"),
        days=NUMBERS[2:7],
    )
    t.b("{Now, what brings you here?|So, what's the trouble?|Sit down. Where does it hurt?}")
    t.a(
        "{I've had <ill> for <days> days.|It's <ill>, Doctor. It started <days> days ago.} {I hardly sleep.|It's getting worse.|My wife sent me.}"
    )
    setups = ("<A> {goes to|sees} the doctor with <ill>", "<A> complains about <ill>", "<A> has had <ill> for <days> days")
    way = t.branch("remedy", "cause", "hypochondriac", "hobby")
    if way == "remedy":
        t.b("{Open your mouth. Hm.|Let me see. Does this hurt?} {Are you taking anything for it?|What have you done about it?}")
        t.a("{Only my aunt's herbs.|Some pills I found in the kitchen.} {They taste of soap.|They made me sleepy.}")
        t.b(
            "{Throw them away.|Stop that at once.} {I'll give you <remedy>.|You need <remedy>.} {For <number> days, and then come again.|Come back in <number> days.}"
        )
        t.a("{Can I go to work?|And may I work?}")
        t.b("{Better not.|If you work lying down.} {Stay at home this week.|}")
        t.gist(
            setups,
            (
                "<B> gives <a_them> <remedy> and wants to see <a_them> in <number> days",
                "the doctor says that <a_they> needs <remedy>",
                "<a_they> gets <remedy> and must {come again|return} in <number> days",
            ),
        )
    elif way == "cause":
        t.b("{Has anything changed in your life?|Did you do anything unusual?}")
        t.a("{No. Well, I bought a new bed.|Nothing. Only the new mattress.} {It was so cheap.|It was half price.}")
        t.b("{And when did you buy it?|How long ago?}")
        t.a("{<days> days ago. Oh.|Let me think. <days> days ago.} {Do you mean it comes from that?|You think that's it?}")
        t.b(
            "{Sleep on the sofa for a week and we'll know.|Take it back to the shop. That's my advice.} {I don't give tablets against beds.|}"
        )
        t.gist(
            setups,
            (
                "<B> thinks that it comes from a new bed",
                "the new bed seems to be the cause",
                "the doctor suspects <a_their> new bed",
            ),
        )
    elif way == "hypochondriac":
        t.a("{I read about it all night. It must be something rare.|In my book it says I have two weeks left.}")
        t.b("{What book is that?|And who wrote that book?} {Let me look at you first.|Say 'Ah', please.}")
        t.a("Ah. {Is it very bad?|You can tell me the truth.}")
        t.b(
            "{You need some rest, that's all.|It's nothing serious.} {Tea, sleep, and no more books.|Go home, drink tea and stop reading such things.}"
        )
        t.a("{No operation?|Are you quite sure?}")
        t.gist(
            setups,
            (
                "<B> says that it is nothing serious",
                "it is harmless, and <a_they> should only rest and drink tea",
                "the doctor finds nothing bad and advises <a_them> to read less about it",
            ),
            "but",
        )
    else:
        t.b("{Do you still do your <hobby>?|I hear you have taken up <hobby>.}")
        t.a("{Every day! There's a competition on Sunday.|Yes, and I'm getting good. On Sunday we compete.}")
        t.b(
            "{Not this Sunday.|I'm afraid you won't be there.} {No <hobby> for <number> weeks.|You must stop for <number> weeks.}"
        )
        t.a(
            "{<number> weeks! The others count on me.|But I've trained since winter!} {Half as much, perhaps?|Couldn't I just go slowly?}"
        )
        t.b("{If you don't stop now, it will be a year.|Not even slowly. Do you want to limp for ever?}")
        t.a("{All right. I'll hold the towels.|Then I'll watch, and suffer.}")
        t.gist(
            setups,
            (
                "the doctor forbids <hobby> for <number> weeks",
                "<B> tells <a_them> to give up <hobby> for <number> weeks",
                "<a_they> must not do any <hobby> for <number> weeks",
            ),
        )


def vet(t: Talk) -> None:
    """An animal is ill, or only clever."""
    t.pick(
        kind=PETS,
        pet=PET_NAMES,
        days=NUMBERS[2:7],
        thing=("a sock", "a button", "half a newspaper", "a toy car", "the neighbour's tulips"),
    )
    t.put(pay=str(price(t.rng, 20, 80)))
    t.a(
        "{It's <pet>, my <kind>.|I'm worried about <pet>, my <kind>.} {<pet> hasn't eaten for <days> days.|For <days> days now <pet> has eaten nothing.}"
    )
    t.b("{Put it on the table.|Hello there, <pet>.} {Does it drink?|Is it quieter than usual?} {Has it swallowed something?|}")
    t.a("{It lies under the bed all day.|It drinks a little.} {It looks at me so sadly.|It doesn't even chase the postman.}")
    setups = (
        "<A> {takes|brings} <a_their> <kind> to the vet because it {doesn't eat|won't eat}",
        "<A> is worried because <pet>, <a_their> <kind>, has eaten nothing for <days> days",
        "<A>'s <kind> has not eaten for <days> days",
    )
    way = t.branch("swallowed", "neighbour", "jealous", "young")
    if way == "swallowed":
        t.b(
            "{I can feel something hard here.|Look at this picture. That doesn't belong there.} {Are you missing <thing>?|I'd say it's <thing>.}"
        )
        t.a("{<thing>! We looked for that everywhere.|So that's where it went!} {Is it dangerous?|Will you have to cut?}")
        t.b(
            "{No, it will come out by itself. Give it oil.|A little oil, and it will pass.} {That's <pay> pounds.|It costs <pay> pounds.}"
        )
        t.a("{<pay> pounds, for oil?|For that I could buy ten of them!} {Well, I'm just glad.|But I'm so relieved.}")
        t.gist(
            setups,
            (
                "it has swallowed <thing>, and oil will help",
                "<B> finds that it ate <thing>",
                "the vet discovers <thing> in it and recommends oil",
            ),
        )
    elif way == "neighbour":
        t.b("{But it's quite fat.|For a hungry animal it's rather heavy.} {Who else feeds it?|Does it go out alone?}")
        t.a("{Nobody. It only visits the old lady next door.|It goes to the butcher's yard in the morning, that's all.}")
        t.b("{There you are.|I think we have the answer.} {It has breakfast there, and lunch.|It eats better than you and I.}")
        t.a("{And I cried over it!|The little traitor!} {I'll have a word with them.|}")
        t.gist(
            setups,
            (
                "it is simply being fed by somebody else",
                "<B> finds out that others feed it",
                "it turns out that it eats somewhere else",
            ),
            "but",
        )
    elif way == "jealous":
        t.b("{Is there anything new at home?|Has anything changed at home?}")
        t.a(
            "{We have a baby.|My sister's parrot is staying with us.|We bought a television.} {But that can't be it.|It never looks at it, though.}"
        )
        t.b(
            "{It's jealous, nothing more.|That's it. It feels forgotten.} {Half an hour a day, only for <pet>.|Play with it every evening.}"
        )
        t.a("{Is that all? No tablets?|And that will help?} {I've really had little time.|It's true, I've been busy.}")
        t.b("{Try it. That's <pay> pounds.|In a week it will eat like a horse. <pay> pounds, please.}")
        t.gist(
            setups,
            (
                "the vet thinks that it is jealous and needs {more time|attention}",
                "<B> says that it feels forgotten, so <A> should play with it",
                "it is only jealous, and <A> should give it more time",
            ),
        )
    else:
        t.b(
            "{I can hear little hearts.|Your <kind> isn't ill at all.} {You're going to have a full house.|There will be young ones, three or four.}"
        )
        t.a("{Young ones? But <pet> is a boy!|That's impossible. <pet> is a boy!}")
        t.b("{Who told you that?|Look again.} {In about two weeks.|It won't be long, two weeks perhaps.}")
        t.a("{I need to sit down.|And what do I do with so many?} {Would you like one?|Do you want one?}")
        t.gist(
            setups,
            (
                "<B> says that it will have young ones in two weeks",
                "it is not ill but is going to have young ones",
                "to <A>'s surprise, young ones are on the way",
            ),
            "but",
        )


SCENES = (
    Scene("doctor's appointment", ("Caller", "Nurse"), "phone", appointment),
    Scene("at the doctor's", ("Patient", "Doctor"), "greeting", consultation),
    Scene("at the vet's", ("Owner", "Vet"), "greeting", vet),
)
