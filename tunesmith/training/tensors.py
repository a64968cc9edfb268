"""Tensors into a safetensors file one after the other, hashed as they pass; and back, one after the other.

A file of the library's own writer needs all tensors in the processor's memory at once. Here one is there at a time, wherever
the others are: on a GPU, or cut up among processes. The format (https://huggingface.co/docs/safetensors): eight bytes with the
length of the header, the header in JSON with type, shape and place of each tensor, then the tensors without holes.
"""

import hashlib
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load
from torch import Tensor

from tunesmith.errors import out_of_memory
from tunesmith.manifest import DamagedError, Seal

TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
CHUNK = 1 << 23  # bytes written and hashed at a time
Gather = Callable[[Tensor], Tensor]


def on_processor(tensor: Tensor) -> Tensor:
    """The whole of a tensor, in the processor's memory."""
    return tensor.detach().cpu().contiguous()


def count(named: Mapping[str, Tensor]) -> int:
    """Bytes of a file of such tensors, but for its header."""
    return sum(tensor.numel() * tensor.element_size() for tensor in named.values())


def write(path: Path, named: Mapping[str, Tensor], gather: Gather = on_processor) -> Seal:
    """Write tensors by name. The larger a number of a type, the nearer the beginning, so that all are aligned.

    gather: makes the whole of a tensor in the processor's memory; called once for each, in an order that the names decide.

    Returns:
        bytes and SHA-256 of the file.

    Raises:
        OSError: the disk does not take it.
    """
    order = ordered(named)
    digest = hashlib.sha256()
    with path.open("wb", buffering=0) as file, ThreadPoolExecutor(1) as beside:
        hashing = _hashing(digest, beside)
        for chunk in _chunks(order, named, gather):
            hashed = hashing(chunk)
            try:
                _write(file, chunk)
            finally:
                hashed()
        return file.tell(), digest.hexdigest()


def _hashing(digest: Any, beside: ThreadPoolExecutor) -> Callable[[memoryview], Callable[[], object]]:
    """Hashes a chunk while it is written, since neither holds Python's lock; what it gives waits for that.

    Where memory is too short for a thread, it is hashed before it is written.
    """
    try:
        beside.submit(int).result()
    except RuntimeError:
        return lambda chunk: (digest.update(chunk), int)[1]
    return lambda chunk: beside.submit(digest.update, chunk).result


def ordered(named: Mapping[str, Tensor]) -> list[str]:
    """The names in the order of the file."""
    return sorted(named, key=lambda name: (-named[name].element_size(), name))


def _chunks(order: list[str], named: Mapping[str, Tensor], gather: Gather) -> Iterator[memoryview]:
    yield memoryview(header(order, named))
    for name in order:
        numbers = gather(named[name])
        data = numbers.reshape(-1).view(torch.uint8).numpy().data
        for start in range(0, len(data), CHUNK):
            yield data[start : start + CHUNK]


def _write(file: Any, chunk: memoryview) -> None:
    """All of it: a disk that is nearly full, or a limit, takes a part and tells of the rest at the next call."""
    while chunk:
        chunk = chunk[file.write(chunk) :]


def header(order: list[str], named: Mapping[str, Tensor]) -> bytes:
    """The beginning of a file that holds these tensors in that order."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name in order:
        tensor = named[name]
        end = place + tensor.numel() * tensor.element_size()
        entries[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of what a file holds, without reading it.

    Raises:
        DamagedError: it is no safetensors file, or is cut.
    """
    try:
        with safe_open(path, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise DamagedError(f"`{path}` is no whole safetensors file: {error}") from None
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        return {name: tuple(tensor.shape) for name, tensor in load(path.read_bytes()).items()}  # as `read`


def read(path: Path) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a file by name, one at a time, each in memory of its own: the file may be removed afterwards."""
    try:
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118
                yield name, file.get_tensor(name).clone()
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        # A process whose memory is bounded may get no room for a file, but still has that of what it let go.
        yield from load(path.read_bytes()).items()
