"""`tunesmith inspect`: how far tuning moved a network, of what rank that was, and which words soft prompts lie near.

Dimension key: O outputs, I inputs, R rank, P virtual tokens, V words of the vocabulary, D hidden size, K nearest words.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from tunesmith.comparison import inspected_panels
from tunesmith.comparison.inspected import Change, Inspected, Near, Prompt, Tightness, VirtualToken, markdown
from tunesmith.errors import UserError
from tunesmith.methods.adalora import Triplets
from tunesmith.methods.lora import LowRank
from tunesmith.methods.method import Delta, Site
from tunesmith.models.classifiers import has_head
from tunesmith.models.identity import kept_identity, weights_hash
from tunesmith.models.load import ASSETS, ModelSettings, adapter_of, base_of, load, put_on
from tunesmith.models.model import Model
from tunesmith.models.sites import CROSSING, LINEAR, role_of
from tunesmith.models.weights import read_config
from tunesmith.run import Run, write_text

SAMPLE = 256  # words and random vectors that virtual tokens are held against


@dataclass(frozen=True)
class Inspection:
    """What was found, and the folder that holds it."""

    found: Inspected
    folder: Path


def inspect(run: str | Path, *, nearest: int = 5, base: str | None = None, into: str | Path | None = None) -> Inspection:
    """Look into what a run learnt, and write tables and plots. Command: `tunesmith inspect`.

    Args:
        run: a run's folder.
        nearest: words named beside each virtual token; all others of the vocabulary where it has fewer.
        base: the network it was tuned from, where it is not found under the name that the run has for it.
        into: folder for the files; `RUN/inspection` where None.

    Raises:
        UserError: nothing was learnt there, or its base is not found, or another network is named as its base.
    """
    if nearest < 1:
        raise UserError(f"`--nearest` is {nearest}: no word would be named", "give a number from 1")
    record = Run(Path(run))
    recipe = record.recipe()
    folder = Path(into or record.folder / "inspection")
    world = record.world()
    from_ = base or str(recipe["model"]["path"])
    revision = None if base else world.get("revision")
    changes: list[Change] = []
    prompts: list[Prompt] = []
    left_out: list[str] = []
    if (record.folder / "model").is_dir():
        tuned, before = Stored(record.folder / "model"), Stored(base_folder(from_, revision))
        left_out += doubts(before, None if revision else world.get("base_hash"))  # a commit of the hub stays as it is
        refuse_other({name: tuned.shape(name) for name in tuned.files}, before)
        changes += differences(tuned.files, tuned.read, before, left_out)
    elif (record.folder / "adapter").is_dir():
        model = with_adapter(record.folder, base)
        adapter, beside = model.adapter("run"), list[str]()
        for path, delta in adapter.deltas.items():
            site = adapter.sites[path]
            if site.role == "embedding" and hasattr(delta, "vectors_PD"):
                prompts.append(prompt(model, site, virtual(delta, model.virtual_tokens, site.outputs), nearest))
            elif (found := of_delta(site, delta)) is not None:
                changes.append(found)
            else:
                beside.append(type(delta).__name__)
        left_out += [f"{beside.count(name)} of `{name}` cannot be written into weights." for name in sorted(set(beside))]
        freed = adapter.freed
        if freed:
            before = Stored(base_folder(from_, revision))
            left_out += doubts(before, None if revision else kept_identity(record.folder / "adapter").get("weights"))
            refuse_other({name: p.shape for name, p in freed.items()}, before)
            changes += differences(freed, lambda name: freed[name].detach().float(), before, left_out)
    else:
        raise UserError(f"`{run}` has learnt nothing: it has neither `adapter/` nor `model/`", "name a run that was trained")
    kind = recipe["method"] if isinstance(recipe["method"], str) else str(recipe["method"]["kind"])
    sorted_ = tuple(sorted(changes, key=order))
    made = Inspected(record.name, kind, from_, sorted_, tuple(prompts), tuple(left_out), world.get("best_step"))
    return Inspection(made, written(made, folder))


def with_adapter(folder: Path, base: str | None) -> Model:
    """The network of a run with its adapter; `base`: the network, where it is another than the adapter names."""
    if base is None:
        return load(ModelSettings(path=str(folder)), device="cpu")
    place = folder / "adapter"
    if (lower := adapter_of(base)) is not None:
        raise UserError(
            f"`--base` is `{base}`, an adapter and no network", f"name a network, such as its base `{base_of(lower)}`"
        )
    chat, bits = str(kept_identity(place).get("chat", "auto")), read_config(place).get("base_quantize", "none")
    return put_on(place, load(ModelSettings(path=base, chat=chat, quantize=bits), device="cpu", headed=has_head(place)))


def doubts(base: "Stored", kept: str | None) -> list[str]:
    """A sentence where the base is known to have other weights by now than when the run began (`models/identity.py`)."""
    if kept is None or not base.place.is_dir() or weights_hash(base.place) == kept:
        return []
    return [
        f"`{base.place}` has other weights than the network that this was tuned from: the changes hold that difference too."
    ]


def refuse_other(shapes: Mapping[str, Sequence[int]], base: "Stored") -> None:
    """Refuse a base that lacks most of these tensors, or has them in other shapes: it is another network."""
    there = [name for name, shape in shapes.items() if (found := base.name(name)) and base.shape(found) == tuple(shape)]
    if 2 * len(there) < len(shapes):
        raise UserError(
            f"`{base.place}` is another network: {len(there)} of {len(shapes)} tensors of the run are there in the same shape",
            "name the network that the run was tuned from with `--base`",
        )


def written(made: Inspected, folder: Path) -> Path:
    """Write `inspection.json`, `inspection.md` and the plots."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = inspected_panels.write(made, folder)
    shown = [path.name for path in plots if path.suffix == ".png" and not path.stem.endswith("-dark")]
    write_text(folder / "inspection.json", json.dumps(made.as_tree(), ensure_ascii=False, indent=1) + "\n")
    write_text(folder / "inspection.md", markdown(made, shown))
    return folder


