# ruff: noqa: E501 -- a pattern is one line of text
"""Plots of little stories: a person, a trouble and its end, one beat a line, for `narrative`.

A story ends at an empty line. A line that begins with `@` fixes words for the whole story, one set of them for each `;`
(`@animal:noise = cat:mewing; dog:barking`). A line that begins with `?` is told in about two stories of three. An indented line
goes on with the line above.
"""

from tunesmith.town.encounters import ENCOUNTERS

TROUBLES = """
@thing:where = ring:under the flour bin; purse:behind the coal box; key:inside an old boot; watch:in the pocket of {his|a} winter coat; letter:between two cookery books; brooch:in the sewing basket; medal:at the bottom of a biscuit tin
@thing:where = silver spoon:in a jar of buttons; photograph:at the back of the drawer; ticket:in a library book
<when>, <Afull> {could not find|had lost} <his> <thing>. {it had belonged to <his> grandmother|it was not worth much money, but <he> loved it|<he> had had it only the day before}.
<he> {looked|searched} under the bed, {behind the curtains|behind the clock} and {in every cupboard|in all <his> pockets}, {but it was not there|but found nothing but dust|and still it did not turn up}.
? {<he> even asked the {neighbours|children next door}, but nobody had seen it|<he> turned the whole kitchen upside down|soon the floor was covered with {papers|shoes|blankets}}.
{in the end|after an hour|at last} <he> went to <his> {friend|neighbour|cousin} <B> for help. "{When did you see it last|Where did you have it last}?" asked <B>.
<A> {thought about it|closed <his> eyes and thought}. "{On Sunday evening|Yesterday, when I was cooking|Before I went to bed}," <he> said {slowly|at last}.
{they went back together and looked again|together they looked once more}, and {this time|after a few minutes} <B> found it <where>.
<A> {laughed with relief|was so happy that <he> hugged <bhim>|could hardly believe it}. {<he> made a pot of tea, and they shared the last of the cake|since then <he> has kept it in a small box by the door|"I must have put it there myself," <he> said}.

@sky:sign = dark:the gulls came in from the sea; yellow:the swallows flew very low; grey and heavy:the wind dropped all at once
<Afull>, {the|a} <Ajob> {from|of} <street>, {had planned|wanted} to {row|sail} to the island {for the day|to see <his> aunt|to collect eggs}.
in the morning the sky was <sky> and <sign>, but <he> {did not notice|took no notice|paid no attention}.
? "{I would not go out today|Stay at home today|It is going to blow}," {said|warned} <B>, who was mending nets on the quay.
{halfway across|an hour later|before <he> had gone a mile}, the storm {broke|arrived}. {waves as high as a wall|great waves} {came over the side|filled the little boat with water}, and <he> {lost|dropped} one of <his> oars.
{<B> saw it all from the harbour wall|on the quay, <B> saw the boat through a telescope}. <bhe> {ran to|called} the {lifeboat crew|harbour master}, and {within ten minutes|very soon} they were on their way.
they {found|reached} <A> {cold, wet and frightened|holding on to the {mast|side}}, but not hurt. {they threw <him> a rope and pulled <him> on board|strong hands lifted <him> out of the water}.
that evening <he> sat by <B>'s fire in a borrowed {jumper|dressing gown} with a bowl of hot soup. {"Next time I shall listen to you," <he> said|<he> has never laughed at a weather warning since|neither of them said much, but both of them were glad}.

@item:stuff:need = loaves:the oven would not get hot:heat; pies:the oven door had come off:an oven; rolls:there was no gas:heat
@item:stuff:need = buns:the chimney was blocked by a bird's nest:an oven
<when>, <Afull> {got up|rose} at four o'clock to bake <item> for the {market|fair|wedding}. {to <his> horror|unfortunately}, <stuff>.
{a hundred people|half the town|all the guests} would be waiting {at nine|by ten o'clock}, and the dough was already {rising in its bowls|on the table}.
<he> {sat down on a sack of flour and nearly cried|kicked the wall, which did not help|walked up and down the dark kitchen}. then <he> {had an idea|remembered the old {school|inn} kitchen}.
<he> {knocked on the door of|woke} <Bfull>, the {cook at the inn|school cook|innkeeper}, who {came down in <bhis> nightclothes|opened the window and looked out crossly}.
"{May I use your oven|Could I borrow your oven}?" <he> asked. "{Of course|Yes}," said <B> {with a yawn|kindly}, "{but I want the first one|but you must wash up afterwards}."
they carried {everything|the trays} across the {square|street} {in the dark|under the stars} and worked {side by side|without a rest} until the sun came up.
{when the clock struck nine|at nine o'clock}, the <item> were {ready, warm and golden|on the stall}. {they were sold out before noon|nobody guessed how near it had been}. <B> {got the first one, as promised|said that they were the best <bhe> had ever eaten}.

@pet:noise:place = cat:a faint mewing:the church tower; dog:a sad barking:an empty cellar; kitten:a tiny cry:the drainpipe; puppy:a low whine:the boat shed
@pet:noise:place = parrot:a loud "Good morning!":the roof of the bank; goat:a familiar bell:the mayor's garden; hen:an angry clucking:the post van
{one|last} {night|week|weekend} <A>'s <pet>, {<petname>|called <petname>}, {ran away|disappeared|did not come home}.
<A> {put up notices|asked at every door|called its name} {all along|up and down} <street>, {while|and} <his> {brother|sister|mother} searched the {park|beach|woods}. {nobody had seen it|there was no sign of it}.
? {it rained that night|it was a cold night}, and <A> {could not sleep|lay awake for hours}, {thinking of <petname> all alone|listening for a sound at the door}.
on the {second|third} day, <Bfull>, the <Bjob>, {was walking past|was working near} <place> when <bhe> heard <noise>.
<bhe> {climbed up carefully|looked inside|went closer}, and there was <petname>, {hungry and covered in dust|very dirty but quite well|looking rather pleased with itself}.
<B> {wrapped the animal in <bhis> coat and took it home|carried it back to <street> in a basket}. <A> {cried for joy|shouted so loudly that the neighbours came out|ran out in <his> slippers to meet them}.
{as a reward, <B> was given a jar of honey|<A> wanted to pay <B>, but <bhe> shook <bhis> head|now <petname> wears a collar with an address on it}. {"Anyone would have done it," <bhe> said|and the <pet>, of course, slept for a whole day}.

@leak:from = kitchen:the bathroom above; shop:the roof; schoolroom:a broken gutter; library:a hole near the chimney
<when>, it {rained|had been raining} {for three days|all week|without a break}. {early in the morning|in the night} <Afull> heard a {drip|steady dripping}, and found water running down the wall of the <leak>.
<he> {put a bucket under it|fetched all the bowls <he> had|moved everything off the shelves}, but the water came {faster and faster|in more and more places}. it was coming from <from>.
{<he> telephoned|<he> sent for} <Bfull>, who {knew about roofs and pipes|could mend anything}. "{I cannot come before noon|I am at another job}," said <B>, "so {turn off the water|cover what you can} and {wait|do not touch the lights}."
? {<A> carried forty {boxes|books} upstairs, one after another|the {customers|children} helped to carry things to a dry room}.
when <B> {came at last|arrived}, <bhe> {climbed a ladder in the rain|crawled under the tiles} and {found|pulled out} {an old bird's nest|a child's ball|a heap of wet leaves} that had {blocked the pipe|stopped the water from running away}.
{ten minutes later|soon afterwards} the dripping stopped. {the wall took a week to dry|the carpet was ruined, but nothing else was lost}, and <A> {painted it a cheerful yellow|was only glad that it was over}.

@event:role = school play:king; village concert:singer; puppet show:wolf; summer fair:clown; Christmas play:shepherd
<town> was {getting ready for|looking forward to} the <event>. {everyone had worked for weeks on the costumes|the posters had been up for a month}, and <A> was to be the <role>.
on the {day|afternoon} {itself|of the show}, however, <A> {woke up without a voice|fell off {a wall|<his> bicycle} and hurt <his> foot|had a fever and had to stay in bed}.
"{Do we have to call it off|What shall we do now}?" asked the {teacher|mayor|doctor}. {there was a long silence|everyone looked at the floor}.
then {little|shy} <B>, who had only {come to help with the lights|been asked to open the curtain}, {put up <bhis> hand|spoke}. "{I know all the words|I have heard it so often that I know it by heart}," <bhe> {said quietly|whispered}.
{the costume was far too big, and they pinned it up with {pegs|safety pins}|they had one hour to practise}. <B> was {pale|trembling} when the curtain rose, {but after the first line <bhe> forgot to be afraid|but soon <bhis> voice grew stronger}.
{when it was over|at the end}, {the people stood up and cheered|the clapping went on for five minutes}. {<A>, who had listened at {an open window|the door}, clapped loudest of all|afterwards <B> ran to <A>'s house and told <him> everything}.
? {next year there will be two <role>s|"Now you must do it every year," said the teacher}.

@prize:made = best cake:a lemon cake; biggest pumpkin:a huge orange pumpkin; finest roses:a bunch of dark red roses; best jam:six jars of plum jam; best bread:a round brown loaf; best drawing:a drawing of the harbour
every {summer|autumn|year} there is a {prize|cup} for the <prize> {at the show|at the fair}. <Afull> had won it {three|four|five} times, {and <he> was sure that <he> would win again|and the cups stood in a row on <his> shelf}.
{this year|this time} <he> had a rival. <Bfull>, a <Bjob> who had {just|only lately} moved to <street>, {also brought|came with} <made>.
? {the two of them {stared at|smiled politely at} each other across the table|people whispered and waited to see who would win}.
{the judges walked round with serious faces|the judges took their time}. they {looked|tasted|measured}, {wrote something down|shook their heads|nodded}, and {came back again|began again from the start}.
at {three|four} o'clock the {mayor|head judge} {stood on a chair|rang a bell}. "{For the first time|This year}," {he|she} said, "{we could not decide, so there are two winners|the cup goes to a newcomer}."
<A> {was {quiet|silent} for a moment|turned red|swallowed hard}. then <he> {held out <his> hand|walked over to <B>} and said, "{You must tell me how you do it|Well done, it is better than mine}."
{since then they {work|cook|garden} together every {Saturday|Wednesday}|they have been friends ever since|now they share everything but their secret recipes}.

@cause:fix = a tree had fallen on the line:cleared the branches; lightning had hit a pole:put up a new pole; a fuse had blown at the power station:changed the fuse
<when>, {just as people were sitting down to supper|in the middle of a football match on television|during the {choir|council} meeting}, all the lights in <town> went out.
{at first {people laughed|nobody minded}|the children cheered}. {then the rooms grew cold|but an hour went by, and then another}. in the {hospital|old people's home}, {the nurses lit candles|a nurse was worried about the heating}.
<Afull>, the <Ajob>, {took a lamp and went from door to door|had a gas cooker, so <he> made soup for the whole street}. <he> {found|met} old <B> sitting {alone in the dark|wrapped in three blankets}, and {brought <bhim> to the inn, where there was a log fire|stayed to keep <bhim> company}.
{by nine o'clock|before long} {thirty|forty|twenty} people {had come together there|were sitting round it}. {somebody sang, somebody told a ghost story|they roasted apples and told stories of the great flood}, and the children fell asleep {on the rugs|under the tables}.
meanwhile, the engineers found that <cause>. they {worked all night|worked by torchlight} and <fix>.
when the lights came on again, {everyone blinked|there was a groan instead of a cheer}. "{Turn them off|What a pity}," said <B>, "{it was the best evening we have had for years|I was just beginning to enjoy it}."

@late:word = thirty years:Sorry; ten years:Forgive me; forty years:Come home; twenty years:Write to me
{while {the old post office was being painted|they were moving the counter}|when the {post office|station} was cleaned last {spring|month}}, <Afull>, whose {father|uncle} was the postman, found {a|an old} letter {behind a cupboard|under the floor|inside the wall}. it had been {lying|waiting} there for <late>.
it was {addressed|written} to <Bfull>, who {still lived|was still living} in <street>. <A> {put on <his> best coat and {knocked at the door|took it there}|took it there at once, although it was raining}.
<B> {put on <bhis> glasses and looked at the writing|turned the letter over and over}. {<bhis> hands shook a little|<bhe> knew it at once}. "{It is from {my brother|an old friend|the person I nearly married}}," <bhe> said.
{long ago they had {quarrelled about {a boat|some money|a field}|argued}, and each had waited for the other to write|they had lost touch after a silly quarrel}. inside was {a single word|only one line}: "<word>."
{<B> sat without speaking while the tea went cold|<B> laughed and cried at the same time}. then <bhe> asked for {a pen and some paper|the telephone}.
{a week later {a grey-haired {man|woman}|a visitor} got off the {bus|train|ferry}, and <B> was waiting there with {flowers|an umbrella}|the answer came by return of post}. {<A> watched from across the road and thought that <he> had the best job in the world|sometimes, <A> thought, it is better late than never}.

@break:by = flood:a flood; storm:the winter storm; crash:a lorry
the {old|wooden|little} footbridge {at the end of|near} <street> had been {broken|damaged} by <by>. {the children had to walk two miles round to school|people on the far side could not get to the shops}.
<Afull> went to the {council|town hall} {again and again|every week}. "{There is no money for it|It is on our list}," they {always said|told <him>}, and {nothing happened|the months went by}.
{so one evening|finally} <he> {called a meeting|put up a large sheet of paper with the words "Who will help?"} {at the inn|in the church hall}. {to <his> surprise, fifty people came|only <B> came at first, but then others followed}.
{<B>, a <Bjob>, gave the wood|<B> drew a plan on the back of an envelope}. {others brought {hammers, nails and rope|tools and sandwiches}|the baker brought sandwiches}, and for {three|four} weekends they {sawed, carried and hammered|worked in the cold water}.
? {once a beam slipped and fell into the river, and they had to begin that part again|it rained most of the time, but nobody went home}.
on {the first day of spring|a bright Sunday}, the bridge was {finished|open}. {the youngest child in <town> was the first to walk across|<A> and <B> cut the ribbon together}.
{even the mayor came, and {he|she} looked a little ashamed|the council sent a card}. {the people call it {<A>'s|<B>'s} Bridge to this day|it has stood there ever since}.

@food:thief = {carrots|lettuces|beans}:a goat; {strawberries|cherries|plums}:a family of blackbirds; {cabbages|young peas}:three fat rabbits; {onions|leeks}:the doctor's dog; {eggs|sausages}:a fox
something was {stealing|taking} <food> from <A>'s {garden|yard}. {every morning a few more were gone|each day there were fewer of them}, and <A> was {angry|puzzled|determined to find out who it was}.
<he> {suspected|blamed} <his> neighbour, <Bfull>, because {they had once quarrelled over a fence|<bhe> had admired them only last week}. {for days <he> did not say good morning to <bhim>|<he> stopped greeting <bhim> in the street}.
one night <he> {hid|sat down} behind the {water barrel|shed} with a {blanket|torch} and a flask of coffee. {the moon rose; an owl called|it was long and cold}, {and <he> nearly fell asleep|and <his> legs grew stiff}.
{just before dawn|at about five o'clock} there was a {rustle|small noise} by the gate. <A> {jumped up|switched on the torch}, and there {in the light|in front of <him>} stood the thief: <thief>!
{<A> began to laugh, and {could not stop|soon <B> looked out to see what was the matter}|<A> felt very foolish}. in the morning <he> {took|carried} a basket of what was left to <B>'s door. "{I owe you an apology|I was wrong about you}," <he> said.
{the two of them built a better fence|<B> helped <him> to mend the gate}, {and there has been peace ever since|and this time they did not quarrel about it}.

@clock:who = church clock:pigeons; station clock:mice; town hall clock:bees
one {morning|day} the <clock> stopped at {ten past three|a quarter to nine|twenty past seven}. {at first no one noticed|that caused more trouble than you might think}.
{<A> missed the bus|the school bell rang an hour late|the shops opened at the wrong time}, {the priest came to church when everybody had gone home|two people missed the ferry}, and {the eggs at the inn were boiled as hard as stones|the mayor was late for {his|her} own meeting}.
{the council asked|they sent for} <Bfull>, {a watchmaker who was nearly eighty|who had looked after it for forty years}. "{My knees are too old for those stairs|I cannot climb so high any more}," <bhe> said. "{But I could tell someone what to do|I need young legs}."
so <A> {climbed|went up} the {ninety|hundred} steps {with a lamp|with a bag of tools}, while <B> {shouted instructions from below|waited at the bottom and called up to <him>}.
{among the wheels|behind the great wheel} <A> found {the reason|the trouble}: <who> had {made a nest|moved in}. {<he> moved it very gently to {the next window|a box}|it took all afternoon to move them without harm}.
{<he> cleaned and oiled every wheel|then <he> put in a drop of oil}, {pushed the pendulum|turned the big key}, and {the old clock began to tick|the hands began to move}. {down in the square people set their watches and smiled|when it struck the hour, everybody in the square cheered}.
{now <A> is learning the trade|the next week <A> began to learn <B>'s trade}. {"It is the best pupil I have had," says <B>, "and the only one"|one day <he> will look after the clock alone}.

@place:goal = lighthouse:see the sunrise; old mill:draw pictures; top of the hill:fly a kite; lake:skate; castle ruins:look for treasure; beach:look for shells
<when>, <A> and <B> {set out|went} to the <place> to <goal>. they {had packed|took} {bread and cheese|sandwiches and a bottle of lemonade|apples and a bar of chocolate}, and told {nobody|no one} where they were going.
{on the way|after an hour} {fog came down|a thick mist rolled in from the sea}. soon they could not see {the path|their own feet}. "{I think we have passed this stone before|We are going in circles}," said <B> {in a small voice|after a while}.
<A> wanted to {go on|run}, but <B> {sat down|shook <bhis> head}. "{If we walk in the dark, we may fall|We should stay here and wait}," <bhe> said. {they put on all the clothes they had and sat close together|they ate half of the food and kept the rest}.
{to keep their spirits up they sang every song they knew|every few minutes they shouted, and then listened}. {for a long time there was no answer but the wind|it began to get dark}.
{at last they heard {a bell|a dog}|then a light moved in the fog}. it was {old <Cfull>, the {shepherd|ferryman}|<C>, who kept the {sheep|bees} up there}. {<che> had heard the singing|<che> had heard them calling}.
"{You were wise to stay in one place|You did the right thing}," <che> said, and {led|took} them home {by a path that only the sheep knew|to their parents}. {they were scolded a little and fed a great deal|there was hot milk, and then a long talk about leaving notes}.
"""


def all_plots() -> list[str]:
    """Every plot of the town as text."""
    return [plot.strip("\n") for plot in (TROUBLES + ENCOUNTERS).replace("\n\n\n", "\n\n").strip("\n").split("\n\n")]
