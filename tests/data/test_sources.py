"""Rows from files: every layout, every fault named with its place, and real data."""

import csv
import errno
import gzip
import json
import os
import re
from collections import Counter
from datetime import date

import pyarrow as arrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tunesmith.data import formats
from tunesmith.data.sources import FileSource, group_references, read, source_of
from tunesmith.errors import UserError

ROWS = [{"q": "a, b", "n": 1}, {"q": 'he "said"\nx', "n": 20}]


def write(path, text: str | bytes):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_every_layout_gives_the_same_rows(tmp_path):
    table = 'q{0}n\n"a, b"{0}1\n"he ""said""\nx"{0}20\n'
    lines = "\n".join(json.dumps(row) for row in ROWS)
    write(tmp_path / "a.csv", table.format(","))
    write(
        tmp_path / "b.csv",
        b"\xef\xbb\xbf" + table.format(";").replace("\n", "\r\n").encode().replace(b'said""\r\n', b'said""\n'),
    )
    write(tmp_path / "c.csv", table.format(",").encode("utf-16"))
    write(tmp_path / "d.jsonl", lines + "\n\n")
    write(tmp_path / "e.json", json.dumps(ROWS))
    write(tmp_path / "f.json", json.dumps({"canary": "x", "examples": ROWS, "keywords": ["a"]}))
    write(tmp_path / "g.json", json.dumps({"q": [row["q"] for row in ROWS], "n": [1, 20]}))
    write(tmp_path / "h.json", lines)
    write(tmp_path / "i.jsonl.gz", gzip.compress(lines.encode()))
    parquet.write_table(arrow.Table.from_pylist(ROWS), tmp_path / "j.parquet")
    for path in sorted(tmp_path.iterdir()):
        assert list(read(path)) == ROWS, path.name


def test_tab_separated_text_is_taken_as_it_stands_unless_it_is_quoted(tmp_path):
    assert list(read(write(tmp_path / "a.tsv", 'x\ty\n"half a quote\t007\n'))) == [{"x": '"half a quote', "y": "007"}]
    assert next(read(write(tmp_path / "b.tsv", 'x\ty\n"a\tb"\tc\nd\te\n'))) == {"x": "a\tb", "y": "c"}


def test_a_column_is_numbers_only_where_every_cell_is_plainly_one(tmp_path):
    rows = list(read(write(tmp_path / "a.csv", "a,b,c\n1,01,1\n-2,2,x\n")))
    assert rows == [{"a": 1, "b": "01", "c": "1"}, {"a": -2, "b": "2", "c": "x"}]


