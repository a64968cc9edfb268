"""`tunesmith label`: pairs put before people, their votes as rows to learn from, and what the votes tell."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from tunesmith import settings
from tunesmith.errors import UserError, did_you_mean
from tunesmith.serving.exports import LAYOUTS, POLICIES, TIES, Layout, Policy, Ties, rows, write_rows
from tunesmith.serving.judge import Score
from tunesmith.serving.judge import judge as stand_in
from tunesmith.serving.pairs import Pair, read_pairs
from tunesmith.serving.vote_report import Report, report
from tunesmith.serving.votes import Votes

if TYPE_CHECKING:
    from rich.console import Group

    from tunesmith.rewards.reward import Reward
    from tunesmith.serving.drawn import Draw

DB = "labels.sqlite"
HOST, PORT = "127.0.0.1", 8765


def label(
    pairs: Sequence[str | Path] = (),
    *,
    prompts: str | None = None,
    models: Sequence[str] = (),
    template: str | None = None,
    limit: int | None = None,
    db: str | Path = DB,
    overlap: int = 1,
    gold: str | Path | None = None,
    guidelines: str | Path | None = None,
    seed: int | None = None,
    host: str = HOST,
    port: int = PORT,
    token: str | None = None,
    overrides: Sequence[str] = (),
    judge: Score | None = None,
    annotator: str = "a rule",
    ready: Callable[[str], None] = print,
) -> None:
    """Serve the page on which people compare answers, until it is interrupted. What was given before stays in `db`.

    Args:
        pairs:      files of pairs (`serving/pairs.py: read_pairs`).
        prompts:    file or task whose prompts are answered, each once; `template` and `limit` are of these.
        models:     one (two answers to each prompt) or two (one each): run folders, adapters, folders, hub names.
        db:         the file of pairs and votes.
        overlap:    so many people judge every pair.
        gold:       file of pairs with a known verdict, which everybody gets between the others.
        guidelines: Markdown shown beside the pair.
        seed:       of sides, order, and the answers that are drawn; of a file that is there, its own.
        host, port: where to listen; port 0 is any. Beyond this machine visitors need the token, which is in the link.
        token:      None: made up where one is needed.
        overrides:  how answers are drawn: `tokens=64`, `temperature=0.7` ...
        judge:      stands in for people: examples and an answer to each -> a number each. Then all answers are drawn, it votes
                    on every pair as `annotator`, and nothing is served.
        ready:      called with the page's address when it can be opened.
    """
    from tunesmith.serving import labels, server

    if overlap < 1:
        raise UserError(f"`--overlap` is {overlap}", "one person or more judges every pair")
    beside = _text(guidelines)
    if not pairs and not prompts and not Path(db).is_file():
        raise UserError("there is nothing to label", "give a file of pairs, or `--prompts` with `--model`")
    if bool(prompts) != bool(models):
        raise UserError("`--prompts` and `--model` go together", "a model answers the prompts; a file of pairs has its answers")
    given = [pair for file in pairs for pair in read_pairs(file)] + (list(read_pairs(gold, gold=True)) if gold else [])
    votes = Votes(db, seed=seed, overlap=overlap)
    try:
        votes.add(given)
        drawing = Drawing(votes)
        if prompts:
            drawing.prepare(prompts, models, template, limit, seed, overrides)
        if not votes.pairs():
            raise UserError(f"`{db}` has no pairs", "give a file of pairs, or `--prompts` with `--model`")
        if judge is not None:
            drawing.work()
            stand_in(votes, judge, annotator)
            return
        listening, token = server.bind(host, port, token)
        routers = [labels.router(votes, beside, lambda: drawing.is_running)]
        ready(server.link(listening, "/label", token))
        with drawing:
            server.serve(server.create(routers, home="/label", token=token), listening)
    finally:
        votes.close()


@dataclass
class Drawing:
    """Draws answers beside the server, within a `with`."""

    votes: Votes
    pairs: list[Pair] = field(default_factory=list)
    draw: "Draw | None" = None
    stopped: Event = field(default_factory=Event)
    thread: Thread | None = None

    def prepare(
        self,
        prompts: str,
        models: Sequence[str],
        template: str | None,
        limit: int | None,
        seed: int | None,
        overrides: Sequence[str],
    ) -> None:
        """Read what is to be drawn; mistakes are told here, before anybody opens the page."""
        from tunesmith.generation.sampling import Sampling
        from tunesmith.models.load import ModelSettings, load_config
        from tunesmith.serving.drawn import Draw, prompts_from

        usual = {"tokens": 128, "temperature": 0.7, "seed": seed or 0}
        self.draw = Draw(tuple(models), settings.build(Sampling, settings.override(usual, overrides)))
        for path in models:
            load_config(ModelSettings(path=path))
        self.pairs = self.draw.pairs(prompts_from(prompts, template, limit))
        self.votes.add(self.pairs)

    @property
    def is_running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def __enter__(self) -> "Drawing":
        if self.draw is not None:
            self.thread = Thread(target=self.work, daemon=True)
            self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        if self.thread is not None:
            self.thread.join(timeout=60)

    def work(self) -> None:
        """Draw all that is missing; what goes wrong is told, and people go on with what there is."""
        from tunesmith.serving.drawn import StoppedError
        from tunesmith.training.progress import Reporter

        if self.draw is None:
            return
        with Reporter("label") as reporter:
            try:
                told = lambda done, total: reporter.count("drawing answers", done, total)  # noqa: E731
                left_out = self.draw.run(self.votes, self.pairs, told, self.stopped.is_set)
                if left_out:
                    reporter.say(f"{left_out} prompts are longer than the network's window, and are left out")
                if alike := sum(pair.is_alike for pair in self.votes.pairs()):
                    reporter.say(f"{alike} pairs have the same answer twice, and are not shown")
            except StoppedError:
                reporter.say("drawing stopped; the same command goes on")
            except UserError as error:
                reporter.say(f"no more answers are drawn: {error}")


def judge_of(given: str) -> "Reward":
    """The reward that `--judge` names: its kind, or a mapping in YAML with its settings."""
    from tunesmith.rewards.reward import Reward

    tree = settings.override({}, [f"judge={given}"])["judge"]
    return settings.plugin(tree, "tunesmith.rewards", Reward, "--judge")  # type: ignore[type-abstract]


def export_labels(
    into: str | Path, *, db: str | Path = DB, layout: Layout = "dpo", ties: Ties = "drop", policy: Policy = "majority"
) -> int:
    """Write the votes as JSON lines to learn from (`serving/exports.py`); how many rows."""
    for name, value, known in (("--as", layout, LAYOUTS), ("--ties", ties, TIES), ("--votes", policy, POLICIES)):
        if value not in known:
            raise UserError(f"`{name}` is `{value}`", did_you_mean(value, known))
    found = rows(_opened(db), layout, ties, policy)
    if not found:
        raise UserError(
            f"the votes of `{db}` make no rows", "`tunesmith label --report` tells what was voted; `--ties both` keeps ties"
        )
    write_rows(Path(into), found)
    return len(found)


def report_labels(db: str | Path = DB) -> Report:
    """What the votes tell of models and people, and how far people agree."""
    return report(_opened(db))


def rendered(made: Report) -> "Group":
    """The report as tables for the terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from tunesmith.comparison.significance import Interval

    def share(found: Interval) -> str:
        return "" if found.value != found.value else f"{found.value:.3f}  ({found.low:.3f} to {found.high:.3f})"

    counts = Text(
        f"{made.judged} of {made.pairs} pairs judged, {made.votes} votes, {made.skips} skipped"
        + (f", {made.alike} pairs with the same answer twice" if made.alike else "")
    )
    models = Table("model", "against", "won", "lost", "equal", "both bad", "win rate, 95 % interval")
    for one in made.contests:
        models.add_row(one.model, one.other, str(one.wins), str(one.losses), str(one.ties), str(one.bad), share(one.rate))
    people = Table("annotator", "votes", "skipped", "seconds", "left", "controls right", "look at")
    for person in made.people:
        cells = str(person.votes), str(person.skips), f"{person.seconds:.1f}", share(person.left), share(person.gold)
        people.add_row(person.name, *cells, ", ".join(person.flags))
    agreement = Table("measure", "value, 95 % interval")
    measures = {
        "equal pairs of votes": made.raw,
        **{f"Cohen's kappa, {one} and {other}": found for (one, other), found in made.cohen.items()},
        "Fleiss' kappa": made.fleiss,
        "Krippendorff's alpha, nominal": made.alpha,
        "Krippendorff's alpha, ordinal": made.alpha_ordinal,
        "preferences for the left": made.left,
        "preferences for the longer answer": made.longer,
    }
    for name, found in measures.items():
        if text := share(found):
            agreement.add_row(name, text)
    tables = [models, people, agreement] if made.contests else [people, agreement]
    return Group(counts, *tables)


def _opened(db: str | Path) -> Votes:
    return Votes(db, new=False)


def _text(guidelines: str | Path | None) -> str:
    if guidelines is None:
        return ""
    if not Path(guidelines).is_file():
        raise UserError(f"there is no file `{guidelines}`", "`--guidelines` names a file in Markdown")
    return Path(guidelines).read_text(encoding="utf-8")


def announce(address: str, doing: str = "label", kept: str = "every vote is kept") -> None:
    """Say where the page is: the address to stdout, talk to stderr."""
    print(address, flush=True)
    print(
        f"Open this page to {doing}; append `as=NAME` to the link for somebody. Ctrl-C ends it, and {kept}.",
        file=sys.stderr,
    )
