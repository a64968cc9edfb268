# ruff: noqa: E501 -- a table reads best a line a row
"""Steps in plain words, and the same as a small Python function of two to six lines."""

from collections.abc import Iterator
from random import Random
from typing import Any

from tunesmith.town.source import sifted

Row = dict[str, Any]
PLURALS = (
    "apples", "prices", "days", "boats", "scores", "numbers", "ages", "eggs", "steps", "hours", "coins", "weights", "sizes",
    "houses", "tickets", "years", "minutes", "fish", "plums", "visitors",
)  # fmt: skip
SINGLES = ("price", "age", "number", "count", "weight", "hour", "score", "size", "width", "height", "speed", "total", "depth")
TEXTS = ("name", "word", "text", "line", "title", "street", "answer", "label")
# in words, in Python
TESTS = (
    ("is greater than {n}", "> {n}"), ("is less than {n}", "< {n}"), ("is at least {n}", ">= {n}"), ("is at most {n}", "<= {n}"),
    ("is equal to {n}", "== {n}"), ("is not {n}", "!= {n}"), ("is even", "% 2 == 0"), ("is odd", "% 2 == 1"),
    ("can be divided by {n}", "% {n} == 0"),
)  # fmt: skip
CHANGES = (
    ("{x} plus {n}", "{x} + {n}"), ("{x} minus {n}", "{x} - {n}"), ("{x} times {n}", "{x} * {n}"), ("{x} divided by {n}", "{x} / {n}"),
    ("the square of {x}", "{x} ** 2"), ("the remainder of {x} divided by {n}", "{x} % {n}"), ("twice {x}", "2 * {x}"),
    ("half of {x}", "{x} / 2"), ("{n} more than {x}", "{x} + {n}"),
)  # fmt: skip
SHAPES = (
    ("{x} in capital letters", "{x}.upper()"), ("{x} in small letters", "{x}.lower()"), ("the length of {x}", "len({x})"),
    ("{x} backwards", "{x}[::-1]"), ("the first letter of {x}", "{x}[0]"), ("the last letter of {x}", "{x}[-1]"),
    ("{x} without spaces at its ends", "{x}.strip()"), ("the words of {x}", "{x}.split()"), ('{x} followed by "{w}"', '{x} + "{w}"'),
    ('how often "{c}" is in {x}', '{x}.count("{c}")'), ("{x} said {m} times", "{x} * {m}"), ('"{w}" followed by {x}', '"{w}" + {x}'),
    ("the first {m} letters of {x}", "{x}[:{m}]"),
)  # fmt: skip
WHOLES = (
    ("the sum of {x}", "sum({x})"), ("the largest of {x}", "max({x})"), ("the smallest of {x}", "min({x})"), ("{x} in order", "sorted({x})"),
    ("the number of {x}", "len({x})"), ("the first of {x}", "{x}[0]"), ("the last of {x}", "{x}[-1]"), ("{x} without the first", "{x}[1:]"),
    ("the mean of {x}", "sum({x}) / len({x})"), ("the first {m} of {x}", "{x}[:{m}]"), ("the difference between the largest and the smallest of {x}",
    "max({x}) - min({x})"), ("{x} without repeats", "set({x})"), ("the last {m} of {x}", "{x}[-{m}:]"),
)  # fmt: skip
WORDS = ("hello", "red", "closed", "yes", "sold", "late", "open", "too much", "cheap", "old", "free", "full", "good", "warm")
Made = tuple[list[str], list[str]]


def rows(split: str, count: int, seed: int = 0) -> Iterator[Row]:
    """Rows {"id", "pseudocode", "python"}; the Python compiles."""
    return sifted("pseudocode", split, count, seed, _draw, lambda row: str(row["pseudocode"]))


def _draw(rng: Random) -> Row:
    make = rng.choice((_value, _value, _branch, _branch, _count, _collect, _total, _shout, _repeat, _steps, _find, _table))
    words, lines = make(rng)
    return {"pseudocode": "\n".join(words), "python": "\n".join(lines)}


def _filled(rng: Random, pair: tuple[str, str], name: str) -> tuple[str, str]:
    values = {
        "x": name,
        "n": str(rng.randint(2, 60)),
        "m": str(rng.randint(2, 6)),
        "w": rng.choice(WORDS),
        "c": rng.choice("aeiostrn"),
    }
    return pair[0].format(**values), pair[1].format(**values)


def _head(rng: Random, *names: str) -> tuple[str, str, str]:
    """The function's name, and its first line in words and in Python."""
    name = rng.choice(("work", "check", "find", "make", "count", "tell", "change", "show", "try_out", "solve", "pick", "weigh"))
    name = f"{name}_{names[0]}" if rng.random() < 0.7 else name
    given = " and ".join(names)
    words = rng.choice((f"function {name} takes {given}", f"define {name} with {given}", f"{name} of {given}:"))
    return name, words, f"def {name}({', '.join(names)}):"


def _value(rng: Random) -> Made:
    names, pairs = rng.choice(((SINGLES, CHANGES), (TEXTS, SHAPES), (PLURALS, WHOLES)))
    name = rng.choice(names)
    words, python = _filled(rng, rng.choice(pairs), name)
    _, said, head = _head(rng, name)
    give = rng.choice(("return", "give back", "the result is"))
    return [said, f"{give} {words}"], [head, f"    return {python}"]


