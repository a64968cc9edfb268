"""Simple English sentences and the same in German: present tense, accusative objects, questions, negation, modal verbs."""

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from tunesmith.town import german as g
from tunesmith.town import world
from tunesmith.town.source import sifted
from tunesmith.town.world import a

Row = dict[str, Any]
NOMINATIVE, ACCUSATIVE = 0, 1


class Phrase(NamedTuple):
    """The same in English and German, and the row of the verb table that a subject asks for (0 ich, 1 du, 2 er, 3 wir)."""

    english: str
    german: str
    form: int = 2


def rows(split: str, count: int, seed: int = 0) -> Iterator[Row]:
    """Rows {"id", "english", "german"}."""
    return sifted("translation", split, count, seed, _draw, lambda row: str(row["english"]))


def _draw(rng: Random) -> Row:
    make = rng.choice((_plain, _plain, _plain, _negated, _question, _modal, _quality, _mood))
    english, german = make(rng)
    return {"english": capital(english), "german": capital(german)}


def capital(text: str) -> str:
    """The text with a capital at its start."""
    return text[0].upper() + text[1:]


def _subject(rng: Random) -> Phrase:
    kind = rng.random()
    if kind < 0.45:
        name = world.person(rng).name
        return Phrase(name, name)
    if kind < 0.7:
        return Phrase(*rng.choice(g.PRONOUNS))
    noun = rng.choice(g.PEOPLE)
    if kind < 0.8:
        return Phrase(f"the {noun.many}", f"die {noun.plural}", 3)
    return _noun_phrase(rng, noun, NOMINATIVE)


def _noun_phrase(rng: Random, noun: g.Noun, case: int) -> Phrase:
    """The noun with an article or an owner, sometimes with an adjective."""
    adjective = rng.choice(g.ADJECTIVES) if noun not in g.PEOPLE and rng.random() < 0.35 else None
    owner = rng.choice(g.OWNERS) if rng.random() < 0.2 and noun.english not in {"man", "woman", "girl"} else None
    word = f"{adjective[0]} {noun.english}" if adjective else noun.english
    if not owner and rng.random() < 0.5:
        quality = f" {adjective[1]}{g.AFTER_DEFINITE[noun.gender][case]}" if adjective else ""
        return Phrase(f"the {word}", f"{g.DEFINITE[noun.gender][case]}{quality} {noun.german}")
    quality = f" {adjective[1]}{g.AFTER_INDEFINITE[noun.gender][case]}" if adjective else ""
    article = (owner[1] if owner else "ein") + g.INDEFINITE[noun.gender][case]
    return Phrase(f"{owner[0]} {word}" if owner else a(word), f"{article}{quality} {noun.german}")


def _object(rng: Random, verb: g.Verb) -> Phrase:
    noun = rng.choice(g.NOUNS[rng.choice(verb.takes)])
    if rng.random() < 0.15:
        english, number = rng.choice(g.NUMBERS)
        return Phrase(f"{english} {noun.many}", f"{number} {noun.plural}")
    return _noun_phrase(rng, noun, ACCUSATIVE)


def _around(rng: Random) -> tuple[Phrase, Phrase]:
    """A time and a place, either of them often empty."""
    nothing = Phrase("", "")
    when = Phrase(*rng.choice(g.WHEN)) if rng.random() < 0.45 else nothing
    where = Phrase(*rng.choice(g.WHERE)) if rng.random() < 0.35 else nothing
    return when, where


def _said(*words: str, end: str = ".") -> str:
    return " ".join(word for word in words if word) + end


def _third(subject: Phrase) -> bool:
    return subject.form == 2


def _plain(rng: Random) -> tuple[str, str]:
    subject, verb = _subject(rng), rng.choice(g.VERBS)
    thing, (when, where) = _object(rng, verb), _around(rng)
    if verb.english in g.LASTING:
        when = where = Phrase("", "")
    says, sagt = verb.third if _third(subject) else verb.english, verb.forms[subject.form]
    if when.english and rng.random() < 0.3 and when.english != "often":
        german = _said(when.german, sagt, subject.german, thing.german, where.german)
        return _said(f"{when.english},", subject.english, says, thing.english, where.english), german
    if when.english == "often":
        return _said(subject.english, "often", says, thing.english, where.english), _said(
            subject.german, sagt, "oft", thing.german, where.german
        )
    english = _said(subject.english, says, thing.english, where.english, when.english)
    return english, _said(subject.german, sagt, when.german, thing.german, where.german)


