"""What a run leaves behind: one folder of plain files, readable without the network that made it.

The folder is the only contract between learning and comparing:

    recipe.yaml            everything that was asked for, with presets resolved
    world.json             what it cost and where it ran (`World`)
    steps.jsonl            one line an optimizer step
    validation.jsonl       one line a validation
    samples.jsonl          what was said at validations, where an objective lets the model speak
    state/step-000400/     optimizer, random states, place in the stream
    state/best-000300/     the best weights so far
    adapter/ or model/     what was learnt
    answers/TASK.jsonl     one `Answer` a line, with the statistics of every metric
    scores.json            task -> metric -> score
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from glob import escape
from pathlib import Path
from typing import IO, Any

import yaml

from tunesmith.disk import sync, telling
from tunesmith.errors import UserError
from tunesmith.masking import holding, masked

LOGS = ("steps", "validation", "samples")  # the files that have a line a step
LOCK = ".writing"  # file that is locked by whoever writes into the folder
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, ten times as fast, where YAML was built with it


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to one example, what that is worth, and what it took.

    said:      the text it spoke, or the choice it chose.
    scores:    score of each choice (log-probability under the normalisation of `how`) or label of a head; empty where it spoke.
    how:       the way of asking: `speak`, `choose`, `weigh`, `classify`, with its options, e.g. `choose norm=tokens`.
    prompt_tokens, tokens: tokens it was shown, and tokens it said (or weighed).
    seconds:   share of the batch's wall-clock time.
    logprob:   sum of the log-probabilities of what was said or weighed, where known.
    stats:     metric name -> the statistics of this answer (`Metric.measure`).
    labels:    names of the scores that a head gave.
    cluster:   what the example shares with others (a passage, a question; `Example.meta["cluster"]`): clusters are resampled
               whole. Empty: it stands alone.
    """

    example: str
    prompt: str
    said: str
    target: str
    references: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    how: str = "speak"
    prompt_tokens: int = 0
    tokens: int = 0
    seconds: float = 0.0
    logprob: float | None = None
    stats: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    cluster: str = ""

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Answer":
        """The inverse of `dataclasses.asdict`; unknown keys are ignored, so newer files stay readable."""
        known = {name: record[name] for name in cls.__match_args__ if name in record}
        for name in ("references", "scores", "labels"):
            known[name] = tuple(known.get(name, ()))
        known["stats"] = {metric: tuple(row) for metric, row in known.get("stats", {}).items()}
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Score:
    """One number of one task: the total over all answers of one metric; `protocol` tells how they were asked for."""

    value: float
    answers: int
    higher_is_better: bool = True
    protocol: str = ""


