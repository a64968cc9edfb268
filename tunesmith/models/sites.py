"""Where a network can be changed: its modules, by the part that they play."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from tunesmith.methods.method import Site

# The first pattern that matches the end of a module's path names its role. Roles of linear maps first.
ROLES = {
    "qkv": r"(attn\.c_attn|query_key_value|qkv_proj|Wqkv|qkv)",
    "query": r"(q_proj|query|q_lin|SelfAttention\.q|EncDecAttention\.q|q_attn)",
    "key": r"(k_proj|key|k_lin|SelfAttention\.k|EncDecAttention\.k)",
    "value": r"(v_proj|value|v_lin|SelfAttention\.v|EncDecAttention\.v)",
    "attention_out": r"(o_proj|attn\.c_proj|(Self|EncDec)Attention\.o|\w*attn\.(out_proj|dense)"
    r"|\w*attention\.(dense|output\.dense|out_lin))",
    "mlp_gate": r"(gate_proj|wi_0)",
    "mlp_up": r"(up_proj|gate_up_proj|mlp\.c_fc|DenseReluDense\.wi|wi_1|intermediate\.dense|fc1|ffn\.lin1|dense_h_to_4h)",
    "mlp_down": r"(down_proj|mlp\.c_proj|DenseReluDense\.wo|output\.dense|fc2|ffn\.lin2|dense_4h_to_h)",
}
LINEAR = {role: re.compile(rf"(.*\.)?{pattern}") for role, pattern in ROLES.items()}
MLP = re.compile(r"(.*\.)?(mlp|DenseReluDense|ffn|block_sparse_moe)")
ATTENTION_AND_MLP = tuple(ROLES)


def sites(network: nn.Module, spell: Callable[[str], Sequence[int]] = lambda text: ()) -> Iterator[Site]:
    """Every module that a method may change: linear maps (`other` where the role is unknown), MLPs, embedding, head."""
    embedding = _embedding(network)
    head: Any = network.get_output_embeddings()  # type: ignore[operator]
    two_stacks = bool(getattr(network.config, "is_encoder_decoder", False))
    for path, module in network.named_modules():
        if module is embedding:
            stack = "encoder" if two_stacks and path.startswith(("encoder.", "model.encoder.")) else "only"
            many, wide = embedding.weight.shape
            yield Site(path, "embedding", stack, many, wide, module, partial(weight_of, module), spell)
        elif (shape := linear_shape(module)) is not None:
            role = "head" if module is head else role_of(path)
            yield Site(path, role, _stack(path, two_stacks), shape[0], shape[1], module, partial(weight_of, module), spell)
        elif MLP.fullmatch(path):
            wide = int(embedding.weight.shape[1])
            yield Site(path, "mlp", _stack(path, two_stacks), wide, wide, module, partial(weight_of, module), spell)


def _embedding(network: nn.Module) -> Any:
    """The module that looks up what is read first: the encoder's, which may be the decoder's too."""
    two_stacks = getattr(network.config, "is_encoder_decoder", False)
    first: Any = network.get_encoder() if two_stacks else network  # type: ignore[operator]
    return first.get_input_embeddings()


def role_of(path: str) -> str:
    """The part that a linear map plays, by its path; `other` where no pattern matches."""
    return next((role for role, pattern in LINEAR.items() if pattern.fullmatch(path)), "other")


def linear_shape(module: nn.Module) -> tuple[int, int] | None:
    """(inputs, outputs) of a linear map, whichever way it stores its weight; None for any other module."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    if stores_transposed(module):
        weight: Any = module.weight
        return int(weight.shape[0]), int(weight.shape[1])
    return None


def stores_transposed(module: nn.Module) -> bool:
    """Is this GPT-2's `Conv1D`, a linear map that keeps its weight as [I, O]?"""
    return type(module).__name__ == "Conv1D"


def weight_of(module: Any) -> Tensor:
    """[O, I] float32, a linear map's weight whichever way it keeps it; [V, D] of an embedding. May share its memory."""
    weight: Tensor = module.weight.detach().float()
    return weight.T if stores_transposed(module) else weight


def reads_source(site: Site) -> bool | None:
    """Do the rows that reach this site hold source tokens? None: as it comes, for an embedding that both stacks share."""
    if site.stack == "encoder":
        return True
    if site.role == "embedding":
        return None
    crosses = re.search(r"(EncDecAttention|encoder_attn|crossattention|cross_attn)\.", site.path) is not None
    return site.stack == "decoder" and crosses and site.role in ("key", "value")


def _stack(path: str, two_stacks: bool) -> str:
    if not two_stacks:
        return "only"
    return "encoder" if re.search(r"(^|\.)encoder\.", path) else "decoder"
