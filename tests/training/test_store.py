"""Which checkpoints are kept, which is taken up again, and what is said of those that are damaged."""

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.training.worlds import Count, learner, stream
from tunesmith import manifest
from tunesmith.errors import UserError
from tunesmith.manifest import NAME, DamagedError
from tunesmith.training import tensors
from tunesmith.training.loop import train
from tunesmith.training.plan import Checkpoints, Plan
from tunesmith.training.state import MOMENTS, RECORD, TRAINED, State
from tunesmith.training.store import Store

PLAN = Plan(steps=9, examples=2, learning_rate=1e-2)


class Said(list[str]):
    def __call__(self, text: str) -> None:
        self.append(text)

    @property
    def text(self) -> str:
        return "\n".join(self)


def begun(root: Path, steps: int = 3, last: int = 2, best: int | None = None) -> tuple[Store, State, Said]:
    """A run that made some steps and saved after each; `best`: the step whose weights are the best."""
    (root / "run").mkdir()
    said = Said()
    store = Store(root / "run" / "state", Checkpoints(last=last), said)
    made, adapter, state = learner("llama", PLAN)
    for step in islice(train(made, adapter, Count(made.family), stream, PLAN, state, 9), steps):
        if best is not None and step.step <= best:
            state.facts["best_step"] = step.step
            store.keep_best(state)
        store.save(state)
    return store, state, said


def fresh() -> State:
    return learner("llama", PLAN, seed=5)[2]


def names(store: Store) -> list[str]:
    return sorted(path.name for path in store.root.iterdir())


def renewed(folder: Path, change: Callable[[], None]) -> None:
    """Change a file so that the list of the folder still fits, as a fault of a program would."""
    change()
    manifest.write(folder, {path.name: manifest.seal(path) for path in folder.iterdir() if path.name != NAME})


@pytest.mark.parametrize(("last", "kept"), [(1, [4]), (2, [3, 4]), (3, [2, 3, 4])])
def test_the_last_ones_and_their_best_weights_are_kept(tmp_path: Path, last: int, kept: list[int]) -> None:
    store, state, _ = begun(tmp_path, steps=4, last=last, best=4)
    expected = [*(f"best-{step:06d}" for step in kept), *(f"step-{step:06d}" for step in kept)]
    assert names(store) == expected
    for folder in store.root.iterdir():
        manifest.check(folder, alone=True)
    store.take_best(state, 4)


def test_best_weights_stay_as_long_as_a_checkpoint_refers_to_them(tmp_path: Path) -> None:
    store, state, _ = begun(tmp_path, steps=4, best=1)
    assert names(store) == ["best-000001", "step-000003", "step-000004"]
    wanted = load_file(store.best(1) / TRAINED)
    store.take_best(state, 1)
    assert all(torch.equal(parameter, wanted[name]) for name, parameter in state.trained.items())


def test_what_is_older_goes_only_when_what_is_newer_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, state, _ = begun(tmp_path, steps=3, last=1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    state.step = 4
    with monkeypatch.context() as broken, pytest.raises(UserError, match=r"(?s)disk of .*run` is full: .*`step-000003`"):
        broken.setattr(tensors, "_write", full)
        store.save(state)
    assert names(store) == ["step-000003"]
    store.save(state)
    assert names(store) == ["step-000004"]


def cut(folder: Path, name: str = TRAINED) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-3])


def flip(folder: Path, name: str = TRAINED) -> None:
    data = bytearray((folder / name).read_bytes())
    data[-5] ^= 1
    (folder / name).write_bytes(data)


def other_kind(folder: Path, name: str, value: object) -> None:
    tree = json.loads((folder / RECORD).read_text())
    renewed(folder, lambda: (folder / RECORD).write_text(json.dumps({**tree, name: value})))  # type: ignore[func-returns-value]


