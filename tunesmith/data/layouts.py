"""Layouts of rows that have their words nested, numbered or listed: read under plain names, so that one wording serves all."""

from collections.abc import Mapping
from typing import Any, Protocol

from tunesmith.data.choices import Choices
from tunesmith.data.verdicts import Verdicts
from tunesmith.errors import UserError


class Layout(Protocol):
    """One layout."""

    def columns(self, row: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
        """Plain name -> the columns of a row that stand for it; none where the row has another layout."""
        ...

    def read(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row's words under plain names; without an answer where the row has none."""
        ...


LAYOUTS: Mapping[str, Layout] = {
    **{f"choices {by}": Choices(by) for by in Choices.WAYS},
    **{f"verdicts {by}": Verdicts(by) for by in Verdicts.WAYS},
}


def layout(name: str) -> Layout:
    """The layout that a template says it reads."""
    if name not in LAYOUTS:
        raise UserError(f"a template reads `{name}`", f"known: {', '.join(LAYOUTS)}")
    return LAYOUTS[name]
