"""What makes an adapter's folder whole: its base, how rows become prompts, its scores, and a card that a person reads.

    base.json       the base: path, revision, hashes (`models/identity.py`), and how prompts are put (`chat`)
    template.yaml   the wordings of the tasks that were learnt
    scores.json     as in the run's folder
    README.md       the model card, with the header that the hub reads
    chat_template.jinja   only where the run had a chat template that is not the tokenizer's own

Tokenizer files are not copied: tuning never changes a tokenizer, they are with the base, and would be most of a small adapter.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from tunesmith import __version__, manifest
from tunesmith.comparison.significance import interval, resamples
from tunesmith.comparison.totals import column
from tunesmith.data.template import Template, as_tree
from tunesmith.errors import UserError
from tunesmith.models.head import WEIGHTS, HeadPlan, head_plan
from tunesmith.models.identity import CHAT_TEMPLATE, FILE, keep_chat_template, keep_identity
from tunesmith.models.model import Model
from tunesmith.models.weights import CONFIG
from tunesmith.run import Run, read_json, write_json, write_text
from tunesmith.settings import Tree
from tunesmith.tasks.task import Task

DRAWS = 1000  # bootstrap resamples of an interval
PIPELINES = {"causal": "text-generation", "seq2seq": "text2text-generation", "masked": "fill-mask"}
USES = {
    "label": ("text-classification", "AutoModelForSequenceClassification"),
    "labels": ("text-classification", "AutoModelForSequenceClassification"),
    "number": ("text-classification", "AutoModelForSequenceClassification"),
    "reward": ("text-classification", "AutoModelForSequenceClassification"),
    "tags": ("token-classification", "AutoModelForTokenClassification"),
    "choice": ("multiple-choice", "AutoModelForMultipleChoice"),
}  # of heads: pipeline and class
PACKED = (
    "The base was kept in four bits (NF4, double quantisation) while this was trained and judged. On a base that is not, as in "
    "the code below, answers differ; on a GPU, `quantization_config=BitsAndBytesConfig(load_in_4bit=True, "
    'bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)` packs it as it was.'
)
COMES_ALONG = (
    "`{base}` comes along with tunesmith and is on no hub: for other programs, name the folder "
    '`files("tunesmith") / "assets" / "{name}"` (`from importlib.resources import files`) in its place.'
)
CLASSES = {"causal": "AutoModelForCausalLM", "seq2seq": "AutoModelForSeq2SeqLM", "masked": "AutoModelForMaskedLM"}


def complete(folder: Path, model: Model, chat: str, learnt: Sequence[Task]) -> None:
    """Put base and wordings beside what was just saved."""
    if (folder / CONFIG).is_file():
        keep_identity(folder, model, chat)
    write_text(folder / "template.yaml", wordings([template for task in learnt for template in task.templates]))
    keep_chat_template(folder, model)
    manifest.add(folder, FILE, "template.yaml", CHAT_TEMPLATE)


def wordings(templates: Sequence[Template]) -> str:
    """Templates in the layout of `data/templates`; two of one name get a number."""
    named: dict[str, Any] = {}
    for template in templates:
        same = sum(name.split("-")[0] == template.name for name in named)
        named[template.name if not same else f"{template.name}-{same + 1}"] = as_tree(template)
    return yaml.safe_dump({"templates": named}, sort_keys=False, allow_unicode=True)


def keep_card(record: Run, family: str) -> None:
    """Write scores and card into the run's `adapter/` or `model/`; nothing where the run learnt nothing."""
    for folder in (record.folder / "adapter", record.folder / "model"):
        if folder.is_dir():
            write_json(folder / "scores.json", read_json(record.folder / "scores.json", {}))
            write_text(folder / "README.md", card(record, folder, family))


def card(record: Run, folder: Path, family: str) -> str:
    """The model card of what a run learnt."""
    tree, world = record.recipe(), record.world()
    base, method = str(tree["model"]["path"]), str(world.get("method") or "none")
    base = str(Path(base).resolve()) if Path(base).is_dir() else base
    packed = tree["model"].get("quantize") == "nf4" and (folder / CONFIG).is_file()
    peft = bool(read_json(folder / CONFIG, {}).get("peft_type"))
    head = head_plan(folder)
    named = {} if base.startswith("town/") or Path(base).exists() else {"base_model": base}  # the hub refuses other names
    header = {
        **named,
        "library_name": "peft" if peft else "transformers",
        "pipeline_tag": USES[head.kind][0] if head else PIPELINES[family],
        "tags": ["tunesmith", method, str(_kind(tree.get("objective")))],
    }
    parts = [
        f"---\n{yaml.safe_dump(header, sort_keys=False).strip()}\n---",
        f"# {world.get('system') or record.name}",
        f"`{base}`, tuned with `{method}` by tunesmith {__version__}. It learnt {_count(world)}.",
        "## Scores",
        scores(record),
        "## Data",
        "\n".join(f"- `{name}`, weight {_weight(setting)}" for name, setting in tree.get("tasks", {}).items()),
        "How a row becomes a prompt stands in `template.yaml`.",
        "## Settings",
        settings(tree),
        "## Use",
        *([PACKED] if packed else []),
        *([COMES_ALONG.format(base=base, name=base.removeprefix("town/"))] if base.startswith("town/") else []),
        headed(base, head, folder, (folder / CONFIG).is_file())
        if head
        else usage(base, family, peft, (folder / CONFIG).is_file()),
    ]
    return "\n\n".join(parts) + "\n"


