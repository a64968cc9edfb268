"""Reading prompts and speaking one token more, without what transformers does around a network's arithmetic.

The same modules with the same weights in the same order, but for three things. Prompts are read side by side without
padding, a few hundred tokens at a time, so that activations stay in the processor's cache. Of the last layer of a causal
network only the states that are asked for are computed. And what is the same in all layers is made once a step.

`Llama` and `T5` serve networks that are proved equal to transformers' own way by a law; `direct` says for which others that
way has to be taken. Hooks at linear maps, MLPs and the embedding are honoured, which is where adapters stand. As in packed
training, a delta sees tokens of several sequences in one row, and has to treat each token by itself.

Dimension key: B rows under way, n rows read, K tokens of all of them, T tokens of one, C columns of the cache, U columns of
the source, D hidden size, H heads, E size of a head, I inputs and O outputs of a map.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tunesmith.models.cache import PairCache, RowCache
from tunesmith.models.flat import signed
from tunesmith.models.lean import is_lean
from tunesmith.models.nf4 import NF4Linear
from tunesmith.models.products import product
from tunesmith.models.routing import Routing, calling, reading_source
from tunesmith.models.spans import Shared, aligned, attend, by_heads, over, spans_of
from tunesmith.tokens.batch import Batch

TOGETHER = 1024  # tokens read at once; fewer where one prompt has more
ROTARY = {"default", "linear", "llama3"}  # keys that do not depend on the longest row of a batch


class Direct(Protocol):
    """A network read and stepped directly."""

    def read(self, batch: Batch, adapters: Sequence[str]) -> tuple[Tensor, RowCache | PairCache]:
        """[n, D] what the head gets for the last token of each row, and the rows' keys and values, right-aligned.

        adapters: of each row.
        """
        ...

    def step(
        self, ids_B: Tensor, lengths: list[int], cache: Any, routing: Routing, sources: list[int], shared: Sequence[Shared] = ()
    ) -> Tensor:
        """[B, D] what the head gets when every row has said one more token.

        lengths, sources: tokens of each row in the cache, and of its source.
        shared: what some rows begin with alike, which is not in the cache.
        """
        ...


def direct(network: nn.Module) -> Direct | None:
    """A direct way through this network; None where none is proved."""
    kind = _KINDS.get(f"{type(network).__module__}.{type(network).__name__}")
    config: Any = network.config
    if kind is None or kind.why_not(config) or not _plain(network):
        return None
    return kind(network)


def _plain(network: nn.Module) -> bool:
    """Does the network stand as transformers made it, on the CPU in float32, with hooks only where they are honoured?"""
    if any(p.device.type != "cpu" or p.dtype != torch.float32 for p in network.parameters()):
        return False
    two_stacks: Any = network.config.is_encoder_decoder  # type: ignore[union-attr]
    # These two instances are wrapped by `families.take_off_head` and `adapter.tell_sides`; lean forms say the same.
    own = {network.get_output_embeddings(), network.get_encoder() if two_stacks else None}  # type: ignore[operator]
    for module in network.modules():
        if module not in own and "forward" in vars(module) and not is_lean(module):
            return False
        hooked = module._forward_hooks or module._forward_pre_hooks
        if hooked and type(module) not in (nn.Linear, NF4Linear, nn.Embedding) and type(module).__name__ not in MLPS:
            return False
        if isinstance(module, nn.Linear | nn.Embedding) and type(module) not in (nn.Linear, nn.Embedding):
            return False
    return True


MLPS = {"LlamaMLP", "MistralMLP", "Qwen2MLP", "Qwen3MLP", "T5DenseActDense", "T5DenseGatedActDense"}


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _bare(linear: nn.Module) -> bool:
    """Is it no more than a product?"""
    return type(linear) is nn.Linear and not _hooked(linear)


def mapped(linear: Any, x: Tensor) -> Tensor:
    """[..., I] -> [..., O], through the module's hooks where it has any."""
    if not _bare(linear):
        return linear(x)  # type: ignore[no-any-return]
    return product(x, linear.weight, linear.bias)


