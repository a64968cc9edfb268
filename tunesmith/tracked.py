"""A run that exists, sent to trackers. Command: `tunesmith track RUN --to mlflow`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tunesmith import settings
from tunesmith.errors import UserError, did_you_mean
from tunesmith.registry import names
from tunesmith.run import Run
from tunesmith.trackers import feed
from tunesmith.trackers.tracker import Tracker
from tunesmith.verbs import say

TRACKERS = "tunesmith.trackers"


def track(run: str | Path, to: Sequence[str | Mapping[str, Any]], *, overrides: Sequence[str] = ()) -> None:
    """Send curves, scores and settings of a run; what a tracker has of it already is not sent again.

    Args:
        run: folder of a run, finished or not; one that is being written sends by itself (`track` in its recipe).
        to: trackers, by name or as mappings with `kind` and settings.
        overrides: settings of the trackers named by text: `uri=sqlite:///all.db`, `project=mine`.

    Raises:
        UserError: it is no run, a process writes into it, or a tracker is not there or takes it not.
    """
    record = Run(Path(run))
    record.recipe()
    if not to:
        raise UserError("no tracker is named", did_you_mean("", names(TRACKERS)))
    given = settings.override({}, overrides)
    trees = [{"kind": one, **given} if isinstance(one, str) else one for one in to]
    trackers = [settings.plugin(tree, TRACKERS, Tracker, "track") for tree in trees]  # type: ignore[type-abstract]
    with record.writing():
        feed.track(record, trackers, say)
