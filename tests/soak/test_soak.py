"""Three kills, also in the middle of writing: what was killed ends as what was not. `make soak` kills a hundred times."""

import shutil
import sys

import pytest

from tests.soak.__main__ import victim_of, whole
from tests.soak.killing import Kill
from tests.soak.same import differences
from tests.soak.scenarios import SCENARIOS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found again by /proc")


def test_a_run_that_was_killed_three_times_ends_as_one_that_was_not(begun, tmp_path):
    name = "lora, causal, dropout"
    reference, life = whole(name, SCENARIOS[name], tmp_path, begun)
    victim = victim_of(SCENARIOS[name], tmp_path / "victim", begun)
    reached = []
    for share, cut in (
        (0.4, 0.5),
        (0.5, None),
        (0.3, 0.9),
    ):  # of the moments that are left, about: in a checkpoint, between, late
        lived = victim.live(Kill(at=int(share * life.moments), cut=cut))
        assert (lived.status, lived.behind) == (-9, ())
        reached.append(len((victim.folder / "out/run/steps.jsonl").read_text().splitlines()))
    assert reached == sorted(reached), "it goes on and does not begin anew"
    assert victim.live().status == 0
    assert differences(victim.folder / "out", reference / "out") == []
    # And this is how it looks where something is not the same.
    steps = victim.folder / "out/run/steps.jsonl"
    steps.write_text(steps.read_text() + steps.read_text().splitlines()[-1] + "\n")
    (victim.folder / "out/run/.world.json.1.tmp").touch()
    shutil.copy(reference / "out/run/steps.jsonl", victim.folder / "out/run/adapter/adapter_model.safetensors")
    found = " ".join(differences(victim.folder / "out", reference / "out"))
    assert "steps in the order" in found and "`run/.world.json.1.tmp` is left over" in found and "other bytes" in found
