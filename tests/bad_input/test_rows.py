# ruff: noqa: E501 (a table has a case a line)
"""Bad rows, files, templates and tasks: a table of what is written, and of the words that the message must have.

Each is an error that a person can mend: it names the file with line or row, or the setting, and the remedy.
"""

import gzip
import io
import json
import os
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pytest
from pyarrow import feather, parquet

from tunesmith import cli
from tunesmith.data import formats, text_files
from tunesmith.data.sources import FileSource
from tunesmith.data.template import Template, load_templates
from tunesmith.errors import UserError
from tunesmith.tasks.own import own_task, task_from

SKIP = "bad_rows.do=skip"
GOOD = [json.dumps({"prompt": f"ask {n}", "completion": f"say {n}"}) for n in range(30)]
AT = 7  # lines before the bad one


def among(line: str | bytes) -> bytes:
    """A bad line among good ones, as line 8."""
    bad = line if isinstance(line, bytes) else line.encode()
    return b"\n".join([*(one.encode() for one in GOOD[:AT]), bad, *(one.encode() for one in GOOD[AT:])]) + b"\n"


def row(**cells: Any) -> bytes:
    return among(json.dumps(cells))


def turns(*roles: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": "words"} for role in roles], **more}


def chats(**bad: Any) -> bytes:
    rows = [turns("user", "assistant") for _ in range(30)]
    return "".join(json.dumps(one) + "\n" for one in [*rows[:AT], bad, *rows[AT:]]).encode()


def pairs(**bad: Any) -> bytes:
    rows = [{"prompt": f"p{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(30)]
    return "".join(json.dumps(one) + "\n" for one in [*rows[:AT], bad, *rows[AT:]]).encode()


def columns(write: Callable[..., Any]) -> bytes:
    sink = arrow.BufferOutputStream()
    write(arrow.Table.from_pylist([json.loads(one) for one in GOOD]), sink)
    return bytes(sink.getvalue())


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("rows.jsonl", "\n".join(GOOD))
    return packed.getvalue()


def tarred() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as file:
        member = tarfile.TarInfo("rows.jsonl")
        member.size = 3
        file.addfile(member, io.BytesIO(b"abc"))
    return packed.getvalue()


PARQUET, FEATHER = columns(parquet.write_table), columns(feather.write_feather)
LINES = "\n".join(GOOD).encode()
TABLE = b"prompt,completion\n" + b"".join(b"ask %d,say %d\n" % (n, n) for n in range(30))
NUMBER = '{"prompt": "a", "completion": ' + "9" * 5000 + "}"

# name -> (file, what is written, words of the message). Rows among good ones: one bad row, as line 8.
ROWS: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "broken JSON in the middle": ("a.jsonl", among('{"prompt": '), ("line 8, column 11 is not JSON", "a row is an object", SKIP)),
    "a missing column": ("a.jsonl", row(prompt="a"), ("line 8", "needs a column `completion`", SKIP)),
    "a misspelt column": ("a.jsonl", row(prompt="a", complation="b"), ("line 8", "did you mean `complation`?", SKIP)),
    "an empty completion": ("a.jsonl", row(prompt="a", completion=" "), ("line 8", "the answer is empty (column `completion`)", SKIP)),
    "an empty prompt": ("a.jsonl", row(prompt="", completion="b"), ("line 8", "the prompt is empty (column `prompt`)", SKIP)),
    "null for a text": ("a.jsonl", row(prompt="a", completion=None), ("line 8", "the column `completion` is null", "fill it in", SKIP)),
    "an object for a text": ("a.jsonl", row(prompt="a", completion={"x": 1}), ("line 8", "`completion` is an object", "tojson", SKIP)),
    "a list for a text": ("a.jsonl", row(prompt=["a"], completion="b"), ("line 8", "a turn of a conversation is `a`", SKIP)),
    "NaN": ("a.jsonl", among('{"prompt": "a", "completion": NaN}'), ("line 8 holds NaN", "write null or a number", SKIP)),
    "Infinity": ("a.jsonl", among('{"prompt": "a", "completion": -Infinity}'), ("line 8 holds -Infinity", SKIP)),
    "a number of 5000 digits": ("a.jsonl", among(NUMBER), ("line 8 holds a number that cannot be read", "between quotes", SKIP)),
    "a row that is a list": ("a.jsonl", among("[1, 2]"), ("line 8 is list, expected an object", SKIP)),
    "a row that is a text": ("a.jsonl", among('"words"'), ("line 8 is str, expected an object", SKIP)),
    "two objects on a line": ("a.jsonl", among(GOOD[0] + GOOD[1]), ("line 8", "Extra data", SKIP)),
    "Latin-1": ("a.jsonl", among('{"prompt": "caf\xe9"}'.encode("latin-1")), ("line 8: byte", "(0xe9) is not UTF-8", "iconv", SKIP)),
    "NUL bytes": ("a.jsonl", among(b'{"prompt": "\0"}'), ("line 8: byte", "(0x00) stands in no text", SKIP)),
    "half a letter": ("a.jsonl", row(prompt="a\ud83d", completion="b"), ("line 8: the column `prompt` holds half a letter (\\ud83d)", SKIP)),
    "the other half": ("a.jsonl", row(prompt="a", completion="\ude00b"), ("line 8: the column `completion` holds half a letter", SKIP)),
    "half a letter in a name": ("a.jsonl", row(prompt="a", **{"\ud83d": 1}), ("line 8: the column `?` holds half a letter", SKIP)),
    "a hundred thousand brackets": ("a.jsonl", among("[" * 100_000), ("line 8 nests too deep", SKIP)),
    "a hundred thousand objects": ("a.jsonl", among('{"a":' * 100_000), ("line 8 nests too deep", SKIP)),
    "an item that is no object": ("a.json", b'[{"prompt": "a", "completion": "b"}, 3]', ("item 1 of the list is int", SKIP)),
    "too few cells": ("a.csv", TABLE + b"alone\n", ("line 32 has 1 cells, expected 2", "the columns are: prompt, completion", SKIP)),
    "too many cells": ("a.csv", TABLE + b"a,b,c\n", ("line 32 has 3 cells, expected 2", "must be quoted", SKIP)),
    "a letter behind a quote": ("a.csv", TABLE + b'"a"b,c\n', ("line 32: ',' expected", "a quote that opens a cell must close", SKIP)),
    "a carriage return inside": ("a.csv", TABLE + b"a\rb,c\n", ("line 32: a carriage return stands inside a line", "dos2unix", SKIP)),
    "a role that is unknown": ("a.jsonl", chats(**turns("user", "asistant")), ("line 8", "the role `asistant`", "did you mean `assistant`", SKIP)),
    "a chat without an assistant": ("a.jsonl", chats(**turns("user", "user")), ("line 8", "no turn of the assistant", SKIP)),
    "a chat that is no list": ("a.jsonl", chats(messages=5), ("line 8", "`messages` holds no turns", SKIP)),
    "a chat that is null": ("a.jsonl", chats(messages=None), ("line 8", "`messages` is null", SKIP)),
    "a turn that is a text": ("a.jsonl", chats(messages=["hello"]), ("line 8", "a turn is a mapping with `role` and `content`", SKIP)),
    "tools of a wrong shape": ("a.jsonl", chats(**turns("user", "assistant", tools="a hammer")), ("line 8", "the `tools` of a row", SKIP)),
    "calls of a wrong shape": (
        "a.jsonl",
        chats(messages=[{"role": "user", "content": "u"}, {"role": "assistant", "tool_calls": [3]}]),
        ("line 8", "the `tool_calls` of a turn", SKIP),
    ),
    "a picture in a turn": (
        "a.jsonl",
        chats(messages=[{"role": "user", "content": [{"type": "image"}]}, {"role": "assistant", "content": "a"}]),
        ("line 8", "a part of the kind `image`", SKIP),
    ),
    "a pair of like answers": ("a.jsonl", pairs(prompt="p", chosen="x", rejected="x "), ("line 8", "are the same", SKIP)),
    "a pair with one answer": ("a.jsonl", pairs(prompt="p", chosen="x", rejected=None), ("line 8", "no `rejected`", SKIP)),
    "a share that is none": ("a.jsonl", pairs(prompt="p", chosen="x", rejected="y", share=7), ("line 8", "`share` is `7`", SKIP)),
}  # fmt: skip

# name -> (file, what is written, words). The whole file is at fault: it is never read in part.
FILES: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "gz that is cut off": ("a.jsonl.gz", gzip.compress(LINES)[:-9], ("is not whole", "fetch or pack the file again")),
    "gz that is none": ("a.jsonl.gz", LINES, ("is not whole", "fetch or pack the file again")),
    "gz with other bytes": ("a.csv.gz", gzip.compress(TABLE)[:40] + b"?" * 60, ("is not whole",)),
    "packed, without its suffix": ("a.jsonl", gzip.compress(LINES), ("packed with gzip", "mv a.jsonl a.jsonl.gz")),
    "UTF-16 without a mark": ("a.jsonl", LINES.decode().encode("utf-16-le"), ("line 1", "UTF-16", "save it as UTF-8")),
    "UTF-16 that is cut off": ("a.jsonl", b"\xff\xfea", ("line 1 is not UTF-16", "save it as UTF-8")),
    "UTF-32": ("a.jsonl", LINES.decode().encode("utf-32"), ("line 1", "not UTF-8", "save it as UTF-8")),
    "an empty file": ("a.jsonl", b"", ("has no rows", "its files are empty")),
    "an empty table": ("a.csv", b"", ("is empty", "name a file with rows in it")),
    "an empty document": ("a.json", b"\n", ("is empty", "name a file with rows in it")),
    "blank lines alone": ("a.jsonl", b"\n  \n\r\n\n", ("has no rows", "blank lines")),
    "a header alone": ("a.csv", b"prompt,completion\n", ("has no rows",)),
    "a quote that never closes": ("a.csv", TABLE + b'"open,b\nc,d\n', ("line 32: unexpected end of data", "must close")),
    "two columns of a name": ("a.csv", b"a,a\n1,2\n", ("line 1: two columns are called `a`", "rename one")),
    "a broken document": ("a.json", b'[{"prompt": "a"},\n {"prompt": ]', ("line 2, column 13 is not JSON", "list of objects")),
    "a document of two lists": ("a.json", b'{"a": [{"x": 1}], "b": [{"y": 1}]}', ("several lists", "keep one to a file")),
    "a deep document": ("a.json", b"[" * 100_000, ("nests too deep",)),
    "Parquet that is cut off": ("a.parquet", PARQUET[:-20], ("is not Parquet", "fetch the file again")),
    "Parquet that is text": ("a.parquet", LINES, ("is not Parquet", "`layout`")),
    "Arrow that is cut off": ("a.arrow", FEATHER[: len(FEATHER) // 2], ("is not Arrow", "fetch the file again")),
    "Parquet under another name": ("a.jsonl", PARQUET, ("no text but Parquet", "`layout: parquet`")),
    "Arrow under another name": ("a.csv", FEATHER, ("no text but Arrow", "`layout: arrow`")),
    "a zip archive": ("a.zip", zipped(), ("is an archive", "unzip a.zip")),
    "a zip under another name": ("a.jsonl", zipped(), ("a zip archive", "unzip a.jsonl")),
    "a tar archive": ("a.tar.gz", gzip.compress(tarred()), ("is an archive", "tar xzf a.tar.gz")),
    "a tar under another name": ("a.jsonl.gz", gzip.compress(tarred()), ("a tar archive", "tar xf")),
    "a pickle": ("a.pkl", b"\x80\x04N.", ("a pickle, which runs code", "JSON lines")),
    "a pickle under another name": ("a.jsonl", b"\x80\x04N.", ("a pickle, which runs code", "JSON lines")),
    "a picture": ("a.txt", b"\x89PNG\r\n\x1a\n", ("a PNG image", "name a file of rows")),
    "a spreadsheet": ("a.xlsx", zipped(), ("a spreadsheet", "save the sheet as CSV")),
    "a layout that is unknown": ("a.dat", LINES, ("no layout that can be read", "known: .csv")),
    "columns that say nothing": ("a.csv", b"x,y\n1,2\n", ("no wording fits", "`x`, `y`", "--template")),
}  # fmt: skip

# name -> (settings of the task, words), over the good rows.
SETTINGS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a setting that is unknown": ({"templat": "x"}, ("no setting `templat`", "did you mean `template`?")),
    "a template with wrong syntax": ({"template": "{{prompt}}\n{% if %} ||| x"}, ("line 2", "is not Jinja")),
    "a field that is undefined": ({"template": "{{promt}} ||| {{completion}}"}, ("line 1", "`promt`", "did you mean `prompt`?")),
    "a field of a field": ({"template": "{{prompt.x.y}} ||| b"}, ("line 1", "does not fit a row", "the row has `completion`, `prompt`")),
    "three parts": ({"template": "{{prompt}} ||| b ||| c"}, ("has 3 parts", "prompt ||| answer")),
    "a template of code": ({"template": "{{ prompt.__class__ }} ||| b"}, ("line 1", "__class__", "unsafe", "and nothing that lies behind")),
    "a template without an end": ({"template": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %} ||| b"}, ("without an end", "mend the template")),
    "a text too long": ({"template": "{{ 'x' * 9 ** 11 }} ||| b"}, ("repeats a text too often", "mend the template")),
    "a macro that calls itself": ({"template": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }} ||| b"}, ("it calls itself without an end",)),
    "a template from another file": ({"template": "{% include '/etc/passwd' %} ||| b"}, ("asks for another file", "in one piece")),
    "choices without the answer": ({"choices": "yes ||| no"}, ("line 1", "the answer `say 0` is none of the choices `yes`, `no`")),
    "a split that is not there": ({"splits": {"train": "a.jsonl", "test": "b.jsonl"}}, ("no file `", "b.jsonl`")),
    "a file in two splits": ({"splits": {"train": "a.jsonl", "test": "a.jsonl"}}, ("is both `train` and `test`", "name another file")),
    "bad_rows that is no word of it": ({"bad_rows": "ignore"}, ("bad_rows", "ignore")),
    "a share that is none": ({"bad_rows": {"do": "skip", "share": 2}}, ("bad_rows.share",)),
    "a layout that is not theirs": ({"layout": "parquet"}, ("is not Parquet", "`layout`")),
}  # fmt: skip


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def learnt(data: str | dict[str, Any]) -> None:
    """Everything that is read of a task before a run, and in it."""
    task = task_from(data)
    for split in task.source.splits():
        for _ in task.sequence(split):
            pass


def message(told: pytest.ExceptionInfo[UserError], path: Path, words: tuple[str, ...]) -> None:
    text = str(told.value)
    assert path.name in text, text
    assert told.value.hint, text
    for part in words:
        assert part in text, text
    assert "Traceback" not in text


@pytest.mark.parametrize("name", ROWS)
def test_a_bad_row_is_named_with_its_remedy_and_may_be_left_out(name: str, tmp_path: Path) -> None:
    file, content, words = ROWS[name]
    path = written(tmp_path, file, content)
    with pytest.raises(UserError) as told:
        learnt(str(path))
    message(told, path, words)
    task = task_from({"data": str(path), "bad_rows": {"do": "skip", "share": 0.5}})
    assert len(task.bad) == 1 and path.name in task.bad[0].problem  # type: ignore[attr-defined]
    good = sum(len(task.sequence(split)) for split in task.source.splits())
    assert good == (1 if file == "a.json" else 30)


@pytest.mark.parametrize("how", ["stop", "skip"])
@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_refused_whole(name: str, how: str, tmp_path: Path) -> None:
    file, content, words = FILES[name]
    path = written(tmp_path, file, content)
    if how == "skip" and name in ("UTF-16 without a mark", "UTF-32"):
        words = ("has no rows",) if b"\n" not in content else ()
    with pytest.raises(UserError) as told:
        learnt({"data": str(path), "bad_rows": how})
    if words:
        message(told, path, words)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_bad_setting_of_a_task_is_refused(name: str, tmp_path: Path) -> None:
    given, words = SETTINGS[name]
    written(tmp_path, "a.jsonl", LINES)
    with pytest.raises(UserError) as told:
        learnt({"data": str(tmp_path / "a.jsonl"), **given})
    for part in words:
        assert part in str(told.value), str(told.value)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbf" + LINES, id="a byte-order mark"),
        pytest.param(LINES.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(LINES.decode().encode("utf-16"), id="UTF-16 with its mark"),
        pytest.param(b"\xef\xbb\xbf\r\n\r\n" + LINES + b"\n\n \n", id="blank lines before and behind"),
        pytest.param(LINES.replace(b"ask 3", "ask \u2028\x85".encode()), id="separators of lines that are none in a file"),
    ],
)
def test_what_is_no_fault_is_read(content: bytes, tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", content)
    assert len(list(FileSource(str(path)).placed())) == 30
    learnt(str(path))


def test_a_line_over_the_bound_is_never_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "a.jsonl", among(b'{"prompt": "' + b"x" * 5_000_000 + b'"}'))
    longest = []
    opened = text_files.opened

    class Watched(io.BufferedReader):
        def readline(self, size: int | None = -1, /) -> bytes:
            line = super().readline(size)
            longest.append(len(line))
            return line

    monkeypatch.setattr(text_files, "opened", lambda path: Watched(opened(path).detach()))  # type: ignore[attr-defined]
    with pytest.raises(UserError) as told:
        own_task(str(path), bad_rows={"longest": 1_500_000})
    message(told, path, ("line 8 is longer than 1,500,000 bytes", "set `bad_rows.longest`", SKIP))
    assert max(longest) == 1_500_001
    task = own_task(str(path), bad_rows={"do": "skip", "longest": 1_500_000, "share": 0.1})
    assert "line 8 is longer" in task.bad[0].problem and max(longest) == 1_500_001  # type: ignore[attr-defined]
    assert len(list(task.source.rows("train"))) == 24


def test_what_unpacks_without_an_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "FREE", 100_000)
    rows = written(tmp_path, "a.jsonl.gz", gzip.compress(b'{"prompt": "a", "completion": "b"}\n' * 300_000))
    line = written(tmp_path, "b.csv.gz", gzip.compress(b"\0" * 10_000_000))
    table = written(tmp_path, "c.parquet.gz", gzip.compress(b"\0" * 10_000_000))
    for path in (rows, line, table):
        for how in ("stop", "skip"):
            with pytest.raises(UserError) as told:
                own_task(str(path), bad_rows={"do": how, "longest": 1000})
            assert "200 times its own size" in str(told.value) or "line 1 is longer" in str(told.value)
    assert "zcat" in told.value.hint


def test_parquet_of_endless_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"text": arrow.array(["same"]).take(arrow.array([0] * 3_000_000))}), path)
    with pytest.raises(UserError, match="it says 3,000,000 rows"):
        own_task(str(path))


