"""Language outliers: questions or answers in a language that few others are in."""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from tunesmith.data.quality.findings.finding import Evaluation, Finding, Hit, Severity, Table
from tunesmith.data.quality.record import Record

READ = 200  # letters of a text
UNKNOWN = "not told"


@dataclass
class Languages(Finding):
    """2 bytes a row. The languages are told by py3langid, whose model comes with it; nothing is fetched.

    usual:   share of rows from which a language is no outlier.
    sure:    probability from which a text counts as being in a language.
    letters: shortest text that is looked at.
    """

    title: ClassVar[str] = "Language outliers"
    looks_for: ClassVar[str] = (
        "questions or answers in a language of less than 5 % of them, by py3langid; texts under 40 letters and those it is not "
        "sure of (probability under 0.9) are left alone"
    )
    severity: ClassVar[Severity] = "note"

    usual: float = 0.05
    sure: float = 0.9
    letters: int = 40

    def begin(self, records: Sequence[Record], evaluations: Sequence[Evaluation]) -> None:
        self.names = [UNKNOWN]
        self.places = {UNKNOWN: 0}
        self.told_: dict[str, array[int]] = {"input": array("B"), "answer": array("B")}

    def look(self, record: Record) -> tuple[Hit, ...]:
        for part, told in self.told_.items():
            name = UNKNOWN if record.choices and part == "answer" else self._language(getattr(record, part))
            if name not in self.places:
                self.places[name] = len(self.names)
                self.names.append(name)
            told.append(self.places[name])
        return ()

    def _language(self, text: str) -> str:
        if sum(map(str.isalpha, text[:READ])) < self.letters:
            return UNKNOWN
        name, chance = identifier().classify(text[:READ])
        return str(name) if chance >= self.sure else UNKNOWN

    def end(self) -> Iterator[Hit]:
        odd: dict[int, list[str]] = {}
        for part, told in self.told_.items():
            counts = Counter(told)
            known = sum(count for place, count in counts.items() if place)
            rare = {place for place, count in counts.items() if place and count < self.usual * known}
            for number, place in enumerate(told) if rare else ():
                if place in rare:
                    what = "question" if part == "input" else "answer"
                    odd.setdefault(number, []).append(f"its {what} is in `{self.names[place]}`")
        for number in sorted(odd):
            yield Hit(number, " and ".join(odd[number]))

    def table(self) -> Table | None:
        asked, said = (Counter(told) for told in self.told_.values())
        order = sorted(asked.keys() | said.keys(), key=lambda place: -asked[place] - said[place])
        return Table(("language", "questions", "answers"), tuple((self.names[one], asked[one], said[one]) for one in order))


@cache
def identifier() -> Any:
    """What tells languages, with probabilities."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
