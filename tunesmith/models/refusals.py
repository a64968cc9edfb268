"""Checkpoints that are not read, and why; what transformers or the hub says, in our own words."""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

import torch

from tunesmith.errors import UserError
from tunesmith.models.soundness import INDEX, look, refuse_index, unreadable

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
OTHERS = {".gguf": "llama.cpp's format", ".h5": "TensorFlow's", ".msgpack": "Flax's", ".onnx": "ONNX", ".npz": "numpy's"}
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".zst")


def refuse_pickles(path: str) -> None:
    """Weights in a local folder must be safetensors."""
    folder = Path(path)
    if not folder.is_dir() or (folder / "model.safetensors").is_file() or (folder / INDEX).is_file():
        return
    if (folder / "model.safetensors").is_symlink():
        raise unreadable(folder / "model.safetensors", OSError())
    named = sorted(one.name for one in folder.glob("*.safetensors"))
    if named:
        raise UserError(
            f"`{folder}` holds `{named[0]}`, and neither `model.safetensors` nor `{INDEX}`",
            "rename it if it is a whole network; fetch the missing files if it is a piece",
        )
    files = sorted(one for one in folder.iterdir() if one.is_file())
    if pickled := next((one for one in files if one.suffix in PICKLES and one.name not in NO_WEIGHTS), None):
        raise UserError(
            f"`{pickled}` is a pickle, which can run code when it is read; only safetensors are read here",
            f"convert it, running none of its code: `{CONVERT.format(path=path)}`",
        )
    if other := next((one for one in files if one.suffix in OTHERS), None):
        raise UserError(
            f"`{path}` holds no weights (`*.safetensors`): `{other.name}` is {OTHERS[other.suffix]}",
            "name a folder in transformers' format",
        )
    raise UserError(f"`{path}` holds no weights (`*.safetensors`)", "name a folder with a whole network")


NO_WEIGHTS = {"training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "optimizer.bin"}
CONVERT = "tunesmith convert {path} OUT"


def refuse_file(path: str) -> None:
    """A model is a folder."""
    file = Path(path)
    if not file.is_file():
        return
    if file.suffix in ARCHIVES:
        raise UserError(f"`model.path` is `{path}`: an archive", "unpack it, and name the folder inside")
    hint = f"did you mean its folder, `{file.parent}`?" if file.suffix in (".safetensors", ".json") else "name a folder"
    if file.suffix in PICKLES:
        hint = f"its folder converts: `{CONVERT.format(path=file.parent)}`"
    raise UserError(f"`model.path` is `{path}`: a file, and a model is a folder", hint)


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' bar and its table of missing weights, which is said here in one sentence."""
    from transformers.utils import logging

    bar, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


@contextmanager
def told(path: str, folder: Callable[[], Path | None] | None = None, part: str = "") -> Iterator[None]:
    """Say what is wrong in our own words where transformers, the hub or a file fails.

    folder: finds where the files lie; the first that is broken is told.
    part: of the network that is read.
    """
    try:
        yield
    except (UserError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # of many libraries, and of whatever a config makes transformers do
        if "No space left" in str(error):
            raise
        place = folder() if folder is not None else None
        if place is not None:
            refuse_index(place)
            look(place)
        what = f"its {part}" if part else "it"
        raise UserError(f"`model.path` is `{path}`: {what} cannot be read: {_first_line(error)}", _hint(error)) from error


def _first_line(error: Exception) -> str:
    """What an error says, on one line; its kind where that tells more."""
    text = " ".join(line.strip() for line in str(error).splitlines()[:3] if line.strip())
    if "Unrecognized configuration class" in text:
        return "it is of a kind that does not speak"
    text = text if len(text) > 24 or isinstance(error, OSError | UserError) else f"{type(error).__name__}: {text}"
    return (text if len(text) <= LONGEST else text[: LONGEST - 3] + "...").rstrip(".: ")


LONGEST = 240  # letters of what another library says


def _hint(error: Exception) -> str:  # noqa: PLR0911 - one return a kind
    text = str(error).lower()
    if "trust_remote_code" in text or "custom code" in text:
        return "it comes with code of its own; if you trust it, set `model.trust_remote_code=true`"
    if "safetensors" in text or ".bin" in text:
        return f"only safetensors are read here; a folder with pickles converts: `{CONVERT.format(path='FOLDER')}`"
    if isinstance(error, PermissionError) or "permission denied" in text:
        return "you may not read it: look at its permissions"
    if "sentencepiece" in text or "tiktoken" in text or "protobuf" in text:
        return "it has no `tokenizer.json`, or its tokenizer needs a package that is not installed: fetch its files again"
    if "not a valid git identifier" in text or "revision" in text:
        return "look at `model.revision`: a branch, a tag or a commit of that repository"
    if any(word in text for word in ("connect", "offline", "resolve", "couldn't find them in the cached files", "timed out")):
        return "the hub cannot be reached, and the network is not in its cache: name a local folder, or go online once"
    if "not a local folder" in text or "is not a valid model identifier" in text or "404" in text:
        return "look for a spelling mistake; a gated network also needs `hf auth login`"
    if "does not recognize this architecture" in text:
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

        name = next(iter(re.findall(r"model type `([^`]*)`", str(error))), "")
        near = get_close_matches(name, list(CONFIG_MAPPING_NAMES), n=1)
        spelt = f"did you mean `{near[0]}`? Else" if near else "look for a spelling mistake in `model_type`, or"
        return f"{spelt} install a newer transformers"
    if "attn_implementation" in text:
        return "leave `model.attention` out, or set it to `sdpa` or `eager`"
    return "look at its `config.json`, or name another folder in transformers' format"


def refuse_holes(path: str, missing: Collection[str], left_over: Collection[str], headed: bool) -> bool:
    """Weights that the file lacks are random; only a vocabulary head that is not used may be. Is it?"""
    body = [name for name in sorted(missing) if not re.match(r"(cls|lm_head|vocab_\w+|embed_out|generator)\b", name)]
    if body:
        others = f"; it has `{min(left_over)}` and others that the network does not know" if left_over else ""
        raise UserError(
            f"`{path}` lacks the weight `{body[0]}` (and {len(body) - 1} more): it would be random{others}",
            "the file is cut short, or `config.json` belongs to another network",
        )
    if missing and not headed:
        raise UserError(
            f"`{path}` comes without a vocabulary head (`{sorted(missing)[0]}` is missing): its words would be random",
            "take a checkpoint that was trained to predict words, or an objective with a head of its own (`classify`)",
        )
    return bool(missing)