def _onto(x: Tensor, linear: Any, inputs: Tensor) -> Tensor:
    """x and what the map says, in memory that is surely its own."""
    return product(inputs, linear.weight, linear.bias).add_(x) if _bare(linear) else x + linear(inputs)


def by_token(adapters: Sequence[str], lengths: Sequence[int]) -> str | list[str]:
    """The adapter of each of K tokens laid end to end: one name where all share it."""
    if len(set(adapters)) == 1:
        return adapters[0]
    return [name for name, length in zip(adapters, lengths, strict=True) for _ in range(length)]


class Llama:
    """Llama, Mistral and Qwen 2: norm, rotary attention, norm, gated MLP."""

    def __init__(self, network: Any) -> None:
        self.body = network.model
        self.layers = list(self.body.layers[: network.config.num_hidden_layers])
        self.size = self.layers[0].self_attn.head_dim

    @staticmethod
    def why_not(config: Any) -> str:
        """What in a config takes the direct way away; "" where nothing does."""
        if set(getattr(config, "layer_types", None) or ()) - {"full_attention"}:
            return "layers that do not see all tokens"
        if config.model_type == "mistral" and config.sliding_window is not None:
            return "sliding windows"
        if (config.rope_parameters or {}).get("rope_type", "default") not in ROTARY:
            return "rotary keys that depend on the longest row"
        return "" if config._attn_implementation in ("sdpa", "eager") else "attention that is not plain"

    def read(self, batch: Batch, adapters: Sequence[str]) -> tuple[Tensor, RowCache]:
        lengths = batch.lengths.tolist()
        virtual_1K = batch.virtual[batch.mask][None]
        last_n = batch.lengths.cumsum(0) - 1
        cache = RowCache()
        with calling(Routing(by_token(adapters, lengths), virtual_1K)):
            x = self.body.embed_tokens(batch.input_ids[batch.mask][None])
            turns = signed(*self.body.rotary_emb(x, batch.positions[batch.mask][None]))
            for number, layer in enumerate(self.layers[:-1]):
                query, keys, values = self._project(layer, x, turns, lengths, cache, number)
                pairs = zip(query, keys, values, strict=True)
                heads = [self._causal(layer, *one).transpose(1, 2).reshape(1, -1, self._wide(layer)) for one in pairs]
                x = self.rest(layer, x, heads[0] if len(heads) == 1 else torch.cat(heads, 1))
            layer = self.layers[-1]
            *_, keys, values = self._project(layer, x, turns, lengths, cache, len(self.layers) - 1, asked=False)
        with calling(Routing(adapters, virtual_1K[:, last_n])):
            x, turns = x[:, last_n], (turns[0][:, last_n], turns[1][:, last_n])
            asking = rotate(by_heads(mapped(layer.self_attn.q_proj, layer.input_layernorm(x)), self.size), turns)
            said = [
                attend(asking[:, :, row : row + 1], keys[row], values[row], None, layer.self_attn.scaling)
                for row in range(len(lengths))
            ]
            states: Tensor = self.body.norm(self.rest(layer, x, torch.cat(said, 1)))
            return states[0], cache

    def step(
        self,
        ids_B: Tensor,
        lengths: list[int],
        cache: RowCache,
        routing: Routing,
        sources: list[int],
        shared: Sequence[Shared] = (),
    ) -> Tensor:
        positions_B = torch.tensor(lengths, device=ids_B.device)
        for one in shared:
            positions_B[one.rows] += one.length
        with calling(routing):
            x = self.body.embed_tokens(ids_B[:, None])
            cos, sin = signed(*self.body.rotary_emb(x, positions_B[:, None]))
            turns = cos[:, None], sin[:, None]
            spans = spans_of([length + 1 for length in lengths], x.device)
            for number, (layer, columns) in enumerate(zip(self.layers, cache.layers, strict=True)):
                attention, rows = layer.self_attn, (len(ids_B), -1, 1, self.size)
                normed = layer.input_layernorm(x)
                query = rotate(mapped(attention.q_proj, normed).view(rows), turns)
                keys, values = columns.update(
                    rotate(mapped(attention.k_proj, normed).view(rows), turns), mapped(attention.v_proj, normed).view(rows)
                )
                begun = [one.at(number) for one in shared]
                x = self.rest(layer, x, over(spans, query, keys, values, attention.scaling, begun))
            states: Tensor = self.body.norm(x)
            return states[:, 0]

    def _wide(self, layer: Any) -> int:
        return int(layer.self_attn.o_proj.in_features)

    def _project(
        self, layer: Any, x: Tensor, turns: Any, lengths: list[int], cache: RowCache, number: int, asked: bool = True
    ) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]]:
        """Queries (where asked for), keys and values of each row [1, H, T, E]; the last two go into the cache too."""
        attention, normed = layer.self_attn, layer.input_layernorm(x)
        query: Sequence[Tensor] = ()
        if asked:
            query = torch.split(rotate(by_heads(mapped(attention.q_proj, normed), self.size), turns), lengths, 2)
        keys = torch.split(rotate(by_heads(mapped(attention.k_proj, normed), self.size), turns), lengths, 2)
        values = torch.split(by_heads(mapped(attention.v_proj, normed), self.size), lengths, 2)
        cache.update(aligned(keys), aligned(values), number)
        return query, keys, values

    def _causal(self, layer: Any, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        shared = query.shape[1] != keys.shape[1]
        return F.scaled_dot_product_attention(
            query, keys, values, is_causal=True, scale=layer.self_attn.scaling, enable_gqa=shared
        )

    def rest(self, layer: Any, x: Tensor, heads: Tensor) -> Tensor:
        """What follows the heads of a layer."""
        x = _onto(x, layer.self_attn.o_proj, heads)
        mlp, normed = layer.mlp, layer.post_attention_layernorm(x)
        if _hooked(mlp):
            return x + mlp(normed)  # type: ignore[no-any-return]
        said = mlp.act_fn(mapped(mlp.gate_proj, normed)).mul_(mapped(mlp.up_proj, normed))
        return _onto(x, mlp.down_proj, said)


def rotate(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary position embedding (Su et al., 2021) of [..., E], the halves of a head being the pairs."""
    first, second = x.chunk(2, -1)
    return torch.addcmul(x * turns[0], torch.cat((second, first), -1), turns[1])


class T5:
    """T5: relative biases, no scale; an encoder whose states every layer of the decoder reads."""

    def __init__(self, network: Any) -> None:
        self.network, self.config = network, network.config
        self.encoder, self.decoder = network.encoder, network.decoder
        self.size = self.config.d_kv
        self.biases: Tensor | None = None  # [1, H, 1, N] of the newest token to the N last, itself included

    @staticmethod
    def why_not(config: Any) -> str:
        """What in a config takes the direct way away; "" where nothing does."""
        return "" if config._attn_implementation in ("sdpa", "eager") else "attention that is not plain"

    def read(self, batch: Batch, adapters: Sequence[str]) -> tuple[Tensor, PairCache]:
        assert batch.source_ids is not None and batch.source_virtual is not None and batch.source_lengths is not None
        lengths = batch.source_lengths.tolist()
        cache = PairCache()
        with calling(Routing(by_token(adapters, lengths), None, batch.source_virtual[batch.source_mask][None])):
            with reading_source():
                states_1KD = self._encode(batch.source_ids[batch.source_mask][None], lengths)
            for number, block in enumerate(self.decoder.block):
                cross = block.layer[1].EncDecAttention
                sides = [torch.split(by_heads(mapped(part, states_1KD), self.size), lengths, 2) for part in (cross.k, cross.v)]
                cache.cross_attention_cache.update(*(aligned(side, left=True) for side in sides), number)
        return self.step(batch.input_ids[:, 0], [0] * len(lengths), cache, Routing(adapters), lengths), cache

    def step(
        self,
        ids_B: Tensor,
        lengths: list[int],
        cache: PairCache,
        routing: Routing,
        sources: list[int],
        shared: Sequence[Shared] = (),
    ) -> Tensor:
        own, cross = cache.self_attention_cache, cache.cross_attention_cache
        rows = (len(ids_B), -1, 1, self.size)
        with calling(routing):
            x = self.decoder.embed_tokens(ids_B[:, None])
            spans = spans_of([length + 1 for length in lengths], x.device, biases=self._biases(max(lengths) + 1))
            across = spans_of(sources, x.device, left=True)
            for number, block in enumerate(self.decoder.block):
                layer, attention = block.layer[0], block.layer[0].SelfAttention
                normed = layer.layer_norm(x)
                keys, values = own.update(
                    mapped(attention.k, normed).view(rows), mapped(attention.v, normed).view(rows), number
                )
                said = over(spans, mapped(attention.q, normed).view(rows), keys, values, 1.0)
                x = _onto(x, attention.o, said)
                layer, attention, columns = block.layer[1], block.layer[1].EncDecAttention, cross.layers[number]
                query = mapped(attention.q, layer.layer_norm(x)).view(rows)
                x = _onto(x, attention.o, over(across, query, columns.keys, columns.values, 1.0))
                x = self._feed(block.layer[2], x)
            return self._scaled(self.decoder.final_layer_norm(x)[:, 0])

    def _encode(self, ids_1K: Tensor, lengths: list[int]) -> Tensor:
        x = self.encoder.embed_tokens(ids_1K)
        bias = {length: self._square(length) for length in set(lengths)}
        for block in self.encoder.block:
            layer, attention = block.layer[0], block.layer[0].SelfAttention
            normed = layer.layer_norm(x)
            maps = (attention.q, attention.k, attention.v)
            rows = zip(*(torch.split(by_heads(mapped(part, normed), self.size), lengths, 2) for part in maps), strict=True)
            heads = [
                F.scaled_dot_product_attention(query, keys, values, bias[length], scale=1.0).transpose(1, 2).flatten(2)
                for (query, keys, values), length in zip(rows, lengths, strict=True)
            ]
            x = _onto(x, attention.o, heads[0] if len(heads) == 1 else torch.cat(heads, 1))
            x = self._feed(block.layer[1], x)
        return self.encoder.final_layer_norm(x)  # type: ignore[no-any-return]

    def _feed(self, layer: Any, x: Tensor) -> Tensor:
        mlp, normed = layer.DenseReluDense, layer.layer_norm(x)
        if _hooked(mlp):
            return x + mlp(normed)  # type: ignore[no-any-return]
        if self.config.is_gated_act:
            said = mlp.act(mapped(mlp.wi_0, normed)).mul_(mapped(mlp.wi_1, normed))
        else:
            said = mlp.act(mapped(mlp.wi, normed))
        return _onto(x, mlp.wo, said)

    def _square(self, length: int) -> Tensor:
        """[1, H, T, T] biases of the encoder: a window over those of all distances, one place further left a row."""
        attention = self.encoder.block[0].layer[0].SelfAttention
        distances_1H1N = attention.compute_bias(1, 2 * length - 1, past_seen_tokens=length - 1)
        return distances_1H1N[:, :, 0].unfold(2, length, 1).flip(2).contiguous()  # type: ignore[no-any-return]

    def _biases(self, width: int) -> Tensor:
        """[1, H, 1, C] biases of the newest token to each column of the decoder's own."""
        if self.biases is None or self.biases.shape[-1] < width:
            attention = self.decoder.block[0].layer[0].SelfAttention
            self.biases = attention.compute_bias(1, 2 * width, past_seen_tokens=2 * width - 1)
        biases: Tensor = self.biases
        return biases[..., -width:]

    def _scaled(self, states_BD: Tensor) -> Tensor:
        """Tied heads of T5 read states scaled by the width."""
        scaled = getattr(self.config, "scale_decoder_outputs", self.config.tie_word_embeddings)
        return states_BD * self.config.d_model**-0.5 if scaled else states_BD


_MODELING = "transformers.models.{0}.modeling_{0}.{1}".format
_KINDS: dict[str, type[Llama] | type[T5]] = {
    _MODELING("llama", "LlamaForCausalLM"): Llama,
    _MODELING("mistral", "MistralForCausalLM"): Llama,
    _MODELING("qwen2", "Qwen2ForCausalLM"): Llama,
    _MODELING("t5", "T5ForConditionalGeneration"): T5,
}
