"""Folders of data sets as `datasets` saves them and as the hub has them, and Arrow's files."""

import gzip
import json

import pyarrow as arrow
import pytest
from pyarrow import parquet

from tunesmith.data.formats import read
from tunesmith.data.sources import FileSource, source_of
from tunesmith.errors import UserError
from tunesmith.tasks.own import own_task

ROWS = [{"question": f"q{n}", "answer": f"a{n}"} for n in range(12)]


def stream(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    table = arrow.Table.from_pylist(rows)
    with arrow.ipc.new_stream(path, table.schema) as writer:
        for start in range(0, len(rows), 5):
            writer.write_table(table.slice(start, 5))


def save(folder, rows, split=None):
    """What `datasets.Dataset.save_to_disk` writes, in two files, with another file that belongs to none."""
    names = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    stream(folder / names[0], rows[:7])
    stream(folder / names[1], rows[7:])
    stream(folder / "cache-0123456789abcdef.arrow", [{"question": "old", "answer": "old"}])
    state = {"_data_files": [{"filename": name} for name in names], "_split": split, "_fingerprint": "x"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": {"question": {"dtype": "string", "_type": "Value"}}}))


def test_a_saved_data_set_is_read_whole_and_in_order(tmp_path):
    save(tmp_path / "one", ROWS)
    assert list(FileSource(str(tmp_path / "one")).found()[""]) == ROWS
    save(tmp_path / "held", ROWS, "test")
    assert list(FileSource(str(tmp_path / "held")).found()) == ["test"]
    for name in ("train", "validation", "test"):
        save(tmp_path / "all" / name, ROWS, name)
    (tmp_path / "all" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "validation", "test"]}))
    source = FileSource(str(tmp_path / "all"))
    assert source.splits() == ("train", "validation", "test")
    assert list(source.rows("test")) == ROWS


def test_what_datasets_itself_saves_is_read(tmp_path):
    datasets = pytest.importorskip("datasets")
    turns = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]
    called = [turns[0], {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]
    rows = [{"messages": turns}, {"messages": called}] * 6
    whole = datasets.DatasetDict({"train": datasets.Dataset.from_list(rows), "test": datasets.Dataset.from_list(rows[:2])})
    whole.save_to_disk(tmp_path / "saved")
    task = own_task(str(tmp_path / "saved"))
    first, second = task.examples("test")
    assert (first.target, first.extra) == ("a", "")  # nulls that the columns add are no calls
    assert json.loads(second.extra)["tool_calls"] == [{"function": {"name": "f", "arguments": "{}"}}]


def test_a_file_that_is_lost_is_told(tmp_path):
    save(tmp_path, ROWS)
    (tmp_path / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(UserError, match=r"names files that are not there: .*data-00001"):
        FileSource(str(tmp_path)).found()
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(UserError, match=r"state.json` cannot be read"):
        FileSource(str(tmp_path)).found()


CARD = """---
license: mit
configs:
- config_name: first
  data_files:
  - {split: train, path: "first/train-*.parquet"}
  - {split: test, path: first/test-00000-of-00001.parquet}
- config_name: second
  data_files: second/*.parquet
---
# A data set
"""


def hub(folder, card=CARD):
    for name, rows in {
        "first/train-00000-of-00002": ROWS[:5],
        "first/train-00001-of-00002": ROWS[5:],
        "first/test-00000-of-00001": ROWS[:2],
        "second/part": ROWS[:3],
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(arrow.Table.from_pylist(rows), folder / f"{name}.parquet")
    (folder / "README.md").write_text(card)
    (folder / "dataset_infos.json").write_text("{}")
    return folder


def test_a_card_says_which_files_are_which_split(tmp_path):
    folder = hub(tmp_path / "set")
    source = source_of(f"{folder}:first")
    assert (list(source.rows("test")), len(source.found()["train"])) == (ROWS[:2], 12)
    assert sum(map(len, source_of(f"{folder}:second").found().values())) == 3
    with pytest.raises(UserError, match="several configurations: `first`, `second`") as caught:
        source_of(str(folder)).found()
    assert f"{folder}:first" in caught.value.hint
    with pytest.raises(UserError, match="no configuration `third`"):
        source_of(f"{folder}:third").found()
    usual = hub(tmp_path / "usual", CARD.replace("config_name: first", "config_name: first\n  default: true"))
    assert list(source_of(str(usual)).rows("test")) == ROWS[:2]
    assert own_task(f"{folder}:first").name == f"{folder}:first".replace(":", "/").rpartition("/set/")[0] + "/set/first"


def test_a_card_without_configurations_leaves_it_to_the_names(tmp_path):
    folder = hub(tmp_path / "set", "---\nlicense: mit\n---\n")
    source = source_of(str(folder))
    assert (len(source.found()["train"]), len(source.found()["test"])) == (12, 2)
    with pytest.raises(UserError, match="names no configurations"):
        source_of(f"{folder}:first").found()


def test_the_hub_s_cache_of_a_data_set(tmp_path):
    folder = tmp_path / "datasets--a--b"
    hub(folder / "snapshots" / "old")
    hub(folder / "snapshots" / "new", "")
    with pytest.raises(UserError, match="2 versions"):
        FileSource(str(folder)).found()
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("new")
    assert len(FileSource(str(folder)).found()["test"]) == 2


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.parquet.gz", "a.arrow.gz", "a.feather"])
def test_a_broken_file_is_told(tmp_path, name):
    (tmp_path / name).write_bytes(b"ARROW1\0\0 and no more")
    with pytest.raises(UserError, match=rf"`.*{name}` is not (whole|Parquet|Arrow)"):
        list(read(tmp_path / name))
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"PAR1 or not")[:-4])
        with pytest.raises(UserError, match="is not whole"):
            list(read(tmp_path / name))
