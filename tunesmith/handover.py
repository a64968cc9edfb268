"""What was learnt, as files for others: an adapter merged into its base, several adapters combined."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import torch

from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.models.combine import Combination, Combined, combine
from tunesmith.models.load import ModelSettings, adapter_of, base_of, load, saved_dtype
from tunesmith.models.merge import Merged, save_merged
from tunesmith.models.model import Model
from tunesmith.models.weights import head_outputs, load_adapter, save_adapter
from tunesmith.recipe import own
from tunesmith.run import Run
from tunesmith.tasks.own import task_from
from tunesmith.tokens import sequence
from tunesmith.tokens.batch import Batch, Rows, collate
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import Tokens

Dtype = Literal["float16", "bfloat16", "float32"]
DTYPES: dict[Dtype, torch.dtype] = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
SHOWN = 8  # rows on which a merged network is compared with the one before
PLAIN = ("The weather was fine, so we walked to the river.", "Question: what is two and three? Answer: five.")


@dataclass(frozen=True)
class HandedOver:
    """A folder that was written, what combining left out, and what merging changed; None for what was not done."""

    folder: Path
    merged: Merged | None = None
    combined: Combined | None = None

    def __str__(self) -> str:
        return "\n".join(str(told) for told in (self.combined, self.merged) if told)


def merge_run(run: str, out: Path, dtype: Dtype | None = None, prompts: Path | None = None) -> HandedOver:
    """Merge a run's adapter into its base and write a network as transformers does. Command: `tunesmith merge RUN OUT`.

    Args:
        run: folder of a run or of an adapter.
        out: a folder that is not there yet.
        dtype: precision of the weights that are written; None: that of the base's file. Sums are float32 in any case.
        prompts: a text file, a prompt a line, to compare on; None: rows of the run's own first task.

    Raises:
        UserError: there is no adapter, it cannot be merged, or the merged network says something else; nothing is written.
    """
    refuse_full(out)
    model = load(ModelSettings(path=run, dtype="float32"))
    if not model.active:
        raise UserError(f"`{run}` holds a whole network and no adapter: there is nothing to merge", "use its folder as it is")
    wanted = DTYPES[dtype] if dtype else saved_dtype(ModelSettings(path=run))
    sample = laid(model, asked(run, prompts))
    return HandedOver(out, save_merged(out, model, model.active, sample, wanted))


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
        out: a folder that is not there yet. The adapter is written into `out/adapter`, in PEFT's format.
        rank: bring the combination down to a LoRA of this rank; None: leave it whole.
        fold: write a merged network into `out` instead of an adapter; `dtype` and `prompts` are as in `merge_run`.

    Raises:
        UserError: the adapters do not belong together, or the combination is no LoRA and is neither folded nor given a rank.
    """
    refuse_full(out)
    if wanted.how != "linear" and rank is None and not fold:
        raise UserError(
            f"`{wanted.how}` gives whole matrices and no LoRA",
            "bring them down to one with `--rank 16`, or write them into the base with `--fold`",
        )
    wanted.shares(len(runs))
    places = [together(run, runs[0]) for run in runs]
    model = load(ModelSettings(path=base_of(places[0]), dtype="float32"))
    names = [f"{number} {run}" for number, run in enumerate(runs)]
    for place, name in zip(places, names, strict=True):
        load_adapter(place, model, name)
    combined = combine(model, names, "combined", wanted, rank)
    if not fold:
        return HandedOver(save_adapter(out, combined.adapter, model), None, combined)
    precision = DTYPES[dtype] if dtype else saved_dtype(ModelSettings(path=runs[0]))
    merged = save_merged(out, model, "combined", laid(model, asked(runs[0], prompts)), precision)
    return HandedOver(out, merged, combined)


def together(run: str, first: str) -> Path:
    """The adapter's folder of a run; refused where it cannot be combined with that of another run."""
    place, other = adapter_of(run), adapter_of(first)
    if place is None or other is None:
        raise UserError(f"`{run if place is None else first}` holds a whole network and no adapter", "name runs with adapters")
    if base_of(place) != base_of(other):
        raise UserError(
            f"`{run}` stands on `{base_of(place)}`, and `{first}` on `{base_of(other)}`", "combine adapters of one base"
        )
    if head_outputs(place):
        raise UserError(f"`{run}` has a head of its own, and heads are not combined", "combine runs without one")
    return place


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
    task = task_from(named[0])
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
