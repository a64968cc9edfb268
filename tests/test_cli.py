"""The command line."""

import io
import json
import os
import re
import resource
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.tiny import rows, tiny_model
from tunesmith import answering, cli, commands, verbs
from tunesmith.errors import UserError


def run(capsys, *words):
    """(exit status, stdout, stderr) of a command in this process."""
    status = 0
    try:
        cli.main(words)
    except SystemExit as stop:
        status = stop.code
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a tiny model of each speaking family, rows, a recipe and a finished run."""
    folder = tmp_path_factory.mktemp("home")
    before = os.getcwd()  # noqa: PTH109
    os.chdir(folder)
    tiny_model(folder / "t5")
    tiny_model(folder / "llama", "llama")
    rows(folder / "sums.jsonl")
    recipe = """
name: mine
model: {path: t5}
method: {kind: lora, rank: 2}
tasks: {sums.jsonl: 1.0}
forgetting: none
plan: {steps: 2, examples: 4, learning_rate: 1.0e-3}
ask: {tokens: 4}
limit: {test: 3}
"""
    (folder / "recipe.yaml").write_text(recipe)
    verbs.train("recipe.yaml", quiet=True)
    os.chdir(before)
    return folder


@pytest.fixture
def here(home, monkeypatch):
    monkeypatch.chdir(home)
    return home


def children_seconds():
    """Processor time of ended processes, which a busy machine does not stretch as it does the clock's."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_is_instant_and_without_torch():
    code = (
        "import sys\nfrom tunesmith import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'transformers', 'numpy', 'pydantic', 'rich'} & set(sys.modules), sorted(sys.modules)"
    )
    taken = []
    for _ in range(3):
        before = children_seconds()
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        taken.append(children_seconds() - before)
        assert found.returncode == 0, found.stderr
    assert "compare" in found.stdout
    assert min(taken) < 0.3


def test_listing_needs_no_torch():
    code = "import sys\nfrom tunesmith import cli\ncli.main(['list'])\nassert 'torch' not in sys.modules"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    for name in ("lora", "sft", "rouge1", "town/dialogues"):
        assert name in found.stdout


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("compare r.yaml --into x plan.epochs=1", {"given": ["r.yaml", "plan.epochs=1"]}),
        ("compare plan.epochs=1 --model a --model b r.yaml", {"given": ["plan.epochs=1", "r.yaml"], "model": ["a", "b"]}),
        ("train r.yaml a=1 --brief b=2", {"given": ["r.yaml", "a=1", "b=2"], "brief": True}),
        ("predict RUN FILE --into x tokens=3", {"run": "RUN", "given": ["tokens=3"]}),
        ("predict --template t RUN FILE", {"run": "RUN", "template": "t", "given": []}),
        ("eval m t1 --into x t2", {"model": "m", "tasks": ["t1", "t2"]}),
        ("answer RUN - tokens=3", {"prompt": "-", "given": ["tokens=3"]}),
        ("answer RUN -- -3+4=?", {"prompt": "-3+4=?"}),
        ("show --examples 1 r.yaml", {"examples": 1, "given": ["r.yaml"]}),
        ("schema", {"recipe": "comparison"}),
        ("compare --no-open", {"open": False}),
    ],
)
def test_options_and_settings_in_any_order(words, wanted):
    found = cli.parser().parse_args(words.split())
    assert {name: getattr(found, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["comapre"], "there is no command `comapre`; did you mean `compare`?"),
        (["compare", "--modle", "x"], "there is no option `--modle`; did you mean `--model`?"),
        (["train", "a=1", "--model", "x"], "there is no option `--model`"),
        (["train"], "required"),
        (["show", "--examples", "many"], "invalid int value"),
    ],
)
def test_wrong_words(capsys, words, said):
    status, out, err = run(capsys, *words)
    assert status == 2
    assert out == ""
    assert said in err


