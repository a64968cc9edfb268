"""`tunesmith serve` in a process of its own, on a free port of this machine, with adapters of several kinds."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from tests.conftest import ROOT
from tests.models.speakers import attached
from tunesmith.generation.engine import generate
from tunesmith.methods.bottleneck import Bottleneck
from tunesmith.methods.ia3 import IA3
from tunesmith.methods.lora import LoRA
from tunesmith.methods.prompt import PromptTuning
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.model import Model
from tunesmith.models.weights import load_adapter, save_adapter

BASE = "town/llama"
KINDS = {
    "low": LoRA(rank=4),
    "stretched": IA3(),
    "soft": PromptTuning(virtual_tokens=4),
    "narrow": Bottleneck(),
    "again": LoRA(rank=4),
}
STANDING = ("low", "stretched", "soft")  # what the server begins with


@lru_cache(maxsize=1)
def base() -> Model:
    return load(ModelSettings(path=BASE))


def adapters(folder: Path) -> dict[str, Path]:
    """Files of an adapter of each kind, which says other things than its base."""
    made = {}
    for seed, (name, method) in enumerate(KINDS.items()):
        model = attached(base(), "x", method, seed=seed)
        with torch.no_grad():
            for parameter in model.adapter("x").trained().values():
                parameter.mul_(0.3)
        made[name] = save_adapter(folder / name, model.adapter("x"), model)
        model.detach("x")
    return made


@dataclass
class Server:
    """A server that runs, and the folders of the adapters that it may know."""

    process: subprocess.Popen
    address: str
    folders: dict[str, Path]
    warnings: Path

    def ask(self, path, body=None, **headers):
        """(status, tree or text)."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, _read(answer)
        except urllib.error.HTTPError as error:
            return error.code, _read(error)

    def said(self, prompt, adapter="", **settings):
        """The text of a completion."""
        body = {"model": adapter or BASE, "prompt": prompt, "temperature": 0, "max_tokens": 12, **settings}
        status, tree = self.ask("/v1/completions", body)
        assert status == 200, tree
        return tree["choices"][0]["text"]

    def figure(self, name):
        return float(re.search(rf"^{name} (\S+)$", self.ask("/metrics")[1], re.MULTILINE)[1])

    def comes_to(self, name, value):
        """Wait until a figure is what it should become."""
        deadline = time.monotonic() + 20
        while (seen := self.figure(name)) != value:
            assert time.monotonic() < deadline, f"{name} is {seen}, not {value}"
            time.sleep(0.05)

    def alone(self, prompt, sampling, adapter=""):
        """What `generate` says by itself."""
        model = base()
        if adapter:
            load_adapter(self.folders[adapter], model, "x")
        try:
            ids = model.renderer.text(prompt) if isinstance(prompt, str) else prompt
            return generate(model, [ids], sampling, adapters=["x" if adapter else ""])[0]
        finally:
            if adapter:
                model.detach("x")

    def end(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        return self.process.wait(timeout=60)


def _read(answer):
    text = answer.read().decode()
    return json.loads(text) if answer.headers.get_content_type() == "application/json" else text


@contextmanager
def serving(folder: Path, *words, model=BASE, standing=STANDING, folders=None):
    folders = folders or adapters(folder / "adapters")
    given = [word for name in standing for word in ("--adapter", f"{name}={folders[name]}")]
    command = [sys.executable, "-m", "tunesmith", "serve", str(model), "--port", "0", *given, *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    warnings = folder / "stderr.txt"
    with warnings.open("w") as stderr:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True)
    address = process.stdout.readline().strip().removesuffix("/v1")
    try:
        assert address.startswith("http"), warnings.read_text()
        yield Server(process, address, folders, warnings)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
