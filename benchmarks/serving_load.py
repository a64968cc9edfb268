"""Many requests with faults against `tunesmith serve`: are any lost, does memory grow, are adapters left behind?

    python benchmarks/serving_load.py --requests 5000 --clients 64 --into load.json

Clients ask for answers, whole and as streams, of the base and of adapters of three kinds; some go in the middle of an answer,
some send what is no request, and adapters are replaced all the while. At the end every accepted answer has ended, been
cancelled or been told of a fault, no row is under way, and no version of an adapter stands that nobody can ask.
"""

import argparse
import asyncio
import json
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.serving.api_server import BASE, Server, adapters, serving

NAMES = (BASE, "low", "stretched", "soft")
BAD = (b"{", b'{"model": 3}', b"\xff", json.dumps({"model": BASE, "prompt": []}).encode())
PROMPTS = ("The river", "Once upon a time", "Question: why?\nAnswer:", "word " * 40)


def memory(process: int) -> float:
    """MiB that a process holds."""
    text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


async def one(client: httpx2.AsyncClient, dice: random.Random, seen: Counter[str], times: list[float]) -> None:
    """One request of a client, which may be a bad one, or end before its answer does."""
    chance = dice.random()
    if chance < 0.05:
        answer = await client.post("/v1/completions", content=dice.choice(BAD), headers={"content-type": "application/json"})
        seen["bad body refused" if answer.status_code == 400 and "error" in answer.json() else "LOST"] += 1
        return
    body = {"model": dice.choice(NAMES), "prompt": dice.choice(PROMPTS), "max_tokens": dice.randint(1, 24)}
    began = time.monotonic()
    if chance < 0.15:
        try:
            await client.post("/v1/completions", json=body | {"max_tokens": 400, "min_tokens": 400}, timeout=0.05)
            seen["answered"] += 1
        except httpx2.TimeoutException:
            seen["client went"] += 1
        return
    if chance < 0.55:
        await streamed(client, body, chance < 0.25, seen, times, began)
        return
    answer = await client.post("/v1/completions", json=body)
    tree = answer.json()
    told = answer.status_code == 200 and tree["choices"][0]["finish_reason"] in ("stop", "length")
    seen["answered" if told else "told to wait" if answer.status_code == 429 else "LOST"] += 1


async def streamed(
    client: httpx2.AsyncClient, body: dict, goes: bool, seen: Counter[str], times: list[float], began: float
) -> None:
    last = None
    async with client.stream("POST", "/v1/completions", json=body | {"stream": True}) as answer:
        if answer.status_code == 429:
            seen["told to wait"] += 1
            return
        async for event in httpx2.EventSource(answer):
            if last is None:
                times.append(time.monotonic() - began)
            last = event.data
            if goes:
                seen["client went"] += 1
                return
    seen["answered as a stream" if last == "[DONE]" else "LOST"] += 1


async def replacing(client: httpx2.AsyncClient, ends: asyncio.Event, seen: Counter[str]) -> None:
    """Another version of an adapter, again and again."""
    number = 0
    while not ends.is_set():
        number += 1
        body = {"lora_name": "low", "lora_path": ("again", "low")[number % 2], "load_inplace": True}
        answer = await client.post("/v1/load_lora_adapter", json=body)
        seen["adapter replaced" if answer.status_code == 200 else "LOST"] += 1
        await asyncio.sleep(0.05)


async def load(server: Server, requests: int, clients: int, seed: int = 0) -> dict:
    """Ask so often, by so many at a time; what came of it."""
    seen: Counter[str] = Counter()
    times: list[float] = []
    held: list[float] = []
    dice, left = random.Random(seed), iter(range(requests))
    limits = httpx2.Limits(max_connections=clients + 4)
    async with httpx2.AsyncClient(base_url=server.address, timeout=300, limits=limits) as client:
        ends = asyncio.Event()
        beside = asyncio.create_task(replacing(client, ends, seen))

        async def work() -> None:
            for number in left:
                try:
                    await one(client, dice, seen, times)
                except httpx2.HTTPError as error:
                    seen[f"LOST: {type(error).__name__}"] += 1
                if number % max(1, requests // 20) == 0:
                    held.append(round(memory(server.process.pid), 1))

        began = time.monotonic()
        await asyncio.gather(*(work() for _ in range(clients)))
        ends.set()
        await beside
    seconds = time.monotonic() - began
    times.sort()
    return {
        "requests": requests,
        "clients": clients,
        "seconds": round(seconds, 2),
        "seen": dict(seen),
        "lost": sum(count for name, count in seen.items() if name.startswith("LOST")),
        "first_token_p50": times[len(times) // 2] if times else None,
        "first_token_p95": times[int(len(times) * 0.95)] if times else None,
        "memory_mib": held,
        **settled(server),
    }


def settled(server: Server, patience: float = 60.0) -> dict:
    """The server's own numbers once nothing is under way."""
    names = ("accepted_total", "ended_total", "cancelled_total", "failed_total", "restarts_total", "evicted_total")
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        figures = {name: server.figure(f"tunesmith_{name}") for name in (*names, "under_way", "waiting", "versions")}
        if not figures["under_way"] and not figures["waiting"]:
            break
        time.sleep(0.2)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--into", type=Path, help="JSON of what came of it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, loaded(Path(folder), given.rows) as server:
        found = asyncio.run(load(server, given.requests, given.clients))
    print(json.dumps(found, indent=2))
    if given.into:
        given.into.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.exit(bool(found["lost"]))


def loaded(folder: Path, rows: int):
    """A server whose adapters may be replaced."""
    folders = adapters(folder / "made")
    home = folder / "adapters"
    home.mkdir()
    for name in ("low", "again"):
        shutil.copytree(folder / "made" / name, home / name)
    return serving(folder, "--adapters-folder", home, "--rows", rows, folders=folders)


if __name__ == "__main__":
    main()
