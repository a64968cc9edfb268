"""`tunesmith label` as people run it: a process that may be killed at any time."""

import signal
import threading
from http.client import HTTPException
from random import Random
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.serving.judging import pairs_file, serving
from tunesmith.serving.votes import Votes


def test_votes_survive_a_kill_in_the_middle_of_voting(tmp_path):
    """What was acknowledged is there, whatever happens; what was not may be sent again, and counts once."""
    pairs_file(tmp_path / "pairs.jsonl", 400)
    told, sent = set(), {}

    def work(server, name):
        try:
            pair = server.ask("/api/label/next", annotator=name, tab="t")[1]["pair"]
            while pair:
                id_ = f"{name}-{pair['key']}"
                sent[id_] = pair["key"]
                body = {"annotator": name, "tab": "t", "id": id_, "pair": pair["key"], "choice": "left"}
                status, tree = server.ask("/api/label/vote", **body)
                if status == 200:
                    told.add(id_)
                pair = tree["pair"]
        except (OSError, ValueError, HTTPException):
            return

    for round_ in range(2):
        with serving(tmp_path, "pairs.jsonl") as server:
            people = [threading.Thread(target=work, args=(server, name)) for name in ("ann", "ben")]
            for one in people:
                one.start()
            threading.Event().wait(0.3 + Random(round_).random() / 2)
            server.end(kill=True)
            for one in people:
                one.join()
        assert server.process.returncode == -signal.SIGKILL
        votes = Votes(tmp_path / "labels.sqlite")
        kept = {f"{event.annotator}-{votes._hash(event.pair)[:16]}" for event in votes.standing()}
        assert told <= kept <= set(sent)
        assert len(votes.standing()) == len(kept)
        votes.close()
    assert 0 < len(told) < 400, "killed in the middle"
    with serving(tmp_path, "pairs.jsonl") as server:
        id_ = sorted(told)[0]
        body = {"annotator": id_[:3], "tab": "t", "id": id_, "pair": sent[id_], "choice": "right"}
        assert server.ask("/api/label/vote", **body)[0] == 200, "sent again, it is acknowledged again"
        assert server.ask("/api/label/next", annotator="ann", tab="t")[1]["progress"]["votes"] == len(kept)


def test_beyond_this_machine_only_the_link_opens_it(tmp_path):
    pairs_file(tmp_path / "pairs.jsonl")
    with serving(tmp_path, "pairs.jsonl", "--host", "0.0.0.0") as server:
        where, _, token = server.address.partition("?token=")
        assert len(token) >= 20
        here = "http://127.0.0.1:" + where.rpartition(":")[2]
        with pytest.raises(HTTPError, match="401"):
            urlopen(here, timeout=20)
        with urlopen(Request(here, headers={"Authorization": f"Bearer {token}"}), timeout=20) as page:
            assert "Which answer is better?" in page.read().decode()


def test_it_goes_on_from_the_file_alone_and_stops_without_a_word(tmp_path):
    pairs_file(tmp_path / "pairs.jsonl")
    with serving(tmp_path, "pairs.jsonl", "--db", "mine.sqlite") as server:
        pair = server.ask("/api/label/next", annotator="ann", tab="t")[1]["pair"]
        server.ask("/api/label/vote", annotator="ann", tab="t", id="one", pair=pair["key"], choice="tie")
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=30) in (0, 130)
        assert "Traceback" not in server.process.stderr.read()
    with serving(tmp_path, "--db", "mine.sqlite") as server:
        assert server.ask("/api/label/next", annotator="ann", tab="t")[1]["progress"]["done"] == 1
