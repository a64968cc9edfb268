"""Training loss against validation loss: where a system was best, and whether it learnt by heart after that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Verdict = Literal["overfits", "unstable", "still improving", "no sign", "not trained"]

RULE = (
    "A system overfits from step n when two validations in a row from n on, and the mean of all from n to the end, lie above "
    "the lowest validation loss by more than noise, while the smoothed training loss has fallen below its value at that lowest "
    "point. Noise is the larger of 0.5 % of the lowest loss and five standard deviations of the curve's own jitter (from its "
    "median absolute third difference)."
)


@dataclass(frozen=True, slots=True)
class Curve:
    """One system's learning: losses in nats a learnt token.

    steps, training: each optimizer step and its loss; `smooth` is its running mean.
    validated, validation: steps of the validations, and their losses.
    gap: validation less smoothed training loss at the end; `gap_at_best` at the best step.
    """

    steps: tuple[int, ...] = ()
    training: tuple[float, ...] = ()
    smooth: tuple[float, ...] = ()
    validated: tuple[int, ...] = ()
    validation: tuple[float, ...] = ()
    best_step: int | None = None
    best: float | None = None
    gap_at_best: float | None = None
    gap: float | None = None
    verdict: Verdict = "not trained"
    since: int | None = None

    def in_words(self) -> str:
        match self.verdict:
            case "overfits":
                return f"overfits from step {self.since}"
            case "unstable":
                return f"unstable from step {self.since}: validation loss rises though training loss does not fall"
            case "still improving":
                return "still improving at the last step: more steps may help"
            case "no sign":
                return "no sign of overfitting"
            case _:
                return "not trained"


def curve(steps: Sequence[Mapping[str, Any]], validations: Sequence[Mapping[str, Any]]) -> Curve:
    """Read a run's `steps.jsonl` and `validation.jsonl`; an empty curve where nothing was trained."""
    trained, checked = _by_step(steps), _by_step(validations)
    if not trained:
        return Curve()
    at, losses = zip(*trained, strict=True)
    smooth = smoothed(losses)
    if not checked:
        return Curve(at, losses, smooth, verdict="no sign")
    validated, validation = zip(*checked, strict=True)
    best = int(np.argmin(validation))
    gaps = [loss - float(np.interp(step, at, smooth)) for step, loss in checked]
    verdict, since = judge(validated, validation, at, smooth)
    seen = (validated, validation, validated[best], validation[best], gaps[best], gaps[-1])
    return Curve(at, losses, smooth, *seen, verdict, since)


def task_curves(steps: Sequence[Mapping[str, Any]], validations: Sequence[Mapping[str, Any]]) -> dict[str, Curve]:
    """Task -> its curve, of a run that learnt a mixture; those that counted most come first. Empty for any other run."""
    counts: dict[str, float] = {}
    for record in steps:
        for task, told in record.get("tasks", {}).items():
            counts[task] = counts.get(task, 0.0) + told["count"]
    names = sorted(counts, key=lambda task: -counts[task])
    return {task: curve(_of_task(steps, task), _of_task(validations, task)) for task in names}


def _of_task(records: Sequence[Mapping[str, Any]], task: str) -> list[dict[str, Any]]:
    """The steps in which a task was learnt, or the validations, with its own mean loss."""
    told = [(record["step"], record.get("tasks", {}).get(task, {})) for record in records]
    return [{"step": step, "loss": one["sum"] / one["count"]} for step, one in told if one.get("count")]


def _by_step(records: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """Steps in order with their losses; of a step written twice (a run that was resumed) the last record counts."""
    return sorted({int(record["step"]): float(record["loss"]) for record in records if record.get("loss") is not None}.items())


def smoothed(losses: Sequence[float]) -> tuple[float, ...]:
    """Mean with triangular weights over a twentieth of the run to each side; near the ends, where one side is short, a line.

    A mean over the past alone would lag behind, and lie above the validation loss while both fall.
    """
    reach, values = max(1, len(losses) // 20), np.asarray(losses, dtype=np.float64)
    out = []
    for place in range(len(values)):
        near = np.arange(max(0, place - reach), min(len(values), place + reach + 1))
        weights = reach + 1.0 - np.abs(near - place)
        if len(near) == 2 * reach + 1 or len(near) < 3:
            out.append(float(weights @ values[near] / weights.sum()))
        else:
            line = float(np.polyfit(near - place, values[near], 1, w=np.sqrt(weights))[1])
            out.append(float(np.clip(line, values[near].min(), values[near].max())))  # a steep one ends below every loss
    return tuple(out)


def noise(validation: Sequence[float]) -> float:
    """How far a validation loss may stray by chance; see `RULE`.

    Third differences take the curve's slope and bend away, and have variance 20 sigma^2 where only white noise is left.
    """
    floor = 0.005 * abs(min(validation))
    if len(validation) < 6:
        return floor
    jitter = 1.4826 * float(np.median(np.abs(np.diff(validation, n=3)))) / 20**0.5
    return max(floor, 5 * jitter)


def judge(
    validated: Sequence[int], validation: Sequence[float], steps: Sequence[int], smooth: Sequence[float]
) -> tuple[Verdict, int | None]:
    """The verdict under `RULE`, and the step since when it holds."""
    best = int(np.argmin(validation))
    limit = validation[best] + noise(validation)
    risen = [loss > limit for loss in validation]
    pairs = [
        place
        for place in range(best + 1, len(validation) - 1)
        if risen[place] and risen[place + 1] and np.mean(validation[place:]) > limit
    ]
    if pairs:
        before, after = (float(np.interp(validated[place], steps, smooth)) for place in (best, pairs[0] + 1))
        return ("overfits" if after < before else "unstable"), validated[pairs[0]]
    last = len(validation) - 1
    if best == last and last >= 1 and validation[last - 1] - validation[last] > noise(validation):
        return "still improving", None
    return "no sign", None
