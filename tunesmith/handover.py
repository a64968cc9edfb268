"""What was learnt, as files for others: an adapter merged into its base, several combined, a network for other programs."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.models import gguf
from tunesmith.models.alone import Parting, replay, revalued, telling, valued
from tunesmith.models.classifiers import Peer, peer_of
from tunesmith.models.combine import Combination, Combined, combine, refuse_rank
from tunesmith.models.head import Kind
from tunesmith.models.load import ModelSettings, below, load, saved_dtype
from tunesmith.models.merge import Merged, cast, merge
from tunesmith.models.model import Model
from tunesmith.models.sources import pass_on, together, warn_of_base
from tunesmith.models.weights import load_adapter, save_adapter, save_network
from tunesmith.recipe import own
from tunesmith.run import Run
from tunesmith.tasks.own import bad_rows_of, lenient, task_from
from tunesmith.tokens import reading, sequence
from tunesmith.tokens.batch import Batch, Rows, collate
from tunesmith.tokens.reading import Asked
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import Tokens

Dtype = Literal["float16", "bfloat16", "float32"]
DTYPES: dict[Dtype, torch.dtype] = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
REPLAYED = 32  # tokens of an answer that is replayed
SHOWN = 8  # rows on which a merged network is compared with the one before
READS: dict[Kind, str] = {"choice": "rows with choices", "reward": "rows with an answer"}  # what a prompt alone is not
PLAIN = ("The weather was fine, so we walked to the river.", "Question: what is two and three? Answer: five.")


@dataclass(frozen=True)
class HandedOver:
    """A folder that was written, what combining left out, and what merging changed; None for what was not done.

    head: what became of the head, in words; "" where there is none.
    """

    folder: Path
    merged: Merged | None = None
    combined: Combined | None = None
    head: str = ""

    def __str__(self) -> str:
        return "\n".join(str(told) for told in (self.combined, self.merged, self.head) if told)


def merge_run(run: str, out: Path, dtype: Dtype | None = None, prompts: Path | None = None) -> HandedOver:
    """Merge a run's adapter into its base and write a network as transformers does. Command: `tunesmith merge RUN OUT`.

    Args:
        run: folder of a run or of an adapter.
        out: a folder that is not there yet.
        dtype: precision of the weights that are written; None: that of the base's file, or float32 where it is too coarse for
            what was learnt. Sums are float32 in any case.
        prompts: a text file, a prompt a line, to compare on; None: rows of the run's own first task.

    Raises:
        UserError: there is no adapter, it cannot be merged, or the merged network says something else; nothing is written.
    """
    refuse_full(out)
    model = load(ModelSettings(path=run, dtype="float32"))
    if not model.active and (model.head is None or peer_of(model.head.plan, model.network) is None):
        raise UserError(f"`{run}` holds a whole network and no adapter: there is nothing to merge", "use its folder as it is")
    examples = asked(run, prompts)
    headed, sample = HeadSaid.by(model, examples), laid(model, examples)
    merged = into_weights(model, sample, run, dtype)
    with telling(model):
        save_network(out, model, as_classifier=True)
    return HandedOver(out, merged, head=headed.proof(out) if headed else "")


def combine_runs(
    runs: Sequence[str],
    out: Path,
    wanted: Combination,
    rank: int | None = None,
    fold: bool = False,
    dtype: Dtype | None = None,
    prompts: Path | None = None,
) -> HandedOver:
    """Combine the LoRAs of several runs of one base. Command: `tunesmith merge RUN RUN OUT --combine linear`.

    Args:
        runs: folders of runs or of adapters.
        out: a folder that is not there yet. The adapter is written into `out/adapter`, in PEFT's format, with what the
            runs say of their base and of how rows become prompts.
        rank: bring the combination down to a LoRA of this rank; None: leave it whole.
        fold: write a merged network into `out` instead of an adapter; `dtype` and `prompts` are as in `merge_run`.

    Raises:
        UserError: the adapters do not belong together, or the combination is no LoRA and is neither folded nor given a rank.
    """
    refuse_full(out)
    refuse_rank(rank)
    if wanted.how != "linear" and rank is None and not fold:
        raise UserError(
            f"`{wanted.how}` gives whole matrices and no LoRA",
            "bring them down to one with `--rank 16`, or write them into the base with `--fold`",
        )
    wanted.shares(len(runs))
    places = [together(run, runs[0]) for run in runs]
    model = load(below(ModelSettings(path=runs[0], dtype="float32"), places[0]))
    warn_of_base(model, places)
    names = [f"{number} {run}" for number, run in enumerate(runs)]
    for place, name in zip(places, names, strict=True):
        load_adapter(place, model, name)
    combined = combine(model, names, "combined", wanted, rank)
    if not fold:
        saved = save_adapter(out, combined.adapter, model)
        pass_on(saved, model, places)
        return HandedOver(saved, None, combined)
    merged = into_weights(model, laid(model, asked(runs[0], prompts)), runs[0], dtype)
    with telling(model):
        save_network(out, model, as_classifier=True)
    return HandedOver(out, merged, combined)


def into_weights(model: Model, sample: Batch, run: str, dtype: Dtype | None) -> Merged | None:
    """Write the active adapter, if any, into the network, which has the precision asked for then, or that of a run's base."""
    wanted = DTYPES[dtype] if dtype else saved_dtype(ModelSettings(path=run))
    if not model.active:
        cast(model, {}, wanted)
        return None
    try:
        return merge(model, model.active, sample, wanted)
    except UserError:
        if dtype is not None or wanted == torch.float32:
            raise
        # Nobody asked for that precision. What no precision mends is refused again.
        return replace(merge(model, model.active, sample, torch.float32), coarse=wanted)


