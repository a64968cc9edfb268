"""Checkpoints that are not read, and why; what transformers or the hub says, in our own words."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from tunesmith.errors import UserError


def refuse_pickles(path: str) -> None:
    """Weights in a local folder must be safetensors."""
    folder = Path(path)
    if not folder.is_dir() or any(folder.glob("*.safetensors")):
        return
    pickled = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt")) + sorted(folder.glob("*.pth"))
    if pickled:
        raise UserError(
            f"`{pickled[0]}` is a pickle, which can run code when it is read; only safetensors are read here",
            f"if you trust it, convert it once: {CONVERT.format(path=path)}",
        )
    raise UserError(f"`{path}` holds no weights (`*.safetensors`)", "name a folder with a whole network")


CONVERT = (
    'python -c "from transformers import AutoModelForCausalLM as M; '
    "M.from_pretrained('{path}', use_safetensors=False).save_pretrained('{path}')\" "
    "(or AutoModelForSeq2SeqLM, AutoModelForMaskedLM)"
)


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
def told(path: str) -> Iterator[None]:
    """Say what is wrong in our own words where transformers, the hub or a file fails."""
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise UserError(f"`model.path` is `{path}`: it cannot be read: {_first_line(error)}", _hint(error, path)) from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _hint(error: Exception, path: str) -> str:
    text = str(error).lower()
    if "trust_remote_code" in text:
        return "it comes with code of its own; if you trust it, set `model.trust_remote_code=true`"
    if "safetensors" in text or ".bin" in text:
        return f"only safetensors are read here; if you trust its pickle, convert it once: {CONVERT.format(path=path)}"
    if "sentencepiece" in text or "tiktoken" in text or "protobuf" in text:
        return "its tokenizer needs a package that is not installed; see the message above"
    if any(word in text for word in ("connect", "offline", "resolve", "couldn't find them in the cached files", "timed out")):
        return "the hub cannot be reached, and the network is not in its cache: name a local folder, or go online once"
    if "not a local folder" in text or "is not a valid model identifier" in text or "404" in text:
        return "look for a spelling mistake; a gated network also needs `hf auth login`"
    return "name a folder in transformers' format with `config.json`, `model.safetensors` and a tokenizer"


def refuse_holes(path: str, missing: Collection[str], mismatched: Collection[object], headed: bool) -> bool:
    """Weights that the file lacks are random; only a vocabulary head that is not used may be. Is it?"""
    if mismatched:
        raise UserError(
            f"`{path}`: `{sorted(map(str, mismatched))[0]}` has another shape than `config.json` says",
            "the weights and the config belong to different networks",
        )
    body = [name for name in sorted(missing) if not re.match(r"(cls|lm_head|vocab_\w+|embed_out|generator)\b", name)]
    if body:
        raise UserError(
            f"`{path}` lacks the weight `{body[0]}` (and {len(body) - 1} more): it would be random",
            "the file is cut short, or `config.json` belongs to another network",
        )
    if missing and not headed:
        raise UserError(
            f"`{path}` comes without a vocabulary head (`{sorted(missing)[0]}` is missing): its words would be random",
            "take a checkpoint that was trained to predict words, or an objective with a head of its own (`classify`)",
        )
    return bool(missing)
