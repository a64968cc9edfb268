"""The studio's index, its tails of files, and what its routes answer and refuse."""

import json
import time

import pytest
from fastapi.testclient import TestClient

from tests.serving.judging import HOSTILE
from tests.serving.studio_runs import TASK, made_run, step_of
from tunesmith.run import Run
from tunesmith.serving import server
from tunesmith.serving.studio import data_routes, index, play_routes, routes
from tunesmith.serving.studio.index import Index, found, natural
from tunesmith.serving.studio.playing import Playground, settled
from tunesmith.serving.studio.tail import MOST, Tail

PLACES = [routes.Place("/runs", "Runs")]


@pytest.fixture
def runs(tmp_path):
    made_run(tmp_path / "runs" / "low", right=2, age=500)
    made_run(tmp_path / "runs" / "high", right=9, rank=16, age=400)
    made_run(tmp_path / "comparisons" / "one" / "runs" / "stopped", ended=False, steps=7, age=300)
    made_run(tmp_path / "runs" / "going", ended=False, steps=3)
    made_run(tmp_path / "runs" / "broken", ended=False, steps=3, age=100, failed="the memory of the card is full")
    (tmp_path / "comparisons" / "one" / "report.html").write_text("<script>document.title='ran'</script>")
    return tmp_path


@pytest.fixture
def client(runs):
    found_ = Index([runs])
    playground = Playground(found_, lambda worker, name: pytest.fail("nothing is loaded"))
    made = [
        routes.router(found_, PLACES),
        play_routes.router(found_, playground, PLACES),
        data_routes.router(found_, ["rows.csv"], lambda run, name: pytest.fail("nothing is opened"), PLACES),
    ]
    return TestClient(server.create(made, home="/runs", api=playground.ask), base_url="http://127.0.0.1")


def by_name(folder):
    return {entry.name: entry for entry in Index([folder]).entries()}


def test_states_and_headlines(runs):
    entries, now = by_name(runs), time.time()
    states = {name: entry.state(now) for name, entry in entries.items()}
    assert states == {"low": "ended", "high": "ended", "stopped": "interrupted", "going": "running", "broken": "failed"}
    assert (entries["high"].score, entries["high"].metric, entries["high"].step) == (0.9, "exact_match", 20)
    assert entries["stopped"].group.endswith("comparisons/one/runs")
    assert entries["broken"].failed == "the memory of the card is full"


def test_an_id_stays_and_only_what_changed_is_read_again(runs, monkeypatch):
    kept = Index([runs])
    before = {entry.name: entry.id for entry in kept.entries()}
    read, again = [], index.read
    monkeypatch.setattr(index, "read", lambda folder, *rest: read.append(folder.name) or again(folder, *rest))
    kept._looked = -1e9
    Run(runs / "runs" / "low").keep_world(planned_steps=40)
    Run(runs / "runs" / "going").log(step_of(4))
    entries = {entry.name: entry for entry in kept.entries()}
    assert read == ["low"]
    assert (entries["low"].planned, entries["going"].step) == (40, 4)
    assert {entry.name: entry.id for entry in entries.values()} == before
    kept._looked = -1e9
    (runs / "runs" / "high" / "recipe.yaml").unlink()
    assert "high" not in {entry.name for entry in kept.entries()}


def test_a_broken_file_is_told_and_hides_nothing(runs):
    (runs / "runs" / "low" / "scores.json").write_text("{")
    entries = by_name(runs)
    assert len(entries) == 5
    assert "is not JSON" in entries["low"].fault
    assert entries["low"].state(time.time()) == "ended" or entries["low"].state(time.time()) == "failed"


def test_search_and_sort(runs):
    entries, now = Index([runs]).entries(), time.time()
    assert [entry.name for entry in found(entries, "", "score", True, now)][:2] == ["high", "low"]
    assert [entry.name for entry in found(entries, "", "score", False, now)][:2] == ["low", "high"]
    assert [entry.name for entry in found(entries, "LORA stop", "name", False, now)] == ["stopped"]
    assert [entry.name for entry in found(entries, "", "time", True, now, "ended")] == ["high", "low"]
    assert sorted(["run-10", "run-9", "run-9b"], key=natural) == ["run-9", "run-9b", "run-10"]


