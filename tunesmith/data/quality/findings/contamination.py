"""Contamination: rows to learn from that give away what a result is judged by.

13 words (Brown et al. 2020, GPT-3, appendix C): a run of N words of an evaluation text stands in a row, N the 5th percentile
of the set's lengths, between 8 and 13. 8 words (Chowdhery et al. 2022, PaLM, section 8): 70 % of the runs of 8 words of an
evaluation text stand in rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tunesmith.data.quality.findings.finding import Evaluation, Finding, Hit, Severity, Table
from tunesmith.data.quality.grams import Grams, Held, Places, span_of
from tunesmith.data.quality.record import Record
from tunesmith.data.quality.similar import MARGIN, Sketches, candidates, estimates, jaccard
from tunesmith.data.quality.texts import Hashes, digest, word_hashes

PARTS = {1: "its question", 2: "its answer", 3: "its question and answer"}
KEPT = 32  # runs of a passage that are remembered of a row
PART = 0.25  # of an evaluation text that a shortened copy must hold
FEW = 4  # runs of a question that can tell a shortened copy
RULES = (
    "A question counts as leaked by its words, a share of its runs of words, or as a near duplicate; an answer from 13 words "
    "on, or beside its question. GPT-3 and PaLM: the shares of rows that their papers' rules would call contaminated."
)
Place = tuple[int, int]  # (number of an evaluation set, number of a row in it)


@dataclass
class Leak:
    """What the first evaluation row that a row gives away is; parts: 1 its question, 2 its answer, 3 both."""

    place: Place
    parts: int
    why: str


@dataclass
class Contamination(Finding):
    """In memory: the runs of words of all evaluation sets (some 24 bytes a word), and 212 bytes a row.

    short:     words of a run of which `share` must be found (PaLM: 8).
    share:     of the runs of an evaluation text that make it leaked (PaLM: 0.7).
    long:      words of a run of which one is enough for a passage (GPT-3: 13, less in sets of short texts).
    common:    a run that more rows hold is a wording, and no leak (GPT-3: 10).
    threshold: Jaccard index from which a question is a near duplicate.
    passages:  whether rows that share no more than a passage are dropped too, where rows are dropped.
    """

    title: ClassVar[str] = "Contamination"
    looks_for: ClassVar[str] = (
        "rows that hold a question or an answer of an evaluation set: the same words, 70 % of its runs of 8 words (PaLM), most "
        "of the row itself, or a near duplicate; and, told apart and not dropped, rows that share a run of 13 words with it "
        "(GPT-3). What is said in other words, or with its words in another order, is not found"
    )
    severity: ClassVar[Severity] = "error"
    dropped: ClassVar[bool] = True

    short: int = 8
    share: float = 0.7
    long: int = 13
    common: int = 10
    threshold: float = 0.8
    passages: bool = False

    def begin(self, records: Sequence[Record], evaluations: Sequence[Evaluation]) -> None:
        self.records, self.evaluations = records, evaluations
        self.few = Grams(self.short)
        self.spans: list[int] = []
        self.many: dict[int, Grams] = {}
        self.equal: dict[int, list[Place]] = {}  # a question -> where it is asked
        self.answers: dict[Place, int] = {}  # where -> its answer
        self.leaked: dict[Place, int] = {}  # where -> parts that rows give away: 1 question, 2 answer
        self.leaks: dict[int, Leak] = {}
        self.held: list[Held] = []
        self.passage_hits: list[tuple[int, int, Places]] = []
        self.sizes: list[int] = []
        self.theirs = Sketches(self.threshold)
        self.asked_at: list[Place] = []
        self.mine = Sketches(self.threshold)
        for number, evaluation in enumerate(evaluations):
            self._take(number, evaluation)
        self.few.done()
        for grams in self.many.values():
            grams.done()
        self.theirs.done()

    def _take(self, number: int, evaluation: Evaluation) -> None:
        """Index the texts of an evaluation set."""
        texts: list[tuple[Held, Hashes]] = []
        for record in evaluation.records:
            place = (number, record.number)
            self.answers[place] = digest(*record.answer_words)
            for part, words in (("input", record.input_words), ("answer", record.answer_words)):
                if part == "input" and words:
                    self.equal.setdefault(digest(*words), []).append(place)
                    self.theirs.add(record.plain_input)
                    self.asked_at.append(place)
                if len(words) >= (self.short if part == "input" else self.long):
                    texts.append((Held(place, part, len(words)), word_hashes(words)))
        span = span_of([held.words for held, _ in texts], self.short, self.long)
        self.spans.append(span)
        many = self.many.setdefault(span, Grams(span))
        for held, hashes in texts:
            self.sizes.append(self.few.add(len(self.held), hashes))
            many.add(len(self.held), hashes)
            self.held.append(held)

    def look(self, record: Record) -> tuple[Hit, ...]:
        if not self.evaluations:
            return ()
        self.mine.add(record.plain_input or record.plain_answer)
        asked = record.input_words or record.answer_words
        words = asked + record.answer_words if record.input_words else asked
        for place in self.equal.get(digest(*asked), ()) if asked else ():
            self._mark(record, place, 1, "the same words")
        if len(words) >= self.short:
            hashes = word_hashes(words)
            self._shares(record, hashes, hashes[: len(asked)])
            for grams in self.many.values():
                places = grams.known(hashes)
                if len(places):
                    self.passage_hits.append((record.number, grams.size, places[:: 1 + len(places) // KEPT]))
        return ()

    def _shares(self, record: Record, hashes: Hashes, asked: Hashes) -> None:
        """Texts of which a row holds most runs of words, and those that hold most runs of its question."""
        texts, counts = self.few.shared(self.few.known(hashes))
        if not len(texts):
            return
        own = len(asked) - self.short + 1
        of_question = dict(zip(*(found.tolist() for found in self.few.shared(self.few.known(asked))), strict=True))
        for text, count in zip(texts.tolist(), counts.tolist(), strict=True):
            held = self.held[text]
            of_text, of_row = count / self.sizes[text], of_question.get(text, 0) / max(1, own)
            if of_text >= self.share:
                part = 1 if held.part == "input" else 2
                self._mark(record, held.place, part, f"{of_text:.0%} of its runs of {self.short} words")
            elif held.part == "input" and of_text >= PART and own >= FEW and of_row >= self.share:
                self._mark(record, held.place, 1, f"{min(1, of_row):.0%} of the row's own runs of {self.short} words")

    def _mark(self, record: Record, place: Place, parts: int, why: str) -> None:
        """A row gives away a text of an evaluation row; the first one is told, and the parts of all are counted."""
        if parts == 1 and record.answer_words and self.answers[place] == digest(*record.answer_words):
            parts = 3
        known = self.leaks.setdefault(record.number, Leak(place, parts, why))
        if known.place == place:
            known.parts |= parts
        self.leaked[place] = self.leaked.get(place, 0) | parts

    def end(self) -> Iterator[Hit]:
        if not self.evaluations:
            return
        self._near()
        for number, leak in sorted(self.leaks.items()):
            why = f"gives away {{beside}}: {PARTS[leak.parts]} ({leak.why})"
            yield Hit(number, why, beside=self._named(leak.place))
        passages: set[int] = set()
        for number, size, kept in self.passage_hits:
            if number in self.leaks or number in passages:
                continue
            grams = self.many[size]
            rare = kept[grams.rows_G[kept] <= self.common]
            if len(rare):
                held = self.held[int(grams.texts_P[grams.starts[rare[0]]])]
                passages.add(number)
                why = f"shares a passage of {size} words with {{beside}}: {PARTS[1 if held.part == 'input' else 2]}"
                yield Hit(number, why, beside=self._named(held.place), drops=self.passages)

    def _near(self) -> None:
        """Questions that are near duplicates, of rows that are not known to leak already."""
        mine, theirs = self.mine.done(), self.theirs
        first = len(mine.digests_N)
        for pairs in candidates(np.concatenate([mine.keys_NB, theirs.keys_NB]), first):
            likely = estimates(mine.low_NS[pairs[:, 0]], theirs.low_NS[pairs[:, 1] - first]) >= self.threshold - MARGIN
            for number, other in pairs[likely].tolist():
                place = self.asked_at[other - first]
                if number in self.leaks and self.leaked.get(place, 0) & 1:
                    continue
                record, asked = self.records[number], self.evaluations[place[0]].records[place[1]].input
                index = jaccard(record.input or record.answer, asked)
                if index >= self.threshold:
                    self._mark(record, place, 1, f"Jaccard index {index:.2f}")

    def _named(self, place: Place) -> tuple[str, int]:
        return self.evaluations[place[0]].name, place[1]

    def told(self) -> Sequence[str]:
        if not self.evaluations:
            return ("There was no evaluation set to look for: name some with `--against`.",)
        return (RULES,)

    def table(self) -> Table | None:
        """Of each evaluation set: rows, those whose question, answer or both stand in rows; what GPT-3 and PaLM would say."""
        if not self.evaluations:
            return None
        dirty, covered = self._as_published()
        rows: list[tuple[str | int | float, ...]] = []
        for number, evaluation in enumerate(self.evaluations):
            parts = [parts for (at, _), parts in self.leaked.items() if at == number]
            counts = [parts.count(kind) for kind in (1, 2, 3)]
            size = len(evaluation.records)
            shares = [f"{len({row for at, row in found if at == number}) / max(1, size):.1%}" for found in (dirty, covered)]
            rows.append((evaluation.name, size, *counts, *shares))
        header = ("evaluation set", "rows", "question", "answer", "both", "GPT-3: a long run", "PaLM: 70 % of runs of 8")
        return Table(header, tuple(rows))

    def _as_published(self) -> tuple[set[Place], set[Place]]:
        """Evaluation rows that GPT-3's and PaLM's rules find, over all rows together."""
        whole, found = self.few.found(len(self.held))
        covered = {held.place for held, of, n in zip(self.held, whole, found, strict=True) if of and n / of >= self.share}
        dirty = set()
        for grams in self.many.values():
            _, rarely = grams.found(len(self.held), self.common)
            dirty |= {held.place for held, n in zip(self.held, rarely, strict=True) if n}
        return dirty, covered
