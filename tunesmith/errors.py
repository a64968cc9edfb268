"""Errors that a user can mend: what is wrong, where, and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches

from tunesmith.masking import masked


class UserError(Exception):
    """Something the user can put right. The command line shows it without a traceback; keys and passwords are cut out.

    Args:
        problem: what was found, and where (file and line, or dotted setting name). One sentence, no full stop.
        hint: what to do about it; may be empty.
    """

    def __init__(self, problem: str, hint: str = "") -> None:
        problem, hint = masked(problem), masked(hint)
        super().__init__(problem + (f"\n\nhint: {hint}" if hint else ""))
        self.problem = problem
        self.hint = hint


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """A hint with the nearest known name, or with all of them where none is near."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{prefix}{near[0]}`?"
    return f"known: {', '.join(f'`{prefix}{n}`' for n in names)}" if names else ""
