"""Weights & Biases: an offline run below the run's folder, which `wandb sync` sends; or online, by choice."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal
from uuid import uuid4

from tunesmith.trackers.tracker import Row, Session, Told, Tracker


@dataclass(frozen=True)
class WandB(Tracker):
    """A run of a project. The key stands in `WANDB_API_KEY`, or where `wandb login` has put it.

    project: what the run belongs to.
    entity:  person or team; null: the account's own.
    mode:    `offline` writes files that `wandb sync` sends later; `online` sends at once.
    folder:  of the files; null: in the run's own folder.
    """

    needs: ClassVar[str] = "wandb"
    project: str = "tunesmith"
    entity: str | None = None
    mode: Literal["offline", "online"] = "offline"
    folder: str | None = None

    def open(self, told: Told) -> Session:
        return WandBRun(self, told)


class WandBRun(Session):
    """A run of wandb. Neither code nor the machine's particulars nor what is printed goes with it."""

    def __init__(self, tracker: WandB, told: Told) -> None:
        import wandb

        folder = Path(tracker.folder).expanduser() if tracker.folder else told.run
        folder.mkdir(parents=True, exist_ok=True)
        own = told.known.get("run") or uuid4().hex[:8]
        still = wandb.Settings(
            console="off", disable_code=True, disable_git=True, silent=True, x_disable_meta=True, x_disable_stats=True
        )
        self.run: Any = wandb.init(
            project=tracker.project,
            entity=tracker.entity,
            mode=tracker.mode,
            dir=str(folder),
            id=own,
            name=told.run.resolve().name,
            resume="allow" if tracker.mode == "online" else None,
            config=dict(told.settings),
            settings=still,
            reinit="create_new",
        )
        self.known = {"run": own}

    def send(self, rows: Sequence[Row]) -> None:
        for step, values in rows:
            self.run.log(dict(values), step=step)

    def close(self, ended: bool) -> None:
        import wandb

        self.run.finish(exit_code=0 if ended else 1)
        if wandb.run is None:  # its other process holds on to the id else, and the run could not go on in this one
            wandb.teardown()
