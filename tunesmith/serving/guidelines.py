"""Guidelines: Markdown as a page shows it. HTML in it is shown as text, and no picture is fetched.

A heading `Do` or `Don't` makes a card of all below it, so does one that begins with `Example`.
"""

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

CARDS = (
    ("do", re.compile(r"(always )?do('?s)?", re.IGNORECASE)),
    ("dont", re.compile(r"(do not|don'?t'?s?|never|avoid)", re.IGNORECASE)),
    ("example", re.compile(r"(good |bad )?examples?\b.*", re.IGNORECASE)),
)


def as_html(markdown: str) -> Markup:
    """The text as HTML that holds nothing but what Markdown itself makes."""
    reader = MarkdownIt("js-default", {"html": False, "linkify": False}).disable("image")
    html: str = reader.renderer.render(list(_sections(reader.parse(markdown))), reader.options, {})
    return Markup(html)  # markdown-it escapes whatever is not its own


def _sections(tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens with headings one step lower, since the page has its own, and cards put round what belongs to them."""
    open_: list[int] = []
    for place, token in enumerate(tokens):
        if token.type == "heading_open" and not token.level:
            depth = int(token.tag[1])
            while open_ and open_[-1] >= depth:
                open_.pop()
                yield Token("card_close", "section", -1, block=True)
            if card := _card(tokens[place + 1].content):
                open_.append(depth)
                yield Token("card_open", "section", 1, {"class": card}, block=True)
        if token.type in ("heading_open", "heading_close"):
            token.tag = "h2" if token.tag == "h1" else "h3"
        for child in token.children or ():
            if child.type == "link_open":
                child.attrs |= {"target": "_blank", "rel": "noopener noreferrer"}
        yield token
    for _ in open_:
        yield Token("card_close", "section", -1, block=True)


def _card(heading: str) -> str:
    said = heading.replace("\u2019", "'").strip(" :.!*_✓✗")
    return next((name for name, pattern in CARDS if pattern.fullmatch(said)), "")