MISTAKES = {
    "train nowhere.yaml": "there is no recipe and no run at `nowhere.yaml`",
    "train recipe.yml": "did you mean `recipe.yaml`?",
    "train recipe.yaml recipe.yaml": "several recipes",
    "train recipe.yaml plan.stepps=3": "did you mean `plan.steps`?",
    "train recipe.yaml plan.steps=three": "expected a valid integer",
    "train recipe.yaml model.path=./nowhere --into x": "there is no such folder",
    "train broken.yaml": "`broken.yaml` line 3 is not YAML",
    "train empty.csv": "neither `tasks` nor `judged_by`",
    'train name=x tasks."empty.csv"=1': "empty.csv` is empty",
    "compare runs/mine nowhere": "there is no recipe and no run at `nowhere`",
    "compare runs/mine recipe.yaml": "are mixed",
    "compare runs": "`runs` is not a run",
    "compare recipe.yaml": "names no `systems`",
    "eval t5 nowhere.csv": "nowhere.csv",
    "eval t5 t5": "no wording fits",
    "answer runs/mine hello tokns=3": "did you mean `tokens`?",
    "answer runs/mine hello tokens": "`tokens` is not an override",
    "answer runs hello": "neither a network",
    "predict runs/mine nowhere.csv": "there is no file `nowhere.csv`",
    "predict runs/mine other.csv": "`other.csv` row 1: template",
    "predict runs/mine bad.jsonl": "`bad.jsonl` line 2",
    "predict t5 sums.jsonl": "`--template`",
    "predict runs/mine sums.jsonl --into sums.jsonl": "cannot be written to `sums.jsonl`",
    "show --data nowhere.csv": "nowhere.csv",
    "show --template x": "without `--data`",
    "show recipe.yaml tasks={}": "no `tasks` to show",
    "list methodes": "did you mean `methods`?",
    "train recipe.yaml --into recipe.yaml/run": "recipe.yaml",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_told_in_words(here, capsys, words):
    (here / "broken.yaml").write_text("name: x\nplan: {steps: [\n")
    (here / "empty.csv").write_text("")
    (here / "other.csv").write_text("question,completion\nwhat,that\n")
    (here / "bad.jsonl").write_text('{"prompt": "a"}\n{"prompt": \n{"prompt": "b"}\n')
    status, out, err = run(capsys, *words.split())
    assert status == 1
    assert out == ""
    assert any(line.startswith("error: ") for line in err.splitlines())
    assert MISTAKES[words] in err
    assert "Traceback" not in err


def test_train_prints_scores_and_folder(here, capsys):
    status, out, err = run(capsys, "train", "recipe.yaml")
    assert status == 0
    assert "exact_match" in out
    assert out.splitlines()[-1] == "runs/mine"
    assert "finished before" in err


def test_train_says_what_it_does_and_nothing_else(here, capsys):
    """No bar and no warning of another library."""
    status, out, err = run(capsys, "train", "recipe.yaml", "--into", "runs/again", "--brief", "name=again", "method=full")
    assert (status, out) == (0, "")
    assert all(line.startswith("again  ") for line in err.splitlines())
    assert "step 2/2" in err
    assert re.search(r"\d [MG]iB", err), "a whole suite may take more than a gibibyte"


def test_eval_weighs_all_of_a_text(here, capsys):
    (here / "text").mkdir()
    for name, text in (("a.md", "It was late.\n\nNobody came."), ("b.md", "It was early.")):
        (here / "text" / name).write_text(text)
    status, out, _ = run(capsys, "eval", "llama", "--text", "text", "--text", "text/a.md", "ask.overlap=8", "--into", "weighed")
    assert status == 0
    lines = [line.split("│")[1:-1] for line in out.splitlines() if "│" in line]
    found = {(task.strip(), metric.strip()): (ends.strip(), count.strip()) for task, metric, _, ends, count in lines}
    assert {metric for _, metric in found} == {"perplexity", "bits_per_byte", "cross_entropy"}
    assert {count for (task, _), (_, count) in found.items() if task == "text"} == {"2"}
    assert {ends for (task, _), (ends, _) in found.items() if task == "a"} == {""}, "one text has no interval"
    assert all(" to " in ends for (task, _), (ends, _) in found.items() if task == "text")
    status, _, err = run(capsys, "eval", "llama")
    assert status == 1 and "--text" in err
    status, _, err = run(capsys, "eval", "llama", "--text", "sums.jsonl", "--column", "sum")
    assert status == 1 and "`sums.jsonl` line 1: template `inline` needs a column `sum`" in err


def test_eval(here, capsys):
    status, out, _ = run(capsys, "eval", "t5", "sums.jsonl", "limit.test=2", "ask.tokens=3")
    assert status == 0
    assert out.splitlines()[-1] == "runs/t5-eval"
    status, out, _ = run(capsys, "eval", "runs/mine", "sums.jsonl", "--into", "runs/e", "limit.test=2", "ask.tokens=3")
    assert status == 0


@pytest.mark.parametrize("model", ["runs/mine", "t5", "llama"])
def test_answer(here, capsys, monkeypatch, model):
    status, out, err = run(capsys, "answer", model, "3 and 3", "tokens=3")
    assert (status, err) == (0, "")
    monkeypatch.setattr(sys, "stdin", io.StringIO("3 and 3\n"))
    assert run(capsys, "answer", model, "-", "tokens=3") == (0, out, "")
    assert run(capsys, "answer", model, " ")[0] == 1


def test_chat_keeps_the_history(here, capsys, monkeypatch):
    lines = iter(["hello", "and?", ""])
    monkeypatch.setattr("builtins.input", lambda prompt: next(lines))
    heard = []
    spoken = answering.spoken

    def listen(model, prompts, sampling):
        heard.extend(prompts)
        return spoken(model, prompts, sampling)

    monkeypatch.setattr(answering, "spoken", listen)
    status, out, _ = run(capsys, "chat", "llama", "tokens=3")
    assert status == 0
    assert len(out.splitlines()) >= 2
    assert [[message.role for message in example.messages] for example in heard] == [["user"], ["user", "assistant", "user"]]


def test_chat_forgets_the_oldest_turns(here):
    talk = answering.chat("llama", overrides=["tokens=2"])
    for number in range(10):
        talk.say(f"{number}: " + "word " * 150)
    assert len(talk.messages) < 20
    assert talk.messages[-2].content.startswith("9: ")
    assert talk.messages[0].role == "user"


def test_chat_ends_with_ctrl_c(here, capsys, monkeypatch):
    def pressed(prompt):
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", pressed)
    assert run(capsys, "chat", "t5")[0] == 0


def test_predict_keeps_rows_and_order(here, capsys):
    (here / "ask.csv").write_text('id,prompt\n7,"3 and 3"\n8,"4,\nand 4"\n9,5 and 5\n')
    status, out, _ = run(capsys, "predict", "runs/mine", "ask.csv", "--into", "out/said.jsonl", "tokens=3")
    assert (status, out.strip()) == (0, "out/said.jsonl")
    found = [json.loads(line) for line in (here / "out" / "said.jsonl").read_text().splitlines()]
    assert [(row["id"], row["prompt"]) for row in found] == [(7, "3 and 3"), (8, "4,\nand 4"), (9, "5 and 5")]
    assert [row["answer"] for row in found] == [
        answering.answer("runs/mine", row["prompt"], overrides=["tokens=3"]) for row in found
    ]
    assert run(capsys, "predict", "runs/mine", "sums.jsonl", "tokens=1")[0] == 0
    assert len((here / "sums.answers.jsonl").read_text().splitlines()) == 60
    (here / "sums.answers.jsonl").unlink()


def test_predict_leaves_an_answer_of_the_rows_alone(here, capsys):
    (here / "own.jsonl").write_text('{"question": "a", "answer": "b"}\n')
    assert run(capsys, "predict", "t5", "own.jsonl", "--template", "{{question}}?", "tokens=2")[0] == 0
    [row] = [json.loads(line) for line in (here / "own.answers.jsonl").read_text().splitlines()]
    assert (row["question"], row["answer"]) == ("a", "b")
    assert "model_answer" in row


def test_predict_names_the_row_that_is_too_long(here, capsys):
    (here / "long.jsonl").write_text(json.dumps({"prompt": "short"}) + "\n" + json.dumps({"prompt": "word " * 3000}) + "\n")
    status, _, err = run(capsys, "predict", "llama", "long.jsonl", "--template", "{{prompt}}")
    assert status == 1
    assert "`long.jsonl` row 2" in err


def test_show_tells_lengths_and_what_would_be_cut(here, capsys):
    status, out, _ = run(capsys, "show", "recipe.yaml", "plan.window=4", "--examples", "1")
    assert status == 0
    for said in ("median", "rows are longer than 4 tokens", "drop:", "cut_prompt:"):
        assert said in out


def test_show_counts_the_most_virtual_tokens_of_a_comparison(here, capsys):
    from tunesmith import showing

    def row(*overrides):
        shown = showing.show(None, model="t5", data="sums.jsonl", overrides=list(overrides))
        return shown[0].lengths.row[0]

    assert row("systems.prompt.method.virtual_tokens=40") - row("systems.prompt.method.virtual_tokens=10") == 30


def test_the_schema_knows_every_plug_in(capsys):
    for recipe in ("run", "comparison"):
        status, out, _ = run(capsys, "schema", recipe)
        assert status == 0
        tree = json.loads(out)
        assert tree["additionalProperties"] is False
        for name, known in {"method": {"lora", "prompt", "full", "none"}, "objective": {"sft", "pretrain"}}.items():
            arms = tree["properties"][name]["oneOf"]
            assert known <= {one for arm in arms for one in (*arm.get("enum", ()), arm.get("const"))}
            mapped = {arm["properties"]["kind"].get("const") for arm in arms if "properties" in arm}
            assert known - {"none"} <= mapped
        assert ("systems" in tree["properties"]) == (recipe == "comparison")


def test_a_full_disk_and_a_full_card_are_told(capsys, monkeypatch, here):
    class OutOfMemoryError(RuntimeError): ...

    for error, said in [
        (OSError(28, "No space left on device"), "the disk is full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "the disk is full"),
        (OutOfMemoryError("CUDA out of memory"), "the memory of the card is full"),
        (MemoryError(), "the memory that this process may have is full"),
        (OSError(12, "Cannot allocate memory"), "the memory that this process may have is full"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "the memory that this process may have"),
        (RuntimeError("can't start new thread"), "may begin no more threads"),
        (PermissionError(13, "Permission denied", "/root/x"), "`/root/x`: Permission denied"),
    ]:

        def fails(*args, error=error, **kwargs):
            raise error

        monkeypatch.setattr(verbs, "train", fails)
        status, _, err = run(capsys, "train", "recipe.yaml")
        assert status == 1
        assert said in err
    monkeypatch.setattr(verbs, "train", lambda *a, **k: 1 / 0)
    with pytest.raises(SystemExit, match=r"(?s)Traceback.*ZeroDivisionError: division by zero"):
        cli.main(["train", "recipe.yaml"])


def test_ctrl_c(capsys, monkeypatch, here):
    def pressed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(verbs, "train", pressed)
    status, _, err = run(capsys, "train", "recipe.yaml")
    assert status == 130
    assert "the same command goes on" in err


def test_a_closed_pipe_is_no_error(here):
    command = f"{sys.executable} -m tunesmith list | head -c 1"
    found = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert len(found.stdout) == 1
    assert found.stderr == ""


def test_paths_and_overrides_are_told_apart(here):
    (here / "a=b.yaml").write_text("name: x")
    assert commands.split_given(["a=b.yaml", "plan.steps=3"]) == (["a=b.yaml"], ["plan.steps=3"])
    with pytest.raises(UserError, match="several recipes"):
        commands.one_recipe(["a=b.yaml", "recipe.yaml"])