def _negated(rng: Random) -> tuple[str, str]:
    """No thing at all: "kein" takes the endings of "ein"."""
    subject, verb = _subject(rng), rng.choice(g.VERBS)
    noun = rng.choice(g.NOUNS[rng.choice(verb.takes)])
    negative = "does not" if _third(subject) else "do not"
    none = f"kein{g.INDEFINITE[noun.gender][ACCUSATIVE]} {noun.german}"
    when = rng.choice([one for one in g.WHEN if one[0] not in {"often", "every day"}]) if rng.random() < 0.4 else ("", "")
    when = ("", "") if verb.english in g.LASTING else when
    english = _said(subject.english, negative, verb.english, a(noun.english), when[0])
    return english, _said(subject.german, verb.forms[subject.form], when[1], none)


def _question(rng: Random) -> tuple[str, str]:
    subject, verb = _subject(rng), rng.choice(g.VERBS)
    asks = "does" if _third(subject) else "do"
    sagt = verb.forms[subject.form]
    where = rng.choice(g.WHERE) if rng.random() < 0.3 and verb.english not in g.LASTING else ("", "")
    thing = _object(rng, verb)
    if rng.random() < 0.3:
        word, wort = ("why", "warum") if verb.english in g.LASTING else rng.choice((("where", "wo"), ("when", "wann")))
        english = _said(word, asks, subject.english, verb.english, thing.english, end="?")
        return english, _said(wort, sagt, subject.german, thing.german, end="?")
    english = _said(asks, subject.english, verb.english, thing.english, where[0], end="?")
    return english, _said(sagt, subject.german, thing.german, where[1], end="?")


def _modal(rng: Random) -> tuple[str, str]:
    """The infinitive stands at the end of the German sentence."""
    subject = _subject(rng)
    verb = rng.choice([verb for verb in g.VERBS if verb.english not in g.LASTING])
    plain, third, forms = rng.choice(g.MODALS)
    thing, (when, where) = _object(rng, verb), _around(rng)
    if when.english == "often":
        when = Phrase("today", "heute")
    modal = third if _third(subject) else plain
    english = _said(subject.english, modal, verb.english, thing.english, where.english, when.english)
    return english, _said(subject.german, forms[subject.form], when.german, thing.german, where.german, verb.german)


def _quality(rng: Random) -> tuple[str, str]:
    kind = rng.choice(("animal", "thing", "machine"))
    noun, (english, german) = rng.choice(g.NOUNS[kind]), rng.choice(g.ADJECTIVES)
    not_english, nicht = rng.choice((("", ""), ("", ""), ("not", "nicht"), ("very", "sehr")))
    if rng.random() < 0.3:
        return _said("the", noun.many, "are", not_english, english), _said("die", noun.plural, "sind", nicht, german)
    if rng.random() < 0.4:
        owner, besitzer = rng.choice(g.OWNERS)
        form = f"{besitzer}{g.INDEFINITE[noun.gender][NOMINATIVE]}"
        return _said(owner, noun.english, "is", not_english, english), _said(form, noun.german, "ist", nicht, german)
    article = g.DEFINITE[noun.gender][NOMINATIVE]
    return _said("the", noun.english, "is", not_english, english), _said(article, noun.german, "ist", nicht, german)


def _mood(rng: Random) -> tuple[str, str]:
    subject = _subject(rng)
    english, german = rng.choice(g.MOODS)
    am = "am" if subject.english == "I" else "is" if _third(subject) else "are"
    bin_ = ("bin", "bist", "ist", "sind")[subject.form]
    when, wann = rng.choice((("today", "heute"), ("now", "jetzt"), ("", "")))
    place, ort = rng.choice(g.WHERE) if rng.random() < 0.3 and english in {"tired", "happy", "alone"} else ("", "")
    nicht = rng.random() < 0.25
    words = _said(subject.english, am, "not" if nicht else "", english, place, when)
    return words, _said(subject.german, bin_, wann, *((ort, "nicht") if nicht else (ort,)), german)