def _branch(rng: Random) -> Made:
    name = rng.choice(SINGLES)
    test, condition = _filled(rng, rng.choice(TESTS), name)
    (first, one), (second, two) = _result(rng, name), _result(rng, name)
    _, said, head = _head(rng, name)
    words = [said, f"if {name} {test}, return {first}", f"otherwise return {second}"]
    return words, [head, f"    if {name} {condition}:", f"        return {one}", f"    return {two}"]


def _result(rng: Random, name: str) -> tuple[str, str]:
    if rng.random() < 0.5:
        word = rng.choice(WORDS)
        return f'"{word}"', f'"{word}"'
    return _filled(rng, rng.choice(CHANGES), name)


def _count(rng: Random) -> Made:
    name = rng.choice(PLURALS)
    test, condition = _filled(rng, rng.choice(TESTS), "x")
    _, said, head = _head(rng, name)
    words = [said, "set count to 0", f"for each x in {name}: if x {test}, add 1 to count", "return count"]
    lines = [
        "    count = 0",
        f"    for x in {name}:",
        f"        if x {condition}:",
        "            count += 1",
        "    return count",
    ]
    return words, [head, *lines]


def _collect(rng: Random) -> Made:
    name = rng.choice(PLURALS)
    change, python = _filled(rng, rng.choice(CHANGES), "x")
    _, said, head = _head(rng, name)
    if rng.random() < 0.5:
        test, condition = _filled(rng, rng.choice(TESTS), "x")
        words = [said, f"return the list of {change} for each x in {name} that {test}"]
        return words, [head, f"    return [{python} for x in {name} if x {condition}]"]
    return [said, f"return the list of {change} for each x in {name}"], [head, f"    return [{python} for x in {name}]"]


def _total(rng: Random) -> Made:
    name, total = rng.choice(PLURALS), rng.choice(("total", "sum_up", "result"))
    change, python = _filled(rng, rng.choice(CHANGES), "x")
    start = rng.choice((0, 0, 1, 10, 100))
    _, said, head = _head(rng, name)
    words = [said, f"set {total} to {start}", f"for each x in {name}: add {change} to {total}", f"return {total}"]
    return words, [
        head,
        f"    {total} = {start}",
        f"    for x in {name}:",
        f"        {total} += {python}",
        f"    return {total}",
    ]


def _shout(rng: Random) -> Made:
    name, item = rng.choice(PLURALS), rng.choice(("x", "one", "item"))
    _, said, head = _head(rng, name)
    if rng.random() < 0.5:
        shape, python = _filled(rng, rng.choice(SHAPES), item)
        return [said, f"for each {item} in {name}: print {shape}"], [
            head,
            f"    for {item} in {name}:",
            f"        print({python})",
        ]
    test, condition = _filled(rng, rng.choice(TESTS), item)
    words = [said, f"for each {item} in {name}: if {item} {test}, print {item}"]
    return words, [head, f"    for {item} in {name}:", f"        if {item} {condition}:", f"            print({item})"]


def _repeat(rng: Random) -> Made:
    name, word = rng.choice(SINGLES), rng.choice(WORDS)
    step, limit = rng.randint(1, 9), rng.randint(1, 90)
    _, said, head = _head(rng, name)
    if rng.random() < 0.5:
        words = [said, f"while {name} is less than {limit}: add {step} to {name}", f"return {name}"]
        return words, [head, f"    while {name} < {limit}:", f"        {name} += {step}", f"    return {name}"]
    words = [said, f'repeat {limit} times: print "{word}"', f"return {name}"]
    return words, [head, f"    for _ in range({limit}):", f'        print("{word}")', f"    return {name}"]


def _steps(rng: Random) -> Made:
    name, kept = rng.choice(SINGLES), rng.choice(("a", "b", "kept", "first", "rest"))
    (first, one), (second, two) = _filled(rng, rng.choice(CHANGES), name), _filled(rng, rng.choice(CHANGES), kept)
    _, said, head = _head(rng, name)
    return [said, f"let {kept} be {first}", f"return {second}"], [head, f"    {kept} = {one}", f"    return {two}"]


def _find(rng: Random) -> Made:
    name = rng.choice(PLURALS)
    test, condition = _filled(rng, rng.choice(TESTS), "x")
    _, said, head = _head(rng, name)
    if rng.random() < 0.5:
        word, python = rng.choice((("any", "any"), ("every", "all")))
        return [said, f"return whether {word} x in {name} {test}"], [
            head,
            f"    return {python}(x {condition} for x in {name})",
        ]
    words = [said, f"return the first x in {name} that {test}", "return nothing if there is none"]
    return words, [head, f"    for x in {name}:", f"        if x {condition}:", "            return x", "    return None"]


def _table(rng: Random) -> Made:
    name, key = rng.choice(("shop", "book", "table", "stock", "menu")), rng.choice((*TEXTS, *PLURALS))
    _, said, head = _head(rng, name, key)
    default = rng.choice((0, 1, 10))
    words, python = rng.choice((
        (f"return what {name} has under {key}, or {default}", f"return {name}.get({key}, {default})"),
        (f"return whether {key} is in {name}", f"return {key} in {name}"),
        (f"add {default + 1} to what {name} has under {key}", f"{name}[{key}] += {default + 1}"),
        (f"remove {key} from {name}", f"del {name}[{key}]"),
        (f"set what {name} has under {key} to {default}", f"{name}[{key}] = {default}"),
    ))  # fmt: skip
    return [said, words], [head, f"    {python}"]