def test_a_folder_a_pipe_and_a_device_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()
    os.mkfifo(tmp_path / "b.jsonl")
    (tmp_path / "c.jsonl").symlink_to("/dev/zero")
    (tmp_path / "d.jsonl").symlink_to(tmp_path / "nowhere")
    for name, words in (
        ("a.jsonl", "has no file of rows"),
        ("b.jsonl", "is a pipe, and rows are read several times"),
        ("c.jsonl", "is a device"),
        ("d.jsonl", "there is no file or folder"),
    ):
        with pytest.raises(UserError) as told:
            own_task(str(tmp_path / name))
        assert words in str(told.value) and name in str(told.value)
    with pytest.raises(UserError, match="is a folder"):
        list(formats.read(tmp_path / "a.jsonl"))


def test_files_that_lead_out_of_a_folder_are_refused(tmp_path: Path) -> None:
    secret = written(tmp_path, "secret.jsonl", LINES)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.jsonl").symlink_to(secret)
    with pytest.raises(
        UserError, match=r"train\.jsonl` leads out of the folder.*\n*hint: if it is meant, name that file itself"
    ):
        own_task(str(folder))
    (folder / "train.jsonl").unlink()
    card = "---\nconfigs:\n- config_name: default\n  data_files: ../secret.jsonl\n---\n"
    (folder / "README.md").write_text(card, encoding="utf-8")
    with pytest.raises(UserError, match="leads out of the folder"):
        own_task(str(folder))
    (folder / "README.md").unlink()
    (folder / "inner.jsonl").write_bytes(LINES)
    (folder / "train.jsonl").symlink_to("inner.jsonl")
    own_task(str(folder))


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "a.csv", TABLE)
    found = formats.numbered

    def growing(*given: Any) -> Any:
        for number, one in found(*given):
            if number == 5:
                path.write_bytes(TABLE + b"c,d\n")
            yield number, one

    monkeypatch.setattr(formats, "numbered", growing)
    with pytest.raises(UserError, match=r"a\.csv` was changed while it was read"):
        own_task(str(path))