@torch.no_grad()
def of_delta(site: Site, delta: Delta) -> Change | None:
    """What a delta adds to its site's weight; None where it cannot be folded into it."""
    weight_OI = site.weight()
    if isinstance(delta, LowRank) and type(delta).fold is LowRank.fold:
        values_R = delta.scale * product_singular_values(delta.b_OR.detach(), delta.a_RI.detach())
        return change(site.path, site.stack, values_R, weight_OI, delta.a_RI.shape[0])
    if isinstance(delta, Triplets):
        used_R = delta.in_use()
        a_RI, b_OR = (delta.a_RI * delta.e_R1)[used_R], delta.b_OR[:, used_R]
        rank = int(used_R.sum())
        values_R = delta.scale * product_singular_values(b_OR.detach(), a_RI.detach()) if rank else torch.zeros(1)
        return replace(change(site.path, site.stack, values_R, weight_OI, rank), given=rank)
    try:
        added_OI = delta.fold(weight_OI) - weight_OI
    except NotImplementedError:
        return None
    return change(site.path, site.stack, singular_values(added_OI), weight_OI, min(added_OI.shape))


def product_singular_values(b_OR: Tensor, a_RI: Tensor) -> Tensor:
    """[R] singular values of B A, from two thin QR decompositions and a product of R by R."""
    of_b_RR = torch.linalg.qr(b_OR.double(), mode="r").R
    of_a_RR = torch.linalg.qr(a_RI.T.double(), mode="r").R
    values_R: Tensor = torch.linalg.svdvals(of_b_RR @ of_a_RR.T)
    return values_R


def singular_values(matrix: Tensor) -> Tensor:
    """Singular values, the largest first; of a long matrix by its triangular factor."""
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    factor = torch.linalg.qr(tall, mode="r").R if tall.shape[0] > 2 * tall.shape[1] else tall
    values: Tensor = torch.linalg.svdvals(factor)
    return values


