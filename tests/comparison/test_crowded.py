"""What runs that were made beside each other cannot tell."""

import pytest

from tunesmith.comparison.crowded import crowded

TIMED = {"latency": {"base": 0.1}}


@pytest.mark.parametrize(
    ("worlds", "said", "unsaid"),
    [
        (
            [{"beside": 2, "latency_beside": 1, **TIMED}, {"beside": 2, "latency_beside": 2}],
            "with each run alone",
            "beside others",
        ),
        ([{"beside": 3, "latency_beside": 3, **TIMED}], "was measured beside others too", "with each run alone"),
        ([{"beside": 2}, {"beside": 1}, {}], "2 of the 3 runs were made alone", "latency"),
        ([{"beside": 4}], "up to 4 at a time", "made alone"),
    ],
)
def test_what_is_said_of_times(worlds, said, unsaid):
    text = crowded(worlds)
    assert said in text and unsaid not in text
    assert "Memory is each process's own" in text


def test_nothing_is_said_of_runs_that_were_alone():
    assert crowded([]) == crowded([{}, {"beside": 1, "latency_beside": 1, **TIMED}]) == ""