def test_a_failing_run_says_so_until_it_goes_on(tmp_path):
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    with pytest.raises(ValueError, match="odd"), run.failing():
        raise ValueError("an odd\nnumber")
    assert run.world()["failed"] == "an odd number"
    with pytest.raises(KeyboardInterrupt), run.failing():
        raise KeyboardInterrupt
    assert run.world()["failed"] is None


def test_a_tail_reads_on_from_the_last_byte(tmp_path):
    path = tmp_path / "steps.jsonl"
    tail = Tail(path)
    assert tail.since(0, 0)["rows"] == 0
    path.write_text(json.dumps(step_of(1)) + "\n" + json.dumps(step_of(2))[:9])
    first = tail.since(0, 0)
    assert first["columns"]["step"] == [1.0]
    with path.open("a") as file:
        file.write(json.dumps(step_of(2))[9:] + "\n")
    more = tail.since(first["generation"], first["rows"])
    assert (more["fresh"], more["columns"]["step"], more["rows"]) == (False, [2.0], 2)
    assert tail._at == path.stat().st_size


def test_a_tail_of_a_run_that_went_back(tmp_path):
    run = Run(tmp_path)
    for step in range(1, 6):
        run.log(step_of(step))
    tail = Tail(tmp_path / "steps.jsonl")
    before = tail.since(0, 0)
    run.cut(3)
    after = tail.since(before["generation"], before["rows"])
    assert (after["fresh"], after["columns"]["step"]) == (True, [1.0, 2.0, 3.0])
    run.log({**step_of(3), "loss": 9.0})  # a step that stands twice
    last = tail.since(after["generation"], after["rows"])
    assert (last["fresh"], last["columns"]["loss"][-1], len(last["columns"]["step"])) == (True, 9.0, 3)


def test_a_long_file_is_sent_as_means(tmp_path):
    path = tmp_path / "steps.jsonl"
    path.write_text("".join(json.dumps({"step": n, "loss": float(n)}) + "\n" for n in range(1, 4 * MOST + 1)))
    sent = Tail(path).since(0, 0)
    assert (sent["together"], len(sent["columns"]["loss"]), sent["rows"]) == (4, MOST, 4 * MOST)
    assert (sent["columns"]["step"][0], sent["columns"]["loss"][0]) == (4.0, 2.5)


def test_numbers_that_are_none(tmp_path):
    (tmp_path / "steps.jsonl").write_text('{"step": 1, "loss": NaN, "shown": {"reward": 2}}\n[]\nnot json\n')
    assert Tail(tmp_path / "steps.jsonl").since(0, 0)["columns"] == {"step": [1.0], "loss": [None], "shown reward": [2.0]}


def ids(client):
    return {run["name"]: run["id"] for run in client.get("/api/studio/runs").json()["runs"]}


def test_what_a_page_is_told(client):
    tree = client.get("/api/studio/runs", params={"find": "high", "sort": "score"}).json()
    assert (tree["all"], tree["count"], tree["states"]["running"]) == (5, 1, 1)
    key = ids(client)["high"]
    run = client.get("/api/studio/run", params={"id": key}).json()
    assert ["method.rank", "16"] in run["settings"]
    [score] = client.get("/api/studio/scores", params={"id": key}).json()
    assert score["low"] <= score["value"] == 0.9 <= score["high"]
    answers = client.get("/api/studio/answers", params={"id": key, "task": TASK, "find": "owned"}).json()
    assert (answers["count"], answers["all"], answers["answers"][0]["said"]) == (1, 10, HOSTILE)
    live = client.get("/api/studio/live", params={"id": key}).json()
    assert live["steps"]["rows"] == 20


