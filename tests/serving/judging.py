"""Pairs and votes made for tests: hostile answers, people at tabs, and a server of its own process."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

from tests.conftest import ROOT
from tunesmith.data.example import Message
from tunesmith.serving.pairs import Pair

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)> & \"quotes\" </p></textarea>"


def some_pairs(count=4, models=("model-alpha", "model-beta")):
    made = [
        Pair(
            f"alpha-vs-beta-{n}", (Message("user", f"Question {n}?"),), (f"the first says {n}", f"the second says {n}"), models
        )
        for n in range(count)
    ]
    return [*made[:-1], Pair(made[-1].id, made[-1].prompt, (HOSTILE, "a plain answer"), models)]


def pairs_file(file, count=4):
    rows = [
        {
            "id": pair.id,
            "prompt": pair.prompt[0].content,
            "first": pair.answers[0],
            "second": pair.answers[1],
            "first_model": pair.models[0],
            "second_model": pair.models[1],
        }
        for pair in some_pairs(count)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


class Server:
    """`tunesmith label`, or another command that serves, in a process of its own."""

    def __init__(self, folder, *words, verb="label"):
        command = [sys.executable, "-m", "tunesmith", verb, "--port", "0", "--no-open", *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout and self.process.stderr
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("http"), self.process.stderr.read()

    def ask(self, path, **body):
        """(status, tree)."""
        headers = {"Content-Type": "application/json"}
        where = "/".join(self.address.split("/")[:3]) + path
        request = urllib.request.Request(where, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def end(self, kill=False):
        """Stop it as Ctrl-C does, or at once."""
        (self.process.kill if kill else self.process.terminate)()
        self.process.wait(timeout=30)
        self.process.stdout.close()
        self.process.stderr.close()


@contextmanager
def serving(folder, *words, verb="label"):
    server = Server(folder, *words, verb=verb)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end()
