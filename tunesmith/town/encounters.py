# ruff: noqa: E501 -- a pattern is one line of text
"""More plots, in the form of `stories`: meetings, first days, quiet days and small decisions."""

ENCOUNTERS = """
@skill:object:first = swim:the deep end:the water was in <his> nose and ears; ride a bicycle:the old field:<he> fell into a hedge; skate:the frozen pond:<he> sat down on the ice at once
@skill:object:first = play the <instrument>:<C>'s front room:the noise made the dog howl; bake bread:<C>'s kitchen:the loaf came out as hard as a brick; drive:the empty car park:the car jumped like a frog
<A> was {forty|fifty|sixty|seventy} years old and had never learned to <skill>. {<he> had always been too busy|when <he> was a child there had been no money for lessons}, and later <he> was {ashamed to ask|too proud to begin}.
{one <season>|then, one day}, <his> {grandson|granddaughter|young neighbour} <B> asked <him> {why not|the reason}. <A> {had no good answer|looked out of the window for a long time}. "{Then I will teach you|It is not too late}," said <B>.
they {met|started} at <object> {every <weekday>|twice a week}. the first time, <first>. {<A> wanted to give up|"I am too old for this," said <A>}.
"{Everybody is bad at it to begin with|You should have seen me}," said <B>, {and made <him> try again|who was a patient teacher}. {so <he> tried again, and again|<he> went on, a little better every week}.
{by the end of <month>|after two months} <he> could {do it without help|<skill> quite well}. {<he> was not fast and <he> was not elegant, but <he> was {proud|happy}|<B> clapped so hard that people turned round}.
{now <he> tells everyone that it is never too late|"What shall we learn next?" <he> asked}.

<Afull> came to <town> {one|on a} <adjday> day in <month> with {one suitcase and a cat in a basket|everything <he> owned in a small van}. {<he> had taken|<he> was to start} a job as a <Ajob>, and <he> {knew nobody|did not know a soul}.
the house in <street> was {cold and smelt of old paint|smaller than <he> remembered}. {that first night|in the evening} <he> sat on a box and ate {<dish> from a paper plate|bread and cheese}. {the wind rattled the windows|somewhere a dog barked}. <he> {wondered|asked <himself>} if it had been a mistake.
{the next morning|at eight o'clock} there was a knock. {on the doorstep|outside} stood <Bfull> from {number <n>|next door} with {a pot of soup|a loaf of warm bread|a bag of coal}. "{I saw no smoke from your chimney|We do this for everyone who is new}," <bhe> said.
<bhe> {showed <him> how to light the stove|told <him> which tap dripped and which neighbours sang}, and {took <him> along to <event>|asked <him> to supper on <weekday>}. {there <he> met|there were} {a dozen people|half the street}, and {forgot nearly all of their names|everyone asked about the cat}.
? <fact> {that was the first thing they told <him>|"You will soon know all about it," said <B>}.
{by <season>|before a year was over} <he> {knew every name in the street|could not walk to <place> without stopping to talk}. {when a young family moved in across the road|when the next stranger arrived}, <A> was the first at the door, with {a pot of soup|a warm loaf} in <his> hands.

<A> and <B> had been friends since {school|they were five|their first day at school}. {then they quarrelled|but one day they fell out} {about a borrowed <tool>|over a game of <sport>|about who should have said what}. {it was a small thing|neither could say later how it had begun}, but {neither wanted to be the first to speak|both were stubborn}.
for {three weeks|two months|a whole <season>} they {crossed the road when they saw each other|sat at different ends of the bus}. <A> {missed the evenings at <eatery>|found that jokes were no fun alone}. <B> {took up <hobby>, but did it badly|went for long walks and was bored}.
{it was <C> who|at last <C>, who was tired of it all,} {thought of a plan|decided to do something}. <che> invited <A> to <eatery> for <hour>, and {told <B> to come at the same time|invited <B> as well, without a word to either}.
{they came in by different doors and stopped|there was only one free table}. {the whole room went quiet|nobody said anything for a while}. then the waiter {tripped over the cat|dropped a tray}, and a large <dish> landed {on <A>'s hat|in <B>'s lap}.
{<A> bit <his> lip; <B> looked at the ceiling; and then both of them {laughed|roared with laughter}|<B> was the first to laugh, and then <A> could not stop}. {"I'm sorry," they said at the same moment|after that it was easy to talk}.
{when they left it was midnight|they paid for the soup together}. {<C> never told them that the waiter had been part of the plan|"What was it about, anyway?" asked <A>. "I have no idea," said <B>}.

<when>, {a stranger|an old man with a {red|grey|long} beard|a woman in a long green coat} {got off the last bus|came into <eatery>} and asked for {a room|something hot to eat}. {<A>, who worked there,|<A>, the owner,} {saw that the visitor's shoes were full of holes|could see that the stranger had no money}.
"{We have some soup left|Sit by the fire}," <he> said, and brought {a full plate|a bowl}, {bread and a glass of <drink>|and asked no questions}. the stranger {ate slowly and looked at everything|talked about {distant ports|mountains and deserts}}.
in the morning the {room|bed} was empty. {on the table lay|under the cup there was} {a drawing of the house, so fine that you could count the tiles|a folded piece of paper with a poem on it|a small wooden bird with open wings}, and {a note with two words|a few words}: "Thank you."
? {<A> put it on the shelf behind the bar and thought no more about it|<B> wanted to throw it away, but <A> kept it}.
{years|many months} later, a {visitor|lady} from <city> {saw it and turned pale|asked where it came from}. "{Do you know who made that|Have you any idea what this is}?" {she asked|was the question}. "{There are only five in the world|People pay a great deal for those}."
{they offered <A> enough money to {buy a new roof|close the place and travel}|a museum wanted to buy it}. <he> {thought about it for a night|looked at it for a while} and {shook <his> head|said no}. "{It was only a bowl of soup|It was a present}," <he> said. {you can still see it there today|it is still on the same shelf}.

{<A> had|there was a time when <A> had only} {six|eight|ten} {pounds|coins} in <his> pocket, {and <his> <kin>'s birthday was on <weekday>|and <his> <kin>'s birthday was the next day}. {<he> looked in every window in <street>|<he> walked through the market twice}.
a <gift> cost {thirty|forty} pounds. a <colour> {scarf|vase} cost {twenty|fifteen}. {even the flowers were too dear|there was nothing <he> could pay for, except soap}. {<he> sat down on the steps of <place>|<he> leant against a wall} and {counted the money again, but it was the same|sighed}.
{old <Btitle> was sweeping {leaves|the path} there|<Btitle>, the <Bjob>, came by with a heavy {basket|sack}}. "{Why such a long face|What is the matter}?" {asked <Btitle>|came the question}. <A> {explained|told the whole story}.
"{Help me for an afternoon|I need a pair of strong arms}," said <Btitle>, "and {I'll give you something better than anything in those windows|you can choose something from my workshop}."
so <A> {swept, carried and stacked|dug and watered} until <his> hands were sore. {and when the sun went down|at six o'clock} <Btitle> gave <him> {a little apple tree in a pot|a wooden box with a carved lid|a lamp made of blue glass}.
{it was the only present that day that was {still there|still loved} {twenty|ten} years later|the whole family stood round it and wondered where it came from}. {"How much did it cost?" asked <C>. "A few blisters," said <A>|<A> only smiled and hid <his> hands}.

{every|each} {morning|evening} at {seven|eight|nine} o'clock, <Atitle> {walked|went} past <place> with <his> {old dog|stick and <his> newspaper}, and {every time|always} <he> {lifted <his> hat to|said a word to} <B>, who {sold papers|sat at the window|swept the steps}.
one <weekday> <he> did not come. <B> {looked at the clock|was surprised}. {"Perhaps <he> has visitors," said <C>|perhaps <he> had a cold, <bhe> thought}. but the next {day|morning} the {pavement|street} was empty again.
<B> {put on <bhis> coat|locked the door} and {went to|hurried to} <street>. {the curtains were closed|two bottles of milk stood outside}, and {when <bhe> knocked, the dog whined|nobody opened}. {<bhe> climbed in through {the kitchen|a back} window|<bhe> called the police}.
<Atitle> was lying {at the bottom of the stairs|on the kitchen floor}, {with a broken leg|too weak to stand}, but {awake|alive}. "{I knew that you would come|You took your time}," <he> {whispered|said with half a smile}.
{the doctor said that another day would have been too long|the ambulance came within minutes}. {<he> was in hospital for six weeks|it was a long winter}, and <B> {looked after the dog|brought <him> the paper every day}.
now they {walk together|have breakfast together}, {slowly, with a stick and a dog between them|every single morning}. {it is good to be missed|a small greeting can save a life}, {<Atitle> likes to say|people say in <town>}.

the {swallows|apple trees|bees} {came|were} late {that year|that spring}. {all through {May|June}|for weeks} <Afull> {stood in the yard and looked at the sky|worried about the harvest}. {the {ground|soil} was dry and hard|no rain had fallen since {March|April}}.
the {river|stream} {sank lower every day|was so low that the children walked across it}. the council {asked people not to water their gardens|locked the fountain}, {and the {vegetables|beans} turned yellow|and the farmers sold some of their animals}.
"{When I was young it was worse|My grandfather dug a well}," said old <B>. "{It is still there, under the nettles behind the barn|Nobody has used it for fifty years}." {at first no one believed <bhim>|people laughed, but <A> fetched a spade}.
they {cut away the nettles|dug for two days}, {lifted a heavy stone|broke a rusty lock}, and {let down a bucket on a long rope|dropped a pebble}. {they listened|everyone held their breath}. far below, there was a splash.
{the water was clear and ice-cold|it tasted of stone and moss}. {they made a list, so that every family had its share|a line of people with {jugs|buckets} stretched as far as <street>}.
{the rain came at last in {July|August}|it rained three weeks later}, {and the children danced in it|and people stood outside and let themselves get wet}. but {the well was never covered again|since then there has always been a bucket by the well}.

@job2:trouble:answer = mending bicycles:a wheel that squeaked:it was only a leaf; delivering letters:an angry dog:a biscuit in the pocket; cutting hair:a child who would not sit still:a story about a lion
@job2:trouble:answer = selling fish:gulls that stole from the boxes:an old tin drum; teaching:a class that whispered all the time:whispering even more quietly; driving the bus:a pig on the road:an apple
<A> {was nervous|had not slept}: it was <his> first day of <job2>. {<his> <kin> had ironed <his> shirt|<he> arrived half an hour too early} and {<he> had polished <his> shoes twice|wished <him> luck}.
<Btitle>, who had {done the work for thirty years|trained many young people}, {gave <him> an apron and few words|said only, "Watch first, then try."} {the morning went well|until noon all was calm}. <he> {made one small mistake, and nobody minded|even made a customer laugh}.
then came {the first real problem|trouble}: <trouble>. <A> tried {everything|this and that}. {<he> grew hot and red|a small crowd gathered}. {someone laughed|people began to give advice}.
<Btitle> {watched for a while with folded arms|came over slowly}. "{There is a trick to it|You will not find this in a book}," <bhe> said {in a low voice|kindly}. the answer was {simple|easy to remember}: <answer>.
{it worked at once|in a minute it was over}. {<A> wrote it down that evening in a small <colour> notebook|"How long did it take you to learn that?" asked <A>. "Thirty years," said <Btitle>}.
? {the notebook is nearly full by now|<he> has been there ever since, and now others ask <him>}.

<when>, the {train|bus} to <city> stopped {in the middle of nowhere|between two fields} {because of {snow|fog|a fallen tree}|with a loud bang}. {in the last carriage|inside} sat <Afull>, who {was on <his> way to a wedding|had to give a speech|was carrying a cake}, and <Bfull>, {who had not spoken to anyone all day|a <Bjob> with a large trunk}.
"{We shall be here for {hours|some time}|It may take two hours}," said the {guard|driver}. {people groaned and looked at their watches|a baby began to cry}. {<A> looked at <his> watch again and again|it grew colder}.
<B> {opened <bhis> trunk|stood up}. {inside was|<bhe> took out} {an accordion|a set of puppets|a pack of cards and a magic hat}. "{I was taking it to be sold|I have not used it for years}," <bhe> said{, and went red.|, "but perhaps it can help."}
soon {the whole {carriage|company} was singing|the baby had stopped crying and begun to stare}. <A> {cut up the cake with a ruler and gave everyone a piece|remembered a {song|story} that <his> <kin> used to tell}. {nobody looked at the time any more|strangers told each other the stories of their lives}.
when they {moved on|started again}, it was {dark|nearly midnight}, and {there was a sound of disappointment|somebody said, "Already?"}. <A> {missed the first dance, but not the last|arrived late and did not mind}.
and <B> {did not sell anything after all|took the next train home, with the trunk}. {<bhe> plays at <eatery> on {<weekday>s|Fridays} now|"There are people who need it," <bhe> said}.

@cost:want = a new roof:the school; warm coats:the orphans; a lifeboat:the harbour; new books:the library; a piano:the community hall
<want> needed <cost>, and there was no money. "{We could hold a {sale|concert}|Let us do something together}," said <Afull> at the meeting. {people looked at their hands|nobody had a better idea}.
{<B> offered to bake|<B> promised {fifty|a hundred} cakes}. {<C> would sing, if somebody played the <instrument>|<C> wrote the posters}. {the children collected {bottles|old toys} from door to door|the fishermen gave a whole day's catch}.
{on the morning of {the sale|the great day}|when the day came} the sky was {black|as grey as lead}, {and at ten o'clock it began to pour|and a gale tore down the tent}. {water ran down the tables|the paper flags turned to porridge}. "{Nobody will come|We may as well go home}," said <B>.
but <A> {opened the doors of {the church|the old barn}|rang the fire bell}. {everybody carried something|cakes, chairs and children were carried inside}, {and there, between the hay and the cows,|and in the dry and the warm} they {began again|set everything up once more}.
{because of the rain, nobody went home early|the rain kept people inside, and they bought and ate and bought again}. {by evening|at the end of the day} they had {counted the money three times|not only enough, but twenty pounds to spare}.
{so <want> got <cost> before winter came|that is how <want> came by <cost>}. {and with what was left over they bought a bigger tent|"We were lucky with the weather," said <A>}.

@dream:small = see the {southern seas|Arctic}:a globe with a silver stand; travel to Africa:a book with maps; climb a real mountain:a rope and a whistle; sail round the world:an old compass; see the desert:a glass of red sand
when <A> was {seven|eight|nine}, <he> wanted {nothing so much as|more than anything} to <dream>. {<his> brothers laughed at <him>|"Eat your soup," said <his> {mother|father}}. only {<his> {aunt|grandmother}|old <Btitle> next door} did not laugh. {on <his> birthday|one day} <he> found <small> on the doorstep, {with no name on it|wrapped in newspaper}.
{<A> kept the present by <his> bed|<he> thought of nothing else for the whole {winter|summer}}. {at school <he> talked about nothing else|<he> read every book about it in the library}.
{the years went by|time passed}. <he> {left school and became a <Ajob>|went to work in <city>}, {married and had children|and was often tired in the evening}. {the old dream lay at the bottom of a drawer|sometimes, at night, <he> remembered}.
{then a letter came|one <weekday> the telephone rang}. {it was about|there was news of} <Btitle>, {who had left <him> a little money and a line of writing|who wanted to see <him>}: "{Have you done it yet?|Now there are no more excuses.}"
{<A> laughed until <he> cried|<he> read it to the children at supper}. {the following {spring|<season>}|a month later}, {<he> did it|<he> packed a bag, took the children out of school and went}. {it was not quite as <he> had imagined; it was better|it rained, and it was perfect}.

{in <month>|every <month>} the {fishing boats of <town>|boats} go out at night for the herring. {that time|one year} <Afull> was {just fifteen|the youngest} on board, and {it was <his> first trip|<he> felt sick before they had passed the lighthouse}.
the captain, <Bfull>, was {a silent giant with hands like ropes|known for a bad temper}. {<A> was afraid of the captain|nobody dared to ask questions}. {<A> peeled potatoes, scrubbed the deck and kept out of the way|"Hold this. Pull that. Not like that," was all <A> ever heard}.
{at two in the morning|soon after midnight} the engine {coughed and stopped|died}. {without it they drifted towards the rocks|the {tide|current} carried them towards the white line of the rocks}. the {crew|men} {shouted all at once|tried this and that}, and {the lamp went out|the toolbox slid into the sea}.
<A>, {whose {aunt|uncle} had a garage|who had mended {bicycles|lawn mowers} since <he> was ten}, {put <his> hand into the engine|crawled in under the engine}. {<he> felt along the {pipe|hose} in the dark, and there was a hole|a small pipe had come loose}. {<he> closed it with chewing gum and a strip of <his> shirt|"I need a belt," <he> said, and four belts were held out}.
{the engine coughed again, then roared|on the third try it started}. {they turned away from the rocks with the length of a bus to spare|the rocks slid by so near that they could smell the weed}.
the captain {said nothing until they were home|looked at <him> for a while}. then: "{You can peel fewer potatoes|Tomorrow you steer}." {<A> never received a finer compliment|it was, the others told <him>, the longest speech they had heard in years}.
"""
