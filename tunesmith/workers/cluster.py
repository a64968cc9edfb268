"""Runs on a cluster of Ray: each is an actor there, which begins the run's process on its machine.

A run whose machine, or whose actor, is lost is begun again elsewhere by the pool, from its last checkpoint. Where a machine
sees the driver's folder (a shared disk), the run is made in it; where not, its files are carried to the driver's folder as they
come.
"""

import os
import secrets
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tunesmith
from tunesmith.errors import UserError
from tunesmith.interruption import STATUSES
from tunesmith.run import write_text
from tunesmith.workers import carrying
from tunesmith.workers.job import Job
from tunesmith.workers.remote import Greeting, Look, Remote
from tunesmith.workers.share import BESIDE

LOST = -int(signal.SIGKILL)
EVERY = 1.0  # seconds between two questions to a machine
CARRY = 10.0  # seconds between two fetches of a run's files
NAMES = (  # of the environment, what goes along
    *("OMP_NUM_THREADS", "TUNESMITH_SHARED", "TUNESMITH_DATA", "TUNESMITH_CACHE"),
    *("HF_HOME", "HF_HUB_OFFLINE"),
)


@dataclass(frozen=True)
class Machine:
    """What a machine of the cluster has."""

    cpus: int
    gpus: int
    memory: int


@dataclass
class Cluster:
    """Makes runs on the cluster that `RAY_ADDRESS` names, on one that runs on this machine, or else on one begun for it here.

    parallel: runs at a time; 0: one a GPU where there are any, else one a machine.
    logs:     folder for recipes and what runs say, made absolute.
    needs:    bytes of memory that each run asks the cluster for; 0: none. On machines with GPUs none is asked for.
    carries:  carry all files, also where a machine sees this disk; a test of it.
    """

    parallel: int
    logs: Path
    needs: int = 0
    carries: bool = False
    apart: bool = True
    cpus: int = 1
    gpus: int = 0
    beside: int = 1
    ray: Any = None
    word: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        self.logs = self.logs.resolve()
        self.ray = connected()
        machines = self.machines()
        self.needs = (
            0 if any(one.gpus for one in machines) else self.needs
        )  # a run's memory is that of its GPU, which is its own
        shares = shared_out(machines, self.parallel, self.needs)
        self.parallel, self.cpus, self.gpus, self.beside = shares

    def machines(self) -> list[Machine]:
        found = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        return [Machine(int(one.get("CPU", 0)), int(one.get("GPU", 0)), int(one.get("memory", 0))) for one in found]

    def begin(self, job: Job, slot: int) -> "RemoteWorker":
        mark = self.logs / ".shared"
        write_text(mark, "" if self.carries else self.word)
        options = {"num_cpus": self.cpus, "num_gpus": self.gpus, "memory": self.needs or None, "max_restarts": 0}
        actor = self.ray.remote(Remote).options(**options).remote()
        environment = {name: os.environ[name] for name in NAMES if name in os.environ}
        asked = environment.get("OMP_NUM_THREADS", "")
        own = min(self.cpus, int(asked)) if asked.isdigit() and int(asked) else self.cpus
        environment |= {"OMP_NUM_THREADS": str(own), BESIDE: str(self.beside)}
        return RemoteWorker(self.ray, actor, job, self.logs, environment, actor.greet.remote(str(mark), self.word))


