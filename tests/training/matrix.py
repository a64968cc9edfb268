"""`make several`: methods and objectives on several processes beside one, two machines, SIGTERM; some twenty minutes.

python -m tests.training.matrix --sizes 2 4 --only dpo full-parts
"""

import argparse
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.tiny import rows, tiny_model
from tests.training.several import answers, begin, end, losses, said, trained

PARTS = {"processes": {"shard": "always"}}
TOGETHER = 7  # recipes that a group of processes runs one after the other
Tree = dict[str, Any]


def laid(root: Path) -> None:
    """Networks and rows."""
    for kind in ("llama", "t5", "bert"):
        tiny_model(root / kind, kind)
    rows(root / "sums.jsonl", 80)
    made = {
        "pairs": [{"prompt": f"say {i}", "chosen": f"yes {i * 3 % 11}", "rejected": f"no {i % 5} {i}"} for i in range(60)],
        "labels": [{"text": f"it is {i} and {i * 7 % 13}", "label": ("good", "bad")[i % 2]} for i in range(60)],
        "texts": [{"text": " ".join(f"word {i * j % 17}" for j in range(3 + i % 9))} for i in range(60)],
    }
    for name, some in made.items():
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some), encoding="utf-8")


def tree(root: Path, files: str = "sums", kind: str = "llama", plan: Tree | None = None, **more: Any) -> Tree:
    """A recipe of six steps of five examples."""
    own = {"steps": 6, "examples": 5, "learning_rate": 0.01, "validate_every": 3, "room": {"rows": 2}, **(plan or {})}
    model = {"path": str(root / kind), **more.pop("model", {})}
    tasks = {str(root / f"{file}.jsonl"): 1.0 for file in files.split()}
    few = {"forgetting": "none", "limit": {"test": 8, "validation": 7}, "ask": {"tokens": 5}}
    return {"name": "run", "method": "lora", "model": model, "tasks": tasks, **few, **more, "plan": own}


def cases(root: Path) -> Iterator[tuple[str, Tree]]:
    """Recipes by name; those with `-parts` share the weights."""

    def both(name: str, *files: str, plan: Tree | None = None, **more: Any) -> Iterator[tuple[str, Tree]]:
        yield name, tree(root, *files, plan=plan, **more)
        yield f"{name}-parts", tree(root, *files, plan={**(plan or {}), **PARTS}, **more)

    live, guard = {"kind": "dpo", "reference": "live"}, {"distance": 0.1, "divergence": 0.05}
    other = {"judged_by": [str(root / "sums.jsonl")]}
    yield from both("lora")
    yield from both("full", method="full")
    yield from both("t5-full", "sums", "t5", method="full")
    yield from both("dpo", "pairs", objective="dpo")
    yield from both("dpo-full", "pairs", objective="dpo", method="full")
    yield from both("dpo-live", "pairs", objective=live)
    yield from both("kto", "pairs", objective="kto")
    yield from both("classify", "labels", "bert", objective="classify", method="full")
    yield from both("pretrain", "texts", "t5", objective="pretrain", method="full", **other)
    yield from both("mixture", "sums labels", plan={"scores": True, "best": "score"}, method="full")
    yield from both("guard", guard=guard)
    yield "guard-full", tree(root, guard=guard, method="full")
    yield "guard-full-parts", tree(root, guard={"distance": 0.1}, method="full", plan=PARTS)
    replay = {"replay": {str(root / "texts.jsonl"): 0.3}}
    yield "replay", tree(root, guard={"divergence": 0.5, "over": "replay"}, **replay)
    yield "qlora", tree(root, model={"quantize": "nf4"})
    yield "ahead", tree(root, plan={"ahead": 1})
    yield "kept", tree(root, plan={"keep": {"frozen": "always"}}, method={"kind": "lora", "on": ["down_proj"]})
    yield "few", tree(root, plan={"examples": 3})
    yield "by-length", tree(root, plan={"order": "by_length"})
    yield from both("recomputed", plan={"recompute": True}, method="full")
    for method in ("adalora", "dora", "pissa", "ia3", "prefix", "ptuning", "bottleneck", "prompt"):
        yield from both(method, method=method)
    yield from both("selective", method={"kind": "selective", "pattern": "norm"})


def faults(one: Path, several: Path) -> list[str]:
    """What is other about a run of several processes."""
    found = []
    for name in ("steps", "validation"):
        ours, theirs = losses(several, name), losses(one, name)
        if len(ours) != len(theirs) or not all(math.isclose(a, b, rel_tol=1e-5) for a, b in zip(ours, theirs, strict=False)):
            found.append(f"{name}: {ours} and not {theirs}")
    if answers(one) != answers(several):
        found.append("answers")
    return found


