"""Talks about what is gone: an animal that ran away, things left behind, a theft."""

# ruff: noqa: E501  a pattern is one line, as a line in a play is

from tunesmith.town.talk import Scene, Talk
from tunesmith.town.world import COLOURS, MATERIALS, NUMBERS, PET_NAMES, PLACES, THINGS, VILLAGES, price


def lost_dog(t: Talk) -> None:
    """A dog has run away."""
    t.third()
    t.pick(
        pet=PET_NAMES,
        colour=("brown", "black", "white", "grey"),
        kind=("dog", "dog", "cat", "pony", "goat"),
        thing=("a red collar", "one white ear", "a short tail", "a white spot on its nose"),
    )
    t.pick_different(PLACES, "where", "where2")
    t.put(pay=str(price(t.rng, 20, 60)), hours=t.rng.choice(NUMBERS[2:7]))
    t.a(
        "{Have you seen a <kind> called <pet>?|I'm looking for my <kind>, <pet>.|My <kind>, <pet>, has run away!} {It's <colour>, with <thing>.|It's a small <colour> one with <thing>.}"
    )
    t.b("{Oh no. When did it happen?|Oh dear. Since when?|Calm down. When did you see it last?}")
    t.a(
        "<hours> hours ago, near <where>. {A van made a noise, and it ran.|I only talked to someone for a minute.|The gate was open.}"
    )
    setups = (
        "<A> {is looking|looks} for <a_their> {<colour> <kind>|<kind>, <pet>}, which ran away near <where>",
        "<A> has lost <a_their> <kind> near <where> and asks <B> about it",
        "<A>'s <kind> {disappeared|ran away} <hours> hours ago",
    )
    way = t.branch("seen", "home", "poster", "taken", "other")
    if way == "seen":
        t.b(
            "{Wait, I did see one|I think I saw it}, by <where2>. {It was eating a sausage|Two boys were feeding it|It was wet all over}."
        )
        t.a("{By <where2>? That's so far!|That's just like <pet>!} {Was it hurt?|Was it alone?}")
        t.b("{No, it looked quite happy.|It seemed fine to me.} {Get in, I'll drive you.|Come, my van is here.}")
        t.a("{You're an angel.|I'll never forget this.} {Let's hurry.|Let me get the lead.}")
        t.gist(
            setups,
            (
                "<B> saw it by <where2> and drives <a_them> there",
                "<B> has seen it at <where2> and offers a lift",
                "they drive to <where2>, where <B> saw it",
            ),
        )
    elif way == "home":
        t.b(
            "{Did you look at home?|Have you been home since then?} {They often go back by themselves.|Mine always goes home for dinner.}"
        )
        t.a(
            "{No, I ran straight here.|At home? I never thought of that.} {Wait, I'll ring <C>.|I'll call <C>, who lives with me.}"
        )
        t.b("{Well? What does <C> say?|And?}")
        t.a(
            "{It's lying on my bed!|It's sitting at the door and wants its dinner!} {And I searched the whole town.|I could cry.}"
        )
        t.gist(
            setups,
            (
                "a call to <C> shows that it is already at home",
                "it turns out that it went home by itself",
                "<B> has the right idea: it is at home",
            ),
            "but",
        )
    elif way == "poster":
        t.b(
            "{I haven't seen it, I'm sorry.|No, and I've been here all day.} {Put a note on the board.|You should put up posters.}"
        )
        t.a("{I'm no good at drawing.|Would anybody read it?} {And what should I write?|}")
        t.b(
            "{My daughter draws well.|I can print them in my shop.} {Promise a reward, that always helps.|And write that you pay <pay> pounds.}"
        )
        t.a(
            "{I'd pay <pay> pounds at once.|Yes, <pay> pounds for whoever brings it.} {How soon can we start?|Let's do it now.}"
        )
        t.gist(
            setups,
            (
                "they will put up posters with a reward of <pay> pounds",
                "<B> helps with posters that promise <pay> pounds",
                "<B> hasn't seen it and suggests posters and a reward",
            ),
        )
    elif way == "taken":
        t.b(
            "{A <kind> like that was found this morning.|One was brought in an hour ago.} {<C> took it to the vet.|<C> has it at the station.}"
        )
        t.a("<C>? {But why?|We don't get on at all.}")
        t.b(
            "{It had something in its paw.|It sat in the middle of the road.} {<c_they> only wanted to help.|You should thank <c_them>.}"
        )
        t.a(
            "{Then I've been wrong about <c_them>.|I'll bring <c_them> some flowers.} {Thank you for telling me.|I'll go there now.}"
        )
        t.gist(
            setups,
            ("<B> says that <C> found it", "<B> knows that <C> has taken care of it", "<C> found it, and <A> is grateful"),
        )
    else:
        t.b("{Is it that one, behind you?|There's one under that bench.}")
        t.a(
            "{No, mine is younger.|No, that's not <pet>.} {But it has no collar. Whose is it?|But look, it's all alone. Poor thing.}"
        )
        t.b(
            "{It has been here for days.|Nobody knows. It's been there since Sunday.} {Someone ought to take it.|It needs a home.}"
        )
        t.a(
            "{I'll take it with me while I search.|Well, two are better than none. Come here, you.} {And you ring me if you see <pet>.|Please call me if you hear anything.}"
        )
        t.b("{I will, I promise.|Of course.}")
        t.gist(
            setups,
            (
                "<a_they> finds a strange one instead and takes it along",
                "<B> hasn't seen it, but there is another one, which <A> takes along",
                "<A> ends up with another one that nobody owns",
            ),
            "but",
        )


