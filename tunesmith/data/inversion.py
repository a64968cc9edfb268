"""A wording turned round: from the answer back to what was asked (FLAN: "tasks that are inverted"; Wei et al. 2022, 2.1).

    {{question}} ||| {{answer}}   ->   Here is the answer: ... Write the question that belongs to it. ||| {{question}}

It is made where one column is asked from and another one alone is the answer. Wordings of one's own are better: see
`metadata: {inverted: true}` in docs/templates.md.
"""

import re

from tunesmith.data.jinja import BAR, halves, variables
from tunesmith.data.wording import Template
from tunesmith.errors import UserError

ALONE = re.compile(r"\s*\{\{\s*(\w+)\s*\}\}\s*")


def invertible(template: Template) -> tuple[str, str] | None:
    """(column that is asked from, column that is the answer), where a wording can be turned round; None elsewhere."""
    split = halves(template.jinja)
    answer = ALONE.fullmatch(split[1]) if split else None
    if split is None or answer is None or template.choices or template.messages or template.inverted:
        return None
    asked = variables(split[0]) - set(template.optional)
    if len(asked) != 1 or answer[1] in asked:
        return None
    return next(iter(asked)), answer[1]


def inverse(template: Template) -> Template:
    """The inverted wording of a template; a `UserError` where there is none."""
    columns = invertible(template)
    if columns is None:
        raise UserError(
            f"{template.called} cannot be turned round by itself",
            "it needs one column that is asked from, and one that alone is the answer; or write an inverted wording "
            "(`metadata: {inverted: true}`), or leave `inverted` out",
        )
    asked, answer = columns
    return Template(
        name=f"{template.name}, inverted",
        jinja=f"Here is the {_said(answer)}:\n\n{{{{{answer}}}}}\n\n"
        f"Write the {_said(asked)} that belongs to it. {BAR} {{{{{asked}}}}}",
        id=template.id,
        meta=template.meta,
        aliases=template.aliases,
        strip=template.strip,
        original=False,
        inverted=True,
    )


def _said(column: str) -> str:
    """A column's name in words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).replace("_", " ").lower()
