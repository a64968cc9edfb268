"""The file of votes: events are only added, what stands is told exactly, and people do not collide."""

import sqlite3
import threading
from collections import Counter

import pytest

from tests.serving.judging import some_pairs
from tunesmith.data.example import Message
from tunesmith.errors import UserError
from tunesmith.serving import votes as module
from tunesmith.serving.pairs import Pair
from tunesmith.serving.people import RefusedError, person
from tunesmith.serving.votes import Votes


@pytest.fixture
def votes(tmp_path):
    made = Votes(tmp_path / "labels.sqlite", seed=3)
    made.add(some_pairs())
    yield made
    made.close()


def ids():
    number = 0
    while True:
        number += 1
        yield f"event-{number}"


def judge(votes, name, choice="left", tab="t", new=ids()):
    """Vote on what comes next; its key."""
    shown = votes.next(name, tab)
    if shown is None:
        return None
    votes.vote(next(new), name, shown.key, choice)
    return shown.key


def test_every_pair_comes_once_and_then_none(votes):
    seen = [judge(votes, "ann") for _ in range(4)]
    assert len(set(seen)) == 4 and None not in seen
    assert votes.next("ann", "t") is None
    assert votes.progress("ann").done == 4 and votes.progress("ann").left == 0


def test_a_side_is_recorded_and_the_vote_is_of_the_answer_that_stood_there(votes):
    pairs = {pair.id: pair for pair in votes.pairs()}
    for choice in ("left", "right", "tie", "bad"):
        shown = votes.next("ann", "t")
        votes.vote(f"v-{choice}", "ann", shown.key, choice, seconds=2.5, note="n")
        event = votes.standing()[-1]
        answers = dict(zip(("first", "second"), pairs[event.pair].answers, strict=True))
        assert shown.left == answers[event.side]
        if choice in ("left", "right"):
            assert answers[event.verdict] == getattr(shown, choice)
            assert event.chosen_side == choice
        else:
            assert event.verdict == choice and event.chosen_side == ""
        assert (event.seconds, event.note) == (2.5, "n")


def test_sides_depend_on_seed_pair_and_person_and_fall_evenly(tmp_path, votes):
    sides = Counter(votes.side(f"pair-{n}", name) for n in range(500) for name in ("ann", "ben"))
    assert 440 < sides["first"] < 560
    assert [votes.side(f"pair-{n}", "ann") for n in range(50)] != [votes.side(f"pair-{n}", "ben") for n in range(50)]
    other = Votes(tmp_path / "other.sqlite", seed=4)
    assert [votes.side(f"pair-{n}", "ann") for n in range(50)] != [other.side(f"pair-{n}", "ann") for n in range(50)]
    other.close()


def test_one_request_sent_twice_counts_once(votes):
    shown = votes.next("ann", "t")
    assert votes.vote("same", "ann", shown.key, "left")
    assert not votes.vote("same", "ann", shown.key, "left")
    assert len(votes.standing()) == 1
    assert votes.undo("back", "ann", "t") and votes.undo("back", "ann", "t")
    assert votes.standing() == []
    assert not votes.vote("same", "ann", shown.key, "left"), "a late repetition does not bring back what was undone"
    assert votes.standing() == []


def test_a_second_vote_on_a_pair_is_refused_until_the_first_is_undone(votes):
    shown = votes.next("ann", "t")
    votes.vote("one", "ann", shown.key, "left")
    with pytest.raises(RefusedError, match="before"):
        votes.vote("two", "ann", shown.key, "right")
    votes.undo("back", "ann", "t")
    assert votes.next("ann", "t").key == shown.key
    votes.vote("three", "ann", shown.key, "right")
    assert [event.chosen_side for event in votes.standing()] == ["right"]
    with pytest.raises(RefusedError, match="not among"):
        votes.vote("four", "ann", "no-such-pair", "left")


