"""What runs that were made beside each other cannot tell: times."""

from collections.abc import Iterable, Mapping
from typing import Any


def crowded(worlds: Iterable[Mapping[str, Any]]) -> str:
    """A paragraph on times where runs were made side by side; empty where each was alone."""
    known = list(worlds)
    most = max((int(world.get("beside") or 1) for world in known), default=1)
    if most == 1:
        return ""
    alone = sum(int(world.get("beside") or 1) == 1 for world in known)
    mixed = f" {alone} of the {len(known)} runs were made alone, and look faster for that." if alone else ""
    timed = [world for world in known if world.get("latency")]
    late = any(int(world.get("latency_beside") or 1) > 1 for world in timed)
    latency = (
        ""
        if not timed
        else " The latency of a request was measured beside others too: it is not comparable."
        if late
        else " The latency of a request was measured with each run alone."
    )
    return (
        f"Runs were made up to {most} at a time on one machine, each with a share of its threads. Seconds of training and of "
        "answering, and tokens a second, are of runs that shared it: they can be held neither against each other nor against "
        f"those of runs alone.{mixed} Memory is each process's own, and scores do not depend on it.{latency}"
    )
