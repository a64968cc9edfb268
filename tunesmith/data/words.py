"""Lists of words: for perturbations, and for what is counted in outputs. Those that ship lie in `words/*.txt`.

A file is plain text, a line an entry: `word`, or `word: another, another`; `#` begins a remark. A person's own file may also be
JSON: a list of words, or a mapping from a word to words.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from tunesmith.errors import UserError, did_you_mean

Table = Mapping[str, tuple[str, ...]]


@lru_cache(maxsize=64)
def table(name: str) -> Table:
    """Word -> the words beside it, in the order of the file. `name`: a list that ships, or the path of a file."""
    found = _json(name, _text(name)) if name.endswith(".json") else _lines(_text(name))
    if not found:
        raise UserError(f"`{name}` has no words", "write a word a line, or `word: another, another`")
    return found


def listed(name: str) -> tuple[str, ...]:
    """The words of a list."""
    return tuple(table(name))


def whole_lines(name: str) -> tuple[str, ...]:
    """The lines of a list as they stand, for entries that are sentences; `#` at its beginning makes a line a remark."""
    lines = [line.strip() for line in _text(name).splitlines()]
    found = tuple(line for line in lines if line and not line.startswith("#"))
    if not found:
        raise UserError(f"`{name}` has no lines", "write a sentence a line")
    return found


def whole_words(words: Iterable[str], before: str = "") -> re.Pattern[str]:
    """Any of some words or phrases, the longest first, in any case; a part of a word with a hyphen is none."""
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-]){before}", re.IGNORECASE)


def word_of(words: str, text: str) -> re.Match[str] | None:
    """Where a text first has a word, or a phrase, of a list."""
    return _any_of(words).search(text)


@lru_cache(maxsize=8)
def _any_of(words: str) -> re.Pattern[str]:
    return whole_words(listed(words))


def shipped() -> list[str]:
    """Names of the lists that ship."""
    return sorted(entry.name.removesuffix(".txt") for entry in files("tunesmith.data").joinpath("words").iterdir())


def _text(name: str) -> str:
    if name in shipped():
        return files("tunesmith.data").joinpath("words", f"{name}.txt").read_text(encoding="utf-8")
    path = Path(name).expanduser()
    if not path.is_file():
        raise UserError(f"there is no list of words `{name}`, and no file of that name", did_you_mean(name, shipped()))
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"`{name}` is not UTF-8 text", "save it as UTF-8, a word a line") from None


def _lines(text: str) -> Table:
    entries = [line.partition("#")[0] for line in text.splitlines()]
    pairs = [entry.partition(":") for entry in entries if entry.strip()]
    return {word.strip(): _parts(rest) for word, _, rest in pairs}


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _json(name: str, text: str) -> Table:
    try:
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"`{name}` line {error.lineno} is not JSON: {error.msg}", "mend it, or write plain lines") from None
    if isinstance(tree, list):
        tree = dict.fromkeys(map(str, tree), ())
    if not isinstance(tree, dict):
        raise UserError(f"`{name}` holds neither a list nor a mapping", "write `[word, ...]` or `{word: [another, ...]}`")
    return {str(word): (rest,) if isinstance(rest, str) else tuple(map(str, rest)) for word, rest in tree.items()}
