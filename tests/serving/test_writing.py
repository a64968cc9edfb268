"""The file of written rows: drafts, submissions and reviews; what is acknowledged stands, and people do not collide."""

import sqlite3
import threading
import time
from collections import Counter
from dataclasses import replace
from itertools import count

import pytest

from tunesmith.errors import UserError
from tunesmith.serving import database, reviewing, writing_tables
from tunesmith.serving import writing as module
from tunesmith.serving.form_file import read_shape
from tunesmith.serving.people import RefusedError
from tunesmith.serving.reviewing import Reviews
from tunesmith.serving.standing import Standing
from tunesmith.serving.votes import Votes
from tunesmith.serving.writing import STATES, ChangedError, Draft, FaultyError, Writing
from tunesmith.serving.writing_export import EXPORTED, rows
from tunesmith.serving.writing_report import report

IDS = count()
GOOD = {"instruction": "Name three birds of the wood.", "input": "", "output": "Jay, wren and owl."}


def opened(path, **more):
    shape = read_shape("triplet")
    return Writing(path, shape.form, shape.guidelines, **more)


@pytest.fixture
def writing(tmp_path):
    made = opened(tmp_path / "writing.sqlite")
    yield made
    made.close()


def draft(row, fields=GOOD, tab="t", number=None, version=None, seconds=0.0):
    return Draft(row.id, row.version if version is None else version, tab, number or next(IDS) + 1, fields, seconds)


def fresh():
    return f"event-{next(IDS)}"


def written(writing, name="ann", fields=GOOD, tab="t"):
    """A submitted row."""
    return writing.submit(fresh(), name, draft(writing.next(name, tab), fields, tab))


def kinds(writing, row):
    return [event.kind for event in writing.events(row)]


def test_from_draft_to_accepted(writing):
    row = writing.next("ann", "t")
    assert row.state == "draft" and writing.mine("ann") == []
    row = writing.save("ann", draft(row, {**GOOD, "output": "Jay"}, seconds=3.0))
    assert [one.fields["output"] for one in writing.mine("ann")] == ["Jay"]
    row = writing.submit("s1", "ann", draft(row, seconds=9.0))
    assert row.state == "submitted" and row.fields == GOOD and row.seconds == 9.0
    reviews = Reviews(writing)
    assert reviews.waiting("ben") == 1 and reviews.waiting("ann") == 0
    shown = reviews.next("ben", "b")
    row = reviews.judge("v1", "ben", shown.id, shown.version, "accepted", {}, " good ")
    assert (row.state, row.reviewer, row.comment) == ("accepted", "ben", "good")
    assert kinds(writing, row.id) == ["draft", "submitted", "accepted"]
    assert [(event.person, event.state) for event in writing.events(row.id)][-1] == ("ben", "accepted")
    assert reviews.next("ben", "b") is None
    for change in (lambda: writing.open("ann", row.id, "t"), lambda: writing.discard(fresh(), "ann", row.id)):
        with pytest.raises(RefusedError, match="accepted"):
            change()
    with pytest.raises(ChangedError):
        writing.save("ann", draft(row))


def test_what_breaks_the_rules_stays_a_draft_and_nothing_is_lost(writing):
    row = writing.next("ann", "t")
    with pytest.raises(FaultyError) as found:
        writing.submit("s1", "ann", draft(row, {**GOOD, "output": ""}))
    assert found.value.faults == {"output": "This is needed."}
    kept = writing.row(row.id)
    assert kept.state == "draft" and kept.fields["instruction"] == GOOD["instruction"]
    assert writing.submit("s1", "ann", draft(kept)).state == "submitted"


def test_a_request_sent_twice_counts_once(writing):
    row = writing.next("ann", "t")
    sent = draft(row)
    one, other = writing.submit("same", "ann", sent), writing.submit("same", "ann", sent)
    assert one == other and kinds(writing, row.id).count("submitted") == 1
    reviews = Reviews(writing)
    for _ in range(2):
        reviews.judge("verdict", "ben", row.id, one.version, "sent back", {}, "more")
    assert kinds(writing, row.id).count("sent back") == 1
    for _ in range(2):
        assert reviews.undo("undo", "ben", "b").state == "submitted"
    for _ in range(2):
        writing.discard("away", "ann", row.id)
    assert kinds(writing, row.id)[1:] == ["submitted", "sent back", "undone", "discarded"]


