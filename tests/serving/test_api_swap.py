"""Adapters that come, change and go while a server is asked; a run as a base; heads."""

import json
import shutil
import subprocess
import threading
import time

import openai
import pytest

from tests.models.speakers import attached
from tests.serving.api_server import BASE, Server, adapters, serving
from tests.serving.test_api_errors import ASKED, wrong
from tunesmith.cli import main
from tunesmith.errors import UserError
from tunesmith.generation.sampling import Sampling
from tunesmith.hosting import named, opened
from tunesmith.methods.frozen import Frozen
from tunesmith.methods.lora import LoRA
from tunesmith.methods.selective import Selective
from tunesmith.models.head import Head, HeadPlan
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.weights import save_adapter

PROMPT = "The river"
GREEDY = Sampling(tokens=12)


@pytest.fixture(scope="module")
def swaps(tmp_path_factory):
    """A server whose adapters may be swapped, and its folder."""
    folder = tmp_path_factory.mktemp("swaps")
    folders = adapters(folder / "made")
    home = folder / "adapters"
    home.mkdir()
    for name in ("low", "again"):
        shutil.copytree(folder / "made" / name, home / name)
    with serving(folder, "--adapters-folder", home, "--watch", standing=(), folders=folders) as server:
        yield server, home


def until(server: Server, names):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = {one["id"]: one["version"] for one in server.ask("/v1/models")[1]["data"] if one["parent"]}
        if found.keys() == set(names):
            return found
        time.sleep(0.1)
    raise AssertionError(f"{found} are there, not {names}")


def test_a_watched_folder_is_followed(swaps):
    server, home = swaps
    assert until(server, ["low", "again"]) == {"low": 1, "again": 1}, "what lies there at first stands before anybody asks"
    shutil.copytree(server.folders["narrow"].parent, home / "narrow")
    (home / "a hostile name").mkdir()
    (home / "half").mkdir()
    (home / "half" / "adapter_config.json").write_text("{")
    until(server, ["low", "again", "narrow"])
    assert server.said(PROMPT, "narrow") == server.alone(PROMPT, GREEDY, "narrow").text
    shutil.copytree(server.folders["stretched"].parent, home / "narrow", dirs_exist_ok=True)
    while until(server, ["low", "again", "narrow"])["narrow"] < 2:
        time.sleep(0.1)
    assert server.said(PROMPT, "narrow") == server.alone(PROMPT, GREEDY, "stretched").text
    shutil.rmtree(home / "narrow")
    until(server, ["low", "again"])
    assert "half" in server.warnings.read_text()


def test_replaced_under_load_an_answer_is_of_one_version(swaps):
    server, _ = swaps
    until(server, ["low", "again"])
    right = {server.alone(PROMPT, GREEDY, name).text for name in ("low", "again")}
    assert len(right) == 2
    load = {"lora_name": "support", "lora_path": "low"}
    assert server.ask("/v1/load_lora_adapter", load)[0] == 200
    said, stop = [], threading.Event()

    def ask():
        with openai.OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
            for _ in range(12):
                parts = client.completions.create(model="support", prompt=PROMPT, max_tokens=12, temperature=0, stream=True)
                said.append("".join(part.choices[0].text for part in parts))

    def replace():
        for number in range(10**6):
            if stop.is_set():
                return
            place = ("again", "low")[number % 2]
            assert server.ask("/v1/load_lora_adapter", load | {"lora_path": place, "load_inplace": True})[0] == 200

    replacing = threading.Thread(target=replace)
    asking = [threading.Thread(target=ask) for _ in range(4)]
    for one in (replacing, *asking):
        one.start()
    for one in asking:
        one.join()
    stop.set()
    replacing.join()
    assert len(said) == 48 and set(said) <= right
    assert server.ask("/v1/unload_lora_adapter", {"lora_name": "support"})[0] == 200
    until(server, ["low", "again"])


def test_adapters_of_a_hostile_name_are_refused(swaps, tmp_path):
    api, home = swaps
    until(api, ["low", "again"])
    (home / "out").symlink_to(tmp_path)
    try:
        for place in (
            "../adapters/low",
            str(home / "low"),
            "low/..",
            ".",
            "..",
            "",
            "low/",
            "low\0",
            "out",
            "~",
            "%2e%2e",
            "low/adapter",
        ):
            status, tree = api.ask("/v1/load_lora_adapter", {"lora_name": "new", "lora_path": place})
            assert status in (400, 404) and str(home.parent) not in json.dumps(tree), place
        for name in ("../x", "a/b", "", "a b", "<script>", "x" * 200, BASE, ".hidden", "a\n"):
            assert api.ask("/v1/load_lora_adapter", {"lora_name": name, "lora_path": "low"})[0] == 400, name
        load = {"lora_name": "new", "lora_path": "low"}
        assert api.ask("/v1/load_lora_adapter", load)[0] == 200
        assert "load_inplace" in wrong(api, load, "/v1/load_lora_adapter")["message"]
        assert api.ask("/v1/load_lora_adapter", load | {"load_inplace": True})[0] == 200
        assert api.said("The river", "new") != api.said("The river")
        assert api.ask("/v1/unload_lora_adapter", {"lora_name": "new"})[0] == 200
        assert wrong(api, {"lora_name": "new"}, "/v1/unload_lora_adapter", status=404)["code"] == "model_not_found"
        assert wrong(api, ASKED | {"model": "new"}, status=404)["code"] == "model_not_found"
    finally:
        (home / "out").unlink()