@pytest.mark.parametrize("again", [b"[1]", b'{"prompt": "other"}', b""], ids=["broken", "other rows", "cut off"])
def test_a_large_file_that_changes_later_is_told(again: bytes, tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", (LINES + b"\n") * 2000)
    rows = formats.JsonLines(path)
    before = rows[3]
    path.touch()
    assert rows[3] == before  # touched, and yet the same
    path.write_bytes((again + b" " * 100 + b"\n") * 2000)
    with pytest.raises(UserError, match=r"a\.jsonl` was changed while it was in use"):
        _ = rows[3]


def test_ids_that_stand_twice_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [json.dumps({"id": min(n, 27), "prompt": f"ask {n}", "completion": f"say {n}"}) for n in range(30)]
    task = own_task(str(written(tmp_path, "train.jsonl", "\n".join(lines).encode())), splits={"train": "train.jsonl"})
    ids = [example.id for example in task.sequence("train")]
    assert len(set(ids)) == len(ids)
    if len(ids) > len({min(int(i), 27) for i in ids if i.isdigit()}):
        assert "an id that another row has" in caplog.text and "train.jsonl` line" in caplog.text


def test_too_many_bad_rows_are_an_error_though_they_may_be_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", LINES + b"\n" + b"[1]\n{\n" + b'{"prompt": "x"}\n')
    with pytest.raises(UserError) as told:
        own_task(str(path), bad_rows="skip")
    message(told, path, ("3 of 33 rows of `a` (9.1%)", "`bad_rows.share` (1.0%)", "line 31 is list", "line 32", "line 33"))
    assert len(own_task(str(path), bad_rows={"do": "skip", "share": 0.1}).bad) == 3  # type: ignore[attr-defined]
    with pytest.raises(UserError) as told:
        own_task(str(path))
    message(told, path, ("line 31 is list", "(and another: line 32)"))


def test_others_behind_the_first_bad_row_are_counted(tmp_path: Path) -> None:
    bad = b"".join(b'{"prompt": "p%d", "completion": ""}\n' % n for n in range(5))
    path = written(tmp_path, "a.jsonl", LINES + b"\n" + bad)
    with pytest.raises(UserError) as told:
        learnt(str(path))
    message(told, path, ("the answer is empty", "others: line"))


def test_a_first_row_that_is_bad_does_not_decide_what_rows_are(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", b'{"promt": "a", "completion": "b"}\n' + LINES)
    with pytest.raises(UserError) as told:
        own_task(str(path))
    message(told, path, ("line 1", "did you mean `promt`?", SKIP))
    task = own_task(str(path), bad_rows="skip")
    assert task.shape.name == "prompt and completion" and task.bad[0].line == 1  # type: ignore[attr-defined,union-attr]


def test_rows_that_are_left_out_do_not_move_the_others(tmp_path: Path) -> None:
    good, mixed = written(tmp_path, "a.jsonl", LINES), written(tmp_path, "b.jsonl", among("[1]"))
    tasks = own_task(str(good)), own_task(str(mixed), bad_rows={"do": "skip", "share": 0.1})
    for split in ("train", "validation", "test"):
        assert list(tasks[0].source.rows(split)) == list(tasks[1].source.rows(split))


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
WRITTEN = {
    "aliases of aliases": (BOMB + "data: a.jsonl\nmetrics: *a11\n", ("line", "aliases")),
    "an alias within itself": ("data: a.jsonl\nmetrics: &a [*a]\n", ("line 2", "an alias")),
    "a setting that is unknown": ("data: a.jsonl\nmetric: exact_match\n", ("no setting `metric`", "did you mean `metrics`?")),
    "no data": ("template: x\n", ("has no `data`", "name a file")),
    "a wrong type": ("data: a.jsonl\ninverted: often\n", ("`inverted`", "a share from 0 to 1")),
    "broken YAML": ("data: [a.jsonl\n", ("line 2", "not YAML")),
}
TEMPLATES = {
    "aliases of aliases": (BOMB + "templates: {x: {jinja: a, metadata: {meta: *a11}}}\n", ("line", "its aliases stand for more")),
    "an alias within itself": ("templates: &a {x: *a}\n", ("line 1", "an alias stands within")),
    "a hundred thousand brackets": ("[" * 20_000, ("nest too deep",)),
    "a setting that is unknown": ("templates:\n  x: {jinja: a, metadata: {metrix: [a]}}\n", ("line 2", "`metrix`", "did you mean `metrics`?")),
    "syntax": ("templates:\n  y: {jinja: a}\n  x: {jinja: 'a {{ b'}\n", ("line 3, template `x`", "is not Jinja")),
    "code": ("templates: !!python/object/apply:os.system ['id']", ("line 1 is not YAML",)),
    "aliases of no lists": ("templates: {x: {jinja: a, metadata: {aliases: [3]}}}", ("`aliases` of the template `x`", "list of lists")),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_a_bad_file_of_a_task(name: str, tmp_path: Path) -> None:
    text, words = WRITTEN[name]
    written(tmp_path, "a.jsonl", LINES)
    path = written(tmp_path, "task.yaml", text.encode())
    with pytest.raises(UserError) as told:
        task_from(str(path))
    message(told, path, words)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_bad_file_of_templates(name: str, tmp_path: Path) -> None:
    text, words = TEMPLATES[name]
    path = written(tmp_path, "mine.yaml", text.encode())
    with pytest.raises(UserError) as told:
        load_templates(path)
    for part in (path.name, *words):
        assert part in str(told.value), str(told.value)


def test_the_command_says_it_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "a.jsonl", among("{"))
    for command in (["show", "--data", str(path)], ["data", "check", str(path), "--into", str(tmp_path / "page")]):
        with pytest.raises(SystemExit) as ended:
            cli.main(command)
        told = capsys.readouterr().err
        assert ended.value.code == 1
        assert f"error: `{path}` line 8" in told and SKIP in told and "Traceback" not in told
        more = ["bad_rows.do=skip", "bad_rows.share=0.1"]
        cli.main([*command, *more])
        assert "1 row left out, which cannot be used" in capsys.readouterr().err.replace("\n", " ")


ENDLESS_CHATS = {
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a huge text": "{{ 'x' * 10 ** 10 }}",
    "a macro that calls itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a text that doubles": "{% set n = namespace(x='x') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "behind what transformers adds": "{% generation %}{{ messages | tojson(ensure_ascii=False) }}{% endgeneration %}{{ 'x' * 10 ** 10 }}",
    "at the third message": "{% for m in messages %}{% if loop.index > 2 %}{{ 'x' * 10 ** 10 }}{% endif %}{% endfor %}",
}  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS_CHATS)
def test_a_chat_template_without_an_end_is_refused_before_it_is_used(name: str) -> None:
    from tunesmith.tokens.chat import try_out

    with pytest.raises(UserError, match=r"the chat template does not come to an end[\s\S]*set `model\.chat: none`"):
        try_out(ENDLESS_CHATS[name])
    try_out("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")


# What fuzzing and attacks by hand found, as plain cases.
FOUND = {
    "a search of a long text, again and again": "{% set h = 'ab' * 200000 %}{% for i in range(20000) %}{% set x = h.find('bb') %}{% endfor %}",
    "a slice of a long text, again and again": "{% set h = 'ab' * 2000000 %}{% for i in range(40000) %}{% set x = h[1:] %}{% endfor %}",
    "lists summed": "{{ ([[1, 2, 3]] * 30000) | sum(start=[]) | length }}",
    "a filter over all against all": "{{ range(99999) | select('in', range(99999) | list) | list | length }}",
    "lists compared": "{% set l = range(40000) | list %}{% for i in l %}{% if l == l + [i] %}{% endif %}{% endfor %}",
    "a list repeated": "{{ ([0] * 40000000) | length }}",
    "a deep chain of attributes": "{{ a" + ".b" * 3000 + " }}",
    "a deep chain of filters": "{{ a" + "|upper" * 3000 + " }}",
    "a deep sum": "{{ n" + "+n" * 3000 + " }}",
    "thousands of tags": "{% set a = 1 %}" * 6000,
    "a megabyte of template": "{{ a }}" * 200_000,
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_templates_that_fuzzing_found_end_soon(name: str) -> None:
    began = time.process_time()
    with pytest.raises(UserError):
        Template("t", FOUND[name] + " ||| x").apply({"a": "abc", "n": 3})
    assert time.process_time() - began < 10
