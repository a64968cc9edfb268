"""A run's folder on two machines that share no disk."""

import shutil

import pytest

from tunesmith.workers import carrying


@pytest.fixture
def there(tmp_path):
    folder = tmp_path / "there"
    for name, text in {
        "world.json": "{}",
        "steps.jsonl": "one\n",
        "answers/glue/cola.jsonl": "a\n",
        "state/best.safetensors": "best",
        "state/step-000002/state.json": "2",
        "state/step-000002/optimizer.safetensors": "two",
        ".writing": "7",
        "state/.step-000003.tmp/state.json": "half",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def brought(there, here, before=None, read=None):
    return carrying.bring(read or (lambda *part: carrying.read(there, *part)), carrying.listing(there), before or {}, here)


def texts(folder):
    return {path: (folder / path).read_text() for path in carrying.listing(folder)}


def test_a_folder_comes_as_it_is_and_what_is_half_written_stays(there, tmp_path):
    here = tmp_path / "here"
    before = brought(there, here)
    assert texts(here) == texts(there) and len(before) == 6
    assert not (here / ".writing").exists() and not list((here / "state").glob(".*"))


def test_only_what_has_changed_is_fetched_and_what_is_gone_is_removed(there, tmp_path):
    here, fetched = tmp_path / "here", []

    def read(path, offset, size):
        fetched.append(path)
        return carrying.read(there, path, offset, size)

    before = brought(there, here)
    (there / "steps.jsonl").write_text("one\ntwo\n")
    shutil.move(there / "state" / "step-000002", there / "state" / "step-000004")
    after = brought(there, here, before, read)
    assert sorted(set(fetched)) == ["state/step-000004/optimizer.safetensors", "state/step-000004/state.json", "steps.jsonl"]
    assert fetched[0] == "steps.jsonl", "lists come first: none is shorter than the checkpoint"
    assert texts(here) == texts(there) and not (here / "state" / "step-000002").exists()
    assert brought(there, here, after, read) == after and len(fetched) == 3


def test_a_checkpoint_that_is_removed_meanwhile_does_not_come_by_halves(there, tmp_path):
    here = tmp_path / "here"

    def read(path, offset, size):
        data = carrying.read(there, path, offset, size)
        shutil.rmtree(there / "state" / "step-000002", ignore_errors=True)
        return data

    before = brought(there, here, None, read)
    assert not (here / "state" / "step-000002").exists() and "steps.jsonl" in before
    assert not [path for path in before if "step-000002" in path], "it is asked for again"


def test_what_is_written_while_it_is_carried_never_claims_what_has_not_come(there, tmp_path):
    """The run goes on while it is carried, and the machine is lost right after: a step is made and saved, then all ends."""
    here, listed = tmp_path / "here", carrying.listing(there)

    def read(path, offset, size):
        data = carrying.read(there, path, offset, size)
        if path == "world.json":
            (there / "steps.jsonl").write_text("one\ntwo\n")
            (there / "state" / "best.safetensors").write_text("better")
            (there / "world.json").write_text('{"ended": true}')
        return data

    carrying.bring(read, listed, {}, here)
    assert (here / "world.json").read_text() == "{}", "what it told at first, for the rest may have come before the end"
    assert (here / "steps.jsonl").read_text() == "one\ntwo\n", "to its end, not to where it ended when it was listed"

    def lost(path, offset, size):
        if path == "state/best.safetensors":
            raise ConnectionError
        return carrying.read(there, path, offset, size)

    with pytest.raises(ConnectionError):
        carrying.bring(lost, carrying.listing(there), listed, here)
    assert (here / "world.json").read_text() == "{}" and not list(here.glob(".carried*"))


def test_a_folder_that_is_not_found_removes_nothing(there, tmp_path):
    here = tmp_path / "here"
    before = brought(there, here)
    shutil.rmtree(there)
    assert brought(there, here, before) == before and (here / "world.json").is_file()


def test_large_and_empty_files_come_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(carrying, "CHUNK", 7)
    there = tmp_path / "there"
    there.mkdir()
    (there / "large").write_bytes(bytes(range(256)))
    (there / "empty").write_bytes(b"")
    brought(there, tmp_path / "here")
    assert (tmp_path / "here" / "large").read_bytes() == bytes(range(256))
    assert (tmp_path / "here" / "empty").read_bytes() == b""


@pytest.mark.parametrize("path", ["../out", "/etc/out", "a/../../out", "state/../step-1/x", ""])
def test_nothing_is_written_outside_the_folder(tmp_path, path):
    with pytest.raises(ValueError, match="leaves the folder"):
        carrying.write(tmp_path / "here", path, 0, b"x")
    with pytest.raises(ValueError, match="leaves the folder"):
        carrying.bring(lambda *part: b"x", {"steps.jsonl": (1, 1), path: (1, 1)}, {}, tmp_path / "here")
    assert not (tmp_path / "here").exists()
