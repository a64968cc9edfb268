"""Sentences that are right, or have one mistake of grammar: agreement, tense, word order, article, pronoun, preposition.

In a pattern `[right/wrong]` is said rightly in every place, or wrongly in just one of them.
"""

import re
from collections.abc import Iterator
from random import Random
from typing import Any

from tunesmith.town import world
from tunesmith.town.claims import NUMBERS
from tunesmith.town.source import sifted
from tunesmith.town.telling import say

Row = dict[str, Any]
PATTERNS: dict[str, tuple[str, ...]] = {
    "agreement": (
        "<p> [walks/walk] to <place> {every <day>|each morning}.",
        "the <things> on the table [are/is] {new|<colour>|dirty|for <q>}.",
        "<p> and <q> [live/lives] in <street>.",
        "there [are/is] <n> <things> {in the box|under the bed|near the door}.",
        "one of the {boys|girls|doors|windows} [was/were] {too small|green|new}, {says|thinks} <p>.",
        "everybody in the {room|street} [knows/know] <p>.",
        "the box of <things> [is/are] {heavy|in the cellar|on the shelf}.",
        "my {brothers|sisters|neighbours} [have/has] never {seen|been to} <place>.",
        "the {man|woman} who [sells/sell] <things> {lives|works} in <street>.",
        "each of the <n> {visitors|pupils} [gets/get] a {map|book|cup of tea}.",
        "<p> [does/do] not {like|eat|buy} <things2>.",
        "one of the <things> [belongs/belong] to <q>.",
    ),
    "tense": (
        "yesterday <p> [went/goes] to <place> with <q>.",
        "last {week|month|<day>} <p> [bought/buys] <n> <things>.",
        "tomorrow <p> [will visit/visited] <q> in <city>.",
        "<p> has [seen/saw] {that film|<q>|the house} {twice|before}.",
        "when <q> came in, <p> [was reading/reads] a book.",
        "<p> did not [find/found] the <things> {at home|in the shop}.",
        "<p> can [play/plays] the <instrument> very well.",
        "<q> wants to [learn/learned] {French|to swim|the <instrument>}.",
        "they had already [eaten/ate] when <p> arrived.",
        "<p> is [cooking/cook] {dinner|soup} for <q>.",
        "<p> [has lived/lives] in <street> since <month>.",
        "if it rains, we [will stay/stayed] at home{ on <day>|}.",
    ),
    "order": (
        "<p> [has never/never has been has] been to <city>.",
        "<p> gave [<q> the <thing>/the <thing> <q>] {on <day>|before lunch}.",
        "where [does <p> live/<p> does live], and with whom?",
        "what [did <q> buy/bought <q> did] at <place>?",
        "<p> [often goes to <place>/to <place> often goes]{ with <q>|}.",
        "<q> put [on the <colour> hat/the <colour> on hat] and left.",
        "the [<colour> <thing>/<thing> <colour>] belongs to <q>.",
        "<p> does [not want/want not] to {wait|leave} for <q>.",
        "<q> is [old enough/enough old] to travel to <city> alone.",
        "I do not know where [<p> is/is <p>].",
        "[<p> likes <q>/likes <p> <q>] very much.",
        "the [two old/old two] {houses|boats} near <place> were sold.",
    ),
    "article": (
        "<p> works as [a/] <job> in <city>.",
        "<p> bought [a/] new <thing> on <day>.",
        "<q> sat down on [a/] chair near the window, and <p> stood.",
        "[the/] church in <street> is older than the <thing> of <p>.",
        "can you open [the/] window, please, <p>?",
        "<p> went [home/to home] after the concert in <city>.",
        "it was [a/] {cold|warm|quiet} day when <q> left.",
        "<p> has [an/a_] {old|orange|empty|ugly} <thing>.",
        "<q> is [an/a_] honest {man|person|friend}, says <p>.",
        "<p> and <q> had [lunch/a lunch time] at <place>.",
        "<q> gave <p> [some/a] {advice|bread|water|furniture} on <day>.",
    ),
    "pronoun": (
        "<p> hurt [<himself>/<hisself>] with a {knife|hammer|saw} on <day>.",
        "<q> and [I/me] went to <place> on <day>.",
        "<p> made the <thing> all by [<himself>/<hisself>].",
        "this <thing> is [mine/my], and that one is <q>'s.",
        "<p> told [me/I] a story about <q>.",
        "we helped [ourselves/ourself] to the <things>.",
        "<q>, [who/which] lives in <street>, is a <job>.",
        "<p> bought a <thing>, but [it/him] was broken.",
        "[they/them] are waiting for <p> near <place>.",
        "<p> said that [<he>/<him>] was tired.",
        "the children washed [themselves/theirself] {in the river|before supper}.",
    ),
    "form": (
        "<p> is [taller/more taller] than <q>.",
        "this is the [best/most good] <thing> in the shop, says <p>.",
        "<p> runs [faster/more fast] than <q>.",
        "<q> sings [beautifully/beautiful], {says|thinks} <p>.",
        "there are too [many/much] <things> in the kitchen.",
        "<p> does not have [much/many] time on <day>.",
        "<p> is looking forward to [seeing/see] <q>.",
        "<q> is afraid [of/from] {dogs|the dark}, but <p> is not.",
        "<p> is good [at/in the] {cooking|swimming}.",
        "it depends [on/of] the weather on <day>.",
        "<p> bought two [loaves/loafs] of bread and <n> <things>.",
        "<n> [children/childs] played near <place>.",
        "<q> has been waiting [for/since] two hours.",
        "<p> arrived [at/to] <place> on <day>.",
        "the meeting is [on/in] <day> at <place>.",
    ),
}
_MARK = re.compile(r"\[([^/\]]*)/([^\]]*)\]")


def rows(split: str, count: int, seed: int = 0) -> Iterator[Row]:
    """Rows {"id", "sentence", "label", "fault"}: acceptable or unacceptable; `fault` is the kind of mistake, or none."""
    return sifted("acceptability", split, count, seed, _draw, lambda row: str(row["sentence"]))


def _draw(rng: Random) -> Row:
    kind = rng.choice(sorted(PATTERNS))
    right = rng.random() < 0.5
    pattern = _MARK.sub(lambda match: match[1 if right else 2], rng.choice(PATTERNS[kind]))
    sentence = say(rng, pattern, _slots(rng)).replace("a_ ", "a ")  # kept from being put right
    return {"sentence": sentence, "label": "acceptable" if right else "unacceptable", "fault": "none" if right else kind}


def _slots(rng: Random) -> dict[str, str]:
    first, second = world.people(rng, 2)
    things = [thing for goods in world.MARKET.values() for thing in goods]
    slots = {"p": first.name, "q": second.name, "he": first.they, "him": first.them, "himself": f"{first.them}self"}
    slots |= {"hisself": "herself" if first.gender == "he" else "himself", "n": rng.choice(NUMBERS), "job": first.job}
    slots |= {"place": rng.choice(world.PLACES), "street": rng.choice(world.STREETS), "city": rng.choice(world.CITIES)}
    slots |= {"day": rng.choice(world.WEEKDAYS), "month": rng.choice(world.MONTHS), "season": rng.choice(world.SEASONS)}
    slots |= {"things": rng.choice(things), "things2": rng.choice(things), "colour": rng.choice(world.COLOURS)}
    thing = rng.choice(
        ("camera", "coat", "lamp", "chair", "hat", "scarf", "boat", "desk", "jacket", "kettle", "mirror", "tent")
    )
    return slots | {"thing": thing, "instrument": rng.choice(world.INSTRUMENTS)}
