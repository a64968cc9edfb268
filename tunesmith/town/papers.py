# ruff: noqa: E501 -- a pattern is one line of text
"""Patterns of letters, diary entries, notices, news items, portraits, advice, views and facts; a line begins with `?` where it may be left out."""

LETTERS = (
    """
Dear <B>,
{thank you {so much|very much} for|I was very happy about} {the <gift>|your letter|the parcel}. {it arrived on <weekday>|it came just at the right time}. {the children {love|admire} it|I have put it on the shelf in the kitchen}.
all is well {here|with us|at home}. {the weather is {fine|bad|the same as ever}|it has been {wet|cold|warm|windy} all week}, and <C> has {a cold|started <hobby>|a new bicycle}. {last <weekday> we went to <event>|on <weekday> we ate <dish> at <eatery>}{, and I thought of you| with half the street|}.
? {do you remember|you will laugh:} {the <animal> that {ate your hat|sat in the kitchen}|old <Ctitle>}? {it is still alive|<che> asks about you every week}.
{when will you {visit us|come}{ again|}?|do write soon.} {the spare room is ready|there is always a bed for you here}.
{love|best wishes|yours}, <A>
""",
    """
Dear {Mr|Mrs} <surname>,
I am writing {about|because of} {the noise|the {broken|missing} <thing>|the bill that came on <weekday>|the <tool> that I bought {last week|in your shop}}. {I am sorry to say that|unfortunately} {it {does not work|was broken when I opened the box}|nobody {has answered|could help me} so far}.
{I would be grateful if you could|please} {call me|send somebody|give me my money back|look into this} {before <weekday>|as soon as possible|this week}. {I am at home {every morning|after <hour>}|you can reach me at number <n>, <street>}.
? {I have always been happy with your {shop|service}, and I hope to remain so|I am sure that it was only a mistake}.
yours sincerely, <Afull>
""",
    """
Dear {Mother|Father|Grandmother|Grandfather|Mum|Dad},
{school|the new job|the course} {is hard, but I like it|has begun}. {I share a room with <B>, who {snores|sings in <bhis> sleep|gets up at five}|my room is so small that I can touch both walls}. {the food is {not as good as yours|mostly potatoes}|on {<weekday>s|Fridays} there is <dish>}.
{yesterday|on <weekday>} we {had to run three miles in the rain|learned about <subject>|were allowed to go to <city>}, {and I lost my <thing>|and I was the only one who was not tired}. please send {me {warm socks|a cake}{ and a little money|}|my <thing>, if you can find it}.
? {tell <petname> that I miss our walks|does <petname> still sleep in my chair?|has the {cat|dog} got used to the empty bed?}
I {miss you {a little|very much}|think of you all}, {but do not worry|especially on Sundays}. yours, <A>
""",
)
DIARIES = (
    """
<weekday>. {got up late|woke at five|slept badly}{ because of the {wind|gulls}| and had no breakfast|}. {it is <adjday> again|the sky is grey}. {worked until noon|spent the morning at <place>}. <B> {came by with {<fruit>|a <gift>}|wants to borrow the <tool>}{, and we talked about <hobby>|}.
{in the afternoon|later} I {mended the <part> of my bicycle|tried to write, but nothing came|walked as far as <village> and back}. {saw a <bird> {by the river|on the roof}|met <Ctitle>, who looks older}. {it made me <mood>, I do not know why|for a moment I was perfectly happy}.
? {must not forget|tomorrow I must remember}: {<kin>'s birthday|the rent|to ring the doctor|to water the plants}.
{supper: <dish>. too much salt|ate <dish> alone and read "<book>"|to bed early}. {perhaps tomorrow will be better|a good day, on the whole|it is raining as I write this}.
""",
    """
{I am {twelve|thirteen|eleven} today|today was {the worst|the best} day of the year}. {at school we had a test in <subject>, and I knew {everything|nothing}|<B> did not speak to me, and I do not know what I have done}. {the teacher said that I dream too much|I sat by the window and counted {gulls|clouds}}.
{but then|after school} {<C> asked if I wanted to join the <teamsport> team|we found a {boat|box} {on the beach|behind <place>}|it snowed}! {I ran all the way home|I did not say a word to anyone}. {my {brother|sister} says that it will never work|grandfather says that I am like him}. {we shall see|they will be surprised}.
{now I cannot sleep|the moon is in my window}. {I have made a list of things to do: {learn the <instrument>|be kinder to <B>}, {grow taller|save ten pounds}, see <city>|good night, diary}.
""",
)
NOTICES = (
    """
LOST: {a|one} <thing>, <colour>, {near <place>|between <place> and <street>}, on <weekday> {morning|evening}. {it was a present from my <kin>|it is of no value to anyone but me}. {a reward of <n> pounds|a cake for the finder}. <Afull>, <street>.
""",
    """
FOR SALE: {a|one} <tool>, {hardly used|ten years old, but strong}. <n> pounds{ or near offer|, or will exchange for a <gift>|}. {can be seen|come and look} {any evening after <hour>|on <weekday>}. ask for <A> at {number <n>, <street>|<eatery>}.
""",
    """
{NOTICE|TO ALL VISITORS}. <place> will be closed {on <weekday>|from <weekday> to <weekday2>} {because of repairs|for cleaning|for the holiday}. {we are sorry for the trouble|please use the side door|books and keys may be left with <Btitle>}.
? {dogs must be kept on a lead|no ball games|please do not feed the {gulls|<bird>s}}.
""",
    """
COME TO <event>! {<weekday>|this <weekday>} at <hour>{, <place>|}. {music by <B> and friends|games for children|prizes to be won}, {<dish> and <drink>|hot <drink>}, and {a surprise|dancing until late}. {entry is free|tickets cost {two|three|five} pounds}. {bring a chair|bring your neighbours|if it rains, we meet in the community hall}.
""",
    """
WANTED: {a kind person|a helper|someone strong} to {walk a {large|lazy} dog|read to an old {man|lady}|pick <fruit>|look after {two|three} {cheerful|noisy} children}, {two|three} {mornings|evenings} a week. {good pay|free meals}. {no experience needed|must like animals}. {write to|ring} <Atitle>, <street>.
""",
)
NEWS = (
    """
{a {fire|small fire} {broke out|was seen} in <street> {on <weekday> night|early on <weekday>}. {nobody was hurt|one person was taken to hospital}|a {van|lorry} {hit|ran into} a {lamp post|wall|shop window} in <street> on <weekday>}. {the fire brigade was there within {five|ten} minutes|the police {closed|blocked} the road for two hours}.
{<Afull>, a <Ajob>, saw {everything|it} from {a|the} window|the first on the spot was <Afull>, a <Ajob>}. "{I heard a bang and ran outside|I thought it was thunder|there was smoke everywhere}," <he> {told our reporter|said}. {<he> {woke the neighbours|brought blankets}, and {helped to carry a {piano|dog} to safety|rang for help}}.
{the cause is {not yet known|thought to be {an old lamp|the wet road}}|the damage is about {two|three|five} thousand pounds}. {the council will {look into the matter|discuss it} {on|next} <weekday2>|neighbours have begun to collect {money|clothes} for the family}.
""",
    """
<town> {beat|lost to} <village> {by {two goals to one|four goals to three}|in the last minute|after a long match} {on <weekday>|at the weekend}. {it was <adjday>, and {the ball was as heavy as a stone|the grass was as wet as soap}|<number> hundred people came to watch}. {<A> {scored first|missed a penalty}, {but <village> soon drew level|and the crowd groaned}|for most of the first half nothing happened}.
{after the break|then} <B> {ran half the length of the field|came on for the injured <C>} and {hit the post|put the ball in the net}. {"we were tired, but we never gave up," {said|explained} the {captain|trainer}|the referee looked at his watch, and then at the sky}. {{next <weekday2>|next week} the team {travels to|plays in} <city>|it was the {third|fifth} game without a defeat}.
""",
    """
{<place> is to be {repaired|painted|made larger}|the council has decided to {plant <number> trees|build a new path|buy new buses}}. {the work will {begin|start} in <month> and {cost <number> thousand pounds|last until <month2>}|it was agreed by a narrow vote on <weekday>}. {not everyone is pleased|there is some anger about it}: <Afull> from <street> said that {the money should go to the {school|hospital}|it would {spoil the view|make too much noise}}.
"{in ten years everyone will be glad|we have waited long enough}," {said|answered} <Bfull>, {who had asked for it since <month>|who is on the council}. {people can {see the plans|give their opinion} at <place> {until <weekday>|this week}|the next meeting is {at <hour> on|on} <weekday>}. <fact>
""",
    """
{<Afull>, a <Ajob> {of|from} <street>, {turned|was} one hundred on <weekday>|<Afull> has {worked|been} as a <Ajob> in <town> for {forty|fifty} years}. {the mayor brought flowers|friends gave a party at <eatery>}, {and there was a cake in the shape of a {boat|<animal>}|and <C> played the <instrument>}. {asked for <his> secret, <he> said|"my secret," <he> told us, "is simple":} "{a walk every day|<dish> on Sundays} and {no worries|plenty of sleep}."
{<he> remembers {the great flood|the day when the bridge was opened|when there were no cars in the town}|as a child <he> {looked after {geese|sheep}|walked five miles to school}}. {<his> {daughter|son}, <B>, {smiled|laughed}: "{most of it is even true|{and you should see the house on a Monday}}."|next week <he> begins to learn {German|the <instrument>}}.
""",
)
PORTRAITS = (
    """
<Afull> {is|works as} a <Ajob> in <town>. <he> is {tall and thin|short and round|small and quick}, {with {grey|red|dark|fair} hair and {a big nose|bright eyes}|and <he> always wears a <colour> {hat|scarf|coat}}. {most people find <him> <trait>|at first <he> seems <trait>, but <his> friends know better}.
{every day at <hour> <he> {goes to|has <drink> at} {<eatery>|the market}|on <weekday>s <he> plays {the <instrument>|<sport>} with <B>}. {<he> {hates|cannot stand} {noise|cats|<vegetable>}, and loves {<dish>|<hobby>|old films}|<he> has {two|three} children and {a|one} lazy {dog|cat} called <petname>}.
{once, {years ago|in <his> youth}, <he> {nearly drowned|won a prize for <hobby>|lived in <city>}. {<he> {rarely|never} talks about it|it is <his> favourite story}.|<B> once asked <him> what <he> would do with a million pounds. {"I would buy a better <tool>," <he> said.|"Nothing," <he> said. "I like it here."}}
? {the children {like|love} <him> because <he> {knows every bird by name|gives them <fruit>}|<his> neighbours say that <he> is {never|always} late}.
""",
)
ADVICE = (
    """
how to keep <vegetable> {fresh|through the winter}: {choose|take} only good ones, and {put them in {a cool, dark place|a box with {dry |}sand}|hang them in a net in the cellar}. {if they {turn brown|go soft}, {use them at once|it is too late}|do not {wash them first|let them touch each other}}. {look at them every week|that is all there is to it}.
""",
    """
how to grow <vegetable>: {wait until {the last frost is over|April}|begin {in March|indoors, at a warm window}}. {put the seeds {two|three} fingers deep|dig the ground well, and take out all the stones}, {and give them {plenty of light|a little water every evening}|and keep the {gulls|snails|hens} away}. {{most|many} people forget this: be patient|after {eight|ten|twelve} weeks you can {eat|pick} the first ones}. <A>, who knows about these things, {talks to the plants|says that the {moon|soil} is more important than the weather}.
""",
    """
{if you {visit|come to} <town>{ in <season>|}, |a visitor to <town>{ in <season>|} should }{begin|start} at <place>. {from there|then} {it is a short walk|follow the river} to <place2>. <fact> {for lunch, try <dish> at <eatery>|<eatery> has good <dish>, but {it is shut on <weekday>s|you may have to wait}}. {in the afternoon {take the bus to <village>|hire a boat}|{wear|bring} {strong shoes|an umbrella}; the weather changes quickly}. {the last {train|bus} leaves at {nine|ten} in the evening|you will want to come again}.
""",
    """
{a bicycle|your bicycle} lasts longer if you look after it. {once a month|every few weeks}, {clean it with a soft cloth|wash off the mud}. {put a drop of oil on the chain|look at the <part>}, {and {press|pump up} the tyres until they are hard|and turn every screw that is loose}. {never {leave it out in the rain|lend it to your {brother|cousin}}|a {dry|warm} cellar is better than a garden}. {if the brakes {squeak|slip}, {do not wait|take it to a mechanic}|before a long ride, test the brakes}.
""",
)
VIEWS = (
    """
{in <season>|on a <adjday> morning in <month>} <place> is {quiet|full of people}. {the wind comes from the {river|sea}|{leaves|gulls} {turn|circle} above the roofs}. {an old {man|woman} feeds the {ducks|pigeons}|two children {chase|follow} a <colour> ball}, and {somebody {opens a window|sings}|a {van|cart} stops outside <eatery>}. {it smells of {fish and tar|bread|wet grass|smoke}|a bell rings <number> times}.
{<A> {stands|is standing} {at the corner|by the wall}|<Afull>, the <Ajob>, {comes round the corner|crosses the road}}{ with a <thing>| with <fruit> in a bag|}. <he> is {waiting for|looking for} {<B>|the bus|someone}. {<fact>|a <bird> sits on the {sign|wall} and watches}. {slowly|little by little} {the {shadows grow longer|shops grow busy}|the sky {turns <colour>|clears}}, {and another day {begins|ends}|and nothing at all happens, which is how people like it}.
""",
)
FACTS = (
    """
{the <bird>|a <animal>} {belongs to <town> like the bridge|is a common sight {in|near} <town>}. {people say that|according to an old story,} {it brings {rain|luck|good weather}|you must never {chase|frighten} one before noon}. <fact> {<B>, the <Bjob>, does not believe it|"{that is nonsense|who knows}," says <B>}, {but <bhe> {still looks up when one goes by|is careful all the same}|and most people agree}.
""",
    """
how is {bread|cheese|butter|paper|rope|wool} made? {<A> asked <B>|the children of the school wanted to know}, {and so they went to see <C>, who {knows|makes} it|and <C> showed them}. {first|to begin with} {you need good tools and clean hands|it is weighed and {washed|heated}}. {then comes {the hard part|the waiting}|after that it is {turned|stirred|pressed} for hours}. {"never hurry," said <C>|<C> showed them the {marks|burns} on {an arm|two fingers}}. {in the end|when it is ready} {it {shines|smells} like nothing else|it is cut and sold}. {the children {asked a hundred questions|were quiet for once}|they went home {tired|with full pockets}}.
""",
    """
<fact> <fact2> {that is what {every child|everybody} in <town> learns {first|at school}|<A> tells every visitor about it}. {what {the books do not say|they do not tell you} is that|less well known is that} {<C> once {fell into the river in a nightshirt|rang the church bell at midnight}|the mayor is afraid of {geese|<bird>s}|there is {a cellar|a tunnel} {under|below} <place>}. {some say so, at least|nobody has ever proved it}.
""",
)
