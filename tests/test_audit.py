"""The audit of packages: a fault that can be mended fails, a list that cannot be reached is told."""

import json
import subprocess

import pytest

from tests import audit

FAULT = {"id": "CVE-1", "fix_versions": ["2.1"]}


def answers(monkeypatch, stdout):
    def run(command, **how):
        assert how["timeout"] and "pip_audit" in command
        return subprocess.CompletedProcess(command, 0, stdout, "")

    monkeypatch.setattr(audit.subprocess, "run", run)


def packages(*vulns, skipped=0):
    found = [{"name": "good", "version": "1", "vulns": []}, {"name": "bad", "version": "2.0", "vulns": list(vulns)}]
    return json.dumps({"dependencies": [*found, *[{"name": "x", "skip_reason": "not found"}] * skipped]})


@pytest.mark.parametrize(
    ("stdout", "status", "words"),
    [
        (packages(), 0, "2 packages, none with a known fault"),
        (packages(FAULT), 1, "bad 2.0: CVE-1: mended in 2.1"),
        (packages({**FAULT, "fix_versions": []}), 0, "bad 2.0: CVE-1: no mended version yet"),
        (packages(skipped=9), 0, "skipped, the list of known faults cannot be reached"),
        ("", 0, "skipped"),
        ("{}", 0, "skipped"),
    ],
)
def test_what_is_known_is_told(stdout, status, words, monkeypatch, capsys):
    monkeypatch.delenv(audit.REQUIRED, raising=False)
    answers(monkeypatch, stdout)
    assert audit.main() == status
    assert words in capsys.readouterr().err


def test_where_it_is_required_no_answer_is_a_failure(monkeypatch):
    monkeypatch.setenv(audit.REQUIRED, "required")
    answers(monkeypatch, "")
    assert audit.main() == 1
