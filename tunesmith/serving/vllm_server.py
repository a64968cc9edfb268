"""vLLM's OpenAI server on a base and its LoRAs: its command, what it cannot serve and why, and its process.

Flags are those of `vllm serve`; what an adapter may be is what vLLM's `PEFTHelper` lets in.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from safetensors import safe_open

from tunesmith.errors import UserError
from tunesmith.models.classifiers import has_head
from tunesmith.models.load import ModelSettings, load_config
from tunesmith.models.weights import CONFIG, FREED, NOWHERE, WEIGHTS, read_config

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # that `--max-lora-rank` may be; 16 where it is not given
MERGED = {"LORA": "LoRA", "ADALORA": "AdaLoRA", "IA3": "IA3"}  # kinds that can be written into their base
LOOK = 0.2  # seconds between two looks at whether it answers


@dataclass(frozen=True)
class Plan:
    """What is to be served.

    base:     folder or hub name of the network; `name`: what clients call it.
    adapters: name -> folder of a LoRA in PEFT's layout.
    rank:     the largest of theirs.
    """

    base: str
    name: str
    adapters: Mapping[str, Path]
    rank: int = 0
    revision: str | None = None
    quantized: bool = False

    def command(self, host: str, port: int, rows: int, more: Sequence[str] = ()) -> list[str]:
        """`more` stands last, so that it overrules what stands before."""
        words = ["vllm", "serve", self.base, "--served-model-name", self.name, "--host", host, "--port", str(port)]
        words += ["--max-num-seqs", str(rows), "--allowed-origins", "[]"]  # no other site's page may ask
        words += ["--revision", self.revision] if self.revision else []
        words += ["--quantization", "bitsandbytes"] if self.quantized else []
        if self.adapters:
            most = next(rank for rank in RANKS if rank >= self.rank)
            words += ["--enable-lora", "--max-lora-rank", str(most), "--max-loras", str(len(self.adapters)), "--lora-modules"]
            words += [f"{name}={folder}" for name, folder in self.adapters.items()]
        return [*words, *more]


def planned(source: ModelSettings, name: str, adapters: Mapping[str, Path]) -> Plan:
    """What vLLM is to serve.

    Args:
        source:   the base, at its revision.
        adapters: name -> the folder that holds `adapter_config.json`.

    Raises:
        UserError: the base or an adapter is of a kind that vLLM cannot serve.
    """
    config, family = load_config(source)
    base = str(config._name_or_path)
    if family != "causal":
        kind = {"seq2seq": "an encoder-decoder model", "masked": "a masked model"}[family]
        raise UserError(f"`{source.path}` is {kind}, and vLLM speaks by causal ones", "leave `--backend vllm` out")
    if has_head(Path(base)):
        raise UserError(f"`{source.path}` has a head of its own, which vLLM does not know", "leave `--backend vllm` out")
    ranks = [0]
    for one, place in adapters.items():
        told = read_config(place)
        why = refusal(told, place)
        if why:
            merged = str(told.get("peft_type")) in MERGED and not has_head(place)
            hint = "write it into its base (`tunesmith merge RUN OUT`) and serve `OUT`, or " if merged else ""
            raise UserError(f"vLLM cannot serve the adapter `{one}`: {why}", hint + "leave `--backend vllm` out")
        ranks.append(int(told["r"]))
    folders = {one: place.resolve() for one, place in adapters.items()}
    return Plan(base, name, folders, max(ranks), source.revision, source.quantize == "nf4")


def refusal(config: Mapping[str, Any], place: Path) -> str:
    """Why vLLM cannot serve an adapter; "" where it can."""
    kind = config.get("peft_type")
    if kind != "LORA":
        method = str(config.get("method", "")).partition(":")[2]
        return f"it serves LoRA alone, and this is {MERGED.get(str(kind), kind) if kind else method}"
    freed = config.get("modules_to_save") or (place / FREED).is_file() or config.get("target_modules") == NOWHERE
    reasons = {
        "it has a head of its own": has_head(place) or config.get("task_type") in ("SEQ_CLS", "TOKEN_CLS"),
        "it trained weights of the network itself (`modules_to_save`)": freed,
        "it stands beside more than linear maps of attention and MLP": _is_beyond(place),
        "it is a DoRA": config.get("use_dora"),
        "it trained biases": config.get("bias", "none") != "none" or config.get("lora_bias"),
        "its layers have different ranks or scales": config.get("rank_pattern") or config.get("alpha_pattern"),
        f"its rank is {config['r']}, and {RANKS[-1]} is the largest (`{place / CONFIG}`)": int(config["r"]) > RANKS[-1],
    }
    return next((reason for reason, found in reasons.items() if found), "")


def _is_beyond(place: Path) -> bool:
    """Whether there are weights for embeddings or the vocabulary's head."""
    file = place / WEIGHTS
    if not file.is_file():
        return False
    with safe_open(file, framework="pt") as weights:
        return any("lora_embedding_" in name or ".lm_head." in name for name in weights.keys())  # noqa: SIM118


def run(
    command: Sequence[str], address: str, token: str | None, ready: Callable[[], None], patience: float, every: float = LOOK
) -> None:
    """Start vLLM's server and stay with it until it ends; SIGTERM and Ctrl-C are handed on to it.

    Args:
        address: where it will answer, without a path.
        token:   what clients have to bring; it is told by the environment, since a command can be read by everybody.
        ready:   called once it answers.
        patience: seconds that it has to end in.

    Raises:
        UserError: there is no vLLM here, or it ended by itself.
    """
    program = shutil.which(command[0])
    if program is None:
        raise UserError("there is no `vllm` on this machine's PATH", "`pip install vllm`, or leave `--backend vllm` out")
    environment = {**os.environ, **({"VLLM_API_KEY": token} if token else {})}
    # Its talk goes to stderr: stdout is the address alone.
    process = subprocess.Popen([program, *command[1:]], stdout=sys.stderr, env=environment)
    told = threading.Event()

    def hand_on(number: int, frame: FrameType | None) -> None:
        told.set()
        process.terminate()

    mine = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, hand_on) if mine else None
    try:
        while process.poll() is None and not answers(f"{address}/health"):
            time.sleep(every)
        if process.poll() is None:
            ready()
        status = process.wait()
    except KeyboardInterrupt:
        told.set()
        raise
    finally:
        end(process, patience)
        if mine:
            signal.signal(signal.SIGTERM, before)
    if not told.is_set():
        raise UserError(f"vLLM has ended with the status {status}", "what it said of that stands above")


def end(process: "subprocess.Popen[bytes]", patience: float) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(address: str) -> bool:
    """Whether a server says that it is well."""
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
