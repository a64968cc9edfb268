"""What the source may not do, whatever it is given: read pickles, run text as code, ask a shell, wait for ever, unpack archives."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "tunesmith"
FILES = sorted([*PACKAGE.rglob("*.py"), *ROOT.glob("recipes/**/*.py")])

# Modules that bring code or pickles, and why a file may have one nevertheless
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
ALLOWED = {
    "tunesmith/data/formats.py": "rows in a file without a name, written and read by the same process and seen by no other",
}
CODE = {"eval", "exec", "compile", "__import__"}
BANNED = {
    "os.system": "asks a shell",
    "os.popen": "asks a shell",
    "subprocess.getoutput": "asks a shell",
    "subprocess.getstatusoutput": "asks a shell",
    "tempfile.mktemp": "names a file that another may make first",
    "yaml.unsafe_load": "runs tags",
    "yaml.full_load": "runs tags",
    "yaml.load_all": "runs tags",
    "torch.save": "writes a pickle",
    "pandas.read_pickle": "reads a pickle",
    "shutil.unpack_archive": "writes where an archive says",
    "tarfile.open": "writes where an archive says",
}
SAFE = {"SafeLoader", "CSafeLoader", "LOADER", "_Loader"}
WITH_TIMEOUT = {"requests", "httpx", "httpx2", "urllib", "aiohttp"}
NO_WEIGHTS = {"AutoConfig", "AutoTokenizer", "GenerationConfig"}


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or an attribute; empty of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    below = dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{below}.{node.attr}" if below and isinstance(node, ast.Attribute) else ""


def literal(call: ast.Call, name: str) -> object:
    """The plain value of a keyword; `...` where it is missing, None where it is no plain value."""
    found = next((one.value for one in call.keywords if one.arg == name), ...)
    return ... if found is ... else getattr(found, "value", None)


def faults(tree: ast.AST):
    """(line, what is wrong)"""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            named = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            yield from ((node.lineno, f"imports {one}") for one in named if one.partition(".")[0] in PICKLES)
        if isinstance(node, ast.ClassDef):
            loaders = [dotted(one) for one in node.bases if dotted(one).endswith("Loader")]
            yield from ((node.lineno, f"is a {one}") for one in loaders if not one.endswith("SafeLoader"))
        if isinstance(node, ast.Call):
            yield from ((node.lineno, told) for told in called(node))


def called(call: ast.Call):
    """What is wrong with a call."""
    name = dotted(call.func)
    last = call.func.attr if isinstance(call.func, ast.Attribute) else name
    if name in CODE:
        yield f"{name} runs text as code"
    if name in BANNED:
        yield f"{name} {BANNED[name]}"
    if name == "torch.load" and literal(call, "weights_only") is not True:
        yield "torch.load without weights_only=True runs what a pickle says"
    if name == "yaml.load" and dotted(next((one.value for one in call.keywords if one.arg == "Loader"), call)) not in SAFE:
        yield "yaml.load without a safe Loader runs tags"
    if literal(call, "shell") not in (..., False):
        yield "shell=True asks a shell"
    if literal(call, "trust_remote_code") is True:
        yield "trust_remote_code=True runs strangers' code without being asked"
    if literal(call, "allow_pickle") not in (..., False):
        yield "allow_pickle=True reads a pickle"
    if last in ("extractall", "extract"):
        yield f"{last} writes where an archive says"
    if last == "from_pretrained" and name.split(".")[0] not in NO_WEIGHTS and literal(call, "use_safetensors") is not True:
        yield "from_pretrained without use_safetensors=True may read a pickle"
    asks = name.split(".")[0] in WITH_TIMEOUT and last in ("get", "post", "put", "head", "request", "urlopen", "stream")
    if (asks or last in ("Client", "AsyncClient", "Session", "HTTPConnection")) and literal(call, "timeout") is ...:
        yield f"{name} without a timeout may wait for ever"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_reads_no_pickle_and_runs_no_text(path):
    name = str(path.relative_to(ROOT))
    found = [f"{name}:{line}: {told}" for line, told in faults(ast.parse(path.read_text(encoding="utf-8")))]
    if name in ALLOWED:
        assert found, f"`{name}` needs no exception any more: take it out"
        found = [one for one in found if "pickle" not in one]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import yaml\nyaml.load(x)",
        "yaml.load(x, Loader=yaml.Loader)",
        "class L(yaml.Loader): pass",
        "eval(x)",
        "exec('a')",
        "torch.load(x)",
        "torch.load(x, weights_only=False)",
        "subprocess.run(x, shell=True)",
        "os.system('ls')",
        "np.load(x, allow_pickle=True)",
        "tempfile.mktemp()",
        "archive.extractall(place)",
        "M.from_pretrained(x)",
        "AutoModel.from_pretrained(x, use_safetensors=False)",
        "M.from_config(c, trust_remote_code=True)",
        "requests.get(x)",
        "httpx2.AsyncClient()",
        "urllib.request.urlopen(x)",
    ],
)
def test_the_law_sees_what_it_forbids(text):
    assert list(faults(ast.parse(text)))


def test_wordings_are_rendered_in_jinja_s_sandbox():
    """Only the pages' own templates, which ship, are rendered outside of it."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "Environment":
                assert literal(node, "autoescape") is True, (
                    f"{path.relative_to(ROOT)}:{node.lineno}: pages escape what they show"
                )


def test_the_package_is_all_looked_at():
    assert len(FILES) > 300 and Path(PACKAGE / "models" / "pickles.py") in FILES