@dataclass(frozen=True)
class HeadSaid:
    """What a run's head said of sample rows before the network was written, to be held against the folder.

    kind: of the head.
    peer: the class of transformers that computes the head; None where there is none.
    """

    kind: Kind
    peer: Peer | None
    rows: list[Asked]
    values: list[Tensor]

    @classmethod
    def by(cls, model: Model, examples: Sequence[Example]) -> "HeadSaid | None":
        """None where the model has no head."""
        if (head := model.head) is None:
            return None
        fitting = [example for example in examples if head.plan.kind != "choice" or example.choices]
        fitting = [example for example in fitting if head.plan.kind != "reward" or example.choices or example.target]
        rows = [asked for example in fitting for asked in reading.read(head.plan.kind, model.renderer, example)]
        rows = [asked for asked in rows if model.window is None or len(asked[0].inputs) <= model.window]
        return cls(head.plan.kind, peer_of(head.plan, model.network), rows, valued(model, rows))

    def proof(self, folder: Path) -> str:
        """How far the written folder says the same, in words."""
        if self.peer is None:
            return (
                "no class of transformers computes this head: it stands beside the network in `head.safetensors`, and only "
                "tunesmith reads it"
            )
        if not self.rows:
            return (
                f"no row could be compared by transformers (`{self.peer.auto}`): a head of the kind `{self.kind}` is asked of "
                f"{READS.get(self.kind, 'rows')}, no longer than the network's window; the run's own rows are used where its "
                "folder is named and `--prompts` is left out"
            )
        pairs = zip(revalued(folder, self.peer, self.rows), self.values, strict=True)
        largest = max(float((now - before).abs().max()) for now, before in pairs)
        return f"read by transformers (`{self.peer.auto}`) from the folder: outputs of the head differ by at most {largest:.2g}"


@dataclass(frozen=True)
class Exported:
    """A folder for other programs, and how it was proved.

    merged:   what merging changed; None where there was no adapter.
    replayed: sample prompts that transformers answered from the folder; `partings` are those it answered otherwise.
    file:     the GGUF, or None; `lost` is what it does not hold, a sentence each.
    head:     what became of the head, in words; such a network is asked for values and says no words.
    silent:   why nothing was replayed, where there is no head.
    """

    folder: Path
    merged: Merged | None
    replayed: int
    partings: list[Parting]
    file: Path | None = None
    lost: list[str] = field(default_factory=list)
    head: str = ""
    silent: str = ""

    def __str__(self) -> str:
        equal = self.replayed - len(self.partings)
        told = f"replayed by transformers from the folder: {equal} of {self.replayed} answers are the run's own, token by token"
        told = self.head or self.silent or told
        return "\n".join(str(line) for line in (self.merged, told, *self.partings, *self.lost) if line)


def export_run(
    run: str,
    out: Path,
    to: Literal["folder", "gguf"] = "folder",
    dtype: Dtype | None = None,
    prompts: Path | None = None,
    converter: Path | None = None,
) -> Exported:
    """Write a network that needs nothing of tunesmith, and let it answer as proof. Command: `tunesmith export RUN OUT`.

    The folder is transformers': weights with the adapter merged in, tokenizer with its chat template, every stop token.

    Args:
        run: folder of a run, of an adapter or of a network.
        out: a folder that is not there yet.
        to: `gguf` writes `out/NAME.gguf` besides, by llama.cpp's converter.
        dtype, prompts: as in `merge_run`.
        converter: llama.cpp's `convert_hf_to_gguf.py`, or its folder; None: that of the folder in `LLAMA_CPP`.

    Raises:
        UserError: as `merge_run`; or there is no converter, after the folder was written: the hint is the command to run.
    """
    refuse_full(out)
    script = gguf.converter(converter) if to == "gguf" else None
    model = load(ModelSettings(path=run, dtype="float32"))
    examples = asked(run, prompts)
    headed = HeadSaid.by(model, examples)
    speaks = model.family != "masked" and headed is None
    spelled = [ids for ids in map(model.renderer.prompt, examples) if leaves_room(model, ids)] if speaks else []
    said = [answer.ids for answer in (generate(model, spelled, Sampling(tokens=REPLAYED)) if spelled else ())]
    merged = into_weights(model, laid(model, examples), run, dtype)
    with telling(model):
        save_network(out, model, as_classifier=True)
    partings = replay(out, model.family, spelled, said, REPLAYED) if said else []
    proof, silent = headed.proof(out) if headed else "", "" if said else silence(model)
    exported = Exported(out, merged, len(said), partings, head=proof, silent=silent)
    return exported if to == "folder" else converted(exported, model, script)


