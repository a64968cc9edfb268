"""The house keeps its floors: a file imports only from floors below its own, or from its own room; nothing goes in circles."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

FLOORS = [
    {"masking", "errors", "methods", "disk", "interruption"},
    {"data", "run", "settings", "registry", "manifest"},
    {"metrics", "tokens", "town", "perturbations", "trackers"},
    {"tasks", "models", "comparison"},
    {"generation"},
    {"evaluation", "serving"},
    {"rewards"},
    {"objectives"},
    {"training"},
    {"recipe"},
    {"resume", "handover", "card", "preparation", "work", "workers"},
    {"experiment", "synthesis", "sweep"},
    {"planning", "inspection"},
    {"studies", "stages"},
    {
        "cli",
        "commands",
        "verbs",
        "answering",
        "judging",
        "hosting",
        "labelling",
        "checking",
        "showing",
        "shown",
        "spreading",
        "watching",
        "viewing",
        "submitting",
        "wordings",
        "writing",
        "housekeeping",
        "removing",
        "examination",
        "pushing",
        "tracked",
        "__main__",
    },
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
BESIDE = {
    ("errors", "masking"),
    ("methods", "errors"),
    ("disk", "errors"),
    ("settings", "registry"),
}  # on one floor, and never the other way
TOP = FLOORS[-1]  # what a person calls: these files are one room
WITHOUT_TORCH = {
    "errors",
    "masking",
    "disk",
    "manifest",
    "interruption",
    "settings",
    "registry",
    "run",
    "data",
    "town",
    "perturbations",
    "metrics",
    "tasks",
    "comparison",
}
TRANSFORMERS = ("models/", "tokens/renderer.py")
PACKAGE = Path(__file__).resolve().parents[2] / "tunesmith"
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Dotted names of modules that a file imports anywhere in it; of our own, those that are files."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {node.module} | {name for name in below if file_of(name)}
    return names


def file_of(module: str) -> Path | None:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_below(path):
    room, here = room_of(path), str(path.relative_to(PACKAGE))
    if room == "__init__":
        return
    assert room in FLOOR, f"`{room}` stands on no floor: give it one in this table and in docs/ARCHITECTURE.md"
    for name in sorted(imports(path)):
        first, _, rest = name.partition(".")
        assert not (first == "torch" and room in WITHOUT_TORCH), f"{here} imports {name}"
        assert first != "transformers" or here.startswith(TRANSFORMERS), f"{here} imports {name}"
        below = rest.partition(".")[0]
        if first != "tunesmith" or below in ("", room, "__version__") or (room, below) in BESIDE or {room, below} <= TOP:
            continue
        assert FLOOR[below] < FLOOR[room], f"{here} (floor {FLOOR[room]}) imports {name} (floor {FLOOR[below]})"


def test_no_file_imports_itself_by_a_circle():
    start = PACKAGE / "__init__.py"  # it imports only what is asked of it
    graph = {path: {file_of(name) for name in imports(path)} - {None, start} for path in FILES if path != start}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("imports go in a circle: " + " -> ".join(str(path.relative_to(PACKAGE)) for path in error.args[1]))


def test_rooms_without_torch_can_be_used_without_it():
    modules = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in FILES if room_of(path) in WITHOUT_TORCH
    ]
    code = (
        "import sys\nfrom importlib import import_module\nsys.modules['torch'] = sys.modules['transformers'] = None\n"
        f"for name in {modules!r}: import_module(name)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
