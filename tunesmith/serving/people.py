"""Who asks: a name a person, a key a tab of a browser; and how a person is told that something cannot be."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field


class RefusedError(Exception):
    """What cannot be recorded, in words for the person who asked."""


def person(name: str) -> str:
    """A name as it is written down: one spelling of each letter, single blanks; `RefusedError` where it is no name."""
    found = " ".join(unicodedata.normalize("NFC", name).split())
    if not 0 < len(found) <= 64 or any(unicodedata.category(letter)[0] == "C" for letter in found):
        raise RefusedError("A name has 1 to 64 letters.")
    return found


def _named(name: str) -> str:
    try:
        return person(name)
    except RefusedError as error:
        raise ValueError(str(error)) from None


Name = Annotated[str, AfterValidator(_named)]
Id = Annotated[str, Field(pattern=r"^[\w-]{1,64}$")]