def test_the_count_of_votes_is_that_of_the_events(votes):
    moves = "left skip undo undo tie bad undo left undo undo undo undo right skip"
    for n, what in enumerate(moves.split()):
        for name in ("ann", "ben"):
            if what == "undo":
                votes.undo(f"u{n}{name}", name, "t")
            else:
                judge(votes, name, what)
            counted = Counter(event.pair for event in votes.standing())
            kept = dict(tuple(row) for row in votes.connection.execute("SELECT id, votes FROM pairs WHERE votes > 0"))
            assert kept == dict(counted)
            assert votes.progress(name).votes == len(votes.standing())


def test_undo_goes_back_to_the_beginning_and_loses_nothing_of_the_record(votes):
    order = [judge(votes, "ann", choice) for choice in ("left", "skip", "tie", "bad")]
    back = []
    for n in range(4):
        assert votes.undo(f"u{n}", "ann", "t")
        back.append(votes.next("ann", "t").key)
    assert back == order[::-1]
    assert not votes.undo("u9", "ann", "t")
    assert votes.standing() == votes.standing("skip") == []
    assert votes.connection.execute("SELECT count(*) FROM events").fetchone()[0] == 8


def test_events_cannot_be_changed_or_removed(votes):
    judge(votes, "ann")
    for statement in ("UPDATE events SET verdict = 'bad'", "DELETE FROM events"):
        with pytest.raises(sqlite3.DatabaseError, match="an event is never"):
            votes.connection.execute(statement)


def test_two_tabs_of_one_person_get_two_pairs_and_the_last_one_both(votes):
    one, two = votes.next("ann", "tab1"), votes.next("ann", "tab2")
    assert one.key != two.key
    assert votes.next("ann", "tab1").key == one.key, "a reload shows the same pair"
    for name, shown in (("a", one), ("b", two)):
        votes.vote(name, "ann", shown.key, "left")
    judge(votes, "ann", tab="tab1")
    assert votes.next("ann", "tab1").key == votes.next("ann", "tab2").key, "a closed tab holds nothing back"


def test_two_people_at_once_share_the_work(votes):
    one, two = votes.next("ann", "t"), votes.next("ben", "t")
    assert one.key != two.key
    seen = {"ann": [], "ben": []}
    while any(found := [(name, key) for name in seen if (key := judge(votes, name))]):
        for name, key in found:
            seen[name].append(key)
    assert sorted(seen["ann"] + seen["ben"]) == sorted(set(seen["ann"] + seen["ben"]))
    assert len(seen["ann"]) == len(seen["ben"]) == 2


def test_what_somebody_else_has_open_is_waited_for_and_freed_in_time(tmp_path, monkeypatch):
    votes = Votes(tmp_path / "one.sqlite")
    votes.add(some_pairs(1))
    votes.next("ann", "t")
    assert votes.next("ben", "t") is None
    assert votes.progress("ben").left == 1, "it may still come"
    later = module.time.time() + module.LEASE + 1
    monkeypatch.setattr(module.time, "time", lambda: later)
    assert votes.next("ben", "t") is not None
    votes.close()


def test_overlap_gives_every_pair_to_so_many_and_finishes_pairs_first(tmp_path):
    votes = Votes(tmp_path / "three.sqlite", overlap=2)
    votes.add(some_pairs(6))
    first = [judge(votes, "ann") for _ in range(3)]
    assert {judge(votes, "ben") for _ in range(3)} == set(first), "pairs that were begun come first"
    assert not {judge(votes, "cy") for _ in range(3)} & set(first)
    while any(judge(votes, name) for name in ("ann", "ben", "cy")):
        pass
    assert Counter(Counter(event.pair for event in votes.standing()).values()) == {2: 6}
    votes.close()


def test_a_skip_is_no_vote_and_the_pair_goes_to_others(votes):
    shown = votes.next("ann", "t")
    votes.vote("s", "ann", shown.key, "skip", reason="cannot")
    assert votes.standing("skip")[0].reason == "cannot"
    assert votes.progress("ann").done == 1 and votes.progress("ann").votes == 0
    assert shown.key in [judge(votes, "ben") for _ in range(4)]


