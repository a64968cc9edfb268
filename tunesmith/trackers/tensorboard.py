"""TensorBoard: event files below the run's folder; `tensorboard --logdir runs` shows all runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tunesmith.trackers.tracker import Row, Session, Told, Tracker


@dataclass(frozen=True)
class TensorBoard(Tracker):
    """Event files.

    folder: of the event files, with a folder of the run's name inside; null: `tensorboard` in the run's own folder.
    """

    needs: ClassVar[str] = "tensorboard"
    folder: str | None = None

    def open(self, told: Told) -> Session:
        own = Path(self.folder).expanduser() / told.run.resolve().name if self.folder else told.run / "tensorboard"
        return Events(own, told)


class Events(Session):
    """A folder of event files; a run that goes on adds one."""

    def __init__(self, folder: Path, told: Told) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.known = {"run": str(folder)}
        self.before = read(folder) if folder.is_dir() else {}
        self.writer: Any = SummaryWriter(str(folder))
        if not self.before:
            table = [f"| `{name}` | `{value}` |" for name, value in told.settings.items()]
            self.writer.add_text("recipe", "\n".join(["| setting | value |", "|---|---|", *table]))

    def last(self, curve: str) -> int | None:
        return self.before.get(curve, -1)

    def send(self, rows: Sequence[Row]) -> None:
        for step, values in rows:
            for name, value in values.items():
                self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def close(self, ended: bool) -> None:
        self.writer.close()


def read(folder: Path) -> dict[str, int]:
    """Highest step of each curve in a folder of event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return {tag: max(event.step for event in found.Scalars(tag)) for tag in found.Tags()["scalars"]}
