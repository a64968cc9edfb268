"""The writing page's requests: guarded, blind both ways, counted once; and the command itself, killed at any time."""

import json
import re
import signal
import threading
import time
from http.client import HTTPException
from itertools import count

import pytest

from tests.serving.judging import HOSTILE, serving
from tunesmith import cli, export_writing, report_writing
from tunesmith.serving import server, writers
from tunesmith.serving.form_file import read_shape
from tunesmith.serving.reviewing import Reviews
from tunesmith.serving.writing import Writing
from tunesmith.tasks.own import task_from

client_of = pytest.importorskip("starlette.testclient", reason="starlette's test client needs httpx2").TestClient
HERE = "http://127.0.0.1:8000"
GOOD = {"instruction": "Name three birds of the wood.", "input": "", "output": "Jay, wren and owl."}
NUMBERS = count(1)


@pytest.fixture
def writing(tmp_path):
    shape = read_shape("triplet")
    made = Writing(tmp_path / "writing.sqlite", shape.form, f"{shape.guidelines}\n\n{HOSTILE}\n")
    yield made
    made.close()


def client(writing, token=None, base=HERE, reviewers=()):
    app = server.create([writers.router(writing, Reviews(writing, reviewers))], home="/write", token=token)
    return client_of(app, base_url=base, raise_server_exceptions=False)


def ask(browser, path, person="Ann", tab="t", **more):
    return browser.post(f"/api/{path}", json={"person": person, "tab": tab, **more})


def typed(row, fields=GOOD, **more):
    return {"row": row["row"], "version": row["version"], "number": next(NUMBERS), "fields": fields, **more}


def submitted(browser, person="Ann", fields=GOOD):
    row = ask(browser, "write/next", person).json()["row"]
    assert ask(browser, "write/submit", person, **typed(row, fields), id=f"s{next(NUMBERS)}").status_code == 200
    return row["row"]


def test_from_writing_to_acceptance(writing):
    browser = client(writing)
    begun = ask(browser, "write/form").json()
    assert begun["form"]["fields"][0]["name"] == "instruction" and begun["counts"]["reviewer"]
    row = ask(browser, "write/next").json()["row"]
    saved = ask(browser, "write/save", **typed(row, {"instruction": "Name three"}, seconds=2.5))
    assert saved.json() == {"version": 1}
    refused = ask(browser, "write/submit", **typed(row, {"instruction": "Name"}), id="one")
    assert refused.status_code == 422
    assert refused.json()["faults"] == {"instruction": "At least 3 words: there are 1.", "output": "This is needed."}
    done = ask(browser, "write/submit", **typed(row), id="one").json()
    assert [one["state"] for one in done["mine"]] == ["submitted"]
    assert ask(browser, "review/next").json()["row"] is None
    shown = ask(browser, "review/next", "Ben", "b").json()
    assert shown["counts"]["waiting"] == 1 and [one["kind"] for one in shown["row"]["history"]] == ["submitted"]
    verdict = {"row": row["row"], "version": shown["row"]["version"], "verdict": "sent back"}
    assert ask(browser, "review/judge", "Ben", "b", **verdict, id="v1").json()["said"].startswith("Say what is missing")
    ask(browser, "review/judge", "Ben", "b", **verdict, id="v2", comment="Which wood?")
    back = ask(browser, "write/open", row=row["row"]).json()["row"]
    assert (back["state"], back["comment"]) == ("sent back", "Which wood?")
    ask(browser, "write/submit", **typed(back, {**GOOD, "input": "In Europe."}), id="two")
    again = ask(browser, "review/next", "Cy", "c").json()["row"]
    assert [one["comment"] for one in again["history"]] == ["", "Which wood?", ""]
    ask(browser, "review/judge", "Cy", "c", row=again["row"], version=again["version"], verdict="accepted", id="v3")
    late = ask(browser, "review/judge", "Ben", "b", **verdict, id="v4", comment="late")
    assert late.status_code == 409 and late.json()["changed"]
    assert writing.row(row["row"]).state == "accepted"
    assert ask(browser, "review/undo", "Cy", "c", id="u1").json()["row"]["row"] == row["row"]


def test_neither_side_learns_who_the_other_is(writing):
    browser = client(writing)
    row = submitted(browser, "Annabel Writer")
    shown = ask(browser, "review/next", "Benno Reviewer", "b")
    assert "Annabel" not in shown.text and shown.json()["row"]["row"] == row
    verdict = {"row": row, "version": shown.json()["row"]["version"], "verdict": "sent back", "comment": "c", "id": "v"}
    told = ask(browser, "review/judge", "Benno Reviewer", "b", **verdict)
    back = ask(browser, "write/open", "Annabel Writer", row=row)
    assert "Annabel" not in told.text and "Benno" not in back.text