def lost_thing(t: Talk) -> None:
    """The lost property office."""
    t.days()
    t.pick(
        thing=tuple(x for x in THINGS if "pair" not in x and "key" not in x),
        colour=COLOURS,
        material=MATERIALS[:4],
        where=PLACES,
        vehicle=("train", "bus", "ferry"),
        village=VILLAGES,
    )
    t.a(
        "{Is this where one asks for lost things?|I've lost something, I'm afraid.} {I left my <thing> on the <vehicle> from <village> on <day>.|It's my <thing>. It must have stayed on the <vehicle> from <village>, on <day>.}"
    )
    t.b("{What does it look like?|Can you describe it?|We have a whole room full. What colour is it?}")
    t.a("It's <colour>{, and quite old|, and a little dirty|, and there's a sticker of a fish on it}.")
    setups = (
        "<A> {has lost|is looking for} <a_their> <thing>, which <a_they> left on the <vehicle>",
        "<A> left a <colour> <thing> on the <vehicle> from <village>",
        "<A> asks {at the lost property office|<B>} about a <thing> lost on <day>",
    )
    way = t.branch("found", "prove", "not yet", "own", "wrong one")
    if way == "found":
        t.b("{Let me see.|Just a moment.} {Is this it?|I think I have it here.}")
        t.a("{Yes! That's it.|It is! I can't believe it.} {Where was it?|Who found it?}")
        t.b(
            "{A schoolgirl brought it in.|The driver found it under a seat.} {That makes four pounds for keeping it.|You have to pay four pounds and sign here.}"
        )
        t.a("{With pleasure.|I'd have paid forty.} {Please thank whoever found it.|Here you are.}")
        t.gist(
            setups,
            (
                "<a_they> gets it back for four pounds",
                "<B> has it, and <A> pays four pounds",
                "it has been found and costs <a_them> four pounds",
            ),
        )
    elif way == "prove":
        t.b(
            "{Three people have asked for that one.|Everybody says that.} {How can you prove that it's yours?|How do I know that it's yours?}"
        )
        t.a(
            "{There's a scratch on it that looks like a horse.|You'll find a small green spot on the left side.|It smells of fish, because of my work.}"
        )
        t.b("{Hm, let me look. You're right!|So it is. I'm sorry that I doubted you.} {Here, it's yours.|Please take it.}")
        t.a("{You did the right thing.|No harm done.} {Thank you for being so careful.|}")
        t.gist(
            setups,
            (
                "after proving that it is <a_their> own, <A> gets it back",
                "<B> hands it over once <A> has proved whose it is",
                "<a_they> must first prove that it belongs to <a_them>",
            ),
        )
    elif way == "not yet":
        t.b(
            "{We have nothing like that.|No, I'm afraid not.} {The things from <day> come in on <day2>.|They only bring us everything on <day2>.}"
        )
        t.a("{But I need it today!|So I've come for nothing?} {Can you ring me?|Could you call me, then?}")
        t.b(
            "{Write your number here.|Leave me your number.} {I'll call you on <day2>, either way.|I'll ring on <day2> if it's there.}"
        )
        t.gist(
            setups,
            (
                "it isn't there yet, and <B> will ring <a_them> on <day2>",
                "<B> promises to call on <day2>",
                "<B> hasn't got it and {takes down|notes} <A>'s number",
            ),
            "but",
        )
    elif way == "own":
        t.b(
            "{Excuse me, but what is that on your back?|What's that hanging on your arm?|What have you got under your coat there?}"
        )
        t.a(
            "{On me? Oh no.|Where? Oh!} {It was there all the time.|That's my <thing>!} {How embarrassing.|I've been walking round with it for days.}"
        )
        t.b("{It happens once a week.|My wife does that with her glasses.} {Don't worry.|I won't tell anybody.}")
        t.gist(
            setups,
            (
                "<B> notices that <a_they> has it on <a_them>",
                "it turns out that <A> has had it all the time",
                "<a_they> is embarrassed because it was never lost",
            ),
            "but",
        )
    else:
        t.b("{Is it this one?|Here's a <colour> one.}")
        t.a(
            "{Almost. Mine is made of <material>.|No, this one is far too new.} {But I know whose that is!|Wait, I've seen that one before.}"
        )
        t.b("{Really? It's been here for a year.|Whose?}")
        t.a(
            "{My neighbour's! He has been looking for it for a year.|It's my aunt's. She accused me of losing it.} {May I take it to its owner?|Can I take it along?}"
        )
        t.b("{Only with a signature.|He has to come himself, I'm afraid. Those are the rules.|The owner must come in person.}")
        t.gist(
            setups,
            (
                "all that <B> has is one that belongs to somebody <A> knows",
                "<a_they> only finds one of somebody <a_they> knows",
                "it isn't there, though <A> recognises another one",
            ),
            "but",
        )


