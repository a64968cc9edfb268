"""Growing from seeds to rows, against a server of our own and with local models; kills, and what goes on after them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.synthesis.server import Behaviour, serving
from tests.tiny import tiny_model
from tunesmith.data.formats import read
from tunesmith.data.shapes import guess
from tunesmith.errors import UserError
from tunesmith.metrics.rouge import rouge_scores
from tunesmith.synthesis.filters import MEANING, plain
from tunesmith.synthesis.growing import grow
from tunesmith.synthesis.report import report

INSTRUCTIONS = [
    "Explain why leaves turn yellow in autumn.",
    "Translate the greeting into French.",
    "Is the following review of a restaurant good or bad?",
    "Write a short verse about a lighthouse.",
    "Which of these animals can fly?",
    "Rewrite the sentence so that it is polite.",
    "How many minutes are three and a half hours?",
    "Make up a name for a shop that sells umbrellas.",
    "Find the mistake in the sum.",
    "Give three reasons for going to bed early.",
]


@pytest.fixture(autouse=True)
def _loopback(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def seeds(tmp_path):
    file = tmp_path / "seeds.jsonl"
    rows = [{"id": f"s{n}", "instruction": text, "input": "", "output": f"answer {n}"} for n, text in enumerate(INSTRUCTIONS)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def lines(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def untimed(file):
    """The records of a file without what tells when they came."""
    told = []
    for record in lines(file):
        record.get("meta", {}).pop("at", None)
        told.append({name: value for name, value in record.items() if name not in ("at", "seconds", "tries", "begun")})
    return told


def grown(seeds, out, address, *overrides):
    return grow(seeds, out, endpoint=address, name="scripted", overrides=("endpoint.pause=0.01", *overrides))


def test_rows_grow_and_every_row_keeps_its_origin(seeds, tmp_path):
    out = tmp_path / "grown.jsonl"
    with serving(Behaviour(cut=7)) as address:
        made = grown(seeds, out, address, "rows=60", "round=4")
    rows, rejected, (head, *requests) = (lines(tmp_path / f"grown{part}.jsonl") for part in ("", ".rejected", ".requests"))
    assert made.rows == len(rows) == 60
    assert len({row["id"] for row in rows}) == 60
    known = {record["number"]: record for record in requests}
    order = list(INSTRUCTIONS)
    for row in rows:
        meta = row["meta"]
        stages = ["instructions", "classification", "outputs_first" if meta["classification"] else "inputs_first"]
        assert list(meta["requests"]) == stages
        for stage, number in meta["requests"].items():
            assert known[number]["stage"] == stage and known[number]["hash"] == meta["prompts"][stage]
        assert row["instruction"].lower()[1:] in known[meta["requests"]["instructions"]]["text"].lower()
        assert meta["classification"] == ("Classify" in row["instruction"])
        assert meta["model"] == {"name": "scripted", "endpoint": address, "answered_as": "scripted-2026"}
        assert meta["at"] == known[meta["requests"][stages[-1]]]["at"]
        for id_ in meta["seeds"]:
            assert id_.startswith(("s", "grown-"))
    # No two instructions are alike, by the metric itself over all pairs; the nearest one is named rightly.
    tasks = list(dict.fromkeys(row["instruction"] for row in rows))
    order += tasks
    for place, text in enumerate(tasks, start=len(INSTRUCTIONS)):
        assert max(rouge_scores(text, other, "L")[2] for other in order[:place]) < 0.7
    for record in rejected:
        assert record["filter"] in MEANING
        if record["filter"] == "similar":
            near = record["nearest"]
            score = rouge_scores(record["instruction"], near["instruction"], "L")[2]
            assert score >= 0.7 and near["similarity"] == round(score, 4)
    assert {"unusable", "short", "punctuation", "similar", "echo", "contradictory", "cut"} <= set(made.rejected)
    assert made.rejected == Counter(record["filter"] for record in rejected)
    assert sum(made.similarity) == made.tasks == len(tasks)
    assert head["settings"]["way"] == "self-instruct" and head["seeds"]["count"] == 10
    assert made.tree() == json.loads((tmp_path / "grown.report.json").read_text()) | {"ended": made.ended} | {
        "similarity": made.similarity,
        "often": made.often,
    }
    assert report(out).tree() == made.tree() | {"ended": ""}


def test_the_rows_train_at_once(seeds, tmp_path):
    out = tmp_path / "grown.jsonl"
    with serving(Behaviour()) as address:
        grown(seeds, out, address, "rows=10", "round=2")
    [first, *_] = read(out)
    assert guess(first).name == "triplet"
    example = guess(first).apply(first)
    assert example.target == first["output"] and first["instruction"] in example.messages[0].content
    assert example.id == first["id"] and example.meta["task"] == first["meta"]["task"]


def test_six_of_people_and_two_grown_are_shown(seeds, tmp_path):
    out = tmp_path / "grown.jsonl"
    with serving(Behaviour()) as address:
        grown(seeds, out, address, "rows=60", "round=2")
    rounds = {}
    for row in lines(out):
        rounds[row["meta"]["requests"]["instructions"]] = row["meta"]["seeds"]
    for number, ids in rounds.items():
        grown_ids = [id_ for id_ in ids if id_.startswith("grown-")]
        assert len(ids) == len(set(ids)) == 8
        assert len(grown_ids) == (0 if number < 2 else 2)


def test_texts_that_end_an_answer_may_be_added(seeds, tmp_path):
    behaviour = Behaviour()
    with serving(behaviour) as address:
        grown(seeds, tmp_path / "grown.jsonl", address, "rows=3", "round=1", "inputs_first.stop=[ab c, zz]")
    stops = {tuple(body["stop"]) for _, body, _ in behaviour.seen}
    assert ("\nTask:", "\nExample 6", "ab c", "zz") in stops and ("\n17.",) in stops


def test_triplets_in_one_call(seeds, tmp_path):
    out = tmp_path / "grown.jsonl"
    behaviour = Behaviour(cut=5)
    with serving(behaviour) as address:
        made = grown(seeds, out, address, "rows=40", "round=4", "way=alpaca")
    rows = lines(out)
    assert len(rows) == 40 and made.classification == {"not told": 40}
    assert {len(row["meta"]["seeds"]) for row in rows} == {3}
    assert {tuple(row["meta"]["requests"]) for row in rows} == {("triplets",)}
    assert "cut" in made.rejected
    assert all("Write a list of 20 tasks" in body["messages"][0]["content"] for _, body, _ in behaviour.seen)


def test_equal_commands_make_equal_rows_in_any_order_of_answers(seeds, tmp_path):
    for name, concurrency in (("one", 1), ("many", 12)):
        with serving(Behaviour(delay=0.001 * concurrency)) as address:
            grown(seeds, tmp_path / f"{name}.jsonl", address, "rows=30", "round=3", f"endpoint.concurrency={concurrency}")
    for part in ("", ".rejected"):
        one, many = untimed(tmp_path / f"one{part}.jsonl"), untimed(tmp_path / f"many{part}.jsonl")
        for record in (*one, *many):
            del record["meta"]["model"]["endpoint"]  # its port
        assert one == many
    with serving(Behaviour()) as address:
        grown(seeds, tmp_path / "other.jsonl", address, "rows=30", "round=3", "seed=1")
    assert [row["instruction"] for row in lines(tmp_path / "other.jsonl")] != [
        row["instruction"] for row in lines(tmp_path / "one.jsonl")
    ]


def command(seeds, out, address, *overrides):
    words = [sys.executable, "-m", "tunesmith", "data", "grow", str(seeds), str(out)]
    return [*words, "--endpoint", address, "--name", "scripted", "endpoint.pause=0.01", *overrides]


def started(words):
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def until(happened, process, seconds=60):
    end = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_killed_process_goes_on_and_no_row_is_lost_or_there_twice(seeds, tmp_path):
    settings = ("rows=40", "round=3", "endpoint.concurrency=4", "seed=3")
    behaviour = Behaviour(delay=0.02)
    with serving(behaviour) as address:
        whole = tmp_path / "whole.jsonl"
        grow(seeds, whole, endpoint=address, name="scripted", overrides=settings)
        asked = len(behaviour.seen)
        behaviour.answered.clear()
        out, kills = tmp_path / "killed.jsonl", 0
        words = command(seeds, out, address, *settings)
        for more in (10, 17, 23):
            before, process = len(behaviour.seen), started(words)
            until(lambda: len(behaviour.seen) >= before + more, process)  # noqa: B023
            process.kill()  # SIGKILL
            process.communicate()
            assert process.returncode == -signal.SIGKILL
            kills += 1
        last = started(words)
        told = last.communicate(timeout=120)
        assert last.returncode == 0, told
        assert "goes on: " in told[1]
    for part in ("", ".rejected"):
        assert untimed(tmp_path / f"killed{part}.jsonl") == untimed(tmp_path / f"whole{part}.jsonl")
    by_number = {record["number"]: record for record in untimed(tmp_path / "whole.requests.jsonl")[1:]}
    again = untimed(tmp_path / "killed.requests.jsonl")[1:]
    assert len(again) == len(by_number) == asked
    assert all(record == by_number[record["number"]] for record in again)
    # Only what was in flight when it was killed was asked twice.
    assert sum(behaviour.answered.values()) <= asked + 4 * kills


def test_lines_that_were_cut_short_are_written_anew(seeds, tmp_path):
    settings = ("rows=30", "round=3")
    out = tmp_path / "grown.jsonl"
    with serving(Behaviour()) as address:
        grown(seeds, out, address, *settings)
        files = [tmp_path / f"grown{part}.jsonl" for part in ("", ".rejected", ".requests")]
        whole = [file.read_bytes() for file in files]
        for back in (1, 40, 3000):
            for file, data in zip(files[:2], whole, strict=False):
                file.write_bytes(data[:-back])
            grown(seeds, out, address, *settings)
            assert [file.read_bytes() for file in files] == whole
        files[2].write_bytes(whole[2][:-50])  # an answer is on the disk before a row of it: then there are none
        for file in files[:2]:
            file.write_bytes(b"")
        grown(seeds, out, address, *settings)
    for file, data in zip(files, whole, strict=True):
        again = tmp_path / "again.jsonl"
        again.write_bytes(data)
        assert untimed(file) == untimed(again)


def test_more_rows_may_be_asked_for_later(seeds, tmp_path):
    out = tmp_path / "grown.jsonl"
    with serving(Behaviour()) as address:
        grown(seeds, out, address, "rows=15", "round=3")
        first = out.read_bytes()
        assert first.count(b"\n") == 15
        grown(seeds, out, address, "rows=45", "round=3", "endpoint.concurrency=2", "patience=3")
        whole = out.read_bytes()
        assert whole.count(b"\n") == 45 and whole.startswith(first)
        grown(seeds, out, address, "rows=45", "round=3")
        assert out.read_bytes() == whole


def test_a_second_process_is_refused_and_an_interrupted_one_says_how_to_go_on(seeds, tmp_path):
    behaviour = Behaviour(delay=0.05)
    out = tmp_path / "grown.jsonl"
    with serving(behaviour) as address:
        process = started(command(seeds, out, address, "rows=500"))
        until(lambda: len(behaviour.seen) > 20, process)
        behaviour.delay = 2.0  # it is still growing when it is interrupted, however busy the machine is
        with pytest.raises(UserError, match="another process is growing into"):
            grown(seeds, out, address, "rows=500")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "the same command goes on where it stopped" in told and "Traceback" not in told
        answered = len(lines(tmp_path / "grown.requests.jsonl"))
        assert answered > 1
        behaviour.delay = 0.0
        grown(seeds, out, address, "rows=5")  # the lock went with it
        assert len(lines(tmp_path / "grown.requests.jsonl")) >= answered


def test_another_way_of_growing_into_the_same_file_is_refused(seeds, tmp_path):
    out = tmp_path / "grown.jsonl"
    with serving(Behaviour()) as address:
        grown(seeds, out, address, "rows=5")
        for override, told in (
            ("seed=2", "`seed` `0`, and now it is `2`"),
            ("filters.similarity=0.6", "`filters.similarity` `0.7`"),
            ("templates=grow-brief", "`templates` `grow`"),
        ):
            with pytest.raises(UserError) as error:
                grown(seeds, out, address, "rows=5", override)
            assert told in error.value.problem
        with pytest.raises(UserError, match=r"`model.name` `scripted`, and now it is `other`"):
            grow(seeds, out, endpoint=address, name="other", overrides=["rows=5"])
        seeds.write_text(seeds.read_text() + '{"instruction": "One more.", "output": "yes"}\n')
        with pytest.raises(UserError, match=r"`seeds.count` `10`, and now it is `11`"):
            grown(seeds, out, address, "rows=5")


def test_changed_rows_are_not_gone_on_with(seeds, tmp_path):
    out = tmp_path / "grown.jsonl"
    with serving(Behaviour()) as address:
        grown(seeds, out, address, "rows=5")
        text = out.read_text()
        out.write_text(text.replace("Once", "Twice"))
        with pytest.raises(UserError, match=r"`.*grown.jsonl` line \d is not the row that its requests make"):
            grown(seeds, out, address, "rows=50")
        out.write_text(text)
        (tmp_path / "grown.requests.jsonl").unlink()
        with pytest.raises(UserError, match=r"`grown.requests.jsonl` is not beside it"):
            grown(seeds, out, address, "rows=50")


def test_the_budget_of_tokens_ends_it_and_a_larger_one_goes_on(seeds, tmp_path):
    out = tmp_path / "grown.jsonl"
    with serving(Behaviour()) as address:
        made = grown(seeds, out, address, "rows=100", "budget=9000", "round=2")
        assert "the budget of tokens is spent" in made.ended and 9000 <= made.cost["shown"] + made.cost["said"] < 30000
        before = made.rows
        assert grown(seeds, out, address, "rows=100", "round=2").rows == 100 > before


def test_wrong_settings_are_told(seeds, tmp_path):
    out = tmp_path / "grown.jsonl"
    address = "http://127.0.0.1:9/v1"
    for given, told in (
        ({}, "who writes is not said"),
        ({"model": "town/llama", "endpoint": address}, "`--model` and `--endpoint` are given"),
        ({"endpoint": address}, "`--endpoint` and `--name` go together"),
        ({"endpoint": address, "name": "x", "overrides": ["instructions.top_k=4"]}, "`instructions.top_k` is of a local model"),
        (
            {"model": "town/llama", "overrides": ["triplets.presence_penalty=1"]},
            "`triplets.presence_penalty` is of an endpoint",
        ),
        ({"model": "town/llama", "overrides": ["endpoint.retries=4"]}, "`endpoint.retries` is given"),
        ({"endpoint": address, "name": "x", "overrides": ["similarity=0.6"]}, "unknown setting"),
        ({"endpoint": address, "name": "x", "overrides": ["way=alpaca", "asked=3"]}, "the list must be longer|`asked` is 3"),
        ({"endpoint": address, "name": "x", "overrides": ["filters.words=unusabel"]}, "no list of words `unusabel`"),
        ({"model": "town/bert"}, "`town/bert` does not speak"),
    ):
        with pytest.raises(UserError, match=told):
            grow(seeds, out, **given)
    with pytest.raises(UserError, match=r"name a file that ends|cannot be written"):
        grow(seeds, tmp_path / "grown.json", endpoint=address, name="x")
    with pytest.raises(UserError, match="nothing has grown into"):
        report(out)


def test_a_local_model_writes_and_goes_on_exactly(seeds, tmp_path):
    """Random weights write nonsense: what matters is that every stage runs, and that the order of work changes nothing."""
    model = tiny_model(tmp_path / "tiny", "llama")
    how = ["rows=3", "round=3", "patience=2", "templates=grow-brief", "filters.fewest_words=1", "filters.distinct=0"]
    how += [f"{stage}.tokens=24" for stage in ("instructions", "inputs_first", "outputs_first")]
    how += ["instructions.temperature=1.0", "filters.most_output_words=400"]
    made = grow(seeds, tmp_path / "one.jsonl", model=str(model), overrides=[*how, "batch=5"])
    assert made.cost["requests"] >= 6 and made.cost["shown"] > 0 and made.model["hash"]
    assert sum(made.rejected.values()) + made.rows > 0
    head, *answers = (tmp_path / "one.requests.jsonl").read_bytes().splitlines(keepends=True)
    for kept in (1, len(answers) - 1):
        (tmp_path / "two.requests.jsonl").write_bytes(b"".join([head, *answers[:kept]]))
        grow(seeds, tmp_path / "two.jsonl", model=str(model), overrides=[*how, "batch=2"])
        one, two = (
            sorted(untimed(tmp_path / f"{name}.requests.jsonl")[1:], key=lambda record: record["number"])
            for name in ("one", "two")
        )
        assert one == two
        for part in ("", ".rejected"):
            assert untimed(tmp_path / f"one{part}.jsonl") == untimed(tmp_path / f"two{part}.jsonl")
            (tmp_path / f"two{part}.jsonl").unlink()


def test_a_prompt_that_is_too_long_for_a_local_model_is_refused_and_not_fatal(tmp_path):
    file = tmp_path / "long.jsonl"
    file.write_text(json.dumps({"instruction": "word " * 2000, "output": "x"}) + "\n")
    made = grow(
        file, tmp_path / "out.jsonl", model=str(tiny_model(tmp_path / "tiny", "llama")), overrides=["rows=1", "patience=1"]
    )
    assert made.rows == 0 and made.rejected == {"refused": 8}
    assert "the network reads at most 1024" in lines(tmp_path / "out.rejected.jsonl")[0]["told"]


def test_seeds_of_alpaca_grow(shared, tmp_path):
    seeds = shared("data/alpaca_seed/seed_tasks.jsonl")
    with serving(Behaviour()) as address:
        made = grown(seeds, tmp_path / "grown.jsonl", address, "rows=50")
    assert made.rows == 50 and made.verbs > 5
    shown = {id_ for row in lines(tmp_path / "grown.jsonl") for id_ in row["meta"]["seeds"]}
    assert len([id_ for id_ in shown if id_.startswith("seed_task_")]) > 30


def test_the_command_reports_without_asking(seeds, tmp_path):
    out = tmp_path / "grown.jsonl"
    with serving(Behaviour()) as address:
        found = subprocess.run(
            command(seeds, out, address, "rows=12", "--json"), cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert found.returncode == 0, found.stderr
    words = [sys.executable, "-m", "tunesmith", "data", "grow", str(out), "--report"]
    plain_table = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "kept and refused" in plain_table
    told = json.loads(subprocess.run([*words, "--json"], cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert told | {"ended": ""} == json.loads(found.stdout) | {"ended": ""} and told["rows"] == 12
    assert plain("A  B.") == "a b"


def test_it_needs_no_torch_to_ask_an_endpoint():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from tunesmith.synthesis import growing, endpoint, report; import tunesmith.commands.growing"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(ROOT))
