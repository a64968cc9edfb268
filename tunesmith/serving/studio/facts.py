"""What a run's page says besides its curves: settings, scores with intervals, answers, and what it knows of its data."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

from tunesmith.comparison import words
from tunesmith.comparison.report import finite
from tunesmith.comparison.scores import scored
from tunesmith.comparison.settings_apart import flattened
from tunesmith.errors import UserError
from tunesmith.run import Answer, Run
from tunesmith.serving.studio.index import Entry

Value = TypeVar("Value")
COSTS = (
    ("training_seconds", "training", words.seconds),
    ("training_tokens", "tokens read in training", words.count),
    ("tokens_per_second", "tokens a second", words.count),
    ("trained_parameters", "trained numbers", words.count),
    ("total_parameters", "all numbers", words.count),
    ("peak_memory_bytes", "highest memory", words.size),
    ("seconds_per_answer", "an answer", words.seconds),
    ("disk_bytes", "on the disk", words.size),
)


@dataclass
class Kept(Generic[Value]):
    """Things made from files, made again when these have changed; the last few are remembered."""

    most: int
    _kept: OrderedDict[Any, tuple[Any, Value]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, key: Any, stamp: Any, make: Callable[[], Value]) -> Value:
        with self._lock:
            if key in self._kept and self._kept[key][0] == stamp:
                self._kept.move_to_end(key)
                return self._kept[key][1]
        made = make()
        with self._lock:
            self._kept[key] = stamp, made
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
        return made


@dataclass
class Facts:
    """Reads what pages ask of runs, and remembers it while the files stay the same."""

    _scores: Kept[list[dict[str, Any]]] = field(default_factory=lambda: Kept(256))
    _answers: Kept[list[Answer]] = field(default_factory=lambda: Kept(8))

    def about(self, entry: Entry) -> dict[str, Any]:
        """Settings, costs and data."""
        world = entry.run.world()
        costs = [(name, write(world[key])) for key, name, write in COSTS if isinstance(world.get(key), int | float)]
        return {
            "settings": flattened(entry.run.recipe()),
            "costs": costs,
            "world": [(name, str(world[name])) for name in ("device", "seed", "commit", "role", "window") if world.get(name)],
            "versions": world.get("versions") or {},
            "notes": [str(note) for name in ("notes", "warnings") for note in world.get(name) or ()],
            "best_step": world.get("best_step"),
            "stopped_early": bool(world.get("stopped_early")),
            "answered": entry.run.answered() if (entry.run.folder / "answers").is_dir() else [],
            "data": list(data_of(world, entry.run)),
        }

    def scores(self, entry: Entry) -> list[dict[str, Any]]:
        """A row a metric, with the interval of resampled answers; without one where the answers are not there."""
        run, path = entry.run, entry.run.folder / "scores.json"
        stamp = path.stat().st_mtime_ns if path.is_file() else 0
        return self._scores.get(path, stamp, lambda: list(_scores(run)))

    def answers(self, entry: Entry, task: str, find: str, start: int, many: int) -> dict[str, Any]:
        """Some answers to a task, of those that have all the words in prompt, answer or target."""
        if task not in entry.run.answered():
            raise UserError("the run has no answers to this task", "choose one of those that it answered")
        path = entry.run.folder / "answers" / f"{task}.jsonl"
        every = self._answers.get(path, path.stat().st_mtime_ns, lambda: entry.run.answers(task))
        wanted = find.lower().split()
        kept = [one for one in every if all(word in _text(one) for word in wanted)] if wanted else every
        return {"count": len(kept), "all": len(every), "answers": [_told(one) for one in kept[start : start + many]]}


def _scores(run: Run) -> Iterator[dict[str, Any]]:
    try:
        intervals = scored(run)
    except (UserError, KeyError, IndexError):
        intervals = {}
    for task, row in run.scores().items():
        for metric, score in row.items():
            one = intervals.get(task, {}).get(metric)
            ends = (one.low, one.high) if one else (None, None)
            yield {
                "task": task,
                "metric": metric,
                "label": words.label(metric),
                "value": finite(score.value),
                "low": finite(ends[0]),
                "high": finite(ends[1]),
                "answers": score.answers,
                "higher": score.higher_is_better,
                "protocol": score.protocol,
            }


def _text(answer: Answer) -> str:
    return "\n".join((answer.example, answer.prompt, answer.said, answer.target)).lower()


def _told(answer: Answer) -> dict[str, Any]:
    labels = answer.labels or ()
    return {
        "example": answer.example,
        "prompt": answer.prompt,
        "said": answer.said,
        "target": answer.target,
        "references": [one for one in answer.references if one != answer.target],
        "how": answer.how,
        "tokens": answer.tokens,
        "logprob": finite(answer.logprob),
        "stats": {name: finite(row[0]) for name, row in answer.stats.items() if len(row) == 1},
        "labels": [(label, finite(score)) for label, score in zip(labels, answer.scores, strict=False)],
    }


def data_of(world: Mapping[str, Any], run: Run) -> Iterator[dict[str, Any]]:
    """A task a row: as what its rows were recognised, and in which wordings they were put."""
    shapes, wordings = world.get("shapes") or {}, world.get("wordings") or {}
    for name in (run.recipe().get("tasks") or {}) or shapes:
        shape = shapes.get(name)
        counted = wordings.get(name)
        yield {
            "task": str(name),
            "shape": {str(key): _plain(value) for key, value in shape.items()} if isinstance(shape, Mapping) else {},
            "wordings": [(str(one), count) for one, count in counted.items()] if isinstance(counted, Mapping) else [],
        }


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {one}" for key, one in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)


def readable(path: Path) -> bytes:
    """A page that lies on the disk."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"`{path.name}` cannot be read: {error.strerror}", "make the comparison again") from None