def test_control_items_are_for_everybody_and_in_between(tmp_path):
    votes = Votes(tmp_path / "gold.sqlite")
    votes.add(some_pairs(20))
    votes.add(Pair(f"gold {n}", (Message("user", f"gold {n}"),), ("right", "wrong"), gold="first") for n in range(4))
    keys = {votes._hash(f"gold {n}")[:16] for n in range(4)}
    seen = [judge(votes, "ann") for _ in range(24)]
    places = [place for place, key in enumerate(seen) if key in keys]
    assert len(places) == 4
    assert max(places) - min(places) > 4, "neither all first nor all last"
    assert {judge(votes, "ben") for _ in range(4)} == keys, "the others are done"
    assert judge(votes, "ben") is None
    votes.close()


def test_pairs_with_the_same_answer_twice_and_pairs_still_being_drawn_are_not_shown(tmp_path):
    votes = Votes(tmp_path / "drawn.sqlite")
    prompt = (Message("user", "?"),)
    votes.add([Pair("same", prompt, ("a", "\n a \t")), Pair("half", prompt, ("a", None)), Pair("none", prompt, (None, None))])
    assert votes.next("ann", "t") is None
    assert votes.progress("ann").left == 0
    votes.fill("half", "second", "b")
    assert votes.next("ann", "t") is not None
    votes.fill("half", "second", "another")
    assert votes.pairs()[1].answers == ("a", "b"), "an answer stays as it was drawn"
    votes.close()


def test_half_letters_are_replaced(tmp_path):
    votes = Votes(tmp_path / "half.sqlite")
    pairs = [Pair("a", (Message("user", "cut \ud83d"),), ("whole \ud83d\ude00", "cut \ud83d"))]
    assert votes.add(pairs) == 1 and votes.add(pairs) == 0
    assert votes.pairs()[0].answers == ("whole \U0001f600", "cut \ufffd")
    votes.close()


def test_the_file_is_kept_and_mistakes_are_told(tmp_path, votes):
    judge(votes, "ann")
    again = Votes(votes.path)
    assert again.seed == 3 and len(again.standing()) == 1
    assert again.add(some_pairs()) == 0
    with pytest.raises(UserError, match="is another than the one of that id"):
        again.add([Pair("alpha-vs-beta-0", (Message("user", "else"),), ("a", "b"))])
    again.close()
    with pytest.raises(UserError, match="begun with the seed 3"):
        Votes(votes.path, seed=5)
    (tmp_path / "text.sqlite").write_text("no database at all, but long enough to be looked at as one" * 20)
    with pytest.raises(UserError, match="cannot be read as a file of votes"):
        Votes(tmp_path / "text.sqlite")
    sqlite3.connect(tmp_path / "other.sqlite").execute("CREATE TABLE x (y)").connection.close()
    with pytest.raises(UserError, match="no file of votes"):
        Votes(tmp_path / "other.sqlite")
    with pytest.raises(UserError, match="there is no file of votes"):
        Votes(tmp_path / "nowhere.sqlite", new=False)


def test_many_threads_and_two_programs_lose_no_vote(tmp_path):
    """Two connections to one file, eight people, a repeated request each: every pair is judged, and once."""
    stores = [Votes(tmp_path / "busy.sqlite") for _ in range(2)]
    stores[0].add(some_pairs(40))
    faults = []

    def work(name, store):
        try:
            while shown := store.next(name, "t"):
                for _ in range(2):
                    store.vote(f"{name}-{shown.key}", name, shown.key, "left")
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(f"person {n}", stores[n % 2])) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(stores[0].standing()) == len({event.pair for event in stores[1].standing()}) == 40
    for store in stores:
        store.close()


def test_a_vote_is_synced_before_it_is_acknowledged(votes):
    assert votes.connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert votes.connection.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_names():
    assert person("  Ann   Lee ") == "Ann Lee"
    assert person("Zoe\u0308") == "Zo\u00eb"
    for wrong in ("", "  ", "a\x00b", "x" * 65):
        with pytest.raises(RefusedError):
            person(wrong)


def test_how_many_judge_a_pair_is_kept_in_the_file(tmp_path):
    Votes(tmp_path / "labels.sqlite", overlap=3).close()
    again = Votes(tmp_path / "labels.sqlite", new=False)
    assert again.overlap == 3
    again.close()
    assert Votes(tmp_path / "new.sqlite").overlap == 1