def change(path: str, stack: str, values: Tensor, weight: Tensor, limit: int) -> Change:
    """The numbers of a change from its singular values (or, of a vector, from its one norm)."""
    norm = float(values.double().square().sum().sqrt())
    own = float(weight.double().norm())
    shares = values.double() / values.double().sum() if norm else values
    energy = values.double().square().cumsum(0) / norm**2 if norm else values
    matrix = weight.ndim == 2 and norm > 0
    entropy = -float(torch.special.xlogy(shares, shares).sum())
    return Change(
        site=path,
        row=row_of(path, stack),
        role=part_of(path),
        shape=tuple(weight.shape),
        norm=norm,
        relative=norm / own if own else 0.0,
        singular=tuple(float(f"{value:.6g}") for value in values.tolist()) if matrix else (),
        limit=limit,
        stable_rank=norm**2 / float(values[0]) ** 2 if matrix else None,
        effective_rank=math.exp(entropy) if matrix else None,
        rank_90=int((energy < 0.9 - 1e-12).sum()) + 1 if matrix else None,
    )


def row_of(path: str, stack: str = "") -> str:
    """`encoder 0`, `layer 3`; `outside` of the layers."""
    number = re.search(r"\.(\d+)\.", path)
    if number is None:
        return "outside"
    found = stack if stack in ("encoder", "decoder") else next(iter(re.findall(r"(?:^|\.)(encoder|decoder)\.", path)), "")
    return f"{found if found and stack != 'only' else 'layer'} {number[1]}"


ROLES = ("embedding", *LINEAR, *(f"cross_{role}" for role in LINEAR), "norm", "other", "head")


def order(change: Change) -> tuple[int, int, int]:
    """As a network is read: the encoder first, layer by layer; what is outside of the layers last."""
    stack, _, number = change.row.partition(" ")
    stacks = ("encoder", "layer", "decoder", "outside")
    return stacks.index(stack), int(number or 0), ROLES.index(change.role)


def part_of(path: str) -> str:
    """A module's role; what is no linear map of a known role goes by the kind of its name."""
    role = role_of(path)
    if role != "other":
        return f"cross_{role}" if CROSSING.search(path) else role
    if re.search(r"norm|ln_|layer_norm", path, re.IGNORECASE):
        return "norm"
    if re.search(r"embed|wte|wpe|shared", path):
        return "embedding"
    return "head" if path.endswith("lm_head") else "other"


class Stored:
    """Tensors of a safetensors file, or of those in a folder, by name; each is read when it is asked for."""

    def __init__(self, place: Path) -> None:
        self.place = place
        files = [place] if place.is_file() else sorted(place.glob("*.safetensors"))
        self.files: dict[str, Path] = {}
        for file in files:
            if file.name != "head.safetensors":
                with safe_open(file, "pt") as opened:
                    self.files |= dict.fromkeys(opened.keys(), file)
        if not self.files:
            raise UserError(f"`{place}` has no weights as safetensors", "name the folder of a network with `--base`")

    def name(self, name: str) -> str | None:
        """The name here of a tensor elsewhere: the same, or with another prefix."""
        if name in self.files:
            return name
        alike = [one for one in self.files if one.endswith(f".{name}") or name.endswith(f".{one}")]
        return alike[0] if len(alike) == 1 else None

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, which is not read."""
        with safe_open(self.files[name], "pt") as opened:
            return tuple(opened.get_slice(name).get_shape())

    def read(self, name: str) -> Tensor:
        """A tensor in float32."""
        with safe_open(self.files[name], "pt") as opened:
            found: Tensor = opened.get_tensor(name).float()
        return found


def differences(names: Iterable[str], read: Callable[[str], Tensor], base: Stored, left_out: list[str]) -> Iterator[Change]:
    """Tensor by tensor, how far it is from the one of that name in the base; what has no such is told in `left_out`."""
    for name in names:
        before = base.name(name)
        weight, after = None if before is None else base.read(before), read(name)
        if weight is None or weight.shape != after.shape:
            left_out.append(f"{name}: not in `{base.place}` in this shape.")
        elif after.ndim <= 2:
            path, _, kind = name.rpartition(".")
            added = after - weight
            values = singular_values(added) if after.ndim == 2 else added.norm().reshape(1)
            yield change(path if kind == "weight" else name, "", values, weight, min(after.shape))
        else:
            left_out.append(f"{name}: {after.ndim} dimensions, so no one matrix.")


def base_folder(path: str, revision: str | None = None) -> Path:
    """The folder with the weights of a network: one that comes along, one on this disk, or the hub's in its cache."""
    if path.startswith("town/"):
        return Path(ASSETS) / path.removeprefix("town/")
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder / "model" if (folder / "model" / "config.json").is_file() else folder
    if path.startswith((".", "/", "~")) or path.count("/") != 1:
        raise UserError(f"the run was tuned from `{path}`, which is not here", "say where it is with `--base`")
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(path, revision=revision, allow_patterns=["*.safetensors"]))