def test_drafts_of_a_tab_come_in_their_order_and_those_of_two_tabs_do_not_overwrite(writing):
    row = writing.next("ann", "t")
    writing.save("ann", draft(row, {**GOOD, "output": "second"}, number=10**6))
    late = writing.save("ann", draft(row, {**GOOD, "output": "first"}, number=10**6 - 1))
    assert late.fields["output"] == "second"
    other = writing.open("ann", row.id, "u")
    writing.save("ann", draft(other, {**GOOD, "output": "of the other tab"}, tab="u"))
    with pytest.raises(ChangedError, match="elsewhere"):
        writing.save("ann", draft(row, {**GOOD, "output": "stale"}))
    assert writing.row(row.id).fields["output"] == "of the other tab"
    with pytest.raises(RefusedError, match="somebody else's"):
        writing.save("ben", draft(other, tab="u"))
    with pytest.raises(RefusedError, match="no such row"):
        writing.save("ann", Draft("none", 0, "t", 1, GOOD))


def test_an_untouched_draft_is_taken_again_and_each_tab_has_its_own(writing, monkeypatch):
    one = writing.next("ann", "t")
    assert writing.next("ann", "t").id == one.id
    two = writing.next("ann", "u")
    assert two.id != one.id
    monkeypatch.setattr(module, "UNTOUCHED", -1.0)
    assert writing.next("ann", "v").id in (one.id, two.id)
    assert writing._number("SELECT count(*) FROM rows") == 2
    writing.save("ann", draft(one))
    assert writing.next("ann", "t").id != one.id


def test_typing_keeps_a_snapshot_a_minute_and_what_did_not_change_adds_none(writing, monkeypatch):
    row = writing.next("ann", "t")
    for n in range(5):
        row = writing.save("ann", draft(row, {**GOOD, "output": f"draft {n}"}))
    assert kinds(writing, row.id) == ["draft"] and row.fields["output"] == "draft 4"
    monkeypatch.setattr(module, "SNAPSHOT", 0.0)
    time.sleep(0.01)
    writing.save("ann", draft(row, row.fields))
    assert kinds(writing, row.id) == ["draft"]
    writing.save("ann", draft(row, {**GOOD, "output": "later"}))
    assert [event.fields["output"] for event in writing.events(row.id)] == ["draft 0", "later"]


def test_a_writer_takes_a_row_back_and_the_reviewer_is_told(writing):
    row = written(writing)
    reviews = Reviews(writing)
    shown = reviews.next("ben", "b")
    back = writing.open("ann", row.id, "t")
    assert back.state == "draft" and reviews.next("cy", "c") is None
    with pytest.raises(ChangedError, match="took it back"):
        reviews.judge(fresh(), "ben", shown.id, shown.version, "accepted", {})
    again = writing.submit(fresh(), "ann", draft(back, {**GOOD, "output": "Jay, wren, owl, and tit."}))
    with pytest.raises(ChangedError):
        reviews.judge(fresh(), "ben", shown.id, shown.version, "accepted", {})
    assert reviews.judge(fresh(), "ben", row.id, again.version, "accepted", {}).fields["output"].endswith("tit.")


def test_sent_back_mended_and_undone(writing):
    row = written(writing)
    reviews = Reviews(writing)
    with pytest.raises(RefusedError, match="Say what is missing"):
        reviews.judge(fresh(), "ben", row.id, row.version, "sent back", {}, "  ")
    back = reviews.judge(fresh(), "ben", row.id, row.version, "sent back", {}, "Which wood?")
    assert back.state == "sent back" and reviews.next("ben", "b") is None
    changed = writing.save("ann", draft(back, {**GOOD, "input": "In Europe."}))
    assert changed.state == "sent back" and changed.comment == "Which wood?"
    assert reviews.undo(fresh(), "ben", "b") is None, "its writer has gone on"
    again = writing.submit(fresh(), "ann", draft(changed, changed.fields))
    with pytest.raises(FaultyError) as found:
        reviews.judge(fresh(), "cy", row.id, again.version, "mended", {**GOOD, "output": ""})
    assert "output" in found.value.faults
    mended = reviews.judge(fresh(), "cy", row.id, again.version, "mended", {**GOOD, "output": "Jays, wrens, owls."})
    assert mended.state == "accepted" and mended.fields["output"] == "Jays, wrens, owls."
    assert rows(writing)[0]["meta"]["mended"] is True
    undone = reviews.undo(fresh(), "cy", "c")
    assert undone.state == "submitted" and undone.fields == again.fields and undone.reviewer == ""
    assert reviews.undo(fresh(), "cy", "c") is None
    assert [event.fields["output"] for event in writing.events(row.id) if event.kind == "mended"] == ["Jays, wrens, owls."]
    assert rows(writing) == [] and rows(writing, ("submitted",))[0]["meta"]["mended"] is False


