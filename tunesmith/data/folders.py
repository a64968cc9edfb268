"""Folders of rows: which file is of which split, by their names, a hub's card, or what `datasets` saved beside them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tunesmith.data.formats import SUFFIXES, TEXTS, suffix_of
from tunesmith.data.template import refuse_endless
from tunesmith.errors import UserError, did_you_mean

Files = dict[str, list[Path]]  # split -> files; those of no split under the empty name
ASIDE = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "readme.md", "license.md", "license.txt")
_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


def place_of(data: str) -> tuple[Path, str]:
    """The path that a person's word means, and the configuration: `folder:NAME` is one of several in a hub's folder."""
    path = Path(data).expanduser()
    folder, colon, name = data.rpartition(":")
    if colon and not path.exists() and Path(folder).expanduser().is_dir():
        return Path(folder).expanduser(), name
    return path, ""


def files_in(folder: Path, configuration: str = "") -> Files:
    """The files of a folder by split.

    Read as: what `datasets.save_to_disk` wrote; a hub's data set as downloaded, whose card names the files of each
    configuration; the hub's cache of one; any files whose names or folders say `train`, `validation` (`dev`) or `test`.

    Raises:
        UserError: there are none, or which of them are meant cannot be told.
    """
    top, folder = folder, _snapshot(folder)
    found = _saved(folder) or _by_card(folder, configuration)
    if found is None:
        if configuration:
            raise UserError(f"the folder `{folder}` names no configurations", f"leave `:{configuration}` out")
        found = _by_names(folder)
    for file in (file for members in found.values() for file in members):
        refuse_outside(file, top)
    for split, members in found.items():
        kinds = sorted({suffix_of(file) for file in members})
        if len(kinds) > 1:
            what = f"files of `{split}`" if split else "files"
            raise UserError(f"the folder `{folder}` has {what} in several layouts: {', '.join(kinds)}", "name one file of them")
    return found


def refuse_outside(file: Path, folder: Path) -> None:
    """An error for a file of a folder that truly lies elsewhere: who made the folder would choose what of this disk is read.

    What lies in the hub's own cache beside the folder is its data set.
    """
    top = folder.resolve()
    kept = next((one for one in (top, *top.parents) if one.name.startswith("datasets--")), top)
    if not file.resolve().is_relative_to(kept):
        raise UserError(
            f"`{file}` leads out of the folder `{folder}`, to `{file.resolve()}`",
            "if it is meant, name that file itself, or copy it into the folder",
        )


def named(path: Path, split: str) -> list[Path]:
    """The files of a split that a setting names; of a folder those that say the split or, where none does, all."""
    if not path.is_dir():
        return [path]
    found = files_in(path)
    return found.get(split) or [file for files in found.values() for file in files]


def split_of(path: Path) -> str:
    """The split that a file's name says, or else the nearest folder's; empty where none does."""
    for part in reversed(path.parts if not path.is_absolute() else path.parts[-1:]):
        for word in reversed(re.split(r"[^a-z]+", part.lower())):
            if word in _SPLIT_WORDS:
                return _SPLIT_WORDS[word]
    return ""


def our_splits(names: Iterable[str]) -> dict[str, str]:
    """Our split -> the hub's: of several the one with the plain name, else the first; beside `train` no other names."""
    found: dict[str, str] = {}
    for name in sorted(names, key=lambda name: name not in _SPLIT_WORDS):
        found.setdefault(split_of(Path(name)), name)
    if "train" in found:
        found.pop("", None)
    return found


def _snapshot(folder: Path) -> Path:
    """The files themselves, where a folder is the hub's cache of a data set (`datasets--owner--name`)."""
    kept = folder / "snapshots"
    if not kept.is_dir():
        return folder
    main = folder / "refs" / "main"
    if main.is_file() and (named_there := kept / main.read_text(encoding="utf-8").strip()).is_dir():
        return named_there
    several = sorted(one for one in kept.iterdir() if one.is_dir())
    if len(several) != 1:
        raise UserError(f"`{folder}` holds {len(several)} versions of a data set", f"name one of the folders in `{kept}`")
    return several[0]


def _saved(folder: Path) -> Files | None:
    """What `datasets` saved: one set, or one a split; None where it is no such folder."""
    whole = folder / "dataset_dict.json"
    if whole.is_file():
        splits = our_splits(_json(whole).get("splits", []))
        return {split: _arrow_files(folder / name) for split, name in splits.items()}
    if not (folder / "state.json").is_file():
        return None
    split = split_of(Path(str(_json(folder / "state.json").get("_split") or "")))
    return {split if split in ("validation", "test") else "": _arrow_files(folder)}


