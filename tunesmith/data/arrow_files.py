"""Files of columns: Parquet, and Arrow's own (with an index, or a stream as `datasets` keeps them); each also packed."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from errno import ENOSPC
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tunesmith.data.text_files import PIECE, bomb, growth
from tunesmith.errors import UserError

Row = dict[str, Any]
ROWS = 1 << 10  # made at once
BUFFER = 1 << 20  # bytes of a Parquet file read ahead
FEW = 1_000_000  # rows that a Parquet file may have, however small it is
ROWS_A_BYTE = 100  # beyond these
INDEXED = b"ARROW1"  # how an Arrow file begins that is no stream
TURNS = ("messages", "conversations", "conversation", "turns", "chat", "tools", "functions", "prompt", "chosen", "rejected")


def parquet(path: Path) -> Iterator[Row]:
    """The rows of a Parquet file."""
    yield from _whole(path, "Parquet", _parquet)


def arrow(path: Path) -> Iterator[Row]:
    """The rows of an Arrow or Feather file."""
    yield from _whole(path, "Arrow", _arrow)


def _whole(path: Path, kind: str, read: Callable[[Any], Iterator[Row]]) -> Iterator[Row]:
    try:
        with TemporaryFile() as unpacked:
            if not path.name.lower().endswith(".gz"):
                yield from read(path)
                return
            with gzip.open(path) as packed:
                _unpack(path, packed, unpacked)
            unpacked.seek(0)
            yield from read(unpacked)
    except UserError:
        raise
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"`{path}` is not whole: {error}", "fetch or pack the file again") from None
    except Exception as error:  # the library reads bytes of anybody, and raises errors of many kinds
        if getattr(error, "errno", None) == ENOSPC:
            raise
        told = " ".join(str(error).split())[:300]
        raise UserError(f"`{path}` is not {kind}: {told}", "fetch the file again, or say what it is with `layout`") from None


def _unpack(path: Path, packed: Any, unpacked: Any) -> None:
    most = growth(path)
    while piece := packed.read(PIECE):
        unpacked.write(piece)
        if unpacked.tell() > most:
            raise bomb(path)


def _parquet(source: Any) -> Iterator[Row]:
    from pyarrow import parquet as files

    with files.ParquetFile(source, buffer_size=BUFFER, pre_buffer=False) as file:
        size = source.stat().st_size if isinstance(source, Path) else source.seek(0, 2)
        if file.metadata.num_rows > max(FEW, ROWS_A_BYTE * size):
            raise ValueError(f"it says {file.metadata.num_rows:,} rows, and has {size:,} bytes")
        bare = _nests(file.schema_arrow)
        for batch in file.iter_batches(ROWS):
            yield from _listed(batch, bare)


def _arrow(source: Any) -> Iterator[Row]:
    import pyarrow

    with pyarrow.memory_map(str(source)) if isinstance(source, Path) else pyarrow.PythonFile(source) as file:
        indexed = file.read(len(INDEXED)) == INDEXED
        file.seek(0)
        reader = pyarrow.ipc.open_file(file) if indexed else pyarrow.ipc.open_stream(file)
        bare = _nests(reader.schema)
        batches = (reader.get_batch(n) for n in range(reader.num_record_batches)) if indexed else reader
        for batch in batches:
            batch.validate(full=True)  # places beyond its bytes, or letters that are none, are not looked for by the reader
            for start in range(0, batch.num_rows, ROWS):
                yield from _listed(batch.slice(start, ROWS), bare)


def _listed(batch: Any, bare: bool) -> Iterator[Row]:
    rows = batch.to_pylist()
    return (_without_nulls(row) for row in rows) if bare else iter(rows)


def _nests(schema: Any) -> bool:
    """Whether a column of turns or of tools holds objects."""
    return any("struct<" in str(field.type) for field in schema if field.name in TURNS)


def _without_nulls(row: Row) -> Row:
    """A row whose turns and tools have no empty entries: a column of objects gives each of them every key that any has."""
    return {name: _inner(value) if name in TURNS else value for name, value in row.items()}


def _inner(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _inner(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_inner(one) for one in value]
    return value
