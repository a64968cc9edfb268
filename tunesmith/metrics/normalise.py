"""Text made comparable, as SQuAD and HELM do it before they look for equality or shared words."""

import re
import string

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalise(text: str) -> str:
    """Lower case, without punctuation and without `a`, `an`, `the`, single spaces.

    >>> normalise("The cat,  a  dog.")
    'cat dog'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())