def test_a_run_is_served_by_its_base_and_its_own_name(tmp_path):
    folders = adapters(tmp_path / "made")
    run = folders["low"].parent
    with serving(tmp_path, model=run, standing=(), folders=folders) as server:
        names = [one["id"] for one in server.ask("/v1/models")[1]["data"]]
        assert names == [BASE, "low"]
        assert server.said(PROMPT, "low") == server.alone(PROMPT, GREEDY, "low").text
        told = server.warnings.read_text()
        curl = next(line for line in told.splitlines() if line.startswith("curl "))
        answered = subprocess.run(curl, shell=True, capture_output=True, text=True, check=True)
        assert json.loads(answered.stdout)["model"] == "low"


def test_a_run_that_changed_the_network_is_a_base_of_its_own(tmp_path):
    model = attached(load(ModelSettings(path=BASE)), "x", Selective(parts=("norm",)))
    save_adapter(tmp_path / "norms", model.adapter("x"), model)
    made, beside = opened(str(tmp_path / "norms"), None, {})
    assert (made.name, beside) == ("norms", {}) and made.model.active
    with pytest.raises(UserError, match="not trained on"):
        opened(str(tmp_path / "norms"), None, {"other": tmp_path})


def test_names_of_models(tmp_path):
    run = tmp_path / "mine"
    (run / "adapter").mkdir(parents=True)
    assert named("town/llama") == "town/llama"
    assert named("google/flan-t5-small") == "google/flan-t5-small"
    assert named(str(run)) == named(str(run / "adapter")) == "mine"


@pytest.mark.parametrize("words", [["--adapter", "low"], ["--watch"], ["--adapters-folder", "nowhere"], ["--adapter", "a/b=."]])
def test_wrong_words_are_told_before_anything_is_served(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["serve", BASE, "--port", "0", *words])
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert told.err.startswith("error: ") and not told.out


@pytest.mark.parametrize("method", [LoRA(rank=2), Frozen()], ids=["lora", "frozen"])
def test_a_head_tells_labels_with_probabilities(tmp_path, method):
    import torch

    from tunesmith.data.example import Example, Message
    from tunesmith.evaluation.heads import classify

    model = load(ModelSettings(path="town/bert"))
    torch.manual_seed(0)
    head = Head(HeadPlan("label", ("good", "bad"), pooling="mean", temperature=2.0), model.width)
    model.attach("x", method, head=head)
    folder = save_adapter(tmp_path / "mood", model.adapter("x"), model)
    texts = ["A fine day.", "Rain again."]
    right = classify(model, [Example((Message("user", text),), "") for text in texts])
    with serving(tmp_path, model="town/bert", standing=("mood",), folders={"mood": folder}) as server:
        status, tree = server.ask("/v1/classify", {"model": "mood", "input": texts})
        assert status == 200, tree
        assert [one["label"] for one in tree["data"]] == [answer.said for answer in right]
        for one, answer in zip(tree["data"], right, strict=True):
            assert one["labels"] == ["good", "bad"] and sum(one["probs"]) == pytest.approx(1)
            assert one["probs"] == pytest.approx(torch.tensor(answer.scores).exp().tolist(), abs=1e-5)
        calm = server.ask("/v1/classify", {"model": "mood", "input": [["A", "pair"], "one"], "calibrated": True})[1]
        assert max(calm["data"][0]["probs"]) < max(
            server.ask("/v1/classify", {"model": "mood", "input": [["A", "pair"]]})[1]["data"][0]["probs"]
        )
        with openai.OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
            found = client.embeddings.create(model="town/bert", input=texts).data
            assert len(found) == 2 and len(found[0].embedding) == model.width
            with pytest.raises(openai.BadRequestError, match="cannot speak"):
                client.completions.create(model="mood", prompt="a")
    base, folders = opened(str(folder), None, {})
    assert (base.name, folders) == ("town/bert", {"mood": folder}), "named alone, it is served with its base"
