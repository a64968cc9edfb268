# ruff: noqa: E501 -- a table has one line a word
"""The few words of German that `translation` needs: nouns with gender and plural, verbs in the present tense, fixed phrases.

Cases stand in tables: a subject is nominative, an object accusative, and phrases of time and place are learnt whole.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Noun:
    """An English noun and its plural; the German one with its gender (m, f, n) and plural."""

    english: str
    many: str
    german: str
    gender: str
    plural: str


@dataclass(frozen=True, slots=True)
class Verb:
    """English: base form and third person. German: infinitive, then the forms of ich, du, er, wir. `takes`: kinds of objects."""

    english: str
    third: str
    german: str
    forms: tuple[str, str, str, str]
    takes: tuple[str, ...]


def _nouns(text: str) -> tuple[Noun, ...]:
    return tuple(Noun(*line.split("/")) for line in text.split())


FOOD = _nouns(
    "apple/apples/Apfel/m/Äpfel cake/cakes/Kuchen/m/Kuchen egg/eggs/Ei/n/Eier pear/pears/Birne/f/Birnen "
    "tomato/tomatoes/Tomate/f/Tomaten potato/potatoes/Kartoffel/f/Kartoffeln cherry/cherries/Kirsche/f/Kirschen "
    "sausage/sausages/Wurst/f/Würste carrot/carrots/Karotte/f/Karotten roll/rolls/Brötchen/n/Brötchen"
)
ANIMALS = _nouns(
    "dog/dogs/Hund/m/Hunde cat/cats/Katze/f/Katzen horse/horses/Pferd/n/Pferde bird/birds/Vogel/m/Vögel "
    "cow/cows/Kuh/f/Kühe sheep/sheep/Schaf/n/Schafe rabbit/rabbits/Kaninchen/n/Kaninchen duck/ducks/Ente/f/Enten "
    "pig/pigs/Schwein/n/Schweine fox/foxes/Fuchs/m/Füchse"
)
PEOPLE = _nouns(
    "child/children/Kind/n/Kinder woman/women/Frau/f/Frauen man/men/Mann/m/Männer friend/friends/Freund/m/Freunde "
    "teacher/teachers/Lehrer/m/Lehrer sister/sisters/Schwester/f/Schwestern brother/brothers/Bruder/m/Brüder "
    "girl/girls/Mädchen/n/Mädchen doctor/doctors/Arzt/m/Ärzte nurse/nurses/Krankenschwester/f/Krankenschwestern "
    "baker/bakers/Bäcker/m/Bäcker mother/mothers/Mutter/f/Mütter father/fathers/Vater/m/Väter"
)
THINGS = _nouns(
    "table/tables/Tisch/m/Tische chair/chairs/Stuhl/m/Stühle lamp/lamps/Lampe/f/Lampen clock/clocks/Uhr/f/Uhren "
    "bicycle/bicycles/Fahrrad/n/Fahrräder boat/boats/Boot/n/Boote coat/coats/Mantel/m/Mäntel hat/hats/Hut/m/Hüte "
    "shirt/shirts/Hemd/n/Hemden key/keys/Schlüssel/m/Schlüssel cup/cups/Tasse/f/Tassen ring/rings/Ring/m/Ringe "
    "umbrella/umbrellas/Regenschirm/m/Regenschirme picture/pictures/Bild/n/Bilder bag/bags/Tasche/f/Taschen "
    "knife/knives/Messer/n/Messer flower/flowers/Blume/f/Blumen present/presents/Geschenk/n/Geschenke"
)
TEXTS = _nouns("book/books/Buch/n/Bücher newspaper/newspapers/Zeitung/f/Zeitungen")
LETTERS = _nouns("letter/letters/Brief/m/Briefe story/stories/Geschichte/f/Geschichten card/cards/Karte/f/Karten")
MACHINES = _nouns("car/cars/Auto/n/Autos radio/radios/Radio/n/Radios bus/buses/Bus/m/Busse train/trains/Zug/m/Züge")
DOORS = _nouns(
    "door/doors/Tür/f/Türen window/windows/Fenster/n/Fenster box/boxes/Kiste/f/Kisten bottle/bottles/Flasche/f/Flaschen"
)
NOUNS = {
    "food": FOOD,
    "animal": ANIMALS,
    "person": PEOPLE,
    "thing": THINGS,
    "text": TEXTS,
    "letter": LETTERS,
    "machine": MACHINES,
    "door": DOORS,
}


def _verb(english: str, third: str, german: str, forms: str, takes: str) -> Verb:
    ich, du, er, wir = forms.split()
    return Verb(english, third, german, (ich, du, er, wir), tuple(takes.split()))


VERBS = (
    _verb("see", "sees", "sehen", "sehe siehst sieht sehen", "food animal person thing text machine door"),
    _verb("buy", "buys", "kaufen", "kaufe kaufst kauft kaufen", "food animal thing text machine"),
    _verb("have", "has", "haben", "habe hast hat haben", "food animal thing text machine"),
    _verb("eat", "eats", "essen", "esse isst isst essen", "food"),
    _verb("look for", "looks for", "suchen", "suche suchst sucht suchen", "food animal person thing text machine"),
    _verb("find", "finds", "finden", "finde findest findet finden", "food animal person thing text machine"),
    _verb("read", "reads", "lesen", "lese liest liest lesen", "text letter"),
    _verb("write", "writes", "schreiben", "schreibe schreibst schreibt schreiben", "letter"),
    _verb("repair", "repairs", "reparieren", "repariere reparierst repariert reparieren", "machine door"),
    _verb("open", "opens", "öffnen", "öffne öffnest öffnet öffnen", "door letter"),
    _verb("sell", "sells", "verkaufen", "verkaufe verkaufst verkauft verkaufen", "food animal thing text machine"),
    _verb("bring", "brings", "bringen", "bringe bringst bringt bringen", "food thing text letter"),
    _verb("know", "knows", "kennen", "kenne kennst kennt kennen", "person"),
    _verb("visit", "visits", "besuchen", "besuche besuchst besucht besuchen", "person"),
    _verb("love", "loves", "lieben", "liebe liebst liebt lieben", "animal person"),
    _verb("draw", "draws", "zeichnen", "zeichne zeichnest zeichnet zeichnen", "animal person thing"),
    _verb("need", "needs", "brauchen", "brauche brauchst braucht brauchen", "food thing text machine person"),
)
LASTING = {"have", "know", "need", "love"}
# English, German: what ich/er, du and wir/sie say.
MODALS = (
    ("can", "can", ("kann", "kannst", "kann", "können")),
    ("must", "must", ("muss", "musst", "muss", "müssen")),
    ("want to", "wants to", ("will", "willst", "will", "wollen")),
)
PRONOUNS = (("I", "ich", 0), ("you", "du", 1), ("he", "er", 2), ("she", "sie", 2), ("we", "wir", 3), ("they", "sie", 3))
ADJECTIVES = (  # English, German: without an ending
    ("big", "groß"), ("small", "klein"), ("old", "alt"), ("new", "neu"), ("red", "rot"), ("white", "weiß"), ("black", "schwarz"),
    ("beautiful", "schön"), ("green", "grün"), ("brown", "braun"), ("blue", "blau"), ("heavy", "schwer"),
)  # fmt: skip
MOODS = (
    ("tired", "müde"),
    ("happy", "glücklich"),
    ("ill", "krank"),
    ("hungry", "hungrig"),
    ("thirsty", "durstig"),
    ("alone", "allein"),
)
WHEN = (
    ("today", "heute"), ("every day", "jeden Tag"), ("on Monday", "am Montag"), ("on Friday", "am Freitag"), ("now", "jetzt"),
    ("often", "oft"), ("in the morning", "am Morgen"), ("in the evening", "am Abend"), ("tomorrow", "morgen"),
    ("on Sunday", "am Sonntag"), ("in winter", "im Winter"), ("in summer", "im Sommer"), ("on Tuesday", "am Dienstag"),
)  # fmt: skip
WHERE = (
    ("in the kitchen", "in der Küche"), ("in the garden", "im Garten"), ("at the market", "auf dem Markt"), ("at home", "zu Hause"),
    ("at the station", "am Bahnhof"), ("in the town", "in der Stadt"), ("in the park", "im Park"), ("at school", "in der Schule"),
    ("on the bridge", "auf der Brücke"), ("behind the house", "hinter dem Haus"), ("in the shop", "im Laden"),
)  # fmt: skip
NUMBERS = (("two", "zwei"), ("three", "drei"), ("four", "vier"), ("five", "fünf"), ("six", "sechs"), ("ten", "zehn"))
# Endings by gender: nominative and accusative of the article, and of the adjective after it.
DEFINITE = {"m": ("der", "den"), "f": ("die", "die"), "n": ("das", "das")}
INDEFINITE = {"m": ("", "en"), "f": ("e", "e"), "n": ("", "")}
AFTER_DEFINITE = {"m": ("e", "en"), "f": ("e", "e"), "n": ("e", "e")}
AFTER_INDEFINITE = {"m": ("er", "en"), "f": ("e", "e"), "n": ("es", "es")}
OWNERS = (("my", "mein"), ("your", "dein"), ("his", "sein"))
