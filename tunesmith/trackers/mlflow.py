"""MLflow: a run of an experiment, on a server or in a file of SQLite."""

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tunesmith.trackers.tracker import Row, Session, Told, Tracker, without_password

FILE = "mlflow.db"  # where nothing else is said
URI = "MLFLOW_TRACKING_URI"
MOST = 1000  # metrics of one request
LONGEST = 500  # characters of a parameter that every store takes
FEWEST = 100  # parameters of one request


@dataclass(frozen=True)
class MLflow(Tracker):
    """A run of an experiment. What gives access stands in MLflow's own variables, `MLFLOW_TRACKING_TOKEN` and others.

    uri:        of the server or file; null: what `MLFLOW_TRACKING_URI` says, else `sqlite:///mlflow.db` in this folder.
    experiment: what the run belongs to; it is made where it is missing.
    """

    needs: ClassVar[str] = "mlflow"
    uri: str | None = None
    experiment: str = "tunesmith"

    def __post_init__(self) -> None:
        if self.uri:
            without_password("uri", self.uri, f"leave `uri` out and set `{URI}` in the environment")

    def open(self, told: Told) -> Session:
        return MLflowRun(self.uri or os.environ.get(URI) or f"sqlite:///{Path(FILE).resolve()}", self.experiment, told)


class MLflowRun(Session):
    """A run through MLflow's client, which needs no active run of the process."""

    def __init__(self, uri: str, experiment: str, told: Told) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self.client: Any = MlflowClient(tracking_uri=uri)
        if "run" in told.known:
            self.id = told.known["run"]
            self.client.update_run(self.id, status="RUNNING")
        else:
            found = self.client.get_experiment_by_name(experiment)
            place = found.experiment_id if found else self.client.create_experiment(experiment)
            self.id = self.client.create_run(place, run_name=told.run.resolve().name).info.run_id
            settings = [Param(name, str(value)[:LONGEST]) for name, value in told.settings.items()]
            for start in range(0, len(settings), FEWEST):
                self.client.log_batch(self.id, params=settings[start : start + FEWEST])
        self.known = {"run": self.id}

    def last(self, curve: str) -> int | None:
        return max((one.step for one in self.client.get_metric_history(self.id, plain(curve))), default=-1)

    def send(self, rows: Sequence[Row]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(plain(name), value, now, step) for step, values in rows for name, value in values.items()]
        for start in range(0, len(metrics), MOST):
            self.client.log_batch(self.id, metrics=metrics[start : start + MOST])

    def close(self, ended: bool) -> None:
        self.client.set_terminated(self.id, status="FINISHED" if ended else "KILLED")


def plain(name: str) -> str:
    """A name as MLflow takes it."""
    return re.sub(r"[^\w\-. :/]", "_", name)
