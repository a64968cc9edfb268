"""A short load with faults; `benchmarks/serving_load.py` makes it longer."""

import asyncio

from benchmarks.serving_load import load, loaded


def test_no_request_is_lost_and_nothing_is_left(tmp_path):
    with loaded(tmp_path, rows=16) as server:
        asyncio.run(load(server, 60, 8, seed=1))
        found = asyncio.run(load(server, 240, 16, seed=2))
        assert found["lost"] == 0, found
        assert found["under_way"] == found["waiting"] == found["failed_total"] == found["restarts_total"] == 0
        assert found["accepted_total"] == found["ended_total"] + found["cancelled_total"]
        assert found["cancelled_total"] > 0 and found["seen"]["bad body refused"] > 0 and found["seen"]["adapter replaced"] > 1
        assert found["versions"] == 3, "one of each name, however often they were replaced"
        assert found["memory_mib"][-1] < found["memory_mib"][0] + 40, found["memory_mib"]