def shared_out(machines: list[Machine], parallel: int, needs: int) -> tuple[int, int, int, int]:
    """(runs at a time, cores of each, GPUs of each, most runs beside each other on one machine).

    Raises:
        UserError: no machine has what a run needs.
    """
    with_gpus = [one for one in machines if one.gpus]
    able = [one for one in with_gpus or machines if one.cpus and (not needs or one.memory >= needs)]
    if not able:
        most = max((one.memory for one in machines), default=0)
        raise UserError(
            f"no machine of the cluster has a core and the {needs / 2**30:.1f} GiB that a run needs: the largest "
            f"offers {most / 2**30:.1f} GiB",
            "lower `plan.room.rows`, or set `plan.recompute=true`; or add a larger machine",
        )
    if with_gpus:
        parallel = min(parallel or len(machines) * 64, sum(one.gpus for one in able))
        cpus = min(max(1, one.cpus // one.gpus) for one in able)
        return parallel, cpus, 1, min(parallel, max(one.gpus for one in able))
    parallel = min(parallel or len(able), sum(one.memory // needs for one in able) if needs else 2**30)
    cpus = max(1, min(max(one.cpus for one in able), sum(one.cpus for one in able) // parallel))
    room = [min(one.cpus // cpus, one.memory // needs if needs else one.cpus) for one in able]
    parallel = max(1, min(parallel, sum(room)))
    return parallel, cpus, 0, max(1, min(parallel, max(room)))


def connected() -> Any:
    """Ray, connected to a cluster.

    Raises:
        UserError: it is not installed, or the cluster is not there.
    """
    try:
        import ray
    except ImportError:
        raise UserError("Ray is not installed", "`pip install 'tunesmith[ray]'`, on every machine of the cluster") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if ray.is_initialized():
        return ray
    options: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": "ERROR",
        "runtime_env": {"env_vars": {"PYTHONPATH": os.pathsep.join(roots())}},
    }
    try:
        ray.init(address="auto", **options)
    except ConnectionError as error:
        if os.environ.get("RAY_ADDRESS"):
            raise UserError(
                f"there is no cluster of Ray at `{os.environ['RAY_ADDRESS']}`: {error}",
                "look at RAY_ADDRESS, or unset it: then one is begun on this machine",
            ) from None
        ray.init(address="local", include_dashboard=False, **options)
    return ray


def roots() -> list[str]:
    """Where machines that share our disk find the package as we do."""
    return [str(Path(tunesmith.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]


@dataclass(eq=False)
class RemoteWorker:
    """A run on the cluster, seen from the driver: one question to its actor is under way at any time."""

    ray: Any
    actor: Any
    job: Job
    logs: Path
    environment: Mapping[str, str]
    asked: Any
    where: str = "waiting"
    begun: bool = False
    carried: bool = False
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    signals: list[int] = field(default_factory=list)
    due: float = 0.0
    fetched: float = 0.0
    status: int | None = None
    held: ExitStack = field(default_factory=ExitStack)

    def poll(self) -> int | None:
        if self.status is not None:
            return self.status
        if self.asked is None:
            if time.monotonic() < self.due:
                return None
            self.asked = self.actor.look.remote()
        ready, _ = self.ray.wait([self.asked], timeout=0)
        if ready:
            try:
                self._heard(self.ray.get(self.asked))
            except self.ray.exceptions.RayActorError:
                self._over(self._stopped() if self.signals else LOST)
            except (self.ray.exceptions.RayTaskError, UserError) as error:  # the others go on
                with (self.logs / f"{self.job.name}.log").open("a", encoding="utf-8") as log:
                    log.write(f"error: {self.where}: {getattr(error, 'cause', None) or error}\n")
                self._over(1)
        return self.status

    @property
    def told(self) -> int:
        return len(self.signals)

    def pass_on(self, number: int) -> None:
        self.signals.append(number)
        if self.begun:
            self.actor.pass_on.remote(number)
        else:  # nothing was begun: it may wait for a free machine for ever
            self._over(self._stopped())

    def _heard(self, told: Greeting | Look | None) -> None:
        self.asked, self.due = None, time.monotonic() + EVERY
        if isinstance(told, Greeting):
            self._begin(told)
        elif isinstance(told, Look):
            if self.carried and (told.status is not None or time.monotonic() - self.fetched > CARRY):
                self._bring(told)
            if told.status is not None:
                self._over(told.status)

    def _begin(self, told: Greeting) -> None:
        if told.version != tunesmith.__version__:
            raise UserError(
                f"{told.host} has tunesmith {told.version}, and this machine has {tunesmith.__version__}",
                "install the same version on every machine of the cluster",
            )
        self.where, self.carried = told.host, not told.shared
        folder = self.job.run.folder.resolve()
        if self.carried:
            self.held.enter_context(self.job.run.writing())  # the run itself holds its folder there
            self.actor.take.remote()
            self._send(folder)
        given = self.job.name, self.job.text(), str(folder), str(self.logs), str(Path.cwd()), dict(self.environment)
        self.asked, self.begun = self.actor.begin.remote(*given), True

    def _send(self, folder: Path) -> None:
        """What stands of the run already."""
        self.files = carrying.listing(folder)
        for path in self.files:
            for offset, data in carrying.parts(lambda *part: carrying.read(folder, *part), path):
                self.ray.get(self.actor.write.remote(path, offset, data))

    def _bring(self, told: Look) -> None:
        folder = self.job.run.folder
        self.files = carrying.bring(self._read, told.files, self.files, folder)
        self.fetched = time.monotonic()
        write_text(self.logs / f"{self.job.name}.log", "".join(f"{line}\n" for line in told.lines))

    def _read(self, path: str, offset: int, size: int) -> bytes:
        try:
            part: bytes = self.ray.get(self.actor.read.remote(path, offset, size))
        except self.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, FileNotFoundError):
                raise FileNotFoundError(path) from None
            raise
        return part

    def _stopped(self) -> int:
        """The exit status of what was told to stop."""
        return STATUSES[signal.Signals(self.signals[0])]

    def _over(self, status: int) -> None:
        """Free the machine, and our hold of the folder."""
        self.status = status
        self.held.close()
        with suppress(self.ray.exceptions.RayError):  # it is gone already
            if self.begun:
                self.actor.end.remote()
                self.actor.__ray_terminate__.remote()
            else:
                self.ray.kill(self.actor)
