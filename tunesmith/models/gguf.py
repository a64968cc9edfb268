"""GGUF, llama.cpp's format: written by its own converter, and read back to see that template and stop tokens went along.

The converter, `convert_hf_to_gguf.py`, is a file of llama.cpp's repository and part of no package that could be required; the
source archive of `llama-cpp-python` holds it too. Layout of a file: docs/gguf.md of the `ggml` repository, version 3.
"""

import os
import shlex
import struct
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tunesmith.errors import UserError

SCRIPT = "convert_hf_to_gguf.py"
# ggml's names of types of values; 8 is a text, 9 a list.
PLAIN = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STOPS = ("eos", "eot", "eom")  # tokenizer.ggml.NAME_token_id


@dataclass(frozen=True)
class Gguf:
    """What a file says of itself: its settings, and the shape of each tensor, fastest side first."""

    settings: dict[str, Any]
    tensors: dict[str, tuple[int, ...]]

    @property
    def template(self) -> str | None:
        """The chat template."""
        return self.settings.get("tokenizer.chat_template")

    @property
    def stops(self) -> set[int]:
        """Ids of the stop tokens that the file names. llama.cpp adds those whose text it knows, such as `<|im_end|>`."""
        found = (self.settings.get(f"tokenizer.ggml.{name}_token_id") for name in STOPS)
        return {id_ for id_ in found if id_ is not None}


def converter(named: Path | None) -> Path | None:
    """The converter that was named, or that of the folder in `LLAMA_CPP`; None where neither is.

    Raises:
        UserError: it is not there.
    """
    place = named or (Path(os.environ["LLAMA_CPP"]) if os.environ.get("LLAMA_CPP") else None)
    if place is None:
        return None
    file = place / SCRIPT if place.is_dir() else place
    if not file.is_file():
        raise UserError(
            f"there is no `{file}`", f"name llama.cpp's `{SCRIPT}` with `--converter`, or its folder in `LLAMA_CPP`"
        )
    return file


def command(script: Path | str, folder: Path, file: Path, precision: str) -> list[str]:
    """What to run to convert a folder in transformers' format; `precision` is `f32`, `f16` or `bf16`."""
    return [sys.executable, str(script), str(folder), "--outfile", str(file), "--outtype", precision]


def how_to(folder: Path, file: Path, precision: str) -> str:
    """What a person without a converter does."""
    return (
        f"get llama.cpp (a clone, or the source archive: `pip download llama-cpp-python --no-deps --no-binary :all:`, in it "
        f"`vendor/llama.cpp`), then run: {shlex.join(command(f'llama.cpp/{SCRIPT}', folder, file, precision))}"
    )


def convert(script: Path, folder: Path, file: Path, precision: str) -> Gguf:
    """Run the converter, and read what it wrote."""
    done = subprocess.run(command(script, folder, file, precision), capture_output=True, text=True, check=False)
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
        raise UserError(
            f"`{script}` failed: {last[0].strip() if last else f'status {done.returncode}'}",
            f"the folder `{folder}` is whole; try it by hand: {shlex.join(command(script, folder, file, precision))}",
        )
    return read(file)


def lost(found: Gguf, template: str | None, stops: Collection[int], pieces: dict[int, str]) -> list[str]:
    """What did not go along, a sentence each."""
    told = []
    if template is not None and found.template != template:
        told.append("the chat template in the GGUF is another than the run's")
    unnamed = sorted(set(stops) - found.stops)
    if unnamed:
        names = ", ".join(f"`{pieces[id_]}`" for id_ in unnamed)
        told.append(f"the GGUF does not name the stop tokens {names}; where the runtime does not know them, name them there")
    return told


def read(file: Path) -> Gguf:
    """The settings and the shapes in a file; not its values."""
    with file.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise UserError(f"`{file}` is no GGUF", "the converter wrote something else")
        _version, tensors, settings = _numbers(stream, "IQQ")
        found = {_text(stream): _value(stream, *_numbers(stream, "I")) for _ in range(settings)}
        shapes = {}
        for _ in range(tensors):
            name, [sides] = _text(stream), _numbers(stream, "I")
            shapes[name] = tuple(_numbers(stream, f"{sides}Q"))
            _numbers(stream, "IQ")  # type and place of the values
        return Gguf(found, shapes)


def _numbers(stream: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{layout}", stream.read(struct.calcsize(f"<{layout}")))


def _text(stream: BinaryIO) -> str:
    [length] = _numbers(stream, "Q")
    return stream.read(length).decode("utf-8", errors="replace")


def _value(stream: BinaryIO, kind: int) -> Any:
    if kind == 8:
        return _text(stream)
    if kind == 9:
        inner, count = _numbers(stream, "IQ")
        return [_value(stream, inner) for _ in range(count)]
    return _numbers(stream, PLAIN[kind])[0]
