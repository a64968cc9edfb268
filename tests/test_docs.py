"""What the documents say stands: links, files, commands, code, recipes, settings, metrics, floors."""

import ast
import importlib
import inspect
import re
import shlex
from functools import cache

import pytest
import yaml

import tunesmith
from tests.conftest import ROOT
from tests.laws.test_floors import FLOORS
from tests.recipe_table import DOCUMENT, GROW, inside, tables, written
from tunesmith import cli, registry, settings, stages, sweep
from tunesmith.checking import FINDINGS
from tunesmith.data.quality.findings.finding import Finding
from tunesmith.metrics.metric import Metric
from tunesmith.recipe import Recipe
from tunesmith.studies import clusters, grid
from tunesmith.synthesis.settings import STAGES

DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
}
AWAITED: set[str] = set()  # pictures that are still to be taken
SUFFIXES = r"(?:py|yaml|md|jinja|toml)"
OTHERS = {
    "recipe.yaml",
    "mine.yaml",
    "my-task.yaml",
    "questions.yaml",
    "questions.csv",
    "my_lab.gain",
    "text.md",
    "report.md",
    "shape.yaml",
    "guide.md",
}  # a reader's own files, and what a run writes

RECIPE_FILES = [path.relative_to(ROOT) for path in [*ROOT.glob("recipes/**/*.yaml"), *ROOT.glob("tunesmith/assets/*.yaml")]]