def test_a_cell_over_the_default_limit(tmp_path):
    assert len(next(read(write(tmp_path / "a.csv", "a\n" + "x" * 200_000 + "\n")))["a"]) == 200_000


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("a.csv", b"a,b\n1,2\n\xff,3\n", "line 3: byte 8 (0xff) is not UTF-8"),
        ("a.csv", "a,b\n1,2\n\n1,2,3\n", "line 4 has 3 cells, expected 2"),
        ("a.csv", "a,b\n1\n", "line 2 has 1 cells, expected 2"),
        ("a.csv", 'a,b\n1,2\n"x,3\n4,5\n', "line 3: unexpected end of data"),
        ("a.csv", "a,b,a\n", "two columns are called `a`"),
        ("a.csv", "it rains,0,1.5\n", "looks like a row"),
        ("a.csv", "", "is empty"),
        ("a.csv", '""\n', "is empty"),
        ("a.json", " ", "is empty"),
        ("a.json", '{"a": [1,\n}', "line 2, column 1 is not JSON"),
        ("a.json", "[1, 2]", "item 0 of the list is int"),
        ("a.json", "3", "holds int"),
        ("a.jsonl", '{"a": 1}\n{"a": \n', "line 2, column 6 is not JSON"),
        ("a.jsonl", '{"a": 1}\n[1]\n', "line 2 is list"),
        ("a.parquet", "nothing", "is not Parquet"),
        ("a.jsonl.gz", "nothing", "is not whole"),
        ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 1000, mtime=0)[:-9], "is not whole"),
        ("a.xyz", "", "no layout that can be read"),
        ("a.xlsx", "", "is a spreadsheet"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place(tmp_path, name, text, part):
    path = write(tmp_path / name, text)
    with pytest.raises(UserError) as caught:
        list(read(path))
    assert part in caught.value.problem
    assert str(path) in caught.value.problem


def test_what_is_not_there(tmp_path):
    write(tmp_path / "dialogues.csv", "a\n1\n")
    with pytest.raises(UserError, match=r"did you mean `dialogues\.csv`"):
        source_of(str(tmp_path / "dialogue.csv")).splits()
    with pytest.raises(UserError, match="no file of rows"):
        (tmp_path / "empty").mkdir()
        source_of(str(tmp_path / "empty")).splits()
    with pytest.raises(UserError, match="has no rows"):
        source_of(str(write(tmp_path / "b.csv", "a,b\n"))).splits()


def test_the_hub_is_asked_only_if_its_package_is_here(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(UserError, match=r"pip install 'tunesmith\[hub\]'"):
        source_of("owner/thing").splits()


def test_the_hub_s_splits_get_our_names(monkeypatch):
    from types import SimpleNamespace

    parts = {"unsupervised": ROWS * 9, "train_sft": ROWS * 5, "train": ROWS, "dev": ROWS[:1], "test": ROWS[1:]}
    fake = SimpleNamespace(load_dataset=lambda name, configuration, **_: parts if (name, configuration) == ("o/d", "c") else {})
    monkeypatch.setitem(__import__("sys").modules, "datasets", fake)
    source = source_of("o/d:c")
    assert source.splits() == ("train", "validation", "test")
    assert list(source.rows("validation")) == ROWS[:1]
    assert list(source.rows("train")) == ROWS


def test_plain_text_is_cut_into_rows(tmp_path):
    text = "One two.\nThree.\n\n\nFour five six.\n"
    path = write(tmp_path / "a.txt", text)

    def texts(cut):
        return [row["text"] for row in read(path, cut=cut)]

    assert texts("paragraph") == ["One two.\nThree.", "Four five six."]
    assert texts("line") == ["One two.", "Three.", "Four five six."]
    assert texts("file") == [text.strip("\n")]
    assert all(len(piece) <= 9 for piece in texts(9))
    assert "".join("".join(texts(9)).split()) == "".join(text.split())


PARTS = st.lists(st.sampled_from(["word", " ", "\n", "\n\n", " \n\t\n", "\r\n", "a longer piece", "é"]), max_size=40)


@given(PARTS, st.integers(1, 30))
def test_a_text_in_lines_is_cut_as_one_in_memory(parts, size):
    text = "".join(parts)
    lines = text.splitlines(keepends=True)
    found = {cut: list(formats.pieces(lines, cut)) for cut in ("paragraph", "line", "file", size)}
    assert found["line"] == [line for line in text.splitlines() if line.strip()]
    assert found["file"] == ([text.strip("\r\n")] if text.strip() else [])
    paragraphs = [piece.strip("\r\n") for piece in re.split(r"\n[ \t\r]*\n\s*", text.lstrip()) if piece.strip()]
    assert [piece.strip() for piece in found["paragraph"]] == [piece.strip() for piece in paragraphs]
    assert all(0 < len(piece) <= size for piece in found[size])
    assert list(formats.pieces([text], size)) == found[size], "where lines end is no matter"
    assert "".join("".join(found[size]).split()) == "".join(text.split())


def test_a_large_text_is_read_as_a_stream(tmp_path, monkeypatch):
    """Of many paragraphs no more than one stands in memory."""
    path = write(tmp_path / "a.txt", "One two.\nThree.\n\n" * 50)
    waiting = []
    monkeypatch.setattr(formats, "lines", lambda path, faults: (waiting.append(line) or line for line in path.open()))
    rows = read(path, cut="paragraph")
    assert next(rows) == {"text": "One two.\nThree."}
    assert len(waiting) < 5


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"one\ncaf\xe9\n", r"line 2: byte 7 \(0xe9\) is not UTF-8"),
        (b"one\n\x00\x01\x02", r"line 2: byte 4 \(0x00\) stands in no text"),
        (b"\xff\xfea", r"line 1 is not UTF-16"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(tmp_path, raw, told):
    (tmp_path / "a.txt").write_bytes(raw)
    with pytest.raises(UserError, match=told) as error:
        list(read(tmp_path / "a.txt"))
    assert "save it as UTF-8" in error.value.hint


def test_a_folder_may_be_a_split(tmp_path):
    for name in ("a.txt", "b.md", "c/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, f"This is {name}.")
    write(tmp_path / "c" / "e.txt", "And this.")
    source = source_of(str(tmp_path / "c"), splits_at={"test": "."}, cut_text="file")
    assert [row["text"] for row in source.rows("test")] == ["This is c/d.txt.", "And this."]
    write(tmp_path / "c" / "test.txt", "A test.")
    write(tmp_path / "c" / "train.txt", "No test.")
    again = source_of(str(tmp_path / "c"), splits_at={"test": "."}, cut_text="file")
    assert [row["text"] for row in again.rows("test")] == ["A test."]


def test_files_of_a_folder_say_their_split(tmp_path):
    for name, count in {"x_train.csv": 30, "x_dev.csv": 3, "x_test.csv": 4}.items():
        write(tmp_path / name, "q\n" + "".join(f"{name} {n}\n" for n in range(count)))
    write(tmp_path / "labels.json", "[]")
    write(tmp_path / "README.md", "About.")
    source = source_of(str(tmp_path))
    assert {split: len(list(source.rows(split))) for split in source.splits()} == {"train": 30, "validation": 3, "test": 4}
    with pytest.raises(UserError, match="did you mean `validation`"):
        source.rows("valid")
    named = FileSource(str(tmp_path), splits_at={"train": "x_dev.csv", "test": "x_test.csv"})
    assert named.splits() == ("train", "validation", "test") or named.splits() == ("train", "test")


def test_a_test_file_alone_is_a_test(tmp_path):
    path = write(tmp_path / "my_test.csv", "q\n" + "".join(f"{n} x\n" for n in range(20)))
    assert source_of(str(path)).splits() == ("test",)


def test_several_layouts_of_one_split_are_refused(tmp_path):
    write(tmp_path / "train.csv", "q\n1\n")
    write(tmp_path / "train.jsonl", '{"q": 1}\n')
    with pytest.raises(UserError, match="several layouts"):
        source_of(str(tmp_path)).splits()


def test_rows_that_ask_the_same_become_one_with_references():
    rows = [{"id": f"t_{n}_{k}", "d": f"D{n}", "s": f"s{k}"} for n in (1, 2) for k in (1, 2, 3)] + [
        {"id": "t_3_1", "d": "D3", "s": "z"}
    ]
    grouped = group_references(rows, ["d"], "s")
    assert [row["id"] for row in grouped] == ["t_1", "t_2", "t_3_1"]
    assert grouped[0]["references"] == ["s1", "s2", "s3"]
    assert "references" not in grouped[2]
    short = group_references([{"id": "10", "d": 1, "s": "a"}, {"id": "11", "d": 1, "s": "b"}], ["d"], "s")
    assert short[0]["id"] == "10"


def test_dialogsum_is_one_example_a_dialogue(shared):
    source = FileSource(str(shared("data/dialogsum")), key=("dialogue",), target="summary")
    assert {split: len(list(source.rows(split))) for split in source.splits()} == {
        "train": 12460,
        "validation": 500,
        "test": 500,
    }
    rows = list(source.rows("test"))
    assert rows[0]["id"] == "test_0"
    assert len({row["id"] for row in rows}) == 500
    assert Counter(len(row["references"]) for row in rows) == {3: 490, 2: 10}  # in ten, two people wrote the same


@pytest.mark.parametrize(
    ("path", "columns", "rows"),
    [
        ("g2p_en_us/g2p_us_gold.json", (), 90217),
        ("mmlu/test", (), 14042),
        ("bbh/bbh", (), 6511),
        ("hh_rlhf/harmless-base/test.jsonl.gz", (), 2312),
        ("alpaca_seed/seed_tasks.jsonl", (), 175),
        ("pandalm_preferences/testset-v1.json", (), 999),
        ("glue/CoLA/raw/in_domain_train.tsv", ("source", "label", "star", "sentence"), 8551),
        ("glue/STS-B/train.tsv", (*"abcdefg", "sentence1", "sentence2", "score"), 4249),
        ("superglue/val/BoolQ", (), 3270),
        ("openbookqa/Main/test.tsv", (), 500),
        ("truthfulqa/TruthfulQA.csv", (), 813),
        ("crows_pairs/crows_pairs_anonymized.csv", (), 1508),
        ("p3_t0_rendered", (), None),
        ("bbq", (), None),
        ("bigbench_json", (), None),
    ],
)  # fmt: skip
def test_real_files_are_read_whole(shared, path, columns, rows):
    source = FileSource(str(shared(f"data/{path}")), columns=columns)
    count = sum(1 for split in source.splits() for _ in source.rows(split))
    assert count == rows if rows else count > 1000, count


def test_plain_text_of_rows_that_differ_elsewhere_is_one_text():
    rows = [
        {"id": "test_1_1", "d": "x", "s": "a"},
        {"id": "test_1_2", "d": "x", "s": "b"},
        {"id": "test_2_1", "d": "y", "s": "c"},
    ]
    grouped = group_references(rows, ["d"], "d")
    assert [(row["id"], row["d"]) for row in grouped] == [("test_1", "x"), ("test_2_1", "y")]
    twice = [{"d": "x"}, {"d": "x"}]
    assert group_references(twice, ["d"], "d") == twice  # a refrain is read as often as it stands


def test_rows_of_a_large_file_stay_on_the_disk_and_are_the_same(tmp_path, monkeypatch):
    rows = [{"id": str(n), "q": f"é {n}", "a": "x" * (n % 7)} for n in range(300)]
    text = "\ufeff" + "\n".join(json.dumps(row, ensure_ascii=False) + " \u00a0" * (row["id"] == "7") for row in rows)
    path = write(tmp_path / "a.jsonl", text.replace("\n", "\n\n \n", 3))
    small = FileSource(str(path), key=("q",))
    kept = {split: list(small.rows(split)) for split in small.splits()}
    monkeypatch.setattr(formats, "SMALL", 0)
    os.utime(path, (1, 1))  # so that it is read again
    large = FileSource(str(path), key=("q",))
    assert {split: list(large.rows(split)) for split in large.splits()} == kept
    held = large.held("train")
    assert isinstance(large.found()[""].parts[0], formats.JsonLines)
    assert [held[n] for n in (-1, 5, 0)] == [kept["train"][n] for n in (-1, 5, 0)]
    assert held[3:9:2] == kept["train"][3:9:2]
    path.write_bytes(b"#" * path.stat().st_size)
    with pytest.raises(UserError, match="was changed while it was in use"):
        held[4]


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.tsv", "a.json", "a.jsonl.gz", "a.jsonl", "a.txt"])
def test_rows_of_a_large_file_of_another_layout_are_kept_on_the_disk(tmp_path, monkeypatch, name):
    rows = [{"q": f"é {n}\nand more\n", "n": n, "a": "x" * (n % 7)} for n in range(300)]
    path = tmp_path / name
    if name == "a.parquet":
        rows = [row | {"day": date(2020, 1, 1 + row["n"] % 28), "raw": b"\xff", "list": [{"b": None}]} for row in rows]
        parquet.write_table(arrow.Table.from_pylist(rows), path, row_group_size=70)
    elif name in ("a.csv", "a.tsv"):
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]), delimiter="\t" if name == "a.tsv" else ";")
            table.writeheader()
            table.writerows(rows)
    elif name == "a.json":
        write(path, json.dumps(rows))
    elif name == "a.txt":
        rows = [{"text": f"line {n}"} for n in range(300)]
        write(path, "\n\n".join(row["text"] for row in rows))
    else:
        lines = "\n".join(map(json.dumps, rows))
        write(path, gzip.compress(lines.encode()) if name == "a.jsonl.gz" else lines.encode("utf-16"))
    assert formats.held(path) == tuple(rows)
    monkeypatch.setattr(formats, "SMALL", 0)
    kept = formats.held(path)
    assert isinstance(kept, formats.Kept)
    path.unlink()
    assert kept == rows
    assert [kept[n] for n in (-1, 5, 0)] == [rows[n] for n in (-1, 5, 0)]


