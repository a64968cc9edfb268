"""Errors that a user can mend: what is wrong, where, and the remedy."""

import errno
from collections.abc import Iterable
from difflib import get_close_matches

from tunesmith.masking import masked

# What torch and the libraries beneath it say, in lower case, when memory runs out and they have no class of errors for it.
# oneDNN only says that it could not create what needs the memory.
FULL = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "bad_alloc",
    "alloc_failed",
    "could not create a primitive",
    "could not create a memory",
)


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


def out_of_memory(error: BaseException) -> bool:
    """Did memory run out, a GPU's or the processor's? By the error's class, or by what it says."""
    if isinstance(error, UserError):
        return False
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's, which is slow to import
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in FULL)


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """A hint with the nearest known name, or with all of them where none is near."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{prefix}{near[0]}`?"
    return f"known: {', '.join(f'`{prefix}{n}`' for n in names)}" if names else ""
