"""A model from a name or a folder."""

import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from tunesmith.errors import UserError, did_you_mean
from tunesmith.manifest import intact
from tunesmith.models import weights
from tunesmith.models.classifiers import has_head, saved_head, saved_plan
from tunesmith.models.families import PROVED, Family, family_of, window
from tunesmith.models.head import Head, HeadPlan, head_plan, own_pooling
from tunesmith.models.identity import kept_identity, unlike, weights_hash
from tunesmith.models.initial import initialise
from tunesmith.models.model import Model
from tunesmith.models.prove import prove
from tunesmith.models.quantize import quantise
from tunesmith.models.refusals import quiet, refuse_file, refuse_holes, refuse_pickles, told
from tunesmith.models.soundness import (
    numbers_of,
    precision_of,
    refuse_index,
    refuse_left_over,
    refuse_no_numbers,
    refuse_shapes,
    refuse_sizes,
)
from tunesmith.tokens.renderer import Renderer

ASSETS = Path(__file__).parent.parent / "assets"
TOWN = ("t5", "llama", "bert")


@dataclass(frozen=True)
class ModelSettings:
    """Which network, and how it is kept in memory.

    path:      a folder, a name on the hub, the folder of a run or of an adapter, or `town/t5`, `town/llama`, `town/bert`, which
               come along.
    family:    `causal`, `seq2seq`, `masked`; `auto` asks the network's config.
    dtype:     `auto` is float32 on a CPU, and what the file has elsewhere (bfloat16 for float16).
    quantize:  `nf4` keeps the weights of attention and MLPs in four bits, an eighth of float32, as QLoRA's base: methods that
               put their own weights beside them can be trained. An adapter's folder says what its base was.
    revision:  of a hub repository.
    trust_remote_code: run code that comes with the network.
    chat:      `auto` (the tokenizer's chat template, where it has one and the network is causal), `none`, or a Jinja template.
    attention: transformers' name of an implementation (`sdpa`, `eager`, `flex_attention`); null: its own choice.
    random:    start from random weights (by torch's random state): only the config and the tokenizer are read.
    """

    path: str = "town/t5"
    family: Literal["auto", "causal", "seq2seq", "masked"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    quantize: Literal["none", "nf4"] = "none"
    revision: str | None = None
    trust_remote_code: bool = False
    chat: str = "auto"
    attention: str | None = None
    random: bool = False


def load(
    source: ModelSettings, plan: HeadPlan | None = None, device: torch.device | str | None = None, *, headed: bool = False
) -> Model:
    """Read a network, its tokenizer and, from a run's folder, its adapter and its head.

    Args:
        plan: of a head to stand on it; where one was saved, it must be for the same, and is read.
        headed: a head is about to come, so the network need not have words of its own.

    Raises:
        UserError: nothing is found there, it is of another kind, or its weights are not safetensors.
    """
    where = best_device() if device is None else torch.device(device)
    path, adapter = _place(source.path)
    if adapter is not None:
        model = load(below(source, adapter), None, where, headed=headed or plan is not None or has_head(adapter))
        return put_on(adapter, model, plan)
    intact(Path(path))
    config = _config(path, source)
    commit = _commit(path, source)
    if commit is not None:  # all files are of the one commit that the hub has now
        source = replace(source, revision=commit)
    family = _family(config, source)
    headed = headed or plan is not None or has_head(Path(path))
    network, wordless = _network(path, source, config, headed, where)
    model = Model(network, _renderer(path, source, family, config), family)
    model.wordless = wordless
    model.source = str(Path(path).resolve()) if Path(path).is_dir() and not source.path.startswith("town/") else source.path
    if not source.random:
        model.folder, model.revision = _folder(path, source), commit
    _stand(model, plan, Path(path))
    if config.model_type not in PROVED:
        prove(model)
    return model.eval()


def put_on(adapter: Path, model: Model, plan: HeadPlan | None = None) -> Model:
    """The base with the adapter and the head of a folder, active."""
    for warning in unlike(adapter, model):
        print(f"warning: {warning}", file=sys.stderr)
    weights.load_adapter(adapter, model, "run")
    _stand(model, plan, adapter)
    return model


def _stand(model: Model, plan: HeadPlan | None, folder: Path) -> None:
    """The head that was saved in a folder, or else a new one by the plan."""
    saved = saved_plan(folder, model)
    whole = (folder / "config.json").is_file() and head_plan(folder) is None
    if saved and plan and whole and (saved.kind, saved.labels) != (plan.kind, plan.labels):
        saved = None  # another program's head, for something else
    if saved is None and plan is not None:
        pooling = own_pooling(model.folder) if plan.pooling == "auto" else plan.pooling
        plan = replace(plan, pooling=pooling).on(model.network.config, model.family)
        model.stand(Head(plan, model.width, model.device))
    elif saved is not None and plan is not None and (saved.kind, saved.labels) != (plan.kind, plan.labels):
        told = ", ".join(saved.labels) or "one output"
        raise UserError(
            f"`{folder}` has a head of the kind `{saved.kind}` ({told}); `{plan.kind}` ({', '.join(plan.labels)}) is wanted",
            "it was trained with another objective or other labels: start from its base",
        )
    elif saved is not None and model.head is None:
        model.stand(saved_head(folder, saved, model))


def load_config(source: ModelSettings) -> tuple[Any, Family]:
    """transformers' config of the network (of an adapter's base) and its family; nothing else is read."""
    path, adapter = _place(source.path)
    if adapter is not None:
        return load_config(below(source, adapter))
    config = _config(path, source)
    return config, _family(config, source)


def load_renderer(source: ModelSettings) -> tuple[Renderer, int | None]:
    """The renderer, and the most tokens of a row, without reading any weights."""
    path, adapter = _place(source.path)
    if adapter is not None:
        return load_renderer(below(source, adapter))
    config = _config(path, source)
    return _renderer(path, source, _family(config, source), config), window(config)


def saved_dtype(source: ModelSettings) -> torch.dtype:
    """The precision of the weights in the file of a network, or of the base of an adapter."""
    path, adapter = _place(source.path)
    if adapter is not None:
        return saved_dtype(below(source, adapter))
    found, folder = getattr(_config(path, source), "dtype", None), _folder(path, source)
    if isinstance(found, torch.dtype):
        return found
    return torch.float32 if folder is None else precision_of(folder)


def best_device() -> torch.device:
    """A GPU where there is one."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def adapter_of(path: str) -> Path | None:
    """The folder of the adapter that a path names, a run's or its own; None where it names a whole network."""
    return _place(path)[1]


def start_hash(source: ModelSettings) -> str:
    """The hash of the weights that a run begins with, of a network or an adapter in a folder of one's own; elsewhere empty."""
    if source.random or source.path.startswith("town/"):
        return ""
    with suppress(UserError):  # what is wrong with the folder is said by whoever reads it
        path, adapter = _place(source.path)
        folder = adapter or Path(path)
        return weights_hash(folder) if folder.is_dir() else ""
    return ""


def below(source: ModelSettings, adapter: Path) -> ModelSettings:
    """The base of an adapter, at the revision, with the chat template and in as many bits as the adapter was trained with."""
    base = base_of(adapter)
    _refuse_stacked(adapter, base)
    kept = kept_identity(adapter)
    config = weights.read_config(adapter)
    quantize = config.get("base_quantize", source.quantize)
    chat = str(kept.get("chat", "auto")) if source.chat == "auto" else source.chat
    revision = source.revision or config.get("revision")
    return replace(source, path=base, chat=chat, revision=revision, quantize=quantize)


def base_of(adapter: Path) -> str:
    """The network that an adapter was trained on."""
    name = weights.read_config(adapter).get("base_model_name_or_path")
    file = adapter / "adapter_config.json"
    if not name:
        raise UserError(f"`{file}` names no base network", "add `base_model_name_or_path: a folder or a hub name`")
    if not isinstance(name, str):
        raise UserError(f"`{file}`: `base_model_name_or_path` is `{name}`", "it is a folder or a hub name")
    return name


def _refuse_stacked(adapter: Path, base: str) -> None:
    """An adapter stands on a network: of one that stands on another adapter, it is said what to merge first."""
    stack = [adapter]
    while (place := adapter_of(base)) is not None:
        if place.resolve() in [one.resolve() for one in stack]:
            raise UserError(f"`{adapter}` names itself as its base", "name the network that it was trained on")
        stack.append(place)
        base = base_of(place)
    if len(stack) > 1:
        upper, lower = stack[-2:]
        raise UserError(
            f"the base of the adapter `{upper}` is `{lower}`, an adapter itself, and adapters stand on networks",
            f"merge the lower one into its own base first, `tunesmith merge {lower} merged`, then name `merged` as the base",
        )


def _place(path: str) -> tuple[str, Path | None]:
    """What transformers is to read, and the folder of the adapter where the path is one or a run with one."""
    if path.startswith("town/"):
        name = path.removeprefix("town/")
        if name not in TOWN:
            raise UserError(f"`model.path` is `{path}`: no such model comes along", did_you_mean(name, TOWN, "town/"))
        return str(ASSETS / name), None
    if not path.strip():
        raise UserError("`model.path` is empty", "name a folder, a hub name, or `town/t5`, which comes along")
    try:
        folder = Path(path).expanduser()
        folder.exists()
    except (RuntimeError, OSError) as error:  # no such person's home, or a name longer than any
        told = getattr(error, "strerror", None) or str(error)
        raise UserError(f"`model.path` is `{path[:80]}`: {told.lower().rstrip('.')}", "name a folder, or a hub name") from None
    refuse_file(str(folder))
    if (folder / "model" / "config.json").is_file() and not (folder / "config.json").is_file():
        return str(folder / "model"), None
    for place in (folder / "adapter", folder):
        if (place / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
            return str(folder), place
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise UserError(
            f"`model.path` is `{path}`: the folder holds neither a network (`config.json`) nor a run (`adapter/`, `model/`)",
            "name a folder in transformers' format",
        )
    looks_local = path.startswith((".", "/", "~")) or path.count("/") > 1
    if looks_local and not folder.exists():
        raise UserError(
            f"`model.path` is `{path}`: there is no such folder", "name a folder, or a hub name like `google/flan-t5-base`"
        )
    return str(folder) if folder.is_dir() else path, None


def _hub(source: ModelSettings) -> dict[str, Any]:
    return {"revision": source.revision, "trust_remote_code": source.trust_remote_code}


def _config(path: str, source: ModelSettings) -> Any:
    from transformers import AutoConfig

    with told(source.path, lambda: _folder(path, source)):
        config = AutoConfig.from_pretrained(path, **_hub(source))
    refuse_sizes(source.path, config)
    if source.quantize != "none" and getattr(config, "quantization_config", None):
        raise UserError(
            f"`model.quantize` is `{source.quantize}`, and `{source.path}` is quantised already",
            "set `model.quantize: none`, or name the network that it was made of",
        )
    return config


def _folder(path: str, source: ModelSettings) -> Path | None:
    """Where the files of a network lie on this disk."""
    if Path(path).is_dir():
        return Path(path)
    from transformers.utils import cached_file

    with suppress(OSError):
        found = cached_file(path, "config.json", revision=source.revision, local_files_only=True)
        return Path(found).parent if found else None
    return None


def _commit(path: str, source: ModelSettings) -> str | None:
    """The commit of a hub's network that was read: the hub's cache has a folder for each."""
    folder = None if Path(path).is_dir() else _folder(path, source)
    return folder.name if folder is not None and folder.parent.name == "snapshots" else None


def network_class(family: Family) -> Any:
    """transformers' class of networks with a vocabulary head."""
    import transformers

    return {
        "causal": transformers.AutoModelForCausalLM,
        "seq2seq": transformers.AutoModelForSeq2SeqLM,
        "masked": transformers.AutoModelForMaskedLM,
    }[family]


def _network(path: str, source: ModelSettings, config: Any, headed: bool, device: torch.device) -> tuple[Any, bool]:
    """The network, and whether it came without words of its own."""
    kind = network_class(_family(config, source))
    dtype = dtype_of(source.dtype, config, device.type)
    # What is packed is read as the file has it: safetensors are mapped, not copied, until a weight is packed.
    options: dict[str, Any] = {"dtype": dtype if source.quantize == "none" else "auto"}
    if source.attention:
        options["attn_implementation"] = source.attention
    if source.random:
        made = kind.from_config(config, trust_remote_code=source.trust_remote_code, **options)
        initialise(made)
        return _placed(made, source, dtype, device), False
    refuse_pickles(path)
    if Path(path).is_dir():
        refuse_index(Path(path))
    with told(source.path, lambda: _refused(path, source, config)), quiet():
        network, found = kind.from_pretrained(path, use_safetensors=True, output_loading_info=True, **_hub(source), **options)
    wordless = refuse_holes(source.path, found["missing_keys"], found["unexpected_keys"], headed)
    unread = refuse_left_over(source.path, found["unexpected_keys"], network)
    if unread and not headed:
        more = f" (and {len(unread) - 1} more)" if unread[1:] else ""
        print(f"warning: `{source.path}` holds `{unread[0]}`{more}, which this network does not read", file=sys.stderr)
    placed = _placed(network, source, dtype, device)
    refuse_no_numbers(source.path, numbers_of(placed))
    return placed, wordless


def _refused(path: str, source: ModelSettings, config: Any) -> Path | None:
    """Where the files lie of a network that transformers could not read; refused where it is for their shapes."""
    folder, blank = _folder(path, source), _blank(source, config)
    if folder is not None and blank is not None:
        refuse_index(folder)
        refuse_shapes(source.path, folder, blank)
    return folder


def _blank(source: ModelSettings, config: Any) -> Any:
    """The network without numbers; None where none can be made."""
    with suppress(Exception), torch.device("meta"):  # whatever made transformers fail may do so again
        return network_class(_family(config, source)).from_config(config)
    return None


def _placed(network: Any, source: ModelSettings, dtype: torch.dtype, device: torch.device) -> Any:
    """The network on its device, packed where that is asked for."""
    if source.quantize == "nf4":
        read = network.dtype
        quantise(network, device, dtype)
        for parameter in network.parameters():
            if parameter.dtype == read:  # some are kept more precise on purpose
                parameter.data = parameter.data.to(device, dtype)
    return network.to(device)


def _renderer(path: str, source: ModelSettings, family: Family, config: Any) -> Renderer:
    from transformers import AutoTokenizer, GenerationConfig

    with told(source.path, lambda: _folder(path, source), "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(path, **_hub(source))
    try:
        generation = GenerationConfig.from_pretrained(path, revision=source.revision)
    except OSError:  # it may come without one
        generation = None
    try:
        with told(source.path, lambda: _folder(path, source), "tokenizer"):  # a config may say anything of its special tokens
            return Renderer.of(tokenizer, family, config, generation, source.chat)
    except UserError as error:
        if source.path in error.problem:
            raise
        raise UserError(f"`{source.path}`: {error.problem}", error.hint) from None


def _family(config: Any, source: ModelSettings) -> Family:
    found = family_of(config)
    if found is None:
        raise UserError(
            f"`{source.path}` is a `{config.model_type}`, which neither continues, translates nor fills in text",
            "choose a causal, an encoder-decoder or a masked language model",
        )
    wanted = found if source.family == "auto" else source.family
    if wanted != found and "seq2seq" in (found, wanted):
        raise UserError(f"`model.family` is `{wanted}`, but `{source.path}` is of the family `{found}`", "leave it `auto`")
    return wanted


def dtype_of(wanted: str, config: Any, device: str) -> torch.dtype:
    """A CPU computes in float32 unless asked: half precision is several times slower there. Float16 trains badly anywhere."""
    if wanted != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[wanted]
    saved = getattr(config, "dtype", None)
    half = saved in (torch.float16, torch.bfloat16)
    return torch.bfloat16 if half and device != "cpu" else torch.float32
