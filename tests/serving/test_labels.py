"""The labelling page's requests: blind, guarded, idempotent."""

import json
import re

import pytest

from tests.serving.judging import HOSTILE, some_pairs
from tunesmith.errors import UserError
from tunesmith.serving import labels, server
from tunesmith.serving.votes import Votes

client_of = pytest.importorskip("starlette.testclient", reason="starlette's test client needs httpx2").TestClient
HERE = "http://127.0.0.1:8000"


@pytest.fixture
def votes(tmp_path):
    made = Votes(tmp_path / "labels.sqlite")
    made.add(some_pairs())
    yield made
    made.close()


def client(votes, token=None, base=HERE, guidelines=""):
    app = server.create([labels.router(votes, guidelines)], home="/label", token=token)
    return client_of(app, base_url=base, raise_server_exceptions=False)


def ask(browser, what, **more):
    return browser.post(f"/api/label/{what}", json={"annotator": "ann", "tab": "t", **more})


def test_nothing_that_is_sent_names_a_model_or_a_control(votes):
    browser = client(votes)
    sent = [browser.get("/label").text, browser.get("/pages/label.js").text]
    for n in range(4):
        found = ask(browser, "next")
        pair = found.json()["pair"]
        sent += [found.text, str(found.headers)]
        sent.append(ask(browser, "vote", id=f"v{n}", pair=pair["key"], choice="left").text)
    assert votes.progress("ann").done == 4
    for name in ("alpha", "beta", "gold", "first_model"):
        assert name not in "".join(sent), name
    assert set(pair) == {"key", "prompt", "left", "right", "note"}


def test_sides_of_the_file_are_mixed_for_the_eye(tmp_path):
    votes = Votes(tmp_path / "many.sqlite")
    votes.add(some_pairs(40))
    browser, lefts = client(votes), []
    for n in range(40):
        pair = ask(browser, "next").json()["pair"]
        lefts.append("first" in pair["left"])
        ask(browser, "vote", id=f"v{n}", pair=pair["key"], choice="tie")
    assert 8 < sum(lefts) < 32
    votes.close()


def test_hostile_text_travels_as_text(votes):
    browser = client(votes, guidelines=HOSTILE)
    page = browser.get("/label")
    assert "<script>document.title" not in page.text and "&lt;script&gt;" in page.text
    assert page.headers["content-type"].startswith("text/html")
    found = []
    for n in range(4):
        answer = ask(browser, "next")
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        pair = answer.json()["pair"]
        found += [pair["left"], pair["right"]]
        ask(browser, "vote", id=f"v{n}", pair=pair["key"], choice="left", note=HOSTILE)
    assert HOSTILE in found
    assert {event.note for event in votes.standing()} == {HOSTILE}