def test_like_texts_are_told_while_one_types(writing):
    browser = client(writing)
    row = submitted(browser)
    other = ask(browser, "write/next", "Ben").json()["row"]
    near = {"instruction": "Name three birds of the woods.", "output": "Something of quite another kind altogether."}
    found = ask(browser, "write/alike", "Ben", **typed(other, near)).json()["alike"]
    assert found == {"instruction": {"score": pytest.approx(10 / 12), "text": GOOD["instruction"]}}
    shown = ask(browser, "review/next", "Ben", "b").json()["row"]
    assert shown["alike"] == {}, "a row is not held against itself"
    back = ask(browser, "write/open", row=row).json()["row"]
    assert back["state"] == "draft"
    assert ask(browser, "write/alike", "Ben", **typed(other, near)).json()["alike"] == {}, "a draft does not stand"


def test_only_reviewers_review_where_they_are_named(writing):
    browser = client(writing, reviewers=("Cy",))
    row = submitted(browser)
    assert ask(browser, "review/next", "Ben").json()["counts"] == {"waiting": 0, "mine": 0, "reviewer": False}
    verdict = {"row": row, "version": writing.row(row).version, "verdict": "accepted", "id": "v"}
    assert ask(browser, "review/judge", "Ben", **verdict).status_code == 409
    assert ask(browser, "review/next", "Cy").json()["row"]["row"] == row


@pytest.mark.parametrize(
    "wrong",
    [
        {"row": "a b"},
        {"row": "../../etc/passwd"},
        {"number": -1},
        {"version": "x"},
        {"fields": "text"},
        {"fields": {"a b": "text"}},
        {"seconds": -1},
        {"seconds": "nan"},
        {"person": " "},
        {"person": "a\u0000"},
        {"tab": ""},
        {"id": ""},
        {"id": "<b>"},
    ],
)
def test_what_is_no_row_is_refused_and_not_kept(writing, wrong):
    browser = client(writing)
    row = ask(browser, "write/next").json()["row"]
    body = {"person": "Ann", "tab": "t", "id": "x", **typed(row)} | wrong
    assert browser.post("/api/write/submit", json=body).status_code == 422
    assert writing.events() == [] and writing.row(row["row"]).fields["instruction"] == ""


@pytest.mark.parametrize("value", [["a"], {"a": "b"}, True, "x" * 60_000])
def test_values_that_a_field_cannot_hold_are_refused_in_words(writing, value):
    browser = client(writing)
    row = ask(browser, "write/next").json()["row"]
    answer = ask(browser, "write/save", **typed(row, {"instruction": value}))
    assert answer.status_code == 409 and ("holds no text" in answer.json()["said"] or "at most" in answer.json()["said"])
    raw = {"person": "Ann", "tab": "t", **typed(row, {"instruction": "half \ud83d"})}
    content = json.dumps(raw).encode()
    kept = browser.post("/api/write/save", content=content, headers={"content-type": "application/json"})
    assert kept.status_code == 200 and writing.row(row["row"]).fields["instruction"] == "half \ufffd"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-length": "9999999"}, 413),
        ({"host": "evil.example"}, 421),
        ({"origin": HERE}, 200),
    ],
)
def test_only_the_page_itself_may_write(writing, headers, status):
    content = json.dumps({"person": "Ann", "tab": "t"}).encode()
    answer = client(writing).post("/api/write/next", content=content, headers={"content-type": "application/json"} | headers)
    assert answer.status_code == status
    assert writing._number("SELECT count(*) FROM rows") == (status == 200)


def test_the_page_runs_nothing_of_what_people_and_guidelines_say(writing):
    browser = client(writing)
    page = browser.get("/write")
    assert "<script>document.title" not in page.text and "&lt;script&gt;" in page.text and "<img" not in page.text
    assert not re.search(r"\son\w+=\"|<script>|style=", page.text)
    assert "unsafe" not in page.headers["content-security-policy"]
    for name in re.findall(r'(?:src|href)="([^"#]+)"', page.text):
        assert name == "data:," or browser.get(name).status_code == 200
    row = ask(browser, "write/next").json()["row"]
    told = ask(browser, "write/submit", **typed(row, {**GOOD, "output": HOSTILE}), id="x")
    assert told.headers["content-type"] == "application/json" and told.headers["x-content-type-options"] == "nosniff"


def test_a_token_is_needed_where_there_is_one(writing):
    browser = client(writing, "sesame-sesame", "http://10.0.0.5:8765")
    assert browser.get("/write").status_code == 401 and ask(browser, "write/next").status_code == 401
    came = browser.get("/write?token=sesame-sesame&as=Ann", follow_redirects=False)
    assert came.status_code == 303 and came.headers["location"] == "/write?as=Ann"
    assert ask(browser, "write/next").status_code == 200


# --- the command ------------------------------------------------------------------------------------------------------