def test_nobody_reviews_a_row_of_their_own(writing):
    row = written(writing, "Ann")
    reviews = Reviews(writing, ("Ann", "Ben"))
    for name in ("Ann", "ann", "ANN", "Cy"):
        assert reviews.next(name, name) is None and reviews.waiting(name) == 0
        with pytest.raises(RefusedError, match="own"):
            reviews.judge(fresh(), name, row.id, row.version, "accepted", {})
    assert reviews.next("ben", "b").id == row.id
    assert writing.row(row.id).state == "submitted"


def test_two_reviewers_get_two_rows_and_a_claim_ends(writing, monkeypatch):
    made = [written(writing, "ann", {**GOOD, "output": f"Birds {n}."}).id for n in range(3)]
    reviews = Reviews(writing)
    assert [reviews.next(name, name).id for name in ("ben", "cy", "ben")] == [made[0], made[1], made[0]]
    assert reviews.next("ben", "ben", after=made[0]).id == made[2], "passed by"
    assert reviews.next("dee", "dee").id == made[0], "what was passed by is for others"
    monkeypatch.setattr(reviewing.time, "time", lambda now=time.time: now() + reviewing.LEASE + 1)
    assert reviews.next("eve", "eve").id == made[0]


def test_two_verdicts_at_once_and_one_counts(tmp_path):
    """Eight reviewers with connections of their own, on the same rows, without asking who has them."""
    writing = opened(tmp_path / "writing.sqlite")
    made = [written(writing, "ann", {**GOOD, "output": f"Birds {n}."}) for n in range(12)]
    begin, wins, refused = threading.Barrier(8), Counter(), Counter()

    def work(name):
        mine = Writing(tmp_path / "writing.sqlite")
        reviews = Reviews(mine)
        begin.wait()
        for row in made:
            try:
                reviews.judge(f"{name}-{row.id}", name, row.id, row.version, "accepted", {})
                wins[name] += 1
            except ChangedError:
                refused[name] += 1
        mine.close()

    people = [threading.Thread(target=work, args=(f"r{n}",)) for n in range(8)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sum(wins.values()) == 12 and sum(refused.values()) == 7 * 12
    assert Counter(event.kind for event in writing.events())["accepted"] == 12
    writing.close()


def test_seeds_go_round_with_overlap(tmp_path, monkeypatch):
    opened(tmp_path / "writing.sqlite", overlap=2).close()
    writing = opened(tmp_path / "writing.sqlite")
    assert writing.overlap == 2, "it is kept in the file"
    seeds = [(f"s{n}", {"instruction": f"Tell me of bird {n}."}) for n in range(3)]
    assert writing.add_seeds(seeds) == 3 and writing.add_seeds(seeds) == 0
    with pytest.raises(UserError, match="the seed `s0` is another"):
        writing.add_seeds([("s0", {"instruction": "Other."})])
    got = []
    for name in ("ann", "ben", "cy"):
        row = writing.next(name, name)
        assert row.fields["instruction"] == f"Tell me of bird {row.seed[1]}." and writing.fixed(row.seed) == ["instruction"]
        got.append(row)
    assert [row.seed for row in got] == ["s0", "s0", "s1"]
    row = writing.submit(fresh(), "ann", draft(got[0], {"instruction": "Mine!", "output": "It sings."}, tab="ann"))
    assert row.fields["instruction"] == "Tell me of bird 0.", "what is given is not changed"
    assert [writing.next("ann", "ann").seed, writing.next("dee", "d").seed] == ["s1", "s2"]
    standing = Standing(writing)
    assert standing.nearest(got[1], {"output": "It sings and it sings."}) == {}
    like = writing.submit(fresh(), "cy", draft(got[2], {"output": "It sings all day long."}, tab="cy"))
    again = {"output": "It sings all day long, too."}
    assert standing.nearest(got[1], again)["output"].row == like.id
    assert standing.nearest(replace(got[1], seed="s1"), again) == {}, "what others wrote on a seed is not told its writers"
    assert standing.nearest(replace(got[1], seed="s1"), again, writing=False)["output"].row == like.id
    writing.discard(fresh(), "ben", got[1].id)
    assert writing.next("eve", "e").seed == "s0", "somebody else may have what was laid aside"
    assert writing.next("ben", "ben").seed == "s2"
    assert writing.next("fay", "f") is None
    monkeypatch.setattr(module, "UNTOUCHED", -1.0)
    assert writing.next("fay", "f").seed == "s0", "who types nothing holds nothing for long"
    writing.close()


def test_a_seed_may_be_the_start_of_what_is_written(tmp_path):
    (tmp_path / "shape.yaml").write_text("fields:\n  - {name: text, seeded: start}\n")
    writing = Writing(tmp_path / "writing.sqlite", read_shape(str(tmp_path / "shape.yaml")).form)
    writing.add_seeds([("s", {"text": "A rough draft."})])
    row = writing.next("ann", "t")
    assert writing.fixed("s") == [] and row.fields == {"text": "A rough draft."} and writing.mine("ann") == []
    assert writing.submit(fresh(), "ann", draft(row, {"text": "A smooth text."})).fields == {"text": "A smooth text."}
    writing.close()


def test_twenty_writers_at_once(tmp_path):
    """Each types, submits, and reviews what others wrote, through one connection as the server has it."""
    writing = opened(tmp_path / "writing.sqlite")
    reviews, standing, faults = Reviews(writing), Standing(writing), []

    def work(name):
        try:
            for n in range(4):
                row = writing.next(name, name)
                for step in range(3):
                    text = f"{name} writes of bird number {n}, and this is step {step} of it."
                    writing.save(name, draft(row, {**GOOD, "output": text}, tab=name))
                standing.nearest(row, {**GOOD, "output": text})
                writing.submit(f"{name}-{n}", name, draft(row, {**GOOD, "output": text}, tab=name))
                shown = reviews.next(name, name)
                if shown is not None:
                    assert shown.writer != name
                    reviews.judge(f"v-{name}-{n}", name, shown.id, shown.version, "accepted", {})
        except BaseException as error:
            faults.append(error)

    people = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(20)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert faults == []
    every = writing.every()
    assert len(every) == 80 and Counter(row.writer for row in every) == {f"w{n}": 4 for n in range(20)}
    assert all(row.fields["output"].startswith(f"{row.writer} ") and "step 2" in row.fields["output"] for row in every)
    kinds_ = Counter(event.kind for event in writing.events())
    assert kinds_["submitted"] == 80 and kinds_["accepted"] == sum(row.state == "accepted" for row in every) > 40
    for row in every:
        last = writing.events(row.id)[-1]
        assert (last.state, last.fields, last.version) == (row.state, row.fields, row.version)
    writing.close()


def test_the_record_is_only_added_to(writing):
    written(writing)
    for change in ("UPDATE events SET kind = 'x'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            writing.connection.execute(change)


def test_limits_and_guidelines_may_change_and_columns_may_not(tmp_path, writing):
    row = written(writing)
    (tmp_path / "triplet.yaml").write_text(
        "fields:\n  - {name: instruction, maximum: 5}\n  - {name: input, required: false}\n  - name: output\n"
    )
    form = read_shape(str(tmp_path / "triplet.yaml")).form
    other = Writing(tmp_path / "writing.sqlite", form, "# New\n")
    assert other.guide != writing.guide and other.guides()[row.guide] == writing.guidelines
    with pytest.raises(FaultyError):
        written(other, "ben")
    other.close()
    assert Writing(tmp_path / "writing.sqlite").guidelines == "# New\n", "what was said last is in force"
    with pytest.raises(UserError, match="other columns than the form `chat`"):
        Writing(tmp_path / "writing.sqlite", read_shape("chat").form)
    back = opened(tmp_path / "writing.sqlite")
    assert back.guide == writing.guide
    assert rows(back, ("submitted",))[0]["meta"]["guidelines"] == writing.guide


def test_files_of_another_kind_or_a_later_version_are_refused(tmp_path, writing):
    votes = tmp_path / "votes.sqlite"
    Votes(votes).close()
    before = votes.read_bytes()
    for problem, call in (
        ("no file of written rows", lambda: opened(votes)),
        ("no file of votes", lambda: Votes(tmp_path / "writing.sqlite")),
        ("there is no file of written rows", lambda: Writing(tmp_path / "none.sqlite", new=False)),
        ("says no form", lambda: Writing(tmp_path / "fresh.sqlite")),
    ):
        with pytest.raises(UserError, match=problem):
            call()
    assert votes.read_bytes() == before
    writing.connection.execute(f"PRAGMA user_version = {len(Writing.steps) + 1}")
    with pytest.raises(UserError, match="another version"):
        opened(tmp_path / "writing.sqlite")


def test_tables_are_brought_to_the_newest_version_all_steps_or_none(tmp_path, writing):
    row = written(writing)
    later = type("Later", (Writing,), {"steps": (*Writing.steps, "ALTER TABLE rows ADD COLUMN mood TEXT;\n")})
    assert later(tmp_path / "writing.sqlite").row(row.id) == row
    with pytest.raises(UserError, match="another version"):
        Writing(tmp_path / "writing.sqlite")
    broken = type("Broken", (later,), {"steps": (*later.steps, "CREATE TABLE more (x);\n", "no sql;\n")})
    with pytest.raises(UserError, match="cannot be read"):
        broken(tmp_path / "writing.sqlite")
    assert later(tmp_path / "writing.sqlite").connection.execute("PRAGMA user_version").fetchone()[0] == 2
    assert list(database.statements(writing_tables.STEPS[0]))[-1].lstrip().startswith("CREATE TABLE claims")


def test_what_is_exported(writing):
    written(writing, "Ann Lee")
    accepted = written(writing, "Ann Lee", {**GOOD, "output": " Two\nlines "})
    writing.save("cy", draft(writing.next("cy", "c"), {**GOOD, "instruction": "Only begun"}, tab="c"))
    writing.discard(fresh(), "ann", written(writing, "ann").id)
    Reviews(writing).judge(fresh(), "ben", accepted.id, accepted.version, "accepted", {})
    (row,) = rows(writing)
    assert list(row) == ["id", "instruction", "input", "output", "meta"] and row["output"] == "Two\nlines"
    meta = row["meta"]
    assert (meta["writer"], meta["reviewer"], meta["state"], meta["guidelines"]) == (
        "Ann Lee",
        "ben",
        "accepted",
        writing.guide,
    )
    assert meta["made"] <= meta["submitted"] <= meta["reviewed"]
    assert {one["meta"]["state"] for one in rows(writing, EXPORTED["all"])} == {"submitted", "accepted", "draft"}
    hidden = rows(writing, EXPORTED["all"], pseudonyms=True)
    names = {one["meta"]["writer"] for one in hidden}
    assert len(names) == 2 and all(name.startswith("p-") for name in names) and "Ann" not in str(hidden)
    again = Writing(writing.path)
    assert rows(again, EXPORTED["all"], pseudonyms=True) == hidden
    again.close()


def test_what_is_reported(writing):
    first = written(writing, "ann", {**GOOD, "output": "The jay, the wren and the old brown owl."})
    second = written(
        writing, "ben", {**GOOD, "instruction": "Say hello in Greek to a friend.", "output": "The jay, the wren, the old owl."}
    )
    reviews = Reviews(writing)
    reviews.judge(fresh(), "ben", first.id, first.version, "sent back", {}, "why")
    reviews.undo(fresh(), "ben", "b")
    reviews.judge(fresh(), "ben", first.id, writing.row(first.id).version, "accepted", {})
    reviews.judge(fresh(), "ann", second.id, second.version, "sent back", {}, "no")
    made = report(writing)
    assert made.rows == {**dict.fromkeys(STATES, 0), "accepted": 1, "sent back": 1}
    assert {one.name: (one.accepted.value, one.verdicts) for one in made.writers} == {"ann": (1.0, 1), "ben": (0.0, 1)}
    assert {one.name: one.verdicts["accepted"] for one in made.reviewers} == {"ben": 1, "ann": 0}
    lengths = {one.column: one for one in made.lengths}
    assert (lengths["output"].shortest, lengths["output"].longest) == (7, 9) and "input" not in lengths
    (twin,) = made.twins
    assert (twin.row, twin.other, twin.column) == (second.id, first.id, "output")
    assert twin.score == pytest.approx(2 * 7 / 16)
    assert made.tree()["writers"][0]["accepted"]["value"] == 1.0
