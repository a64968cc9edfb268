"""What a run learnt goes to a hub: a server on this machine that answers as the hub's upload API does."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.test_cli import run
from tests.tiny import rows, tiny_model
from tunesmith import pushing, verbs
from tunesmith.errors import UserError

TOKEN = "hf_" + "a" * 30


class Hub(ThreadingHTTPServer):
    """Repositories in memory: files by commit, large ones by their content."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.repos, self.stored, self.commits, self.asked = {}, {}, [], []
        self.failing = 0  # commits that fail

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    def log_message(self, *told):
        pass

    def give(self, status, tree=None, **headers):
        data = json.dumps(tree or {}).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_PUT(self):
        data, hub = self.body(), self.server
        hub.asked.append(("PUT", self.path))
        hub.stored[hashlib.sha256(data).hexdigest()] = data
        self.give(200)

    def do_POST(self):
        hub, path, data = self.server, self.path.partition("?")[0], self.body()
        hub.asked.append(("POST", path))
        if "/info/lfs/" not in path and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.give(401, {"error": "Invalid credentials"})
        if path == "/api/repos/create":
            asked = json.loads(data)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else f"me/{asked['name']}"
            if name.startswith("others/"):
                return self.give(403, {"error": "You don't have the rights to create a model under this namespace"})
            if name in hub.repos:
                return self.give(409, {"error": "You already created this model repo", "url": f"{hub.address}/{name}"})
            hub.repos[name] = {"private": bool(asked.get("private") or asked.get("visibility") == "private"), "files": {}}
            return self.give(200, {"url": f"{hub.address}/{name}", "name": name, "id": "1"})
        if path == "/api/validate-yaml":
            return self.give(200, {"errors": [], "warnings": []})
        if "/preupload/" in path:
            files = json.loads(data)["files"]
            told = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith("safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for one in files
            ]
            return self.give(200, {"files": told})
        if path.endswith("/info/lfs/objects/batch"):
            objects = [{"oid": one["oid"], "size": one["size"]} for one in json.loads(data)["objects"]]
            for one in objects:
                if one["oid"] not in hub.stored:
                    one["actions"] = {"upload": {"href": f"{hub.address}/store/{one['oid']}", "header": {}}}
            return self.give(200, {"transfer": "basic", "objects": objects})
        if "/commit/" in path:
            if hub.failing:
                hub.failing -= 1
                return self.give(500, {"error": "the hub fell over"})
            name = path.removeprefix("/api/models/").partition("/commit/")[0]
            hub.commits.append([json.loads(line) for line in data.decode().splitlines()])
            for line in hub.commits[-1]:
                value = line["value"]
                if line["key"] == "file":
                    import base64

                    hub.repos[name]["files"][value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    hub.repos[name]["files"][value["path"]] = hub.stored[value["oid"]]
            return self.give(
                200,
                {
                    "success": True,
                    "commitOid": "0" * 40,
                    "commitUrl": f"{hub.address}/{name}/commit/{'0' * 40}",
                    "hookOutput": "",
                },
            )
        return self.give(404, {"error": f"nothing at {path}"})

    def do_GET(self):
        self.server.asked.append(("GET", self.path))
        self.give(404, {"error": "nothing"}, X_Error_Code="EntryNotFound")


@pytest.fixture
def hub(monkeypatch):
    from huggingface_hub import constants, hf_api

    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "ENDPOINT", server.address)  # both are read when the library is imported
    monkeypatch.setattr(hf_api.constants, "ENDPOINT", server.address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A run on rows with a secret of their own in them."""
    home = tmp_path_factory.mktemp("home")
    rows(home / "sums.jsonl")
    network = tiny_model(home / "network", "llama")
    recipe = {
        "model": {"path": str(network)},
        "method": {"kind": "lora", "rank": 2},
        "tasks": {str(home / "sums.jsonl"): 1.0},
        "forgetting": "none",
        "plan": {"steps": 2, "examples": 4, "learning_rate": 1e-2},
        "ask": {"tokens": 4},
        "limit": {"test": 3, "validation": 3},
    }
    made = verbs.train(recipe, into=home / "runs" / "mine", quiet=True)
    (made.folder / "adapter" / "optimizer.bin").write_text("not ours to send")
    return made


def test_a_run_is_sent_with_its_card_and_nothing_else(hub, learnt, capsys):
    status, out, _ = run(capsys, "push", str(learnt.folder), "me/sums", "--private")
    assert status == 0 and out.strip() == f"{hub.address}/me/sums"
    held = hub.repos["me/sums"]
    assert held["private"] and {"README.md", "adapter_model.safetensors", "adapter_config.json", "template.yaml"} <= set(
        held["files"]
    )
    assert set(held["files"]) <= {path.name for path in (learnt.folder / "adapter").iterdir()} - {"optimizer.bin"}
    folder = learnt.folder / "adapter"
    assert held["files"]["adapter_model.safetensors"] == (folder / "adapter_model.safetensors").read_bytes()
    assert held["files"]["README.md"] == (folder / "README.md").read_bytes() and b"tunesmith" in held["files"]["README.md"]
    whole = b"".join(held["files"].values())
    assert (
        str(learnt.folder.parent.parent / "network").encode() not in held["files"]["base.json"] and TOKEN.encode() not in whole
    )
    assert b"12 and 5" not in whole  # a training row


def test_a_failed_upload_goes_on(hub, learnt, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.failing = 10
    with pytest.raises(UserError, match="refused") as told:
        pushing.push(learnt.folder, "me/sums")
    assert "not sent twice" in told.value.hint
    sent = [path for method, path in hub.asked if method == "PUT"]
    assert len(sent) == 1 and not hub.commits
    hub.failing = 0
    pushing.push(learnt.folder, "me/sums")
    assert [path for method, path in hub.asked if method == "PUT"] == sent and len(hub.commits) == 1


def test_a_dry_run_sends_nothing(hub, learnt, capsys):
    status, out, told = run(capsys, "push", str(learnt.folder), "me/sums", "--dry-run")
    assert status == 0 and "nothing was sent" in out and "adapter_model.safetensors" in told
    assert not hub.asked


def test_refusals(hub, learnt, monkeypatch, tmp_path):
    with pytest.raises(UserError, match="lets you not write"):
        pushing.push(learnt.folder, "others/sums")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(UserError, match="401"):
        pushing.push(learnt.folder, "me/sums")
    with pytest.raises(UserError, match="no name of a repository"):
        pushing.push(learnt.folder, "sums")
    card = learnt.folder / "adapter" / "README.md"
    before = card.read_text()
    card.write_text(before + f"\ntoken: {TOKEN}\n")
    try:
        with pytest.raises(UserError, match="looks like it holds a key"):
            pushing.push(learnt.folder, "me/sums", dry_run=True)
    finally:
        card.write_text(before)
    learnt.keep_world(ended=False)
    try:
        with pytest.raises(UserError, match="has not ended"):
            pushing.push(learnt.folder, "me/sums", dry_run=True)
    finally:
        learnt.keep_world(ended=True)


def test_a_hub_that_is_not_there(hub, learnt, monkeypatch):
    from huggingface_hub import HfApi

    def unreachable(*given, **more):
        raise ConnectionError("connection refused")

    monkeypatch.setattr(HfApi, "create_repo", unreachable)
    with pytest.raises(UserError, match="cannot be reached"):
        pushing.push(learnt.folder, "me/sums")