def scores(record: Run) -> str:
    """A table of all scores, with 95 % bootstrap intervals over the examples."""
    lines = ["| task | metric | score | 95 % interval | answers |", "|---|---|---:|---|---:|"]
    for task, row in record.scores().items():
        for metric, score in row.items():
            ends = ""
            with suppress(UserError):  # a metric of one's own that is not at hand
                answers = record.answers(task)
                made = column(metric, answers, score)
                told = interval(made.value, made.resampled(resamples(answers, DRAWS, 0)))
                ends = f"{told.low:.4f} to {told.high:.4f}"
            lines.append(f"| {task} | {metric} | {score.value:.4f} | {ends} | {score.answers} |")
    return "\n".join(lines) if len(lines) > 2 else "Not judged yet."


def settings(tree: Tree) -> str:
    """Method, objective and plan, as the run had them."""
    lines = ["| setting | value |", "|---|---|"]
    for part in ("model", "method", "objective", "plan"):
        own = tree.get(part)
        flat = own.items() if isinstance(own, Mapping) else [("", own)]
        for name, value in flat:
            inner = value.items() if isinstance(value, Mapping) else [("", value)]
            lines += [
                f"| {'.'.join(filter(None, (part, name, deep)))} | {_told(one)} |" for deep, one in inner if one is not None
            ]
    return "\n".join(lines)


def usage(base: str, family: str, peft: bool, adapter: bool) -> str:
    """How to load it, in each program that can."""
    kind = CLASSES[family]
    ours = "tunesmith answer FOLDER 'your prompt'\ntunesmith predict FOLDER rows.csv   # as template.yaml puts them"
    parts = [f"```sh\n{ours}\n```"]
    if peft:
        parts += [
            f"```python\nfrom peft import PeftModel\nfrom transformers import {kind}, AutoTokenizer\n\n"
            f'network = PeftModel.from_pretrained({kind}.from_pretrained("{base}"), "FOLDER")\n'
            f'tokenizer = AutoTokenizer.from_pretrained("{base}")\n```',
            f"```python\nfrom transformers import {kind}  # with peft installed\n\n"
            f'network = {kind}.from_pretrained("{base}")\nnetwork.load_adapter("FOLDER")\n```',
        ]
    elif not adapter:
        parts.append(f'```python\nfrom transformers import {kind}\n\nnetwork = {kind}.from_pretrained("FOLDER")\n```')
    else:
        parts.append("No other program knows this kind of adapter.")
    return "\n\n".join(parts)


def headed(base: str, head: HeadPlan, folder: Path, adapter: bool) -> str:
    """How to load a network with a head of its own."""
    parts = [
        "```sh\ntunesmith answer FOLDER 'your text'\ntunesmith predict FOLDER rows.csv   # as template.yaml puts them\n```"
    ]
    kind = USES[head.kind][1]
    if not adapter:
        parts.append(
            f"`tunesmith merge FOLDER OUT` writes network and head for transformers' `{kind}`, where that class computes this "
            "head, and says so where it does not. Where transformers reads this folder, the head is left out."
        )
    elif (folder / WEIGHTS).is_file():
        parts.append(
            "No class of transformers computes this head, so it stands in `head.safetensors`, which only tunesmith reads: "
            "what PEFT loads from this folder is the adapter without its head."
        )
    else:
        names: dict[str, Any] = {} if head.kind == "choice" else {"num_labels": head.outputs}
        names |= {"id2label": dict(enumerate(head.labels))} if head.labels else {}
        told = "".join(f", {name}={value!r}" for name, value in names.items())
        parts.append(
            f"```python\nfrom peft import PeftModel\nfrom transformers import {kind}, AutoTokenizer\n\n"
            f'network = PeftModel.from_pretrained({kind}.from_pretrained("{base}"{told}), "FOLDER")\n'
            f'tokenizer = AutoTokenizer.from_pretrained("{base}")\n```'
        )
    return "\n\n".join(parts)


def _kind(setting: Any) -> Any:
    return setting.get("kind", "") if isinstance(setting, Mapping) else setting


def _weight(setting: Any) -> Any:
    return setting.get("weight", 1.0) if isinstance(setting, Mapping) else setting


def _told(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _count(world: Mapping[str, Any]) -> str:
    trained, steps = world.get("trained_parameters"), world.get("steps")
    best = world.get("best_step")
    told = f"{trained:,} numbers" if isinstance(trained, int) else "what it holds"
    told += f" in {steps} steps" if steps else ""
    return told + (f", the best after step {best}" if best is not None else "")
