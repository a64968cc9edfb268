"""GGUF files read back, and the converter called; the converter here is a stand-in that writes a small file."""

import struct
import sys

import pytest

from tunesmith.errors import UserError
from tunesmith.models import gguf

# Writes a file with a text, a number, lists of texts and numbers, and two tensors, by the description of the format.
STAND_IN = """
import struct, sys
folder, _, out, _, precision = sys.argv[1:]
def text(t): return struct.pack("<Q", len(t.encode())) + t.encode()
settings = [
    text("general.name") + struct.pack("<I", 8) + text(f"{folder} {precision}"),
    text("tokenizer.chat_template") + struct.pack("<I", 8) + text("{{ x }} \\u00e4"),
    text("tokenizer.ggml.eos_token_id") + struct.pack("<II", 4, 7),
    text("tokenizer.ggml.eot_token_id") + struct.pack("<II", 4, 9),
    text("tokenizer.ggml.add_bos_token") + struct.pack("<I?", 7, True),
    text("pieces") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc"),
    text("nested") + struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ2f", 6, 2, 0.5, 1.5),
]
tensors = [text("one") + struct.pack("<I2QIQ", 2, 3, 4, 0, 0), text("two") + struct.pack("<IQIQ", 1, 5, 0, 64)]
with open(out, "wb") as file:
    file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(settings)) + b"".join(settings + tensors) + b"\\0" * 99)
"""


@pytest.fixture
def script(tmp_path):
    file = tmp_path / gguf.SCRIPT
    file.write_text(STAND_IN)
    return file


def test_what_was_written_is_read(script, tmp_path):
    found = gguf.convert(script, tmp_path, tmp_path / "x.gguf", "f16")
    assert found.settings["general.name"] == f"{tmp_path} f16"
    assert found.template == "{{ x }} ä" and found.stops == {7, 9}
    assert found.settings["tokenizer.ggml.add_bos_token"] is True
    assert (found.settings["pieces"], found.settings["nested"]) == (["a", "bc"], [[0.5, 1.5]])
    assert found.tensors == {"one": (3, 4), "two": (5,)}


def test_what_did_not_go_along_is_told(script, tmp_path):
    found = gguf.convert(script, tmp_path, tmp_path / "x.gguf", "f32")
    assert gguf.lost(found, "{{ x }} ä", {7, 9}, {}) == [] == gguf.lost(found, None, {7}, {})
    template, stops = gguf.lost(found, "another", {7, 8}, {7: "</s>", 8: "<end>"})
    assert "chat template" in template and "`<end>`" in stops and "</s>" not in stops


def test_a_converter_that_fails_is_told_with_its_last_line(script, tmp_path):
    script.write_text("raise SystemExit('first\\nnot recognised')")
    with pytest.raises(UserError, match="failed: not recognised") as told:
        gguf.convert(script, tmp_path, tmp_path / "x.gguf", "f16")
    assert f"{sys.executable} {script} {tmp_path} --outfile {tmp_path / 'x.gguf'} --outtype f16" in told.value.hint
    (tmp_path / "y.gguf").write_bytes(b"GGML" + struct.pack("<I", 1))
    with pytest.raises(UserError, match="is no GGUF"):
        gguf.read(tmp_path / "y.gguf")


def test_where_the_converter_is_found(script, tmp_path, monkeypatch):
    monkeypatch.delenv("LLAMA_CPP", raising=False)
    assert gguf.converter(None) is None
    assert gguf.converter(script) == script == gguf.converter(tmp_path)
    monkeypatch.setenv("LLAMA_CPP", str(tmp_path))
    assert gguf.converter(None) == script
    with pytest.raises(UserError, match="--converter"):
        gguf.converter(tmp_path / "nowhere")