@given(st.lists(st.lists(st.text('ab",;\t\n\r é7', min_size=1, max_size=5), min_size=2, max_size=2), max_size=6))
def test_what_python_writes_as_csv_is_read_as_it_was(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["one", "two"], *cells])
    rows = [dict(zip(("one", "two"), row, strict=True)) for row in cells if any(map(str.strip, row))]
    for name in ("one", "two"):
        if all(re.fullmatch("0|-?[1-9][0-9]*", row[name]) for row in rows):
            rows = [row | {name: int(row[name])} for row in rows]
    assert list(read(path)) == rows


def test_where_there_is_no_room_the_folder_is_named(tmp_path, monkeypatch):
    class Full:
        def write(self, raw):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(formats, "SMALL", 0)
    monkeypatch.setattr(formats, "TemporaryFile", Full)
    with pytest.raises(UserError, match="there is no room in") as caught:
        formats.held(write(tmp_path / "a.csv", "a\n1\n"))
    assert "TMPDIR" in caught.value.hint


def test_a_fault_in_a_large_file_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "SMALL", 0)
    path = write(tmp_path / "a.jsonl", '{"q": 1}\n' * 3 + "{no}\n")
    with pytest.raises(UserError, match="line 4, column 2 is not JSON"):
        source_of(str(path)).splits()
    with pytest.raises(UserError, match="line 3 has 1 cells"):
        source_of(str(write(tmp_path / "a.csv", "a,b\n1,2\n1\n"))).splits()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=12))
def test_grouped_rows_can_be_asked_for_in_any_order(pairs):
    rows = [{"id": f"t_{n}", "d": d, "s": s} for n, (d, s) in enumerate(pairs)]
    for by, target in ((["d"], "s"), ([], "s"), (["s"], "s")):
        grouped = group_references(rows, by, target)
        assert [grouped[n] for n in range(len(grouped))] == list(grouped)
        assert sum(len(row.get("references", (1,))) for row in grouped) <= len(rows)