def other_moments(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    renewed(folder, lambda: save_file(change(load_file(folder / MOMENTS)), folder / MOMENTS))


def shorter(moments: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value[:1].clone() if name.endswith("|exp_avg") else value for name, value in moments.items()}


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (cut, f"{TRAINED}` has [0-9,]+ bytes of"),
    "a bit": (flip, f"{TRAINED}` has other bytes than were written"),
    "a bit of a moment": (lambda folder: flip(folder, MOMENTS), f"{MOMENTS}` has other bytes"),
    "a letter of the record": (lambda folder: flip(folder, RECORD), f"{RECORD}` has other bytes"),
    "missing": (lambda folder: (folder / MOMENTS).unlink(), f"{MOMENTS}` is missing"),
    "no list": (lambda folder: (folder / NAME).unlink(), f"{NAME}` is missing"),
    "a list that is cut": (lambda folder: cut(folder, NAME), f"{NAME}` is no list of files"),
    "a list of another kind": (lambda folder: (folder / NAME).write_text("[1]"), f"{NAME}` is no list of files"),
    "a list of lies": (
        lambda folder: (folder / NAME).write_text('{"schema": 1, "files": {"../x": {"bytes": 1, "sha256": "0"}}}'),
        r"its entry `../x` is strange",
    ),
    "another schema": (lambda folder: (folder / NAME).write_text('{"schema": 9, "files": {}}'), "another version of tunesmith"),
    "a foreign file": (lambda folder: (folder / "notes.txt").write_text("mine"), "notes.txt` does not belong there"),
    "not JSON": (
        lambda folder: renewed(folder, lambda: cut(folder, RECORD)),
        f"{RECORD}` cannot be read",
    ),
    "a list for a record": (
        lambda folder: renewed(folder, lambda: (folder / RECORD).write_text("[]") and None),
        "no record of a state",
    ),
    "step is a word": (lambda folder: other_kind(folder, "step", "three"), "`step` is `three`"),
    "step is negative": (lambda folder: other_kind(folder, "step", -1), "`step` is `-1`"),
    "place is true": (lambda folder: other_kind(folder, "place", True), "`place` is `True`"),
    "facts is a list": (lambda folder: other_kind(folder, "facts", []), "`facts` is"),
    "best step is a word": (lambda folder: other_kind(folder, "facts", {"best_step": "x"}), "`best_step` is `x`"),
    "random is nothing": (lambda folder: other_kind(folder, "random", {}), "`random` holds no random states"),
    "random is short": (
        lambda folder: other_kind(folder, "random", {"python": [3, [1], None], "torch": "00"}),
        "`random` holds no random states",
    ),
    "no tensors": (
        lambda folder: renewed(folder, lambda: (folder / TRAINED).write_bytes(b"x" * 40) and None),
        f"{TRAINED}` is no whole safetensors file",
    ),
    "moments of another shape": (lambda folder: other_moments(folder, shorter), "exp_avg` has the shape"),
    "moments of another parameter": (
        lambda folder: other_moments(folder, lambda found: {f"other.{name}": value for name, value in found.items()}),
        "no such parameter is trained",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path, kind: str) -> None:
    store, _, said = begun(tmp_path)
    wanted = load_file(store.root / "step-000002" / TRAINED)
    harm, words = DAMAGE[kind]
    harm(store.root / "step-000003")
    state = fresh()
    assert store.restore(state)
    assert state.step == 2 and state.place == 4
    assert all(torch.equal(parameter, wanted[name]) for name, parameter in state.trained.items())
    import re

    assert re.search(words, said.text), said.text
    assert "step-000003" in said.text and "what remains: `step-000002` is whole" in said.text
    assert names(store) == ["damaged-step-000003", "step-000002"]
    state.step = 3
    store.save(state)
    assert names(store) == ["step-000002", "step-000003"], "what is damaged goes when the next one is whole"


def test_where_none_is_whole_nothing_is_begun_again_unasked(tmp_path: Path) -> None:
    store, _, _ = begun(tmp_path)
    for folder in store.root.iterdir():
        cut(folder)
    with pytest.raises(UserError, match=r"(?s)no checkpoint .* is whole: .*step-000003.*step-000002.*remove it"):
        store.restore(fresh())
    assert names(store) == ["step-000002", "step-000003"]


def test_damaged_best_weights_are_found_again_from_an_older_checkpoint(tmp_path: Path) -> None:
    store, _, said = begun(tmp_path, best=3)
    cut(store.best(3))
    state = fresh()
    assert store.restore(state) and state.step == 2 and state.facts == {"best_step": 2}
    assert "best weights that `step-000003` refers to are damaged" in said.text


def test_best_weights_that_are_lost_are_sought_anew(tmp_path: Path) -> None:
    store, _, said = begun(tmp_path, best=1)
    cut(store.best(1))
    state = fresh()
    assert store.restore(state) and state.step == 3 and state.facts == {}
    assert "the best weights are lost" in said.text and "`step-000003` is whole" in said.text
    with pytest.raises(DamagedError, match=r"(?s)best weights, those of step 1, are damaged: .*whole in .*`step-000003`"):
        store.take_best(state, 1)


def test_a_checkpoint_of_another_run_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    store, state, _ = begun(tmp_path)
    state.belongs = {"plan.examples": 2, "base weights": "abc", "old": 1}
    state.step = 4
    store.save(state)
    other = fresh()
    other.belongs = {"plan.examples": 3, "base weights": "abc", "new": 1}
    with pytest.raises(UserError, match=r"step-000004` is of another run: `plan.examples` was `2` and is now `3`"):
        store.restore(other)
    other.belongs = {"plan.examples": 2, "base weights": "xyz"}
    with pytest.raises(UserError, match="`base weights` was `abc`"):
        store.restore(other)
    other.belongs = {"plan.examples": 2, "new": 1}
    assert store.restore(other) and other.step == 4


def test_nothing_is_taken_of_what_is_refused(tmp_path: Path) -> None:
    store, _, _ = begun(tmp_path, steps=1)
    other_moments(store.root / "step-000001", shorter)
    state = fresh()
    before = {name: parameter.clone() for name, parameter in state.trained.items()}
    with pytest.raises(DamagedError):
        state.restore(store.root / "step-000001")
    assert state.step == 0 and all(torch.equal(parameter, before[name]) for name, parameter in state.trained.items())


def test_a_disk_that_gets_short_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, state, said = begun(tmp_path)
    monkeypatch.setattr("tunesmith.disk.free", lambda _: 100)
    for state.step in (4, 5):
        store.save(state)
    assert len(said) == 1 and "gets short: 100 bytes are free, and the next checkpoint with best weights takes" in said.text


def test_the_folder_that_is_gone_stays_gone(tmp_path: Path) -> None:
    store, state, _ = begun(tmp_path)
    store.root.parent.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="run` is gone: it was removed or renamed"):
        store.save(state)
    assert not store.root.parent.exists()


def test_one_process_writes_and_the_others_give(tmp_path: Path) -> None:
    """Processes that share the tensors call for the same ones in the same order, and all see one file."""
    (tmp_path / "run").mkdir()
    _, state, _ = begun(tmp_path / "run")
    asked: dict[bool, list[int]] = {True: [], False: []}

    def gather(tensor: torch.Tensor) -> torch.Tensor:
        asked[state.writes].append(tensor.data_ptr())
        return tensors.on_processor(tensor)

    state.gather = gather
    for state.writes in (True, False):
        state.save(tmp_path / "shared")
        state.save_weights(tmp_path / "shared" / "best")
    assert asked[True] == asked[False] and len(asked[True]) > 10
    assert {path.name for path in (tmp_path / "shared").iterdir()} == {"step-000003", "best"}
