"""Personal data by its pattern: where it stands in a text, and a text without it.

What has check digits is checked: cards by Luhn's formula (ISO/IEC 7812-1), IBANs by ISO 13616 (the rest of a division by 97
is 1). Names and postal addresses have no pattern and are not found.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

IBAN_LENGTHS = (15, 34)


@dataclass(frozen=True)
class Pattern:
    """What is called by a name: a regular expression, and a test of what it matches."""

    name: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = bool


def luhn(text: str) -> bool:
    """Whether the last digit of a number of 13 to 19 digits is right by Luhn's formula.

    >>> luhn("4111 1111 1111 1111"), luhn("4111 1111 1111 1112")
    (True, False)
    """
    digits = [int(letter) for letter in text if letter.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def iban(text: str) -> bool:
    """Whether an account number has its check digits.

    >>> iban("GB82 WEST 1234 5698 7654 32"), iban("GB82 WEST 1234 5698 7654 33")
    (True, False)
    """
    letters = "".join(text.split()).upper()
    if not IBAN_LENGTHS[0] <= len(letters) <= IBAN_LENGTHS[1]:
        return False
    return int("".join(str(int(letter, 36)) for letter in letters[4:] + letters[:4])) % 97 == 1


def public(text: str) -> bool:
    """Whether an address belongs to somebody: not one of a private network, of documentation, or of the machine itself."""
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def reachable(text: str) -> bool:
    """Whether an e-mail address may be somebody's: not at a name that is kept for examples (RFC 2606)."""
    domain = text.rpartition("@")[2].lower()
    return domain.rpartition(".")[2] not in ("example", "test", "invalid", "localhost") and not re.fullmatch(
        r"(?:.+\.)?example\.(?:com|org|net)", domain
    )


def telephone(text: str) -> bool:
    """Whether a number may be somebody's: 8 to 15 digits (ITU E.164), and none of those kept for fiction (555-0100 to 0199)."""
    digits = "".join(letter for letter in text if letter.isdigit())
    return 8 <= len(digits) <= 15 and not re.search(r"55501\d\d$", digits) and len(set(digits)) > 2


def social_security(text: str) -> bool:
    """Whether a number may be one of the United States' social security."""
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


PATTERNS = (
    Pattern("e-mail address", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}(?![\w-])"), reachable),
    Pattern("account number (IBAN)", re.compile(r"(?<!\w)[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)"), iban),
    Pattern("card number", re.compile(r"(?<![\w.,-])\d(?:[ -]?\d){12,18}(?![\w-]|[.,]\d)"), luhn),
    Pattern("social security number (US)", re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"), social_security),
    Pattern(
        "telephone number",
        re.compile(
            r"(?<![\w+.,/-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,5}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"
            r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4})(?![\w-]|[.,]\d)"
        ),
        telephone,
    ),
    Pattern("IP address", re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]\d|\w)"), public),
    Pattern("IP address", re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){2,7}(?::?[0-9A-Fa-f]{1,4}){1,6}(?![\w:])"), public),
    Pattern(
        "private key", re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----(?:[\s\S]{0,8192}?-----END [A-Z0-9 ]+-----)?")
    ),
    Pattern(
        "key or token",
        re.compile(
            r"(?<![\w-])(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,}"
            r"|sk-(?:proj-|ant-)?[\w-]{20,}|[rs]k_live_[0-9A-Za-z]{16,}|xox[abprs]-[0-9A-Za-z-]{10,}|AIza[\w-]{35}|hf_[0-9A-Za-z]{30,}"
            r"|npm_[0-9A-Za-z]{36}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})(?![\w-])"
        ),
    ),
)


def personal(text: str) -> Iterator[tuple[str, int, int]]:
    """(what it is, from letter, to letter) of personal data in a text; none overlaps an earlier one."""
    if not _MAY.search(text):
        return
    taken: list[tuple[int, int]] = []
    for one in PATTERNS:
        for match in one.pattern.finditer(text):
            start, end = match.span()
            if one.holds(match[0]) and not any(start < other_end and other < end for other, other_end in taken):
                taken.append((start, end))
                yield one.name, start, end


_MAY = re.compile(
    r"\d[\d .:()/-]{3}|[@:]\w|-----|[A-Za-z]{2,}[_-]\w{6}|AKIA|ASIA|AIza|[0-9a-fA-F]{1,4}::?[0-9a-fA-F]|[A-Z]{2}\d\d"
)


def masked(text: str) -> str:
    """A text with personal data replaced by what it is.

    >>> masked("write to ann@mail.org, or +44 20 7946 0018")
    'write to [e-mail address], or [telephone number]'
    """
    for name, start, end in sorted(personal(text), key=lambda found: -found[1]):
        text = f"{text[:start]}[{name}]{text[end:]}"
    return text
