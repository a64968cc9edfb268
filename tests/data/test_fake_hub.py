"""A data set of a hub: which commit its rows are of, by the hub's own packages, asked of a server on this machine."""

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.conftest import ROOT

pytest.importorskip("datasets", reason="the hub's package `datasets` is not installed (pip install 'tunesmith[hub]')")

COMMITS = {"main": "a" * 40, "old": "b" * 40}
ROWS = {"a" * 40: b'{"text": "now"}\n{"text": "again"}\n', "b" * 40: b'{"text": "before"}\n'}
FILE = "train.jsonl"
ASKS = """
import json, sys
from tunesmith.data.sources import source_of
for name in sys.argv[1:]:
    source = source_of(name)
    print(json.dumps([source.fingerprint(), [row["text"] for row in source.rows("train")]]))
"""


class Hub(BaseHTTPRequestHandler):
    """As much of a hub as fetching `owner/words` needs."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer([entry(self.commit())] if "paths-info" in self.path else {})

    def do_GET(self) -> None:
        path, commit = self.path.partition("?")[0], self.commit()
        if commit is None:
            self.answer({"error": "Revision Not Found"}, 404, {"X-Error-Code": "RevisionNotFound"})
        elif "/resolve/" in path:
            found = path.endswith(FILE)
            head = {"X-Repo-Commit": commit, "ETag": f'"{commit[:8]}"', "Accept-Ranges": "none"}
            self.answer(
                ROWS[commit] if found else {},
                200 if found else 404,
                head | ({} if found else {"X-Error-Code": "EntryNotFound"}),
            )
        elif "/tree/" in path:
            self.answer([entry(commit)] if path.endswith((commit, "main", "old")) else [])
        else:
            files = [{"rfilename": FILE}]
            self.answer({"id": "owner/words", "sha": commit, "siblings": files, "private": False, "downloads": 0, "tags": []})

    def commit(self) -> str | None:
        parts = self.path.partition("?")[0].split("/")
        for word in ("revision", "resolve", "tree", "paths-info"):
            if word in parts:
                asked = parts[parts.index(word) + 1]
                return COMMITS.get(asked, asked if asked in ROWS else None)
        return COMMITS["main"]

    def answer(self, what: object, status: int = 200, head: dict[str, str] | None = None) -> None:
        body = what if isinstance(what, bytes) else json.dumps(what).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(head or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


def entry(commit: str | None) -> dict[str, object]:
    return {"type": "file", "path": FILE, "size": len(ROWS[commit or ""]), "oid": "c" * 40}


@pytest.fixture
def ask(tmp_path):
    """[commit, texts] of each data set that is named, by a process whose hub is here."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    own = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_OFFLINE")} | own | {"HF_HUB_DISABLE_XET": "1"}

    def asked(*names):
        made = subprocess.run(
            [sys.executable, "-c", ASKS, *names], check=False, env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        return [json.loads(line) for line in made.stdout.splitlines()], made.stderr

    yield asked
    server.shutdown()
    server.server_close()


def test_the_commit_of_the_rows_is_what_they_are_known_by(ask, monkeypatch):
    (now, old), _ = ask("owner/words", "owner/words@old")
    assert now == ["a" * 40, ["now", "again"]]
    assert old == ["b" * 40, ["before"]]
    monkeypatch.setitem(COMMITS, "main", "b" * 40)  # the hub has moved on
    assert ask("owner/words")[0] == [old]
    assert ask("owner/words@" + "a" * 40)[0] == [now], "a commit may be named"


def test_a_revision_that_is_not_there(ask):
    found, told = ask("owner/words@never")
    assert not found
    assert "the data set `owner/words@never` cannot be fetched" in told