def test_runs_beside_one_another(client):
    known = ids(client)
    tree = client.get("/api/studio/compare", params={"ids": [known["high"], known["low"]], "baseline": known["low"]}).json()
    assert [(one["name"], one["values"]) for one in tree["settings"]] == [("method.rank", ["16", "8"])]
    [[high], [low]] = tree["scores"]
    assert (tree["baseline"], high["apart"]["told"]) == (known["low"], "better")
    assert high["apart"]["low"] > 0 and "apart" not in low
    other = client.get("/api/studio/compare", params={"ids": [known["high"], known["going"]]}).json()
    assert "no task" in other["told"]


def test_an_evidence_page_may_run_but_fetch_nothing(client):
    [page] = client.get("/api/studio/pages").json()
    answer = client.get(f"/evidence/{page['id']}")
    assert "sandbox allow-scripts;" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "sandbox" not in client.get("/runs").headers["content-security-policy"]


@pytest.mark.parametrize("bad", ["../../etc/passwd", "/etc/passwd", "0" * 16, "..%2f..", "<script>", ""])
def test_no_path_from_a_request_is_heard(client, bad):
    for path in ("run", "scores", "live"):
        assert client.get(f"/api/studio/{path}", params={"id": bad}).status_code in (404, 422)
    assert client.get("/api/studio/compare", params={"ids": [bad]}).status_code in (404, 422)
    assert client.get(f"/evidence/{bad}").status_code in (404, 405)
    good = ids(client)["high"]
    assert client.get("/api/studio/answers", params={"id": good, "task": f"../../{bad}"}).status_code == 404
    assert client.get("/api/studio/rows", params={"task": 7}).status_code == 404
    assert client.get("/api/studio/rows", params={"id": bad or "x", "task": 0}).status_code in (404, 422)


def test_the_network_of_a_run_is_as_the_run_had_it(tmp_path):
    """In four bits, asked by its own chat setting: a run that was trained otherwise does not fit it."""
    for name, config, kept in (("plain", {}, {}), ("packed", {"base_quantize": "nf4", "revision": "abc"}, {"chat": "none"})):
        folder = tmp_path / name / "adapter"
        folder.mkdir(parents=True)
        (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "town/llama", **config}))
        (folder / "base.json").write_text(json.dumps({"schema": 1, **kept}))
    plain, packed = (settled(str(tmp_path / name)) for name in ("plain", "packed"))
    assert (packed.path, packed.quantize, packed.chat, packed.revision) == ("town/llama", "nf4", "none", "abc")
    assert plain == settled("town/llama") != packed


def test_a_playground_without_a_model(client):
    assert client.get("/api/studio/play").json()["standing"] == "none"
    assert "no model is loaded" in client.post("/api/studio/play/stand", json={"run": ""}).json()["said"]
    answer = client.post("/v1/completions", json={"model": "x", "prompt": "hello"})
    assert answer.status_code == 503 and "No model is loaded" in answer.json()["error"]["message"]
    assert "no model was given" in client.post("/api/studio/play/load", json={"run": ""}).json()["said"]
    said = client.post("/api/studio/play/load", json={"run": ids(client)["high"]}).json()["said"]
    assert "has learnt nothing yet" in said


def test_a_thousand_runs_are_listed_at_once(tmp_path):
    for number in range(1000):
        folder = tmp_path / f"run-{number}"
        folder.mkdir()
        (folder / "recipe.yaml").write_text("name: x\nmethod: lora\nmodel: {path: town/t5}\ntasks: {town/sentiment: 1.0}\n")
        (folder / "world.json").write_text('{"method": "lora", "model": "town/t5", "main_task": "t", "ended": true}')
    kept = Index([tmp_path])
    began = time.process_time()
    assert len(kept.entries()) == 1000
    assert time.process_time() - began < 1.5
    kept._looked = -1e9
    began = time.process_time()
    assert len(kept.entries()) == 1000
    assert time.process_time() - began < 0.5
