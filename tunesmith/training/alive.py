"""Who of several processes ended, and why: the others end soon, and one of them says it.

Each process watches those of its own machine by the system's own means, and hears of other machines by a value that they
change every few seconds. What is found stands in the store through which the processes met, where all look.
"""

import json
import os
import platform
import select
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch.distributed import distributed_c10d

from tunesmith.errors import UserError
from tunesmith.training.world import World

LOOK = 0.2  # seconds between two looks
BEAT = 5.0  # seconds after which a machine says that it is there
SILENCE = 60.0  # seconds without that after which it is given up
GRACE = 10.0  # seconds that a process has to end by itself when another one is gone
AGAIN = "give the same command again, with as many processes as you like: it goes on from the last checkpoint"
BROKEN = ("closed by peer", "Connection reset", "Broken pipe", "Connection refused", "remote process", "NCCL", "Timed out")


class PeerError(UserError):
    """Another process ended. `silent`: it, or another one, says so; here nothing need be said."""

    def __init__(self, problem: str, hint: str = "", silent: bool = False) -> None:
        super().__init__(problem, hint)
        self.silent = silent


class Alive:
    """Watches over the processes of a world, from here until `stop`."""

    def __init__(self, world: World) -> None:
        self.world = world
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        self._store = distributed_c10d.PrefixStore(f"tunesmith {attempt}", distributed_c10d._get_default_store())
        me = {"rank": world.rank, "pid": os.getpid(), "host": platform.node(), "machine": machine()}
        self._all: list[dict[str, Any]] = world.gathered(me)
        self._stopped = threading.Event()
        self._lost: dict[str, Any] | None = None  # what was found when the store was gone
        self._opened = {one["rank"]: _opened(one["pid"]) for one in self._all if self._near(one) and one != me}
        self._beats: dict[str, tuple[bytes, float]] = {}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with suppress(Exception):
            self._store.set(f"left {self.world.rank}", "")
        self._stopped.set()
        self._thread.join()
        for handle in self._opened.values():
            if handle is not None:
                os.close(handle)
        self._opened.clear()

    def error(self, error: Exception) -> Exception:
        """What an error here means: that another process ended, or something that the others hear now."""
        end = time.monotonic() + (0.0 if isinstance(error, UserError) else 3.0)
        while (found := self._found()) is None and time.monotonic() < end:
            time.sleep(LOOK)
        if found is None and not isinstance(error, UserError) and any(word in str(error) for word in BROKEN):
            found = {"rank": None, "why": f"the connection to another process broke: {error}"}
        if found is not None and found["rank"] != self.world.rank:
            self.stop()
            return self._said(found)
        first = self._tell(self.world.rank, " ".join(str(getattr(error, "problem", error)).split()) or type(error).__name__)
        self.stop()
        return error if first["rank"] == self.world.rank else self._said(first)

    def stopped(self) -> PeerError | None:
        """What Ctrl-C or SIGTERM means here: whoever started us ends us when another process ended; None: it was meant."""
        end = time.monotonic() + 3 * LOOK
        while (found := self._found()) is None and time.monotonic() < end:
            time.sleep(LOOK)
        self.stop()
        return None if found is None or found["rank"] == self.world.rank else self._said(found)

    def _said(self, found: Mapping[str, Any]) -> PeerError:
        """The error of a process that ends because of another one. Of one that could not say it the first that is left does."""
        rank = found["rank"]
        who = "" if rank is None else f"{self._name(rank)} "
        if found.get("failed"):
            return PeerError(f"{who}failed: {found['why']}", AGAIN, silent=True)
        speaker = 0 if rank != 0 else 1
        return PeerError(f"{who}{found['why']}", AGAIN, silent=rank is not None and self.world.rank != speaker)

    def _name(self, rank: int) -> str:
        one = self._all[rank]
        return f"process {rank} of {self.world.size} (number {one['pid']} on `{one['host']}`)"

    def _near(self, one: Mapping[str, Any]) -> bool:
        return bool(one["machine"] == machine())

    def _tell(self, rank: int, why: str, failed: bool = True) -> dict[str, Any]:
        """Let all know who ended, unless another one was told of before; who was the first."""
        found = {"rank": rank, "why": why, "failed": failed}
        try:
            first: dict[str, Any] = json.loads(self._store.compare_set("ended", "", json.dumps(found)))
        except Exception:  # the store is gone with its process
            self._lost = first = self._lost or found
        return first

    def _found(self) -> dict[str, Any] | None:
        with suppress(Exception):
            if self._store.check(["ended"]):
                found: dict[str, Any] = json.loads(self._store.get("ended"))
                return found
        return self._lost

    def _watch(self) -> None:
        """What the thread does: look, and end the process if it does not end by itself."""
        beaten = 0.0
        while not self._stopped.wait(LOOK):
            for rank, handle in self._opened.items():
                if _ended(handle, self._all[rank]["pid"]) and not self._left(rank):
                    self._tell(rank, "ended without a word: it was killed, or its machine had no memory left", failed=False)
            if time.monotonic() > beaten + BEAT:
                beaten = time.monotonic()
                self._beat(beaten)
            if (found := self._found()) is not None:
                self._end(found)
                return

    def _left(self, rank: int) -> bool:
        """Whether a process said that it goes."""
        with suppress(Exception):
            return self._store.check([f"left {rank}"])
        return False

    def _beat(self, now: float) -> None:
        """Say that this machine is there, and look which others are."""
        firsts = {one["machine"]: one["rank"] for one in reversed(self._all)}
        with suppress(Exception):
            if firsts[machine()] == self.world.rank:
                self._store.set(f"beat {machine()}", str(now))
            for other, rank in firsts.items():
                if other == machine() or not self._store.check([f"beat {other}"]):
                    continue
                value = self._store.get(f"beat {other}")
                if other not in self._beats or self._beats[other][0] != value:
                    self._beats[other] = value, now
                elif now > self._beats[other][1] + SILENCE:
                    self._tell(rank, f"has not been heard of for {SILENCE:.0f} seconds, nor has its machine", failed=False)

    def _end(self, found: Mapping[str, Any]) -> None:
        """Give the process time to end by itself; it may hang in a message that nobody answers."""
        if found["rank"] == self.world.rank or self._stopped.wait(GRACE):
            return
        error = self._said(found)
        if not error.silent:
            print(f"error: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def machine() -> str:
    """A name of what shares process numbers with this process."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return platform.node()


def _opened(pid: int) -> int | None:
    """A handle that tells when a process ends; None where the system has none."""
    if hasattr(os, "pidfd_open"):
        with suppress(OSError):
            return os.pidfd_open(pid)
    return None


def _ended(handle: int | None, pid: int) -> bool:
    if handle is not None:
        return bool(select.select([handle], [], [], 0)[0])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
