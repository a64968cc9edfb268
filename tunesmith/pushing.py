"""What a run learnt, sent to a hub with its model card. Command: `tunesmith push RUN OWNER/NAME`.

Only files that a network or an adapter is made of are sent, by name; nothing else of a run's folder ever is: no steps, no
answers, no rows. Texts that look like they hold a key are refused. Files that a failed upload has sent already are known to the
hub by their content, so the same command goes on there.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tunesmith.errors import UserError
from tunesmith.masking import KEYS
from tunesmith.run import Run

SENT = (  # names, or patterns of names
    *["README.md", "adapter_config.json", "adapter_model.safetensors", "added_tokens.json", "base.json"],
    *["chat_template.jinja", "config.json", "generation_config.json", "head.json", "head.safetensors"],
    *["merges.txt", "model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json", "scores.json"],
    *["special_tokens_map.json", "spiece.model", "template.yaml", "tokenizer.json", "tokenizer.model"],
    *["tokenizer_config.json", "tunesmith.json", "vocab.json", "vocab.txt", "*.gguf"],
)
TEXTS = {".json", ".md", ".yaml", ".jinja"}
SPELLING = {"tokenizer.json", "vocab.json"}  # pieces of words, where anything may stand


@dataclass(frozen=True)
class File:
    """One file to send, and its bytes."""

    name: str
    path: Path
    bytes: int


@dataclass(frozen=True)
class Pushed:
    """What was sent, and where it is now. sent: False where it was only listed."""

    address: str
    files: tuple[File, ...]
    sent: bool


def push(
    run: str | Path, repo: str, *, weights: str | Path | None = None, private: bool = False, dry_run: bool = False
) -> Pushed:
    """Send what a run learnt, with its card, to the hub that `HF_ENDPOINT` names, or to the usual one.

    Args:
        run: folder of a run that has ended.
        repo: `OWNER/NAME`; it is made where it is missing.
        weights: a folder that `merge` or `export` made of the run, sent instead of its own; the card is the run's.
        private: of a repository that is made; one that stands keeps what it is.
        dry_run: send nothing, and only tell what would be.

    Raises:
        UserError: the run has not ended or learnt nothing, a text holds a key, the hub refuses, or cannot be reached.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise UserError(f"`{repo}` is no name of a repository", "write OWNER/NAME")
    files = tuple(to_send(Run(Path(run)), Path(weights) if weights else None))
    refuse_keys(files)
    from huggingface_hub import HfApi

    api = HfApi()
    address = f"{api.endpoint}/{repo}"
    if not dry_run:
        send(api, repo, files, private, f"Run {Run(Path(run)).name}")
    return Pushed(address, files, sent=not dry_run)


def to_send(run: Run, weights: Path | None) -> Iterator[File]:
    """The files of a run's adapter or network, or of a folder made of it with the run's card."""
    run.recipe()
    if not run.world().get("ended"):
        raise UserError(
            f"`{run.folder}` has not ended", f"finish it: `tunesmith train {run.folder}/recipe.yaml --into {run.folder}`"
        )
    learnt = next((one for one in (run.folder / "adapter", run.folder / "model") if one.is_dir()), None)
    if learnt is None:
        raise UserError(f"`{run.folder}` learnt nothing", "name a run with an `adapter` or a `model`")
    if weights is not None and not (weights / "config.json").is_file():
        raise UserError(f"`{weights}` holds no network", "name a folder that `tunesmith merge` or `tunesmith export` wrote")
    found = {
        path.name: path
        for path in sorted(learnt.iterdir())
        if weights is None or path.name in ("README.md", "scores.json", "template.yaml")
    }
    found |= {path.name: path for path in sorted(weights.iterdir()) if path.name != "README.md"} if weights else {}
    for name, path in sorted(found.items()):
        if path.is_file() and not path.is_symlink() and any(fnmatch(name, pattern) for pattern in SENT):
            yield File(name, path, path.stat().st_size)


def refuse_keys(files: tuple[File, ...]) -> None:
    """Refuse texts with something in them that looks like a key or a password."""
    for file in files:
        if file.path.suffix in TEXTS and file.name not in SPELLING:
            for number, line in enumerate(file.path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
                if KEYS.search(line):
                    raise UserError(
                        f"`{file.path}` line {number} looks like it holds a key or a password", "take it out; nothing was sent"
                    )


def content(file: File) -> bytes | str:
    """What is sent of a file: where a base lies on this machine is nobody's business."""
    if file.name not in ("base.json", "adapter_config.json"):
        return str(file.path)
    tree = json.loads(file.path.read_text(encoding="utf-8"))
    for key in ("path", "base_model_name_or_path"):
        if isinstance(tree.get(key), str) and Path(tree[key]).is_absolute():
            tree[key] = Path(tree[key]).name
    return (json.dumps(tree, indent=2, ensure_ascii=False) + "\n").encode()


def send(api: Any, repo: str, files: tuple[File, ...], private: bool, message: str) -> None:
    """One commit with all files; what the hub has already is not sent again."""
    from huggingface_hub import CommitOperationAdd
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    try:
        api.create_repo(repo, private=private, exist_ok=True)
        added = [CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=content(file)) for file in files]
        api.preupload_lfs_files(repo, additions=added, free_memory=False)
        api.create_commit(repo, operations=added, commit_message=message)
    except (LocalTokenNotFoundError, OfflineModeIsEnabled) as error:
        raise UserError(
            first(error), "log in with `hf auth login`, or set `HF_TOKEN`; `HF_HUB_OFFLINE` must not be set"
        ) from None
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status in (401, 403):
            raise UserError(
                f"{api.endpoint} lets you not write to `{repo}` ({status})",
                "log in with `hf auth login`, or set `HF_TOKEN` to a token that may write",
            ) from None
        raise UserError(f"{api.endpoint} refused: {first(error)}", AGAIN) from None
    except Exception as error:
        if not reaches(error):
            raise
        raise UserError(f"{api.endpoint} cannot be reached: {first(error)}", AGAIN) from None


AGAIN = "give the same command again: what arrived is not sent twice"


def first(error: Exception) -> str:
    """The first line of what an error says."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def reaches(error: BaseException) -> bool:
    """Whether an error comes from the network, or from sending a file."""
    whole = f"{type(error).__module__} {type(error).__name__} {type(error.__cause__).__module__}"
    return isinstance(error, (OSError, RuntimeError)) or "http" in whole or "requests" in whole