def matrix(root: Path, sizes: list[int], only: list[str]) -> int:
    """How many runs are other than those of one process."""
    chosen = [(name, one) for name, one in cases(root) if not only or name in only]
    wrong = 0
    for start in range(0, len(chosen), TOGETHER):
        some = chosen[start : start + TOGETHER]
        for size in (1, *sizes):
            folders = [root / str(size) / name for name, _ in some]
            codes = end(begin(size, trained, [one for _, one in some], folders, output=root / f"of{size}"), 600)
            if any(codes):
                print("\n".join(said(root / f"of{size}", rank)[-3000:] for rank in range(size)), file=sys.stderr)
            for name, _ in some if size > 1 else ():
                told = faults(root / "1" / name, root / str(size) / name) if not any(codes) else [f"exit codes {codes}"]
                wrong += bool(told)
                print(f"{name} on {size}: {'; '.join(told) or 'as one'}", flush=True)
    return wrong


def two_machines(root: Path) -> int:
    """Two of torchrun's agents, each with a network of its own. Needs the rights to make such networks."""
    made = [subprocess.run(line.split(), check=False).returncode for line in NETWORKS]
    if any(made):
        print("two machines: left out, no networks can be made here")
        return 0
    recipe = root / "two.json"
    recipe.write_text(json.dumps(tree(root, method="full", plan=PARTS)), encoding="utf-8")
    agents = []
    for number, name in enumerate("ab", start=1):
        inside = ["ip", "netns", "exec", f"tune-{name}", sys.executable, "-m", "torch.distributed.run", "--nnodes", "2"]
        meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "10.77.0.1:29777", "--rdzv-conf", f"is_host={number % 2}"]
        own = ["--local-addr", f"10.77.0.{number}", "--nproc-per-node", "1", "-m", "tunesmith", "train"]
        environment = {**os.environ, "GLOO_SOCKET_IFNAME": f"tune{name}"}
        agents.append(subprocess.Popen([*inside, *meeting, *own, str(recipe), "--into", str(root / "two")], env=environment))
    codes = [agent.wait(600) for agent in agents]
    for name in "ab":
        subprocess.run(["ip", "netns", "del", f"tune-{name}"], check=False)
    end(begin(1, trained, [tree(root, method="full")], [root / "alone"], output=root / "of-alone"))
    told = [f"exit codes {codes}"] if any(codes) else faults(root / "alone", root / "two")
    print(f"two machines: {'; '.join(told) or 'as one'}")
    return bool(told)


NETWORKS = (
    "ip netns add tune-a",
    "ip netns add tune-b",
    "ip link add tunea netns tune-a type veth peer name tuneb netns tune-b",
    "ip -n tune-a addr add 10.77.0.1/24 dev tunea",
    "ip -n tune-b addr add 10.77.0.2/24 dev tuneb",
    "ip -n tune-a link set lo up",
    "ip -n tune-b link set lo up",
    "ip -n tune-a link set tunea up",
    "ip -n tune-b link set tuneb up",
)


def terminated(root: Path) -> int:
    """SIGTERM to `--processes 2`: one checkpoint at a step that all agree on, and the same command goes on."""
    recipe, folder = root / "long.json", root / "terminated"
    recipe.write_text(json.dumps(tree(root, method="full", plan={**PARTS, "steps": 120})), encoding="utf-8")
    command = [sys.executable, "-m", "tunesmith", "train", str(recipe), "--into", str(folder), "--processes", "2"]
    begun = subprocess.Popen(command)
    while len(losses(folder)) < 5 and begun.poll() is None:
        time.sleep(0.05)
    begun.send_signal(signal.SIGTERM)
    status = begun.wait(120)
    made = len(losses(folder))
    kept = folder / "state" / f"step-{made:06d}"
    told = [] if status == 143 and kept.is_dir() else [f"status {status}, {made} steps, no `{kept.name}`"]
    if not told and subprocess.run(command, check=False).returncode == 0:
        end(begin(1, trained, [json.loads(recipe.read_text())], [root / "patient"], output=root / "of-patient"))
        told = faults(root / "patient", folder)
    print(f"SIGTERM: {'; '.join(told) or 'as one'}")
    return bool(told)


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--sizes", nargs="*", type=int, default=[2, 4])
    given.add_argument("--only", nargs="*", default=[])
    chosen = given.parse_args()
    root = Path(tempfile.mkdtemp(prefix="several-"))
    os.environ |= {"OMP_NUM_THREADS": "1", "TUNESMITH_CACHE": "off", "HF_HUB_OFFLINE": "1"}
    laid(root)
    wrong = matrix(root, chosen.sizes, chosen.only)
    if not chosen.only:
        wrong += terminated(root) + two_machines(root)
    shutil.rmtree(root)
    sys.exit(f"{wrong} are other than one process alone" if wrong else 0)


if __name__ == "__main__":
    main()
