"""What `tunesmith doctor` says of this machine, and of what is broken on purpose."""

import json
import shutil
from importlib.resources import files
from pathlib import Path

from tests.test_cli import run
from tunesmith import examination


def test_this_machine_is_looked_at(capsys, monkeypatch):
    monkeypatch.setattr(examination, "product", lambda device, dtype, seconds: 1e9)
    status, out, _ = run(capsys, "doctor", "--json")
    tree = json.loads(out)
    parts = {one["part"] for one in tree["found"]}
    assert {"machine", "packages", "processor", "gpu", "room", "folders", "models", "pages"} <= parts
    assert status == (0 if tree["well"] else 1)
    named = {one["what"]: one["state"] for one in tree["found"]}
    assert named["torch"] == "good" and named["town/t5"] == "good" and "runs, here" in named


def test_the_kept_hashes_are_those_of_the_embedded_models():
    place = Path(str(files("tunesmith") / "assets"))
    wanted = json.loads((place / examination.HASHES).read_text())
    assert wanted == {path.relative_to(place).as_posix(): examination.digest(path) for path in sorted(place.glob("*/*"))}


def test_what_is_broken_is_told_and_ends_with_status_one(capsys, monkeypatch, tmp_path):
    shutil.copytree(Path(str(files("tunesmith") / "assets")), tmp_path / "assets")
    (tmp_path / "assets" / "t5" / "config.json").write_text("{}")
    monkeypatch.setattr(examination, "files", lambda package: tmp_path)
    monkeypatch.setattr(examination, "product", lambda device, dtype, seconds: 1e9)
    monkeypatch.setattr(examination, "standing", lambda asked: ("broken", "is 0.1, and should be >=2"))
    status, out, _ = run(capsys, "doctor")
    assert status == 1 and "t5/config.json is not as it was made" in " ".join(out.split()) and "broken" in out
    broken = {one.what for one in examination.doctor(0).broken}
    assert "town/t5" in broken and "town/bert" not in broken and "torch" in broken


def test_a_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    def refuse(**given):
        raise PermissionError(13, "Permission denied")

    assert examination.unwritable(tmp_path / "not" / "yet") == ""
    monkeypatch.setattr(examination.tempfile, "TemporaryFile", refuse)
    assert examination.unwritable(tmp_path) == "Permission denied"