each_document = pytest.mark.parametrize("name", DOCUMENTS)


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def spans(text):
    """What stands in backticks in prose."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(r"\s+", " ", span) for span in re.findall(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)", prose)]


def anchors(text):
    heads = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@each_document
def test_no_merge_is_left_half_done(name):
    assert not re.search(r"^(<{7} |>{7} |={7}$)", DOCUMENTS[name], re.MULTILINE)


@each_document
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", DOCUMENTS[name]):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        if str(found.relative_to(ROOT)) in AWAITED:
            continue
        assert found.exists(), f"{name} links to {target}"
        if anchor:
            assert anchor in anchors(found.read_text(encoding="utf-8")), f"{name} links to {target}"


@each_document
def test_files_that_are_named_exist(name):
    everything = {path.name for path in (ROOT / "tunesmith").rglob("*.*")}
    for span in spans(DOCUMENTS[name]):
        if not re.fullmatch(rf"[\w./*-]+\.{SUFFIXES}", span) or span in OTHERS or re.search("NAME|FILE", span):
            continue
        places = [ROOT, ROOT / "tunesmith", (ROOT / name).parent]
        assert any(list(place.glob(span)) for place in places) or span in everything, f"{name} names `{span}`"


@each_document
def test_folders_that_are_named_exist(name):
    for span in spans(DOCUMENTS[name]):
        if re.fullmatch(r"(?:tunesmith|tests|recipes|benchmarks|docs)(?:/[\w]+)*/", span):
            assert (ROOT / span).is_dir(), f"{name} names `{span}`"


def commands(text):
    """Every command line: in blocks, in comments of recipes, and in prose."""
    for block in (*blocks(text, "sh"), *blocks(text, "text")):
        found = [re.sub(r"^command:\s+", "", line.strip()) for line in block.splitlines()]
        yield from (line for line in found if line.startswith("tunesmith "))
    for block in blocks(text, "yaml"):
        yield from re.findall(r"^# (tunesmith .+)$", block, re.MULTILINE)
    for span in spans(text):
        if span.startswith("tunesmith ") and len(span.split()) > 2:
            yield span


ALL_COMMANDS = [(name, command) for name, text in DOCUMENTS.items() for command in commands(text)]


@pytest.mark.parametrize(("name", "command"), ALL_COMMANDS)
def test_commands_parse_and_their_settings_exist(name, command, capsys):
    words = shlex.split(command, comments=True)[1:]
    words = words[: words.index(">")] if ">" in words else words
    try:
        given = cli.parser().parse_args(words)
    except SystemExit as error:
        assert error.code == 0, f"{name}: {command}: {capsys.readouterr().err}"
        return
    for word in [*getattr(given, "given", ()), *getattr(given, "tasks", ())]:
        setting, sign, _ = word.partition("=")
        if sign:
            verb = " ".join([given.verb, *filter(None, [getattr(given, "subverb", "")])])
            assert is_setting(setting, verb), f"{name}: {command}: there is no setting `{setting}`"


@cache
def known_settings():
    """Titles of tables -> names of settings."""
    return {title: {row[0].strip("`") for row in rows} for title, rows in tables().items() if title != "a task"}


def is_setting(dotted, verb):
    stage, _, rest = dotted.partition(".")
    dotted = f"{STAGES[0]}.{rest}" if verb == GROW and stage in STAGES else dotted
    titles = [title for title in known_settings() if verb in ("", GROW) or not title.startswith(GROW)]
    known = set[str]().union(*(known_settings()[title] for title in titles))
    if verb == "compare" and dotted.startswith("systems."):
        dotted = dotted.split(".", 2)[2]
    if verb == "data check" and dotted not in known:
        finding, _, setting = dotted.partition(".")
        return setting in inspect.signature(registry.find(finding, FINDINGS, Finding)).parameters
    return dotted in known or dotted.startswith("tasks.") or (dotted == "calibrated" and verb in ("answer", "predict"))


@pytest.mark.parametrize("verb", ["tunesmith " + verb for verb in cli.parser()._subparsers._group_actions[0].choices])
def test_readme_shows_every_command(verb):
    assert any(command.startswith(verb) for command in commands(DOCUMENTS["README.md"]))


@each_document
def test_commands_without_arguments_are_known(name):
    verbs = cli.parser()._subparsers._group_actions[0].choices
    for span in spans(DOCUMENTS[name]):
        words = span.split()
        if len(words) == 2 and words[0] == "tunesmith" and not words[1].startswith("-"):
            assert words[1] in verbs, f"{name} names `{span}`"


@each_document
def test_settings_that_are_named_exist(name):
    for span in spans(DOCUMENTS[name]):
        found = re.fullmatch(r"((?:plan|ask|method|model|objective|limit)\.[a-z_.]+)(?:[=:].*)?", span)
        if found and not found[1].endswith((".kind", ".py")):
            assert is_setting(found[1], ""), f"{name} names the setting `{found[1]}`"


PYTHON = [(name, block) for name, text in DOCUMENTS.items() for block in blocks(text, "python")]


@pytest.mark.parametrize(("name", "block"), PYTHON)
def test_python_compiles_and_calls_what_exists(name, block):
    tree = ast.parse(block)
    compile(tree, name, "exec")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                assert hasattr(importlib.import_module(node.module), alias.name), f"{name}: {node.module}.{alias.name}"
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("tunesmith."):
            call = getattr(tunesmith, ast.unparse(node.func).removeprefix("tunesmith."))
            inspect.signature(call).bind(*node.args, **{keyword.arg: None for keyword in node.keywords})


def test_python_guide_spells_every_call():
    told = re.findall(r"^\| `[\w ]+` \| `tunesmith\.(\w+)\(([^)]*)\)`", DOCUMENTS["docs/python.md"], re.MULTILINE)
    assert {call for call, _ in told} == set(tunesmith.__all__)
    for call, arguments in told:
        names = [argument.strip().rstrip("=") for argument in arguments.split(",")]
        assert names == list(inspect.signature(getattr(tunesmith, call)).parameters), call


RECIPES = [(name, block) for name, text in DOCUMENTS.items() for block in blocks(text, "yaml")]


@pytest.mark.parametrize(("name", "block"), RECIPES)
def test_recipes_are_valid(name, block):
    refuse_invalid(settings.load(yaml.safe_load(block)))


def refuse_invalid(tree):
    """Build every recipe that a run, a comparison or a study would."""
    if "stages" in tree and "systems" in tree:
        tree = stages.without_stages(tree, ROOT)
    if "clusters" in tree:
        clusters.built({"method": "lora", **tree})
    elif "sweep" in tree:
        made = grid.space(tree, [])
        assert all(grid.arm(made, values).recipes for values in grid.grid(made))
    elif "systems" in tree:
        assert sweep.recipes(tree)
    elif "stages" in tree:
        assert stages.recipes(tree, ROOT)
    else:
        settings.build(Recipe, tree)


def test_the_table_of_settings_is_that_of_the_code():
    again = "run `.venv/bin/python -m tests.recipe_table` and look at the difference"
    assert inside(DOCUMENT.read_text(encoding="utf-8")) == written(), again


def test_tests_that_are_left_out_by_name_exist():
    for line in (ROOT / "tests" / "long.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        file, _, name = line.partition("[")[0].partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), line


def test_metrics_that_are_named_exist():
    known = registry.values("tunesmith.metrics", Metric)
    rows = re.findall(r"^\| (`.+?) \|", DOCUMENTS["docs/metrics.md"], re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert len(named) > 20
    assert set(named) <= set(known)
    missing = [name for name in known if name not in spans(DOCUMENTS["docs/metrics.md"]) and not name.endswith("_stem")]
    assert set(missing) <= {"precision_2", "precision_3"}, "of each metric something is said"


def test_methods_of_the_guide_are_those_that_stand():
    rows = re.findall(r"^\| `(\w+)` \|", DOCUMENTS["docs/methods.md"], re.MULTILINE)
    assert set(rows) == {*registry.names("tunesmith.methods"), "none"}


def test_the_floors_are_those_of_the_law():
    drawn = blocks(DOCUMENTS["docs/ARCHITECTURE.md"], "")[0]
    told = {int(n): set(rooms.split()) for n, rooms in re.findall(r"(\d+)((?: +[a-z]+)+)", drawn)}
    standing = {path.stem for path in (ROOT / "tunesmith").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    wanted = {n: {room for room in rooms if room in standing and room != "__main__"} for n, rooms in enumerate(FLOORS)}
    assert told == wanted


def test_the_architecture_is_one_page_and_names_every_room():
    text = DOCUMENTS["docs/ARCHITECTURE.md"]
    assert len(text.splitlines()) <= 120
    named = {span.removesuffix("/").partition("/")[0] for span in spans(text)}
    rooms = [path.name for path in (ROOT / "tunesmith").iterdir() if not path.name.startswith("__") and path.suffix != ".typed"]
    assert set(rooms) <= named


@pytest.mark.parametrize("path", RECIPE_FILES, ids=str)
def test_recipes_that_come_along_are_valid(path):
    refuse_invalid(settings.load(ROOT / path))
