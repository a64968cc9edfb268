"""Where what was learnt can be used: asked of the method before it learns."""

from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.models.families import Family
from tunesmith.models.sites import ATTENTION_AND_MLP
from tunesmith.planning.step import Counted
from tunesmith.serving.vllm_server import RANKS


def served(method: Method, family: Family, sizes: Counted) -> dict[str, str]:
    """By place: yes or no, and what is to be set or done there."""
    whole = isinstance(method, Full)  # else an adapter is written (`models/weights.py: save_adapter`)
    return {
        "tunesmith": "yes: the run's folder",
        "transformers": _model(sizes) if whole else _peft(method, sizes),
        "vLLM": _vllm(method, family, sizes),
        "merged": "not needed: the weights are its own" if whole else _merged(sizes),
    }


def _model(sizes: Counted) -> str:
    if sizes.headed:
        return "yes: the folder `model/` without its head; `tunesmith merge` writes both where a class there has it"
    return "yes: the folder `model/`"


def _peft(method: Method, sizes: Counted) -> str:
    if sizes.peft:
        return "yes: with PEFT, from the folder `adapter/`"
    return f"no: PEFT {'has no place for this in the network' if method.peft_type else 'does not have this method'}"


def _merged(sizes: Counted) -> str:
    if not sizes.merges:
        return "no: the change cannot be written into the weights"
    return "yes: written into the weights it is served wherever the base is"


def _vllm(method: Method, family: Family, sizes: Counted) -> str:
    if family != "causal":
        return f"no: of networks of the family `{family}` it serves no text"
    if sizes.headed:
        return "no: it knows no heads beside the network"
    if isinstance(method, Full):
        return "yes: the folder `model/`"
    file = method.peft_config((), {}) if isinstance(method, LoRA) else {}  # a PiSSA is a LoRA of twice the rank there
    rank = int(file.get("r", 0))
    reasons = {
        "of adapters it takes LoRA only": not rank or bool(file.get("use_dora")),
        "it takes LoRA on linear maps of attention and MLP only": not sizes.roles <= set(ATTENTION_AND_MLP),
        "weights are trained beside the adapter (`modules_to_save`)": sizes.trained != sum(site[3] for site in sizes.sites),
        f"its largest rank is {RANKS[-1]}": rank > RANKS[-1],
    }
    if why := next((reason for reason, holds in reasons.items() if holds), ""):
        return f"no: {why}" + ("; merge it first" if sizes.merges else "")
    least = next(one for one in RANKS if one >= rank)
    return "yes: `--enable-lora`" + (f" `--max-lora-rank {least}`" if least > 16 else "")