def _arrow_files(folder: Path) -> list[Path]:
    state = _json(folder / "state.json")
    files = [folder / str(one.get("filename")) for one in state.get("_data_files", [])]
    lost = [file for file in files if not file.is_file()]
    if lost or not files:
        raise UserError(
            f"`{folder / 'state.json'}` names files that are not there: {lost[0] if lost else 'none'}", "save it again"
        )
    if state.get("_indices_data_files"):
        raise UserError(f"`{folder}` keeps an order of its rows beside them", "save it with a newer `datasets`")
    return files


def _json(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"`{path}` cannot be read: {error}", "it belongs to a folder that `datasets` saved: save it again"
        ) from None
    return tree if isinstance(tree, dict) else {}


def _by_card(folder: Path, configuration: str) -> Files | None:
    """The files that the card of a hub's data set names; None where it names none."""
    configs = {str(one.get("config_name", "default")): one for one in _configs(folder)}
    if not configs:
        return None
    usual = [name for name, one in configs.items() if one.get("default") or name == "default"]
    if configuration and configuration not in configs:
        raise UserError(f"`{folder}` has no configuration `{configuration}`", did_you_mean(configuration, configs))
    if not configuration and not usual and len(configs) > 1:
        shown = ", ".join(f"`{name}`" for name in list(configs)[:8])
        raise UserError(f"`{folder}` has several configurations: {shown}", f"name one: `{folder}:{next(iter(configs))}`")
    name = configuration or (usual or list(configs))[0]
    patterns = _patterns(configs[name])
    if patterns is None:
        return None
    found = {split: sorted({file for one in listed for file in globbed(folder, one)}) for split, listed in patterns.items()}
    empty = [split for split, files in found.items() if not files]
    if len(empty) == len(found):
        raise UserError(f"of the configuration `{name}` of `{folder}` no file is there", f"fetch {patterns[empty[0]][0]}")
    return {split: found[theirs] for split, theirs in our_splits(one for one in found if found[one]).items()}


def globbed(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder that a pattern of its card names."""
    try:
        return [file for file in folder.glob(pattern) if not file.is_dir()]
    except (ValueError, NotImplementedError, IndexError, OSError) as error:
        raise UserError(
            f"the card of `{folder}` names files as `{pattern}`: {error}", "mend the card, or name the files"
        ) from None


def _configs(folder: Path) -> list[Mapping[str, Any]]:
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    head = re.match(r"---\n(.*?)\n---(\n|$)", text, re.DOTALL)
    try:
        if head:
            refuse_endless(yaml.compose(head[1], yaml.SafeLoader))
        tree = yaml.safe_load(head[1]) if head else {}
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"the head of `{card}` is not YAML: {str(error).partition(chr(10))[0]}", "mend it, or remove it"
        ) from None
    listed = tree.get("configs") if isinstance(tree, dict) else None
    return [
        one
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, Mapping) and ("data_files" in one or "data_dir" in one)
    ]


def _patterns(config: Mapping[str, Any]) -> dict[str, list[str]] | None:
    """The hub's split -> patterns of files."""
    given = config.get("data_files")
    if given is None:
        given = [f"{config['data_dir']}/**/*{suffix}" for suffix in SUFFIXES if suffix not in TEXTS]
    if isinstance(given, Mapping):
        given = [{"split": split, "path": path} for split, path in given.items()]
    if isinstance(given, str):
        given = [given]
    found: dict[str, list[str]] = {}
    for one in given:
        split, path = (str(one.get("split", "train")), one.get("path")) if isinstance(one, Mapping) else ("train", one)
        found.setdefault(split, []).extend([path] if isinstance(path, str) else [str(each) for each in path or ()])
    return found


def _by_names(folder: Path) -> Files:
    below = (file for file in folder.rglob("*") if file.is_file() and suffix_of(file) in SUFFIXES)
    files = sorted(file for file in below if not _is_aside(file.relative_to(folder)))
    tables = [file for file in files if suffix_of(file) not in TEXTS]
    found: Files = {}
    for file in tables or files:
        found.setdefault(split_of(file.relative_to(folder)), []).append(file)
    if not found:
        raise UserError(f"the folder `{folder}` has no file of rows", f"known: {', '.join(SUFFIXES)}, each also with `.gz`")
    if "" in found and "train" in found:
        del found[""]  # a list of words, a licence as JSON: beside a split that says so they are no rows
    elif "" in found:
        found = {"": tables or files}  # a word such as `test` in a few of many names says nothing
    return found


def _is_aside(path: Path) -> bool:
    """Whether a file says something of the rows instead of holding any."""
    hidden: Sequence[str] = [part for part in path.parts if part.startswith(".")]
    return bool(hidden) or path.name.lower() in ASIDE
