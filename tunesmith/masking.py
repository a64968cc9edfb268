"""Keys and passwords: found in texts by their form, or by what stands in the environment, and cut out before anything is shown
or written down.
"""

import os
import re
from collections.abc import Iterator, Mapping

KEYS = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9_-]{20,}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}"
    r"|\bglpat-[\w-]{20,}|\bxox[abprs]-[\w-]{20,}|\bAIza[\w-]{35}|\bwandb_v1_\w{30,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|(?<=://)[^\s/:@\"']*:[^\s/@\"']+(?=@)"
)
NAMES = re.compile(r"(^|_)(TOKEN|KEY|APIKEY|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)(_|$)")  # of environment variables
SHORTEST = 8  # letters of a secret in the environment: `false` and `1` are none
SHOWN = "(key)"


def masked(text: str) -> str:
    """The text without anything that looks like a key, nor any value of the environment's secrets."""
    for name, value in secrets():
        text = text.replace(value, f"({name})")
    return KEYS.sub(SHOWN, text)


def secrets() -> Iterator[tuple[str, str]]:
    """Name and value of each environment variable that is called like a secret, the longest first."""
    found = [(name, value) for name, value in os.environ.items() if NAMES.search(name) and len(value.strip()) >= SHORTEST]
    found = [(name, value) for name, value in found if not os.path.exists(value)]  # noqa: PTH110 - of any text, which may be no path
    return iter(sorted(found, key=lambda one: -len(one[1])))


def holding(tree: object, where: str = "") -> str | None:
    """Dotted name of the first text in a tree that holds a key or password; None where there is none."""
    if isinstance(tree, Mapping):
        inside = ((f"{where}.{name}".lstrip("."), value) for name, value in tree.items())
        named = next((where or "a name" for name in tree if isinstance(name, str) and masked(name) != name), None)
        return named or next((found for name, value in inside if (found := holding(value, name))), None)
    if isinstance(tree, (list, tuple)):
        return next((found for number, one in enumerate(tree) if (found := holding(one, f"{where}[{number}]"))), None)
    return (where or "a value") if isinstance(tree, str) and masked(tree) != tree else None
