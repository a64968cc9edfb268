"""Spelling ahead changes no number, and survives whatever happens to the processes that do it."""

import os
import signal
from dataclasses import replace

import pytest

from tests.training.worlds import Count, curve, learner, stream
from tunesmith.data.example import Example, Message
from tunesmith.data.mixture import Mixture
from tunesmith.errors import UserError
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.sft import SFT
from tunesmith.tokens.sequence import Tokens
from tunesmith.training.feed import AHEAD, Looking, Spelled, can_fork, feeding, packed, processes, unpacked
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan

PLAN = Plan(examples=4, learning_rate=1e-2)
pytestmark = pytest.mark.skipif(not can_fork(), reason="no process can share our memory here")


def sums(count=40):
    return [Example((Message("user", f"{n} and {n}"),), str(2 * n), id=f"{n}-{3 + n % 9}") for n in range(count)]


def mixture():
    return Mixture([sums(), sums(12)], [1.0, 0.5], 3)


@pytest.mark.parametrize("ahead", [1, 2])
def test_losses_are_those_of_a_run_without(ahead):
    wanted = curve("llama", PLAN, 6)
    made, adapter, state = learner("llama", PLAN)
    with feeding(stream, Count(), made, replace(PLAN, ahead=ahead), 0) as take:
        got = list(train(made, adapter, Count(), stream, PLAN, state, 6, take=take))
    assert [step.loss for step in got] == [step.loss for step in wanted]


@pytest.mark.parametrize("begin", [0, 36])
def test_the_same_examples_in_the_same_order_from_any_place(begin):
    made, _, _ = learner("llama", PLAN)
    mixed = mixture()
    with feeding(mixed, Count(), made, replace(PLAN, ahead=2), begin) as take:
        for first in range(begin, begin + 120, 4):
            found = take(first)
            assert [one.example for one in found] == [mixed(place) for place in range(first, first + 4)]
            assert [one.place for one in found] == list(range(first, first + 4))
            assert [one.groups for one in found] == [tuple(Count().render(one, made.renderer)) for one in found]


def test_processes_that_die_are_done_without():
    made = lambda place: [Placed(Example((), str(place)), place, groups=())]  # noqa: E731
    feed = Spelled(made, 1, 0, 2, helps=False)
    for place in range(60):
        if place == 10:
            os.kill(feed.processes[0].pid, signal.SIGKILL)
        if place == 30:
            os.kill(feed.processes[1].pid, signal.SIGKILL)
        assert feed.take(place)[0].example.target == str(place)
    feed.close()


def test_what_cannot_be_spelled_is_said_where_its_step_is_made():
    def make(place):
        if place == 5:
            raise UserError("row 5 has nothing to learn", "fill it in")
        return [Placed(Example((), str(place)), place, groups=())]

    feed = Spelled(make, 1, 0, 1, helps=True)
    for place in range(5):
        assert feed.take(place)
    with pytest.raises(UserError, match="row 5"):
        feed.take(5)
    feed.close()


def test_a_feed_is_far_ahead_but_not_endlessly():
    feed = Spelled(lambda place: [Placed(Example((), "x"), place, groups=())], 1, 0, 1, helps=False)
    feed.take(0)
    while feed._receive(0.5):
        pass
    assert len(feed.ready) <= AHEAD
    feed.close()


def test_no_row_longer_than_the_window_is_ever_read():
    made, _, _ = learner("llama", PLAN)
    with (
        feeding(stream, Count(), made, replace(PLAN, ahead=1, window=3), 0) as take,
        pytest.raises(UserError, match="at most 3"),
    ):
        take(0)


def test_a_pass_that_was_put_off_stops_the_run_when_it_refuses():
    def refused():
        raise UserError("example `7` has 9 tokens and the window holds 5", "set `plan.too_long`")

    looking = Looking([lambda: None, refused])
    looking.process.join()
    with pytest.raises(UserError, match="example `7`"):
        looking.check()
    looking.close()
    quiet = Looking([lambda: None])
    quiet.process.join()
    quiet.check()
    quiet.check()
    quiet.close()


def test_sequences_travel_as_they_are():
    tokens = Tokens((1, 2), (3, -100), (0.5, 0.0), (4, 5, 6), {"label": 1.0}, 1, 2, 7)
    placed = Placed(Example((), "x"), 3, 4, (tokens, Tokens((9,), (9,))))
    assert unpacked(packed(placed)) == placed


def test_few_examples_are_spelled_in_place_unless_asked():
    assert processes(PLAN, 100, SFT()) == 0
    assert processes(PLAN, 100_000, SFT()) == 1
    assert processes(replace(PLAN, ahead=0), 100_000, SFT()) == 0
    assert processes(replace(PLAN, ahead=2), 100, SFT()) == 2

    class Looks(SFT):
        def updates(self, examples, model, room):
            return super().updates(examples, model, room)

    assert processes(PLAN, 100_000, Looks()) == 0