def test_what_was_acknowledged_survives_a_kill_with_twenty_writers(tmp_path):
    """Every answer of the server names what is on the disk; killed in the middle, the file opens, and it goes on."""
    told: dict[str, tuple[str, int]] = {}
    done = set()

    def work(served, name):
        try:
            for _ in range(200):
                row = served.ask("/api/write/next", person=name, tab=name)[1]["row"]
                for step in range(4):
                    body = typed(row, {**GOOD, "output": f"step {step} of {name}"})
                    if served.ask("/api/write/save", person=name, tab=name, **body)[0] == 200:
                        told[row["row"]] = (name, step)
                body |= {"number": next(NUMBERS), "id": row["row"]}
                if served.ask("/api/write/submit", person=name, tab=name, **body)[0] == 200:
                    done.add(row["row"])
        except (OSError, ValueError, HTTPException):
            return

    with serving(tmp_path, "--write") as served:
        people = [threading.Thread(target=work, args=(served, f"w{n}")) for n in range(20)]
        for one in people:
            one.start()
        end = time.monotonic() + 60
        while (len(told) < 25 or len(done) < 5) and time.monotonic() < end:
            time.sleep(0.05)
        served.end(kill=True)
        for one in people:
            one.join()
    assert served.process.returncode == -signal.SIGKILL
    kept = Writing(tmp_path / "writing.sqlite", new=False)
    assert kept.connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert len(told) >= 20 and done
    for id_, (name, step) in told.items():
        row = kept.row(id_)
        said, _, writer = row.fields["output"].partition(" of ")
        assert writer == row.writer == name and int(said.split()[1]) >= step
        assert row.state == "submitted" or id_ not in done
    kept.close()
    with serving(tmp_path, "--write") as served:
        assert served.ask("/api/write/form", person="w0", tab="w0")[1]["mine"]


def test_the_command_from_page_to_task(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    seeds = [{"text": f"A text of number {n}.", "by": "x"} for n in range(12)]
    (tmp_path / "seeds.jsonl").write_text("".join(json.dumps(seed) + "\n" for seed in seeds))
    with serving(tmp_path, "--write", "label", "--choices", "kind,unkind", "--seeds", "seeds.jsonl") as served:
        for n in range(12):
            row = served.ask("/api/write/next", person="Ann", tab="t")[1]["row"]
            assert row["fixed"] == ["text"]
            fields = {"label": "unkind" if n % 3 else "kind"}
            served.ask("/api/write/submit", person="Ann", tab="t", **typed(row, fields, seconds=8.0), id=f"s{n}")
            if n < 11:
                shown = served.ask("/api/review/next", person="Ben", tab="b")[1]["row"]
                verdict = {"row": shown["row"], "version": shown["version"], "verdict": "accepted", "id": f"v{n}"}
                assert served.ask("/api/review/judge", person="Ben", tab="b", **verdict)[0] == 200
        assert served.ask("/api/write/next", person="Ann", tab="t")[1]["row"] is None
    cli.main(["label", "--write", "--export", "rows.jsonl", "--pseudonyms", "--report", "--json"])
    said = capsys.readouterr()
    assert said.out.startswith("rows.jsonl\n{") and "11 rows" in said.err
    tree = json.loads(said.out.partition("\n")[2])
    assert tree["rows"]["accepted"] == 11 and (tree["seeds"], tree["done"]) == (12, 12)
    assert tree["writers"][0]["seconds"] == 8.0 and tree["writers"][0]["accepted"]["value"] == 1.0
    task = task_from("rows.jsonl")
    examples = [example for split in task.source.splits() for example in task.examples(split)]
    assert len(examples) == 11 and {example.target for example in examples} == {"kind", "unkind"}
    assert all(example.meta["writer"].startswith("p-") and example.meta["seconds"] == 8.0 for example in examples)
    cli.main(["label", "--write", "--report"])
    assert "12 of 12 seeds done" in capsys.readouterr().out
    assert export_writing("all.jsonl", state="all") == 12 and report_writing().rows["submitted"] == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--write", "--prompts", "a.jsonl"], "`--write` does not hear `--prompts`"),
        (["--write", "--as", "kto"], "`--write` does not hear `--as`"),
        (["--seeds", "a.jsonl"], "`--seeds` belongs to `--write`"),
        (["--report", "--pseudonyms"], "`--pseudonyms` belongs to `--write`"),
        (["--write", "--export", "a.jsonl"], "there is no file of written rows"),
        (["--write", "--export", "a.jsonl", "--state", "new"], "`--state` is `new`"),
        (["--write", "triplett"], "there is no shape `triplett`"),
        (["--write", "--given", "input"], "`--given` names columns of no seeds"),
        (["--write", "--seeds", "none.jsonl"], "there is no file `none.jsonl`"),
    ],
)
def test_what_the_command_refuses(tmp_path, monkeypatch, capsys, words, problem):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(["label", *words])
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert problem in told and "hint: " in told
