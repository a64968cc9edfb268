"""Fine-tune language models, and know what the tuning was worth.

Every command is a call: `compare`, `train`, `evaluate`, `evaluate_adapters`, `answer`, `chat`, `predict`, `show`, `plan`,
`listed`, `study`, `clusters`, `inspect`, `forgetting`, `items`, `board`, `spread`, `submit`, `harness`, `label`,
`export_labels`, `report_labels`, `write`, `export_writing`, `report_writing`, `check_data`, `grow`, `serve`, `studio`, `runs`,
`doctor`, `push`, `track`, `convert`. They are imported when first used, so that `import tunesmith` and `tunesmith --help` are
instant.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunesmith.answering import answer, chat, predict
    from tunesmith.checking import check_data
    from tunesmith.examination import doctor
    from tunesmith.hosting import serve
    from tunesmith.housekeeping import runs
    from tunesmith.inspection import inspect
    from tunesmith.judging import board, evaluate_adapters, forgetting, harness, items
    from tunesmith.labelling import export_labels, label, report_labels
    from tunesmith.models.pickles import convert
    from tunesmith.planning.plan import plan
    from tunesmith.pushing import push
    from tunesmith.showing import show
    from tunesmith.spreading import spread
    from tunesmith.studies.clusters import clusters
    from tunesmith.studies.study import study
    from tunesmith.submitting import submit
    from tunesmith.synthesis.growing import grow
    from tunesmith.tracked import track
    from tunesmith.verbs import compare, evaluate, listed, train
    from tunesmith.watching import studio
    from tunesmith.writing import export_writing, report_writing, write

__version__ = "0.1.0"
__all__ = [
    "answer",
    "board",
    "chat",
    "check_data",
    "clusters",
    "compare",
    "convert",
    "doctor",
    "evaluate",
    "evaluate_adapters",
    "export_labels",
    "export_writing",
    "forgetting",
    "grow",
    "harness",
    "inspect",
    "items",
    "label",
    "listed",
    "plan",
    "predict",
    "push",
    "report_labels",
    "report_writing",
    "runs",
    "serve",
    "show",
    "spread",
    "studio",
    "study",
    "submit",
    "track",
    "train",
    "write",
]
MODULES = {
    "doctor": "tunesmith.examination",
    "push": "tunesmith.pushing",
    "track": "tunesmith.tracked",
    "runs": "tunesmith.housekeeping",
    **dict.fromkeys(("answer", "chat", "predict"), "tunesmith.answering"),
    "check_data": "tunesmith.checking",
    "convert": "tunesmith.models.pickles",
    "clusters": "tunesmith.studies.clusters",
    "grow": "tunesmith.synthesis.growing",
    "harness": "tunesmith.judging",
    "inspect": "tunesmith.inspection",
    **dict.fromkeys(("board", "evaluate_adapters", "forgetting", "items"), "tunesmith.judging"),
    **dict.fromkeys(("label", "export_labels", "report_labels"), "tunesmith.labelling"),
    "plan": "tunesmith.planning.plan",
    "serve": "tunesmith.hosting",
    "show": "tunesmith.showing",
    "spread": "tunesmith.spreading",
    "studio": "tunesmith.watching",
    "study": "tunesmith.studies.study",
    "submit": "tunesmith.submitting",
    **dict.fromkeys(("write", "export_writing", "report_writing"), "tunesmith.writing"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module `tunesmith` has no attribute `{name}`")
    return getattr(import_module(MODULES.get(name, "tunesmith.verbs")), name)
