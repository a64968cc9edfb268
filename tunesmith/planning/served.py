"""Where what was learnt can be used: asked of the method before it learns."""

from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.models.families import Family
from tunesmith.models.sites import ATTENTION_AND_MLP
from tunesmith.planning.step import Counted
from tunesmith.serving.vllm_server import RANKS


def served(method: Method, family: Family, sizes: Counted) -> dict[str, str]:
    """By place: yes or no, and what is to be set or done there."""
    alone = sizes.added == 0
    return {
        "tunesmith": "yes: the run's folder",
        "transformers": "yes: the folder `model/`" if alone else _peft(method, sizes),
        "vLLM": _vllm(method, family, sizes),
        "merged": "not needed: the weights are its own" if alone else _merged(sizes),
    }


def _peft(method: Method, sizes: Counted) -> str:
    return "yes: with PEFT, from the folder `adapter/`" if method.peft_type else "no: PEFT does not have this method"


def _merged(sizes: Counted) -> str:
    if not sizes.merges or not sizes.sites:
        return "no: the change cannot be written into the weights"
    return "yes: written into the weights it is served wherever the base is"


def _vllm(method: Method, family: Family, sizes: Counted) -> str:
    if family != "causal":
        return f"no: of networks of the family `{family}` it serves no text"
    if sizes.added == 0:
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
        return f"no: {why}" + ("; merge it first" if sizes.merges and sizes.sites else "")
    least = next(one for one in RANKS if one >= rank)
    return "yes: `--enable-lora`" + (f" `--max-lora-rank {least}`" if least > 16 else "")