def test_votes_skips_and_undo(votes):
    browser = client(votes)
    first = ask(browser, "next").json()
    assert first["progress"] == {"done": 0, "left": 4, "votes": 0, "drawing": False}
    key = first["pair"]["key"]
    done = ask(browser, "vote", id="a", pair=key, choice="left", seconds=1.5, note=" why ").json()
    assert done["progress"]["done"] == 1 and done["pair"]["key"] != key
    again = ask(browser, "vote", id="a", pair=key, choice="left")
    assert again.status_code == 200 and again.json()["progress"]["done"] == 1
    other = ask(browser, "vote", id="b", pair=key, choice="right")
    assert other.status_code == 409 and "before" in other.json()["said"] and other.json()["pair"]
    back = ask(browser, "undo", id="c").json()
    assert back["undone"] and back["pair"]["key"] == key and back["pair"]["note"] == "why"
    ask(browser, "vote", id="d", pair=key, choice="skip", reason="cannot")
    assert [event.reason for event in votes.standing("skip")] == ["cannot"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"choice": "middle"},
        {"id": "a b"},
        {"id": ""},
        {"annotator": " "},
        {"annotator": "a\u0000"},
        {"seconds": -1},
        {"seconds": "nan"},
        {"note": "x" * 10_001},
        {"reason": "because"},
        {"pair": "<script>"},
    ],
)
def test_what_is_no_vote_is_refused_and_not_kept(votes, wrong):
    browser = client(votes)
    key = ask(browser, "next").json()["pair"]["key"]
    assert ask(browser, "vote", **{"id": "x", "pair": key, "choice": "left"} | wrong).status_code == 422
    raw = browser.post("/api/label/vote", content=b'{"annotator": "\\ud800"', headers={"content-type": "application/json"})
    assert raw.status_code == 422
    assert votes.standing() == []


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "192.168.1.7", "", "[::1"])
def test_other_names_of_this_machine_are_not_answered_to(votes, host):
    found = client(votes).get("/label", headers={"host": host})
    assert found.status_code == 421
    assert "Answer" not in found.text


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"])
def test_its_own_names_are(votes, host):
    assert client(votes).get("/label", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-length": "9999999"}, 413),
        ({"origin": HERE, "sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_only_the_page_itself_may_write(votes, headers, status):
    content = json.dumps({"annotator": "ann", "tab": "t"}).encode()
    found = client(votes).post("/api/label/next", content=content, headers={"content-type": "application/json"} | headers)
    assert found.status_code == status
    assert bool(votes.connection.execute("SELECT * FROM claims").fetchall()) == (status == 200)


def test_what_a_browser_may_do_is_said_with_every_answer(votes):
    browser = client(votes)
    for answer in (
        browser.get("/label"),
        browser.get("/nowhere"),
        ask(browser, "next"),
        browser.get("/", headers={"host": "x"}),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"


def test_pages_hold_no_address_of_elsewhere_and_no_script_within(votes):
    browser = client(votes, guidelines="# Look\n\n- at this")
    html = browser.get("/label").text
    assert not re.search(r"\son\w+=|<script>|style=", html)
    for name in re.findall(r'(?:src|href)="([^"#]+)"', html):
        assert name in ("data:,", "/") or name.startswith("/pages/")
        if name.startswith("/pages/"):
            assert browser.get(name).status_code == 200
            assert "http" not in browser.get(name).text.replace("http-equiv", "")
    for name in ("nowhere.js", "label.html.jinja", "..%2Fserver.py", "server.py"):
        assert browser.get(f"/pages/{name}").status_code == 404


def test_a_token_is_brought_by_link_cookie_or_header(votes):
    browser = client(votes, "sesame-sesame", "http://10.0.0.5:8765")
    for path in ("/label", "/", "/pages/label.js", "/label?token=wrong", "/label?token="):
        assert browser.get(path, follow_redirects=False).status_code == 401
    assert ask(browser, "next").status_code == 401
    bearer = {"authorization": "Bearer sesame-sesame"}
    assert browser.get("/label", headers=bearer).status_code == 200
    assert browser.get("/label", headers=bearer | {"host": "[::1"}).status_code == 200
    assert browser.get("/label", headers={"authorization": "Bearer sesame"}).status_code == 401
    came = browser.get("/label?token=sesame-sesame&as=Ann", follow_redirects=False)
    assert came.status_code == 303 and came.headers["location"] == "/label?as=Ann"
    away = browser.get("http://10.0.0.5:8765//evil.example/x?token=sesame-sesame", follow_redirects=False)
    assert away.headers["location"] == "/evil.example/x"
    cookie = came.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert browser.get("/label").status_code == 200
    assert ask(browser, "next").status_code == 200


def test_beyond_this_machine_there_is_always_a_token():
    for host, given, wanted in (("127.0.0.1", None, False), ("localhost", None, False), ("0.0.0.0", None, True)):
        listening, token = server.bind(host, 0, given)
        address = server.link(listening, "/label", token)
        listening.close()
        assert bool(token) == wanted == ("?token=" in address)
    listening, token = server.bind("127.0.0.1", 0, "my-own-token")
    assert token == "my-own-token"
    with pytest.raises(UserError, match="cannot be listened on"):
        server.bind("127.0.0.1", listening.getsockname()[1], None)
    listening.close()
    for short in ("short", 'with"quote"s', "with blanks in it"):
        with pytest.raises(UserError, match="too short or has odd letters"):
            server.bind("0.0.0.0", 0, short)


def test_the_colours_are_those_of_the_comparison():
    from importlib.resources import files

    theirs = files("tunesmith.comparison").joinpath("page.css.jinja").read_text(encoding="utf-8")
    ours = files("tunesmith.serving").joinpath("pages/frame.css").read_text(encoding="utf-8")
    for scheme in re.findall(r"--ground:.*?--bad:#\w+", ours):
        assert scheme in theirs
    assert len(re.findall(r"--ground:.*?--bad:#\w+", ours)) == 3