@torch.no_grad()
def virtual(delta: Delta, tokens: int, width: int) -> Tensor:
    """[P, D] what a delta of the embedding says at virtual tokens, however it makes that."""
    places = torch.arange(tokens)[None]
    said: Tensor = delta.after(torch.zeros_like(places), torch.zeros(1, tokens, width), places)
    return said[0]


@torch.no_grad()
def prompt(model: Model, site: Site, vectors_PD: Tensor, nearest: int) -> Prompt:
    """The words near each virtual token, and how near, against random vectors and against words."""
    tokenizer: Any = model.renderer.tokenizer
    special = set(tokenizer.all_special_ids)
    ids = [number for number in range(min(len(tokenizer), site.inputs)) if number not in special]
    nearest = min(nearest, len(ids) - 1)  # a word has no more neighbours
    words_VD = torch.cat(
        [site.module(part).float() for part in torch.tensor(ids).tensor_split(-(-len(ids) // 4096))]
    )  # as the site says them
    names = [name.replace("\n", "\\n") for name in tokenizer.convert_ids_to_tokens(ids)]  # a table has a line a token
    generator = torch.Generator().manual_seed(0)
    sample_V = torch.randperm(len(ids), generator=generator)[:SAMPLE]
    lengths = vectors_PD.norm(dim=1)
    random = torch.nn.functional.normalize(torch.randn(SAMPLE, words_VD.shape[1], generator=generator), dim=1)
    random = random * lengths[torch.arange(SAMPLE) % len(lengths)][:, None]
    tightness = (
        tight("virtual tokens", vectors_PD, words_VD, nearest),
        tight("random vectors", random, words_VD, nearest),
        tight("words", words_VD[sample_V], words_VD, nearest, own=sample_V),
    )
    cosines_PV, distances_PV = compared(vectors_PD, words_VD)
    tokens = []
    for place in range(len(vectors_PD)):
        chosen = (cosines_PV[place].topk(nearest).indices, distances_PV[place].topk(nearest, largest=False).indices)
        cosine, distance = (
            tuple(Near(names[i], float(cosines_PV[place, i]), float(distances_PV[place, i])) for i in some.tolist())
            for some in chosen
        )
        tokens.append(VirtualToken(place + 1, float(lengths[place]), cosine, distance))
    return Prompt(site.path, tuple(tokens), tightness, pairwise(vectors_PD), len(ids))


def compared(vectors: Tensor, words_VD: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and Euclidean distances between vectors and words."""
    normal = torch.nn.functional.normalize
    return normal(vectors, dim=1) @ normal(words_VD, dim=1).T, torch.cdist(vectors, words_VD)


def tight(of: str, vectors: Tensor, words_VD: Tensor, nearest: int, own: Tensor | None = None) -> Tightness:
    """How near to words some vectors lie; a word is not its own neighbour (`own` are the words' places)."""
    cosines, distances = compared(vectors, words_VD)
    if own is not None:
        rows = torch.arange(len(own))
        cosines[rows, own], distances[rows, own] = -1.0, float("inf")
    best = cosines.topk(nearest, dim=1)
    together = [pairwise(words_VD[row]) for row in best.indices] if nearest > 1 else [1.0]
    return Tightness(
        of, float(best.values[:, 0].mean()), float(distances.min(dim=1).values.mean()), sum(together) / len(together)
    )


def pairwise(vectors: Tensor) -> float:
    """Mean cosine between two different vectors; 1 where there is but one."""
    if len(vectors) < 2:
        return 1.0
    unit = torch.nn.functional.normalize(vectors.double(), dim=1)  # the sum of all products is the square of their sum
    return float((unit.sum(0).square().sum() - unit.square().sum()) / (len(vectors) * (len(vectors) - 1)))
