"""What is not kept of what a model wrote, and why: filters of instructions, and of their instances.

After Self-Instruct (Wang et al. 2023, section 2.2 and appendix) and its code, whose similarity, lengths, unusable words,
punctuation, equal inputs with different outputs, outputs that repeat inputs and unfinished ones are here; repetition is ours.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tunesmith.data.seeds import Instance
from tunesmith.data.words import listed, whole_words
from tunesmith.metrics.nearest import Near
from tunesmith.metrics.rouge import split_words
from tunesmith.synthesis.settings import Filters

FROM = 20  # words from which on repetition is looked for: a short text may well repeat itself

# Filter -> what it refuses, for reports.
MEANING = {
    "refused": "the prompt could not be put: too long for the model, or refused by the endpoint",
    "unreadable": "the answer has nothing that could be read",
    "cut": "the answer ended at its longest length, and this was its last piece",
    "short": "the instruction has too few words",
    "long": "the instruction has too many words",
    "punctuation": "the instruction begins with neither a letter nor a digit",
    "letters": "less than half of the instruction's words have letters a-z, so its similarity cannot be told",
    "unusable": "the instruction speaks of what a model of texts cannot see or do",
    "repetition": "the same words again and again",
    "similar": "too similar to an instruction that was there before",
    "empty": "the output is empty",
    "echo": "the output repeats the input or the instruction",
    "unfinished": "the input or the output ends with a colon",
    "long_output": "the input or the output has too many words",
    "contradictory": "equal inputs of one instruction have different outputs",
    "twice": "the instance was there before",
    "many": "the instruction has enough instances",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A filter's no. `told`: what it found, such as the word."""

    filter: str
    told: str = ""


def instruction_refusal(text: str, filters: Filters) -> Refusal | None:
    """What is wrong with an instruction in itself."""
    words = text.split()
    seen = sum(bool(split_words(word)) for word in words)
    checks: Sequence[tuple[str, Callable[[], str | bool]]] = (
        ("short", lambda: len(words) < filters.fewest_words and f"{len(words)} words"),
        ("long", lambda: len(words) > filters.most_words and f"{len(words)} words"),
        ("punctuation", lambda: not text[:1].isalnum() and text[:1]),
        ("letters", lambda: 2 * seen < len(words) and f"{seen} of {len(words)} words"),
        ("unfinished", lambda: text.endswith(":")),
        ("unusable", lambda: unusable(text, filters.words)),
        ("repetition", lambda: repeats(text, filters.distinct)),
    )
    return _first(checks)


def similar(near: Near, filters: Filters) -> bool:
    return near.similarity >= filters.similarity


def instance_refusal(instruction: str, instance: Instance, filters: Filters) -> Refusal | None:
    """What is wrong with an instance in itself."""
    output = plain(instance.output)
    sizes = len(instance.input.split()), len(instance.output.split())
    checks: Sequence[tuple[str, Callable[[], str | bool]]] = (
        ("empty", lambda: not output),
        ("echo", lambda: (output == plain(instance.input) and "input") or (output == plain(instruction) and "instruction")),
        ("unfinished", lambda: instance.output.rstrip().endswith(":") or instance.input.rstrip().endswith(":")),
        ("long_output", lambda: max(sizes) > filters.most_output_words and f"{max(sizes)} words"),
        ("repetition", lambda: repeats(instance.output, filters.distinct) or repeats(instance.input, filters.distinct)),
    )
    return _first(checks)


def instance_refusals(instruction: str, instances: Sequence[Instance], filters: Filters, most: int) -> list[Refusal | None]:
    """Of each instance of one instruction, why it is not kept, or None.

    Where equal inputs have different outputs, none of the instances is kept, as in Self-Instruct.
    """
    found = [instance_refusal(instruction, one, filters) for one in instances]
    outputs: dict[str, set[str]] = {}
    for one, refusal in zip(instances, found, strict=True):
        if refusal is None and one.input:
            outputs.setdefault(plain(one.input), set()).add(plain(one.output))
    against = next((given for given, said in outputs.items() if len(said) > 1), None)
    seen: set[tuple[str, str]] = set()
    for place, one in enumerate(instances):
        if found[place] is not None:
            continue
        key = plain(one.input), plain(one.output)
        if against is not None:
            found[place] = Refusal("contradictory", f"the input `{against[:60]}` has {len(outputs[against])} outputs")
        elif key in seen:
            found[place] = Refusal("twice")
        elif len(seen) >= most:
            found[place] = Refusal("many", f"more than {most}")
        seen.add(key)
    return found


def unusable(text: str, name: str) -> str:
    """The first word of the list that the text has; empty: none."""
    anywhere, beginning = _unusable(name)
    found = beginning.match(text) if beginning else None
    found = found or (anywhere.search(text) if anywhere else None)
    return found[0].strip() if found else ""


@lru_cache(maxsize=16)
def _unusable(name: str) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
    words = listed(name)
    first = [word.removeprefix("^") for word in words if word.startswith("^")]
    others = [word for word in words if not word.startswith("^")]
    return (whole_words(others) if others else None), (whole_words(first) if first else None)


def repeats(text: str, least: float) -> str:
    """What share of a text's runs of three words is different, where it is too small; empty: it does not repeat itself."""
    words = text.lower().split()
    if len(words) < FROM:
        return ""
    runs = list(zip(words, words[1:], words[2:], strict=False))
    share = len(set(runs)) / len(runs)
    return f"{share:.2f} of its runs of three words are different" if share < least else ""


def plain(text: str) -> str:
    """A text as it is compared: in small letters, with single spaces, without a full stop at its end."""
    return " ".join(text.lower().split()).rstrip(".")


def _first(checks: Sequence[tuple[str, Callable[[], str | bool]]]) -> Refusal | None:
    for name, check in checks:
        if found := check():
            return Refusal(name, found if isinstance(found, str) else "")
    return None