@dataclass(frozen=True)
class Run:
    """A run's folder, read and written. Reading never needs torch.

    listening: hears the name of a file and what was just written into it (`trackers/feed.py`).
    """

    folder: Path
    listening: Callable[[str, Mapping[str, Any]], None] | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        return self.folder.name

    def exists(self) -> bool:
        return (self.folder / "recipe.yaml").is_file()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder for this process alone; whoever else would write waits for nothing and is refused.

        The lock is the system's own (`flock`), so it is gone with the process, however that ends. On systems and disks that
        have none, nothing is held.

        Raises:
            UserError: another process writes there.
        """
        with self.holding():
            remove_left(self.folder)
            yield

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold the folder, and leave alone what stands in it: others may write into folders below."""
        made = not self.folder.exists()
        with telling(self.folder), self._lock() as file:
            _held.add(file)
            try:
                yield
            finally:
                _held.discard(file)
                with suppress(OSError):  # open files that cannot be removed; a folder that is gone, or has something in it
                    if same(file, self.folder / LOCK):
                        (self.folder / LOCK).unlink()
                        if made:
                            self.folder.rmdir()

    @contextmanager
    def _lock(self) -> Iterator[IO[str]]:
        """The file of the lock, held, with the number of this process in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / LOCK
        while True:
            with path.open("a+", encoding="utf-8") as file:
                if locked(file) is False:
                    problem = f"process {self.writer() or ''} writes into `{self.folder}` at this moment".replace("  ", " ")
                    raise UserError(problem, "wait for it, or choose another folder with `--into`")
                if not same(file, path):  # whoever had it ended, and took the file away, between our opening and our lock
                    continue
                file.truncate(0)
                file.write(str(os.getpid()))
                file.flush()
                yield file
                return

    def writer(self) -> int | None:
        """The process that writes into the folder at this moment (0 where its number is not known); None: nobody does."""
        path = self.folder / LOCK
        if not path.is_file():
            return None
        with path.open("r", encoding="utf-8") as file:
            told = file.read().strip()
            return None if locked(file) is not False else int(told) if told.isdigit() else 0

    def tidy(self) -> None:
        """Of a run that has ended, remove what only going on needs: a kill may have come between the end and that."""
        if self.world().get("ended") and self.writer() is None:
            shutil.rmtree(self.folder / "state", ignore_errors=True)
            remove_left(self.folder)
            (self.folder / LOCK).unlink(missing_ok=True)

    def wait_for_writer(self, seconds: float = 60.0) -> None:
        """Wait as long as another process writes into the folder: it may be about to end."""
        last = time.monotonic() + seconds
        while self.writer() is not None and time.monotonic() < last:
            time.sleep(0.1)

    def recipe(self) -> dict[str, Any]:
        """The resolved recipe as a plain tree."""
        path = self.folder / "recipe.yaml"
        if not path.is_file():
            raise UserError(
                f"`{self.folder}` is not a run: it has no `recipe.yaml`", "name a folder that `tunesmith train` made"
            )
        tree: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
        return tree

    def keep_recipe(self, tree: Mapping[str, Any]) -> None:
        if (where := holding(tree)) is not None:
            raise UserError(
                f"`{where}` looks like it holds a key or a password, and a recipe is kept in the run's folder",
                "put it into an environment variable, such as `HF_TOKEN`",
            )
        write_text(self.folder / "recipe.yaml", yaml.safe_dump(dict(tree), sort_keys=False, allow_unicode=True))

    def world(self) -> dict[str, Any]:
        """What the run cost and where it ran; empty while it has not ended. Keys: see `docs/run-folder.md`."""
        world: dict[str, Any] = read_json(self.folder / "world.json", {})
        return world

    def keep_world(self, **facts: Any) -> None:
        """Add facts to `world.json`."""
        write_json(self.folder / "world.json", {**self.world(), **facts})

    @contextmanager
    def failing(self) -> Iterator[None]:
        """What goes wrong within is kept in `world.json` as `failed`, until it is tried again; Ctrl-C is no failure."""
        if self.world().get("failed"):
            self.keep_world(failed=None)
        try:
            with telling(self.folder):
                yield
        except Exception as error:
            if self.folder.is_dir():
                with suppress(OSError):  # a full disk is what may have failed
                    said = "; ".join(filter(None, [error.problem, error.hint])) if isinstance(error, UserError) else str(error)
                    self.keep_world(failed=masked(" ".join(said.split())) or type(error).__name__)
            raise

    def log(self, record: Mapping[str, Any], name: str = "steps") -> None:
        """Append a line to `steps.jsonl`, or to `NAME.jsonl`."""
        path = self.folder / f"{name}.jsonl"
        if path.parent != self.folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
        if self.listening is not None:
            self.listening(name, record)

    def steps(self) -> list[dict[str, Any]]:
        """One record an optimizer step: step, loss, learning_rate, tokens, seconds ..."""
        return list(read_jsonl(self.folder / "steps.jsonl"))

    def validations(self) -> list[dict[str, Any]]:
        """One record a validation: step, loss (mean over learnt tokens) ..."""
        return list(read_jsonl(self.folder / "validation.jsonl"))

    def settle(self) -> None:
        """Wait until the logs have reached the disk: a power cut must not leave a checkpoint with a log that ends before it."""
        for name in LOGS:
            path = self.folder / f"{name}.jsonl"
            if path.is_file():
                sync(path)

    def cut(self, step: int) -> None:
        """Forget the lines of steps after `step`: called when a run resumes from a checkpoint."""
        for name in LOGS:
            path = self.folder / f"{name}.jsonl"
            if path.is_file():
                kept = [record for record in read_jsonl(path) if record["step"] <= step]
                write_text(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in kept))

    def keep(self, task: str, answers: Iterable[Answer]) -> None:
        """Write all answers to a task, beside and then renamed: a file is whole or absent."""
        lines = [json.dumps(asdict(answer), ensure_ascii=False) for answer in answers]
        write_text(self._answers_path(task), "".join(line + "\n" for line in lines))

    def answers(self, task: str) -> list[Answer]:
        path = self._answers_path(task)
        if not path.is_file():
            answered = ", ".join(self.answered()) or "nothing yet"
            raise UserError(f"`{self.folder}` has no answers to `{task}`", f"answered: {answered}")
        return [Answer.from_json(record) for record in read_jsonl(path)]

    def answered(self) -> list[str]:
        """Names of the tasks with answers."""
        root = self.folder / "answers"
        return sorted(str(p.relative_to(root).with_suffix("")) for p in root.rglob("*.jsonl"))

    def scores(self) -> dict[str, dict[str, Score]]:
        """task -> metric -> score."""
        tree = read_json(self.folder / "scores.json", {})
        return {task: {metric: Score(**score) for metric, score in scores.items()} for task, scores in tree.items()}

    def keep_scores(self, task: str, scores: Mapping[str, Score]) -> None:
        tree = {t: {m: asdict(s) for m, s in row.items()} for t, row in self.scores().items()}
        row = {m: asdict(s) for m, s in scores.items()}
        write_json(self.folder / "scores.json", {**tree, task: row})
        if self.listening is not None:
            self.listening("scores", {"task": task, "scores": row})

    def _answers_path(self, task: str) -> Path:
        return self.folder / "answers" / f"{task}.jsonl"


_held: set[IO[str]] = set()  # locks of this process


def _let_go() -> None:
    """A process that is forked has the lock too, and would keep it when we are killed."""
    for file in _held:
        file.close()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def remove_left(folder: Path) -> None:
    """Remove what processes that were killed left half-written beside the files of a folder: nobody else writes there."""
    for path in [*folder.rglob(".*.tmp"), *folder.rglob(".*.partial")]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def same(file: IO[str], path: Path) -> bool:
    """Whether an open file still is the one that has the name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def locked(file: IO[str]) -> bool | None:
    """Take the lock of an open file, until it is closed: False where another has it, None where there are no locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks
        return None
    return True


def write_text(path: Path, text: str) -> None:
    """Write beside and rename, so that a reader sees the old file or the new one, never half of it.

    What processes that were killed in the middle of this left beside the file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except BaseException:  # Ctrl-C too
        beside.unlink(missing_ok=True)
        raise
    for old in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        if not lives(old.name.split(".")[-2]):
            old.unlink(missing_ok=True)


def lives(process: str) -> bool:
    """Whether there is a process of that number; True where that is not known."""
    if not process.isdigit() or sys.platform == "win32":  # where asking would end it
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def write_json(path: Path, tree: Any) -> None:
    write_text(path, json.dumps(tree, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path, default: Any) -> Any:
    """The file's content, or `default` where there is no file."""
    if not path.is_file():
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        problem = f"`{path}` line {error.lineno} is not JSON: {error.msg}"
        raise UserError(problem, "the file was changed by hand or by another program") from None


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """One record a line; a last line that a crash cut short is left out."""
    if not path.is_file():
        return
    lines = path.read_bytes().split(b"\n")  # bytes: a letter may be cut in two, and texts hold other ends of lines than this
    while len(lines) > 1 and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            why = error.msg if isinstance(error, json.JSONDecodeError) else "it is not UTF-8"
            raise UserError(f"`{path}` line {number} is not JSON: {why}", "remove the line, or the file") from None


def end_lines(path: Path) -> None:
    """Take off a last line that a crash cut short, so that the next one stands alone."""
    whole = path.read_bytes() if path.is_file() else b""
    end = whole.rfind(b"\n") + 1
    if end < len(whole):
        with path.open("r+b") as file:
            file.truncate(end)
