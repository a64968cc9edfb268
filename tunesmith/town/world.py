"""The town of Harlow Bridge: who lives there, what stands where, what is sold, eaten, mended and talked about.

Plain data and a few ways to choose from it. Everything is drawn from a `random.Random` that the caller seeds, so the same
seed tells the same town. British spelling; common words, so that a small tokenizer covers them.
"""

import random
from dataclasses import dataclass
from typing import Literal

Gender = Literal["she", "he"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


TOWN = "Harlow Bridge"
RIVER = "the Arden"
VILLAGES = _words("Milton, Oakley, Westbury, Ashford, Penfold, Kings Lane, Little Marsh")
CITIES = _words("Bristol, Leeds, York, Oxford, Cardiff, Dover")


@dataclass(frozen=True, slots=True)
class Person:
    """Someone of the town. `they`, `them`, `their` are the pronouns that fit."""

    name: str
    gender: Gender
    surname: str
    job: str

    @property
    def they(self) -> str:
        return self.gender

    @property
    def them(self) -> str:
        return "her" if self.gender == "she" else "him"

    @property
    def their(self) -> str:
        return "her" if self.gender == "she" else "his"

    @property
    def title(self) -> str:
        """Mrs or Mr with the surname."""
        return ("Mrs " if self.gender == "she" else "Mr ") + self.surname


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop or workshop: what it is called, who serves there and what it sells."""

    place: str  # with its article: "the bakery"
    keeper: str  # the job of who serves: "baker"
    goods: tuple[str, ...]  # single things, without article


WOMEN = _words(
    "Alice, Anna, Beth, Carol, Clara, Daisy, Diana, Ella, Emma, Eva, Fiona, Grace, Hannah, Helen, Ida, Irene, Jane, "
    "Julia, Kate, Laura, Lily, Lucy, Maria, Martha, Mary, Mia, Molly, Nina, Nora, Olive, Pam, Rachel, Rosa, Ruby, Ruth, "
    "Sally, Sara, Sophie, Susan, Tess, Vera, Wendy, Zoe"
)
MEN = _words(
    "Adam, Alan, Ben, Bill, Carl, Colin, Daniel, David, Dean, Eric, Felix, Frank, Fred, George, Greg, Harry, Henry, "
    "Hugo, Ian, Jack, James, Joe, John, Karl, Leo, Luke, Mark, Martin, Max, Mike, Neil, Nick, Oliver, Omar, Oscar, "
    "Paul, Peter, Ray, Robert, Sam, Simon, Steve, Tim, Tom, Victor, Will"
)
SURNAMES = _words(
    "Baker, Bell, Black, Brook, Brown, Carter, Clark, Cook, Cooper, Dale, Field, Fisher, Ford, Fox, Gray, Green, Hall, "
    "Hill, Hunt, King, Lane, Long, Marsh, Mason, Miller, Moore, Page, Parker, Price, Reed, Rose, Shaw, Stone, Swan, "
    "Taylor, Turner, Walker, Ward, Waters, West, White, Wood, Young"
)
JOBS = _words(
    "baker, butcher, carpenter, cleaner, clerk, cook, dentist, doctor, driver, farmer, fisherman, florist, gardener, "
    "hairdresser, journalist, librarian, lawyer, mechanic, musician, nurse, painter, plumber, postman, potter, student, "
    "tailor, teacher, vet, waiter, weaver"
)

SHOPS = (
    Shop("the bakery", "baker", _words("loaf of rye bread, apple cake, plum tart, cheese roll, ginger loaf, honey cake")),
    Shop("the bookshop", "bookseller", _words("atlas, cookbook, crime novel, poetry book, travel guide, picture book")),
    Shop("the bicycle shop", "mechanic", _words("bicycle, helmet, bell, front lamp, lock, pair of tyres")),
    Shop("the hardware shop", "shopkeeper", _words("hammer, ladder, paint brush, drill, garden hose, tin of white paint")),
    Shop("the shoe shop", "shoe seller", _words("pair of boots, pair of sandals, pair of slippers, pair of running shoes")),
    Shop("the clothes shop", "shop assistant", _words("blue coat, wool jumper, green dress, grey jacket, silk scarf, red hat")),
    Shop("the toy shop", "toy seller", _words("kite, wooden train, chess set, doll, puzzle, toy boat")),
    Shop("the music shop", "music teacher", _words("guitar, violin, flute, drum, set of strings, piano book")),
    Shop("the flower shop", "florist", _words("bunch of roses, pot of herbs, small lemon tree, bunch of tulips, orchid")),
    Shop("the furniture shop", "carpenter", _words("oak table, armchair, bookcase, desk, wooden bench, mirror, bed")),
    Shop("the electrical shop", "shop assistant", _words("kettle, radio, toaster, desk lamp, washing machine, fan, iron")),
    Shop("the antique shop", "dealer", _words("brass clock, silver spoon, old map, tea set, writing desk, painted vase")),
)
MARKET = {  # what is sold at the market, in the plural, by stall
    "fruit": _words("apples, pears, plums, cherries, strawberries, lemons, oranges, grapes"),
    "vegetable": _words("potatoes, carrots, onions, mushrooms, tomatoes, beans, leeks, peppers"),
    "fish": _words("herrings, crabs, mussels, sardines"),
    "flower": _words("roses, tulips, lilies, daisies"),
    "cheese": _words("goat cheeses, eggs, jars of honey, pots of butter"),
}

PLACES = _words(
    "the library, the park, the station, the town hall, the school, the church, the museum, the swimming pool, the "
    "market square, the harbour, the sports ground, the cinema, the theatre, the post office, the bank, the hospital, "
    "the old mill, the castle, the community hall, the river path"
)
EATERIES = _words(
    "the Blue Boat, the Corner Café, the Green Door, the Old Oven, the Golden Lion, the Station Café, the Mill House"
)
STREETS = _words(
    "Mill Lane, Church Street, Station Road, Bridge Street, Park Avenue, Castle Hill, Orchard Road, River Walk, High "
    "Street, Market Street, School Lane, Harbour Road"
)
ROOMS = _words("kitchen, bathroom, bedroom, living room, cellar, attic, hall, garage")
FURNITURE = _words("table, chair, sofa, wardrobe, bookcase, shelf, carpet, mirror, bed, lamp, curtain, piano")
HOUSEHOLD = _words("boiler, tap, washing machine, fridge, oven, shower, toilet, heater, front door, bedroom window, dishwasher")
TOOLS = _words(
    "ladder, drill, hammer, saw, spade, wheelbarrow, lawn mower, garden hose, paint roller, sewing machine, tent, trailer"
)
THINGS = _words(
    "umbrella, wallet, phone, key ring, scarf, glove, backpack, camera, notebook, watch, suitcase, lunch box, violin, "
    "laptop, ring, jacket, hat, library card, pair of glasses, purse"
)
GIFTS = _words(
    "silk scarf, book about birds, box of chocolates, fountain pen, board game, tea set, concert ticket, pot of herbs, "
    "photo album, warm blanket, garden lamp, cookbook, chess set, leather wallet, painted mug, jigsaw puzzle, fishing "
    "rod, wool hat"
)
PARTS = _words("chain, front wheel, back wheel, brake, lamp, saddle, pedal, tyre, gear")
COLOURS = _words("red, blue, green, yellow, white, black, brown, grey, orange, pink, purple")
MATERIALS = _words("wool, silk, cotton, leather, wood, oak, brass, silver, glass, stone, clay, paper")

PETS = _words("dog, cat, rabbit, parrot, pony, hamster, tortoise, goat")
PET_NAMES = _words("Rex, Bella, Biscuit, Pepper, Ginger, Smoky, Toby, Milo, Honey, Patch, Duke, Pearl, Button, Rusty, Socks")
FARM_ANIMALS = _words("cow, sheep, hen, duck, goose, pig, horse, goat, donkey")
BIRDS = _words("owl, robin, swan, crow, gull, heron, swallow, blackbird")

RELATIONS: dict[str, Gender] = {
    **dict.fromkeys(_words("mother, sister, aunt, grandmother, daughter, niece, wife"), "she"),
    **dict.fromkeys(_words("father, brother, uncle, grandfather, son, nephew, husband"), "he"),
}
DISHES = _words(
    "vegetable soup, fish pie, lamb stew, mushroom risotto, apple pie, chicken curry, onion tart, potato salad, beef "
    "stew, lentil soup, pancakes, lemon cake, chocolate cake, roast chicken, cheese omelette, tomato pasta, carrot "
    "cake, bread pudding, fried rice"
)
INGREDIENTS = _words(
    "salt, pepper, butter, flour, sugar, milk, cream, rice, garlic, ginger, honey, lemon juice, olive oil, parsley, "
    "mustard, vinegar, chocolate, cheese, yeast, cinnamon"
)
DRINKS = _words("tea, coffee, lemonade, apple juice, hot chocolate, ginger beer, mineral water, tomato juice, red wine, milk")
ALLERGIES = _words("nuts, eggs, milk, fish, strawberries, wheat, honey")

SPORTS = _words(
    "football, tennis, cricket, hockey, rugby, basketball, volleyball, table tennis, rowing, swimming, chess, running"
)
TEAM_SPORTS = _words("football, cricket, hockey, rugby, basketball, volleyball")
HOBBIES = _words(
    "painting, gardening, fishing, singing, baking, photography, pottery, sailing, dancing, chess, knitting, cycling, "
    "hiking, reading, woodwork, swimming"
)
INSTRUMENTS = _words("guitar, violin, piano, flute, trumpet, drums, cello, clarinet")
SUBJECTS = _words("maths, history, French, biology, music, geography, chemistry, art, German, physics, Spanish")
BOOKS = _words(
    "The Silent Harbour, A Winter in the Hills, The Clockmaker, Letters to a Stranger, The Lost Garden, Night Train "
    "North, The Salt Road, Seven Keys, The Paper House, A Short History of Bread, Under the Old Bridge, The Last "
    "Lighthouse"
)
FILMS = _words(
    "Red Snow, The Long Summer, Two Left Feet, Moon Over Dover, The Quiet Thief, Paper Wings, A Dog Called Friday, "
    "Stormy Waters"
)
PLAYS = _words(
    "The Snow Queen, Robin Hood, The Wooden King, Peter and the Wolf, The Golden Goose, The Pirate's Daughter, Alice in "
    "Wonderland"
)
PLAY_ROLES = _words("the king, the witch, the wolf, the queen, a pirate, the narrator, a tree, the old sailor, the clever fox")
EVENTS = _words(
    "the spring fair, the flower show, the harvest supper, the book fair, the boat race, the lantern walk, the village "
    "concert, the jazz night, the quiz night, the charity run, the bread festival, the school concert, the chess "
    "tournament, the summer dance"
)
ILLNESSES = _words(
    "a sore throat, a bad cough, a headache, back pain, a fever, an earache, a stomach ache, a swollen ankle, a skin "
    "rash, a painful knee"
)
REMEDIES = _words(
    "cough syrup, pain tablets, an ointment, eye drops, rest, warm tea with honey, a cold pack, a course of tablets, "
    "light exercise"
)
WEATHERS = _words("sunny, rainy, windy, foggy, cloudy, snowy, stormy, icy, warm, cold, dry, mild")
SKIES = _words("rain, fog, snow, strong wind, thunder, ice, heavy showers, sunshine")
MOODS = _words("happy, tired, worried, angry, proud, nervous, bored, surprised, sad, excited, grateful, disappointed")
TRAITS = _words("kind, patient, honest, funny, shy, stubborn, clever, lazy, polite, careful, brave, noisy, generous, forgetful")
GOOD = _words("good, lovely, excellent, wonderful, pleasant, charming, fine, delightful, splendid")
BAD = _words("bad, awful, poor, terrible, dull, unpleasant, disappointing, dreadful")

WEEKDAYS = _words("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")
MONTHS = _words("January, February, March, April, May, June, July, August, September, October, November, December")
SEASONS = _words("spring, summer, autumn, winter")
DAY_PARTS = ("morning", "afternoon", "evening")
NUMBERS = _words("zero, one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve")

FACTS = (  # true of this town, wherever it is told
    "The stone bridge over the Arden is older than the church.",
    "The library is shut on Wednesdays.",
    "The market is held in the square on Tuesdays and Saturdays.",
    "The ferry to Little Marsh leaves from the harbour every hour.",
    "The last bus to Westbury goes at ten in the evening.",
    "The swimming pool was built by the people of the town.",
    "The clock of the town hall is always three minutes slow.",
    "The old mill is now a museum of bread.",
    "Every autumn the children carry lanterns along the river.",
    "A heron lives under the bridge, and nobody may fish there in May.",
    "The castle on the hill has lost its roof.",
    "The Blue Boat serves the best fish pie in the county.",
)


def person(rng: random.Random, gender: Gender | None = None, without: tuple[str, ...] = ()) -> Person:
    """Somebody of the town, whose first name is not among `without`."""
    sex: Gender = gender if gender is not None else "she" if rng.random() < 0.5 else "he"
    name = rng.choice([n for n in (WOMEN if sex == "she" else MEN) if n not in without])
    return Person(name, sex, rng.choice(SURNAMES), rng.choice(JOBS))


def people(rng: random.Random, count: int) -> list[Person]:
    """`count` people with different first names."""
    chosen: list[Person] = []
    for _ in range(count):
        chosen.append(person(rng, without=tuple(p.name for p in chosen)))
    return chosen


def a(noun: str) -> str:
    """The noun with its indefinite article: "an apple", "a uniform"."""
    vowel = noun[:1].lower() in "aeiou" and not noun.lower().startswith(("uni", "use", "one", "eu"))
    return ("an " if vowel or noun.lower().startswith(("hour", "honest")) else "a ") + noun


def listed(words: list[str] | tuple[str, ...], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def sentence(text: str) -> str:
    """The text with a capital at its start and a stop at its end."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!", "...")) else text + "."


def price(rng: random.Random, low: int, high: int) -> int:
    """A price in whole pounds; higher ones are round."""
    step = 1 if high <= 20 else 5 if high <= 120 else 10
    return rng.randrange(low, high + 1, step)


def pounds(amount: int) -> str:
    """ "one pound", "12 pounds"."""
    return "one pound" if amount == 1 else f"{amount} pounds"


def clock(rng: random.Random, first: int = 8, last: int = 19) -> str:
    """A time of day in words, between two hours of the day: "nine o'clock", "half past two", "quarter to five"."""
    hour = rng.randint(first, last)
    name, following = NUMBERS[(hour - 1) % 12 + 1], NUMBERS[hour % 12 + 1]
    return rng.choice(
        (
            f"{name} o'clock",
            f"half past {name}",
            f"quarter past {name}",
            f"quarter to {following}",
        )
    )


def two(rng: random.Random, words: tuple[str, ...] | list[str]) -> tuple[str, str]:
    """Two different ones."""
    first, second = rng.sample(list(words), 2)
    return first, second
