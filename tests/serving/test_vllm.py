"""vLLM as who serves: its command, what it is refused, its process. A program of its name stands in for it, on PATH."""

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from tests.conftest import ROOT
from tests.models.speakers import attached
from tests.serving.api_server import BASE
from tunesmith.cli import main
from tunesmith.errors import UserError
from tunesmith.methods.adalora import AdaLoRA
from tunesmith.methods.bottleneck import Bottleneck
from tunesmith.methods.dora import DoRA
from tunesmith.methods.ia3 import IA3
from tunesmith.methods.lora import LoRA
from tunesmith.methods.pissa import PiSSA
from tunesmith.methods.prompt import PromptTuning
from tunesmith.methods.selective import Selective
from tunesmith.models.load import ModelSettings, adapter_of, load
from tunesmith.models.weights import save_adapter
from tunesmith.serving.vllm_server import planned

PROGRAM = """#!{python}
import json, os, signal, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

words, log = sys.argv[1:], Path(os.environ["VLLM_LOG"])
log.write_text(json.dumps({{"words": words, "key": os.environ.get("VLLM_API_KEY")}}))
print("INFO vLLM talks on stdout")
if "--fail" in words:
    sys.exit(3)

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
    def log_message(self, *given):
        pass

def ended(number, frame):
    log.with_suffix(".ended").write_text(str(number))
    sys.exit(0)

signal.signal(signal.SIGTERM, ended)
time.sleep(0.5)  # a network is read
HTTPServer((words[words.index("--host") + 1], int(words[words.index("--port") + 1])), Answer).serve_forever()
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Runs of several kinds on one base."""
    home = tmp_path_factory.mktemp("runs")
    kinds = {
        "low": LoRA(rank=4),
        "high": LoRA(rank=20, rank_stabilised=True),
        "principal": PiSSA(rank=5),
        "ada": AdaLoRA(),
        "dora": DoRA(rank=2),
        "stretched": IA3(),
        "soft": PromptTuning(virtual_tokens=3),
        "narrow": Bottleneck(),
        "norms": Selective(parts=("norm",)),
        "wide": LoRA(rank=520, on=("query",)),
        "words": LoRA(rank=2, on=("embedding", "query")),
    }
    own = load(ModelSettings(path=BASE))  # one of the methods changes the network itself
    for name, method in kinds.items():
        model = attached(own, "x", method)
        save_adapter(home / name, model.adapter("x"), model)
        model.detach("x")
    return home


@pytest.fixture
def vllm(tmp_path, monkeypatch):
    """The file that the program called `vllm` writes its words into."""
    program = tmp_path / "bin" / "vllm"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("VLLM_LOG", str(tmp_path / "log.json"))
    return tmp_path / "log.json"


def begin(folder, *words):
    command = [sys.executable, "-m", "tunesmith", "serve", *map(str, words), "--backend", "vllm"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (folder / "stderr.txt").open("w") as stderr:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True)


def test_it_is_started_with_the_base_and_its_loras_and_ended(folders, vllm, tmp_path):
    adapters = ["--adapter", f"high={folders / 'high'}", "--adapter", f"principal={folders / 'principal'}"]
    process = begin(
        tmp_path, folders / "low", *adapters, "--port", 0, "--rows", 7, "--token", "a-secret-token", "--vllm=--dtype bfloat16"
    )
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:") and address.endswith("/v1"), (tmp_path / "stderr.txt").read_text()
    told = json.loads(vllm.read_text())
    words = told["words"]
    port = address.removesuffix("/v1").rpartition(":")[2]
    assert words == [
        "serve",
        str(ROOT / "tunesmith" / "assets" / "llama"),
        "--served-model-name",
        BASE,
        "--host",
        "127.0.0.1",
        "--port",
        port,
        "--max-num-seqs",
        "7",
        "--allowed-origins",
        "[]",
        "--enable-lora",
        "--max-lora-rank",
        "32",
        "--max-loras",
        "3",
        "--lora-modules",
        *(f"{name}={(folders / name / 'adapter').resolve()}" for name in ("low", "high", "principal")),
        "--dtype",
        "bfloat16",
    ]
    assert told["key"] == "a-secret-token" and "a-secret-token" not in words
    with urllib.request.urlopen(address.removesuffix("/v1") + "/health", timeout=10) as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert vllm.with_suffix(".ended").read_text() == str(int(signal.SIGTERM))
    assert process.stdout.read() == "", "its talk is no data"
    assert "vLLM talks" in (tmp_path / "stderr.txt").read_text()
    process.stdout.close()


def test_where_it_ends_by_itself_so_does_the_command(vllm, tmp_path):
    process = begin(tmp_path, BASE, "--port", 0, "--vllm=--fail")
    assert process.wait(300) == 1
    assert "vLLM has ended with the status 3" in (tmp_path / "stderr.txt").read_text()
    process.stdout.close()
    assert "--enable-lora" not in json.loads(vllm.read_text())["words"]


@pytest.mark.parametrize(
    ("kind", "why", "hint"),
    [
        ("ada", "LoRA alone, and this is AdaLoRA", "tunesmith merge"),
        ("dora", "it is a DoRA", "tunesmith merge"),
        ("stretched", "LoRA alone, and this is IA3", "tunesmith merge"),
        ("soft", "LoRA alone, and this is PROMPT_TUNING", "leave `--backend vllm` out"),
        ("narrow", "LoRA alone, and this is Bottleneck", "leave `--backend vllm` out"),
        ("norms", "LoRA alone, and this is", "leave `--backend vllm` out"),
        ("words", "more than linear maps of attention", "tunesmith merge"),
        ("wide", "its rank is 520", "tunesmith merge"),
    ],
)
def test_what_it_cannot_serve_is_refused_with_the_reason(folders, kind, why, hint):
    with pytest.raises(UserError) as refused:
        planned(ModelSettings(path=BASE), BASE, {kind: adapter_of(str(folders / kind))})
    assert why in str(refused.value) and hint in refused.value.hint, refused.value


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "lora_only"}, "biases"),
        ({"rank_pattern": {"q_proj": 2}}, "different ranks"),
        ({"task_type": "SEQ_CLS"}, "head"),
    ],
)
def test_loras_of_others_that_it_cannot_serve(folders, tmp_path, change, why):
    config = json.loads((folders / "low" / "adapter" / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | change))
    with pytest.raises(UserError, match=why):
        planned(ModelSettings(path=BASE), BASE, {"x": tmp_path})


def test_a_base_in_four_bits_and_others_that_do_not_speak(folders):
    plan = planned(ModelSettings(path=BASE, quantize="nf4", revision="abc"), "mine", {})
    assert plan.command("::1", 1, 2)[-4:] == ["--revision", "abc", "--quantization", "bitsandbytes"]
    for path, why in (("town/t5", "an encoder-decoder model"), ("town/bert", "a masked model")):
        with pytest.raises(UserError, match=why):
            planned(ModelSettings(path=path), path, {})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--backend", "vllm"], "no `vllm` on this machine"),
        (["--backend", "vllm", "--watch", "--adapters-folder", "."], "`--adapters-folder`, `--watch`"),
        (["--backend", "vllm", "--queue", "3"], "`--queue`"),
        (["--vllm=--dtype half"], "add `--backend vllm`"),
    ],
)
def test_words_that_do_not_fit(words, told, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(["serve", BASE, "--port", "0", *words])
    assert ended.value.code == 1
    assert told in capsys.readouterr().err
