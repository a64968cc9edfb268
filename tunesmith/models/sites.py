"""Where a network can be changed: its modules, by the part that they play."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.methods.method import Site, Weight
from tunesmith.models.nf4 import NF4Linear

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
CROSSING = re.compile(r"(EncDecAttention|encoder_attn|crossattention|cross_attn)\.")
LAYER = re.compile(r"(?:^|\.)(?:layers?|block|h)\.(\d+)\.")
PARTS = {
    "norm": re.compile(r"(layer_?norm|rms_?norm|(^|[._])norm|(^|\.)ln_\w+|LayerNorm)[^.]*$", re.IGNORECASE),
    "attention": re.compile(r"(attn|attention)", re.IGNORECASE),
    "mlp": re.compile(r"(mlp|DenseReluDense|ffn|feed_forward|block_sparse_moe|fc1|fc2|intermediate|\.output\.dense)"),
}
MLP = re.compile(r"(.*\.)?(mlp|DenseReluDense|ffn|block_sparse_moe)")
ATTENTION_AND_MLP = tuple(ROLES)
ROLE_NAMES = (*ROLES, "mlp", "embedding", "head", "other")


def sites(network: nn.Module, spell: Callable[[str], Sequence[int]] = lambda text: ()) -> Iterator[Site]:
    """Every module that a method may change: linear maps (`other` where the role is unknown), MLPs, embedding, head."""
    embedding = _embedding(network)
    head: Any = network.get_output_embeddings()  # type: ignore[operator]
    two_stacks = bool(getattr(network.config, "is_encoder_decoder", False))
    head_size = _head_size(network.config)
    for path, module in network.named_modules():
        if module is embedding:
            stack = "encoder" if two_stacks and path.startswith(("encoder.", "model.encoder.")) else "only"
            many, wide = embedding.weight.shape
            yield Site(path, "embedding", stack, many, wide, module, partial(weight_of, module), spell)
        elif (shape := linear_shape(module)) is not None:
            role = "head" if module is head else role_of(path)
            yield Site(
                path,
                role,
                _stack(path, two_stacks),
                *shape,
                module,
                partial(weight_of, module),
                spell,
                turn=turning(network, path) if role == "key" else None,
                head=head_size,
                crosses=CROSSING.search(path) is not None and role in ("key", "value"),
            )
        elif MLP.fullmatch(path):
            wide = int(embedding.weight.shape[1])
            yield Site(path, "mlp", _stack(path, two_stacks), wide, wide, module, partial(weight_of, module), spell)


def weights(network: nn.Module) -> Iterator[Weight]:
    """Every parameter of a network, once, by the part that it plays."""
    head: Any = network.get_output_embeddings()  # type: ignore[operator]
    heads = {id(p) for p in head.parameters()} if head is not None else set()
    looked_up = {id(m.weight) for m in network.modules() if isinstance(m, nn.Embedding)}
    two_stacks = bool(getattr(network.config, "is_encoder_decoder", False))
    counts: dict[str, int] = {}
    found = []
    for name, parameter in network.named_parameters():
        stack, layer = _stack(name, two_stacks), LAYER.search(name)
        number = int(layer.group(1)) if layer else None
        counts[stack] = max(counts.get(stack, 0), 0 if number is None else number + 1)
        found.append((name, parameter, stack, number))
    for name, parameter, stack, number in found:
        looks_up = id(parameter) in looked_up and "relative_attention_bias" not in name
        part = "embedding" if looks_up else "head" if id(parameter) in heads else _part(name)
        yield Weight(name, part, stack, number, counts[stack], parameter.ndim)


def shared_weights(network: nn.Module) -> set[str]:
    """Names of the parameters that more than one module has, such as an embedding that is the vocabulary head too."""
    found: dict[int, list[str]] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        found.setdefault(id(parameter), []).append(name)
    return {name for names in found.values() if len({name.rpartition(".")[0] for name in names}) > 1 for name in names}


def unmet(names: Sequence[str], network: nn.Module) -> list[str]:
    """Names in a method's `on` that are no role and mean no module of the network."""
    others = [name for name in names if name not in ROLE_NAMES]
    every = list(sites(network)) if others else []
    return [name for name in others if not any(site.named((name,)) for site in every)]


def beyond_body(network: nn.Module) -> set[str]:
    """Names of the weights between the last states of a network's body and its words, and of no other part."""
    body: Any = network.base_model
    inside = {id(p) for p in body.parameters()}
    return {name for name, p in network.named_parameters() if id(p) not in inside}


def _part(name: str) -> str:
    """The part that a weight inside or beside the layers plays, by the name of its module."""
    module, _, _ = name.rpartition(".")
    return next((part for part, pattern in PARTS.items() if pattern.search(module)), "other")


def _head_size(config: Any) -> int:
    """Numbers of one head of attention; 0 where the config does not tell."""
    size = getattr(config, "head_dim", None) or getattr(config, "d_kv", None)
    heads = getattr(config, "num_attention_heads", 0)
    return int(size or (config.hidden_size // heads if heads else 0))


# Networks whose keys go from the map through rotary positions to attention and nothing else, halves of a head being the pairs;
# and those whose keys go there as they are.
ROTARY = {"llama", "mistral", "qwen2", "gemma", "gemma2", "granite", "mixtral", "starcoder2"}
STRAIGHT = {"t5", "mt5", "bart", "mbart", "opt"}


def turning(network: Any, path: str) -> Callable[..., Tensor] | None:
    """`Site.turn` of a map of keys."""
    kind = network.config.model_type
    if kind in STRAIGHT:
        return _straight
    attention = network.get_submodule(path.rpartition(".")[0])
    return partial(_turned, network) if kind in ROTARY and not hasattr(attention, "k_norm") else None


def _straight(keys_PO: Tensor, back: bool = False) -> Tensor:
    return keys_PO


def _turned(network: Any, keys_PO: Tensor, back: bool = False) -> Tensor:
    """Keys behind rotary positions 0 to P - 1 (Su et al., 2021), or before them."""
    cosine_1PE, sine_1PE = network.model.rotary_emb(keys_PO, torch.arange(len(keys_PO), device=keys_PO.device)[None])
    keys_PHE = keys_PO.view(len(keys_PO), -1, cosine_1PE.shape[-1])
    first, second = keys_PHE.chunk(2, -1)
    cosine, sine = cosine_1PE[0, :, None].float(), sine_1PE[0, :, None].float() * (-1 if back else 1)
    scale = cosine.square() + sine.square()  # not one where a network stretches its positions
    turned: Tensor = keys_PHE * cosine + torch.cat((-second, first), -1) * sine
    return (turned / scale if back else turned).flatten(1)


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
    if isinstance(module, nn.Linear | NF4Linear):
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
    if isinstance(module, NF4Linear):
        return module.dequantised()
    weight: Tensor = module.weight.detach().float()
    return weight.T if stores_transposed(module) else weight


def reads_source(site: Site) -> bool | None:
    """Do the rows that reach this site hold source tokens? None: as it comes, for an embedding that both stacks share."""
    if site.stack == "encoder":
        return True
    if site.role == "embedding":
        return None
    return site.stack == "decoder" and site.crosses


def _stack(path: str, two_stacks: bool) -> str:
    if not two_stacks:
        return "only"
    return "encoder" if re.search(r"(^|\.)encoder\.", path) else "decoder"
