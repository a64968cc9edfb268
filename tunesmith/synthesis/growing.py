"""`tunesmith data grow`: instruction data written by a model, from seeds of people; a killed one goes on where it was.

Self-Instruct (Wang et al. 2023, "Self-Instruct: Aligning Language Models with Self-Generated Instructions") and the one request
of Alpaca (Taori et al. 2023).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from tunesmith import __version__, settings
from tunesmith.data.seeds import Seed, hash_of, read_seeds
from tunesmith.data.words import listed
from tunesmith.errors import UserError
from tunesmith.run import write_json
from tunesmith.synthesis.journal import (
    SUFFIX,
    Journal,
    Lines,
    refuse_left,
    rejected_path,
    report_path,
    requests_path,
)
from tunesmith.synthesis.prompts import Wordings
from tunesmith.synthesis.report import Report, report
from tunesmith.synthesis.rounds import Growth
from tunesmith.synthesis.settings import Growing, deciding, refuse_unheard
from tunesmith.synthesis.writer import Request, Said, Writer, now, text_hash
from tunesmith.training.progress import Reporter

BUDGET = "the budget of tokens is spent"


class _SpentError(Exception):
    """The budget of tokens is spent."""


def grow(
    seeds: str | Path,
    out: str | Path,
    *,
    model: str | None = None,
    endpoint: str | None = None,
    name: str | None = None,
    overrides: Sequence[str] = (),
) -> Report:
    """Grow instruction data from seeds into `out`, JSON lines of triplets; goes on where the file was left.

    Args:
        seeds:     rows of people: a file, a folder or a data set of the hub (`data/seeds.py`).
        out:       ends in `.jsonl`; refused rows, requests and the report lie beside it (`journal.py`).
        model:     run, folder or hub name of a local model that writes; or
        endpoint:  the address of an OpenAI-compatible endpoint, with
        name:      the model that it is asked for.
        overrides: settings as `name=value` (`settings.py: Growing`).

    Raises:
        UserError: of wrong settings, a file begun with others, seeds that are none, or an endpoint that does not answer; what
            was answered is kept.
    """
    wanted = settings.build(Growing, settings.override({}, overrides))
    path = _checked(Path(out), model, endpoint, name)
    refuse_unheard(wanted, local=model is not None)
    listed(wanted.filters.words)
    found = read_seeds(str(seeds), wanted.template)
    wordings = Wordings.read(wanted.templates)
    refuse_left(path, requests_path(path))
    with Reporter("grow") as reporter:
        reporter.say(told_of(found, str(seeds)))
        writer = _writer(wanted, model, endpoint, name)
        try:
            head = _head(wanted, found, str(seeds), wordings, writer)
            with _Files(path, head) as files:
                ended = _Growing(files, writer, reporter, wanted.budget).run(found, wanted, wordings)
        finally:
            writer.close()
        reporter.say(ended)
    made = report(path, ended)
    write_json(report_path(path), made.tree())
    return made


def told_of(seeds: Sequence[Seed], path: str) -> str:
    """How many seeds there are, and of what kind."""
    instances = sum(len(seed.instances) for seed in seeds)
    known = [seed.classification for seed in seeds if seed.classification is not None]
    beside = f", {sum(known)} of {len(known)} classifications" if known else ""
    return f"`{path}`: {len(seeds)} instructions of people, {instances} instances{beside}"


@dataclass
class _Files:
    """The files beside each other, within a `with`; of one process."""

    out: Path
    head: dict[str, Any]
    journal: Journal = field(init=False)
    rows: Lines = field(init=False)
    rejected: Lines = field(init=False)

    def __enter__(self) -> "_Files":
        self.journal = Journal(requests_path(self.out), self.head)
        self.rows, self.rejected = Lines(self.out), Lines(rejected_path(self.out))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in (self.rows, self.rejected, self.journal):
            file.close()


@dataclass
class _Growing:
    """One call of `grow`: asks the journal, then the writer."""

    files: _Files
    writer: Writer
    reporter: Reporter
    budget: int | None
    growth: Growth = field(init=False)

    def run(self, seeds: Sequence[Seed], wanted: Growing, wordings: Wordings) -> str:
        """Rounds until there are rows enough, or no more come. Why it ended."""
        about = {
            "model": self.writer.about,
            "settings": {"way": wanted.way, "hash": settings_hash(self.files.head["settings"])},
        }
        self.growth = Growth(seeds, wanted, wordings, self.ask, self.files.rows.add, self.files.rejected.add, about)
        known, barren = len(self.files.journal), 0
        if known:
            self.reporter.say(f"goes on: {known} answers are known")
        while not self.growth.is_full and barren < wanted.patience:
            before = self.growth.rows
            try:
                self.growth.round()
            except _SpentError:
                return f"{self._count()}; {BUDGET}: {self._tokens()} of {self.budget}"
            for file in (self.files.rows, self.files.rejected):
                file.to_disk()
            self.reporter.count("rows", self.growth.rows, wanted.rows)
            barren = 0 if self.growth.rows > before else barren + 1
        if self.growth.is_full:
            return self._count()
        return f"{self._count()}; {barren} rounds brought none, so it ends (`patience`); see what was refused"

    def ask(self, requests: Sequence[Request]) -> list[Said]:
        """The answers to some requests, those that are not yet known from the writer."""
        journal = self.files.journal
        missing = [request for request in requests if journal.find(request) is None]
        if missing and self.budget is not None and self._tokens() >= self.budget:
            raise _SpentError
        done = len(requests) - len(missing)

        def keep(request: Request, said: Said) -> None:
            nonlocal done
            journal.keep(request, said)
            done += 1
            where = f"{self._count()}, {self._tokens():,} tokens, round {self.growth.rounds + 1}, {request.stage}"
            self.reporter.count(where, done, len(requests))

        if missing:
            self.writer.write(missing, keep)
        answers = [journal.find(request) for request in requests]
        return [said for said in answers if said is not None]

    def _tokens(self) -> int:
        return self.files.journal.spent["shown"] + self.files.journal.spent["spoken"]

    def _count(self) -> str:
        return f"{self.growth.rows} rows of {self.growth.settings.rows}"


def settings_hash(tree: dict[str, Any]) -> str:
    return text_hash(json.dumps(tree, sort_keys=True))


def _head(wanted: Growing, seeds: Sequence[Seed], path: str, wordings: Wordings, writer: Writer) -> dict[str, Any]:
    """What decides the rows, and what else is told of their beginning."""
    return {
        "settings": deciding(settings.dump(wanted)),
        "templates": wordings.hash,
        "words": text_hash("\n".join(listed(wanted.filters.words))),
        "seeds": {"path": path, "count": len(seeds), "hash": hash_of(seeds)},
        "model": writer.about,
        "version": __version__,
        "begun": now(),
    }


def _checked(out: Path, model: str | None, endpoint: str | None, name: str | None) -> Path:
    if (model is None) == (endpoint is None):
        raise UserError("who writes is not said" if model is None else "`--model` and `--endpoint` are given", WHO)
    if (endpoint is None) != (name is None):
        raise UserError("`--endpoint` and `--name` go together", WHO)
    if not out.name.endswith(SUFFIX) or out.is_dir():
        raise UserError(f"the rows cannot be written to `{out}`", f"name a file that ends in `{SUFFIX}`")
    return out


WHO = "name a local model with `--model`, or an endpoint with `--endpoint URL --name MODEL`"


def _writer(wanted: Growing, model: str | None, endpoint: str | None, name: str | None) -> Writer:
    if model is not None:
        from tunesmith.synthesis.local import Local

        return Local.read(model, wanted.batch)
    from tunesmith.synthesis.endpoint import Remote

    assert endpoint is not None and name is not None
    return Remote(endpoint, name, wanted.endpoint)