def leaves_room(model: Model, ids: Sequence[int]) -> bool:
    """Is there room in the window for an answer of `REPLAYED` tokens? Where it ends we stop, and transformers goes on."""
    read = max(len(ids), REPLAYED) if model.family == "seq2seq" else len(ids) + REPLAYED
    return model.window is None or read <= model.window


def silence(model: Model) -> str:
    """Why no answer of a network without a head was replayed."""
    if model.family == "masked":
        return "nothing was replayed by transformers: a network of the family `masked` says no words"
    return (
        f"nothing was replayed by transformers: no prompt was short enough to be answered in {REPLAYED} tokens within the "
        f"network's window of {model.window}; name shorter ones, `--prompts`"
    )


def converted(exported: Exported, model: Model, script: Path | None) -> Exported:
    """The same with a GGUF beside."""
    file = exported.folder / f"{exported.folder.resolve().name}.gguf"
    precision = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16"}[model.dtype]
    if script is None:
        raise UserError(
            f"`{exported.folder}` is written; for a GGUF, llama.cpp's `{gguf.SCRIPT}` is needed, and it was not named",
            gguf.how_to(exported.folder, file, precision) + " (or let `--converter` name the script next time)",
        )
    found = gguf.convert(script, exported.folder, file, precision)
    renderer = model.renderer
    pieces = dict(zip(renderer.stops, renderer.pieces(list(renderer.stops)), strict=True))
    template = renderer.chat.template if renderer.chat else None
    return replace(exported, file=file, lost=gguf.lost(found, template, renderer.stops, pieces))


def refuse_full(out: Path) -> None:
    """Nothing is written over."""
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(f"`{out}` is there already", "name a folder that is not there yet, or remove it")


def asked(run: str, prompts: Path | None = None) -> list[Example]:
    """A few prompts: the lines of a file, else test rows of the run's first task, else plain sentences."""
    if prompts is not None:
        lines = [line.strip() for line in prompts.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not lines:
            raise UserError(f"`{prompts}` holds no prompt", "write one a line")
        return [prompt(line, number) for number, line in enumerate(lines)]
    record = Run(Path(run))
    tree = record.recipe() if record.exists() else {}
    named = [own(name, setting) for name, setting in tree.get("tasks", {}).items()] + list(tree.get("judged_by", ()))
    if not named:
        return [prompt(line, number) for number, line in enumerate(PLAIN)]
    task = task_from(lenient(named[0], bad_rows_of(tree.get("bad_rows"))))
    split = next(name for name in ("test", "validation", *task.source.splits()) if name in task.source.splits())
    return list(islice(task.examples(split), SHOWN))


def prompt(text: str, number: int) -> Example:
    return Example((Message("user", text),), "", id=f"prompt-{number}")


def laid(model: Model, examples: Sequence[Example]) -> Batch:
    """Rows of the examples with what they say, or of the prompt alone where nothing is said; those that fit the window."""
    rows = [read(model.renderer, example) for example in examples]
    fitting = [row for row in rows if model.window is None or row.row() <= model.window]
    if not fitting:
        raise UserError(
            f"no sample prompt fits the network's window of {model.window} tokens", "name shorter ones, `--prompts`"
        )
    origin = Rows(tuple((row,) for row in fitting), tuple((number,) for number in range(len(fitting))))
    return collate(origin).to(model.device)


def read(renderer: Renderer, example: Example) -> Tokens:
    """An example as a row with targets: its answer or, without one, every token of its prompt."""
    if example.target:
        return renderer.render(example)
    ids = renderer.prompt(example)
    if renderer.family == "seq2seq":
        return sequence.seq2seq(ids, ids, renderer.start)
    ids = ids if len(ids) > 1 else [*ids, renderer.end]
    return sequence.masked(ids, ids) if renderer.family == "masked" else sequence.causal(ids, [1.0] * len(ids))