def stolen(t: Talk) -> None:
    """Something stolen is reported to the police."""
    t.times(7, 11)
    t.pick(
        thing=("bicycle", "garden bench", "ladder", "scarecrow", "boat", "wheelbarrow", "garden lamp"),
        colour=COLOURS,
        where=PLACES,
        day=("yesterday", "last night", "this morning", "on Sunday"),
    )
    t.pick_different(
        (
            "a tall man in a green coat",
            "two boys with a cart",
            "a woman with a big dog",
            "somebody with a limp",
            "a man with a red beard",
        ),
        "who",
        "who2",
    )
    t.a(
        "{I want to report a theft.|Something was stolen from me.|I've been robbed!} {It's my <colour> <thing>.|My <colour> <thing> is gone.}"
    )
    t.b("{Sit down. When was that?|Let me get a pen. Where and when?|Slowly, please. When did it happen?}")
    t.a(
        "<day>, {outside|near} <where>, {at about|around} <time>. {It was locked up.|I was only away for a moment.|I had it from my father.}"
    )
    setups = (
        "<A> {reports|tells the police|tells <B>} that <a_their> <colour> <thing> was stolen near <where>",
        "<A> goes to the police because <a_their> <thing> has {been stolen|disappeared}",
        "<A>'s <thing> was stolen near <where> <day>",
    )
    way = t.branch("witness", "friend", "found", "paper", "sold")
    if way == "witness":
        t.b("{Did anybody see anything?|Is there a witness?}")
        t.a("{The baker saw <who>.|My neighbour noticed <who>.} {Or was it <who2>? No, no.|No doubt about it.}")
        t.b("{<who>? That's the third time this week.|Ah! We know <who> very well.} {We'll pay a visit.|I'll send somebody.}")
        t.a("{And will I get it back?|Is there any hope?}")
        t.b("{I can't promise it, but you'll hear from us.|We found the last one. I'll ring you.}")
        t.gist(
            setups,
            (
                "<who> was seen, and the police will look into it",
                "<B> already knows of <who> and will follow it up",
                "<B> suspects <who> and will ring <a_them>",
            ),
        )
    elif way == "friend":
        t.b("{Does anybody else use it?|Did you lend it to someone, perhaps?}")
        t.a(
            "{No. Only my brother. Oh!|Never! Except to my brother.} {He did ask me something at breakfast.|I didn't listen when he talked.}"
        )
        t.b("{Shall we ring him before I fill in six pages?|Then call him first.}")
        t.a(
            "{He has it! He painted it as a surprise.|It's in his garden! He says I said yes.} {I'm so sorry.|Please forget that I was here.}"
        )
        t.gist(
            setups,
            (
                "it turns out that <a_their> brother has it",
                "a call shows that <A>'s own brother took it",
                "it was only borrowed by <a_their> brother",
            ),
            "but",
        )
    elif way == "found":
        t.b("{A <colour> one? Come with me.|Look out of that window.} {Is it the one in our yard?|Is that it, behind the car?}")
        t.a("{That's it! Where did you find it?|Yes! How did it get here?}")
        t.b("{In the river, I'm sorry to say.|Children found it in the river.} {It will need some oil.|It's a bit wet.}")
        t.a("{I don't mind, as long as it's back.|I'll dry it. Thank you so much.}")
        t.gist(
            setups,
            (
                "the police have already found it in the river",
                "it has been found in the river, a little wet",
                "<B> gives it back, for it was found in the river",
            ),
            "but",
        )
    elif way == "paper":
        t.b(
            "{Have you the bill?|Do you know its number?} {Without a paper I can't write a report.|I need a paper for the report.}"
        )
        t.a(
            "{Who keeps such a thing?|My house is full of papers!} {I have a photograph of it with my aunt.|I have a photo of it.}"
        )
        t.b("{A photo will do.|Well, a photo is better than nothing.} {Bring it before <time2>.|Come back before <time2>.}")
        t.a("{I'll be back in ten minutes.|I'm on my way.}")
        t.gist(
            setups,
            (
                "<a_they> has to bring a photo for the report",
                "<B> needs some proof, so <A> will fetch a photo",
                "as there is no bill, <A> will bring a photo of it",
            ),
        )
    else:
        t.b(
            "{There was one like that at the market today.|Somebody offered me one at the market.} {For twenty pounds.|Very cheap, too.}"
        )
        t.a("{What? At the market?|And you didn't buy it?} {Come with me at once!|Then let's go there!}")
        t.b(
            "{I'm alone here until noon.|I can't leave before my colleague is back.} {You go, look, and say nothing.|Don't do anything foolish. Just watch the man.}"
        )
        t.a("{I'll pretend that I want to buy it.|I'll hide behind the cheese.} {Come as soon as you can.|}")
        t.gist(
            setups,
            (
                "<B> thinks it is for sale at the market, and <A> will go and watch",
                "<A> goes to the market, where <B> saw one like it",
                "<B> has seen one like it at the market",
            ),
            "and",
        )


SCENES = (
    Scene("lost animal", None, "greeting", lost_dog),
    Scene("lost property", ("Traveller", "Clerk"), "counter", lost_thing),
    Scene("theft", ("Visitor", "Officer"), "greeting", stolen),
)
