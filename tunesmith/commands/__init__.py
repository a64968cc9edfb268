"""What each command does with its arguments: calls the Python that does it, and prints. Data to stdout, talk to stderr."""

from tunesmith.commands.given import one_recipe, open_page, split_given
from tunesmith.commands.judging import board, evaluate, harness, items, spread, submit
from tunesmith.commands.tuning import clusters, compare, export, inspect, merge, plan, sweep, train
from tunesmith.commands.using import answer, chat, label, list_, predict, schema, show

__all__ = [
    "answer",
    "board",
    "chat",
    "clusters",
    "compare",
    "evaluate",
    "export",
    "harness",
    "inspect",
    "items",
    "label",
    "list_",
    "merge",
    "one_recipe",
    "open_page",
    "plan",
    "predict",
    "schema",
    "show",
    "split_given",
    "spread",
    "submit",
    "sweep",
    "train",
]
