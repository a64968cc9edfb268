"""Keys and passwords reach neither a run's folder nor what is printed or served; a run keeps the commit that it began with."""

import json
import shutil

import pytest
import yaml
from fastapi.testclient import TestClient
from safetensors.torch import load_file, save_file

from tests.tiny import rows, tiny_model
from tunesmith import cli, settings, verbs
from tunesmith.errors import UserError
from tunesmith.masking import holding, masked
from tunesmith.models.load import ModelSettings, load
from tunesmith.run import Run
from tunesmith.serving import server
from tunesmith.serving.studio import routes
from tunesmith.serving.studio.index import Index

PLANTED = {
    "HF_TOKEN": "hf_" + "Aa1" * 11,
    "OPENAI_API_KEY": "sk-proj-" + "b" * 30,
    "WANDB_API_KEY": "0123456789abcdef" * 2,
    "MLFLOW_TRACKING_PASSWORD": "correct horse battery",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG",
}
ADDRESS = "http://me:hunter2hunter2@host/v1"
FORMS = [  # that are known without the environment
    *("hf_" + "x" * 30, "sk-" + "y" * 40, "AKIA" + "Z" * 16, "ghp_" + "q" * 36, "glpat-" + "r" * 20, "xoxb-" + "1" * 24),
    *("-----BEGIN RSA PRIVATE KEY-----", ADDRESS),
]


@pytest.fixture
def planted(monkeypatch):
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)


def leaks(text):
    return [one for one in (*PLANTED.values(), "hunter2", *FORMS[:-1]) if one in text]


def recipe(tmp_path, **more):
    tiny_model(tmp_path / "tiny", "llama")
    task = {str(rows(tmp_path / "rows.jsonl")): {"template": "{{prompt}} ||| {{completion}}"}}
    tree = {"name": "r", "model": {"path": str(tmp_path / "tiny")}, "tasks": task, "forgetting": "none", "plan": {"steps": 2}}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({**tree, **more}), encoding="utf-8")
    return str(tmp_path / "r.yaml")


def everything(folder):
    """All bytes of all files of a folder, as text."""
    return "".join(one.read_bytes().decode("latin-1") for one in folder.rglob("*") if one.is_file())


@pytest.mark.parametrize("text", FORMS)
def test_what_looks_like_a_key_is_cut_out(text):
    assert text not in masked(f"before {text} behind") and masked(f"before {text} behind").startswith("before ")
    assert holding({"a": [{"b": f"x {text}"}]}) == "a[0].b" and holding({"a": {text: 1}}) == "a"


def test_plain_words_are_no_keys(monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("SOME_KEY", "short")
    monkeypatch.setenv("KEYBOARD", "a-long-value-of-a-keyboard")
    for text in ("hf_short", "a task-sk-1", "http://host:80/v1", "false", "short", "a-long-value-of-a-keyboard", "me@host"):
        assert masked(text) == text and holding({"a": text}) is None


def test_a_run_with_secrets_about_it_holds_and_serves_none(planted, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cli.main(["train", recipe(tmp_path), "--into", "runs/r"])
    said = capfd.readouterr()
    found = everything(tmp_path / "runs")
    assert "recipe" in found or Run(tmp_path / "runs" / "r").recipe()
    assert not leaks(found) and not leaks(said.out + said.err)
    index = Index([tmp_path / "runs"])
    [entry] = index.entries()
    app = server.create([routes.router(index, [routes.Place("/runs", "Runs")])], home="/runs")
    client = TestClient(app, base_url="http://127.0.0.1")
    for path in ("/runs", f"/run/{entry.id}", "/api/studio/runs", f"/api/studio/run?id={entry.id}"):
        answer = client.get(path)
        assert answer.status_code == 200 and not leaks(answer.text), path


@pytest.mark.parametrize("given", ["model.path", "judged_by", "tasks", "name", "track", "method"])
def test_a_recipe_with_a_secret_is_refused_and_not_repeated(given, planted, tmp_path, capfd):
    secret = PLANTED["HF_TOKEN"]
    path = recipe(tmp_path)
    words = {
        "model.path": [f"model.path=https://me:{PLANTED['WANDB_API_KEY']}@host/model"],
        "judged_by": [f"judged_by=[{secret}]"],
        "tasks": [f'tasks."{secret}/rows"=1'],
        "name": [f"name={secret}"],
        "track": [f"track=[{{kind: mlflow, uri: '{ADDRESS}'}}]"],
        "method": [f"method={secret}"],
    }[given]
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", path, *words, "--into", str(tmp_path / "run")])
    said = capfd.readouterr()
    assert ended.value.code == 1 and "hint:" in said.err
    assert not leaks(said.out + said.err), said.err
    assert not (tmp_path / "run").exists() or not leaks(everything(tmp_path / "run"))


def test_what_fails_is_kept_without_its_secrets(planted, tmp_path):
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    with pytest.raises(RuntimeError), run.failing():
        raise RuntimeError(f"401 for {ADDRESS} with {PLANTED['OPENAI_API_KEY']}")
    assert run.world()["failed"].startswith("401 for http://(") and not leaks(everything(tmp_path))
    with pytest.raises(UserError, match="a key or a password"):
        run.keep_recipe({"model": {"path": ADDRESS}})
    assert not leaks(everything(tmp_path))
    error = UserError(f"{ADDRESS} refused", PLANTED["HF_TOKEN"])
    assert not leaks(str(error) + repr(error) + error.problem + error.hint)


def test_a_fault_of_the_program_is_told_without_secrets(planted, tmp_path, monkeypatch, capfd):
    def broken(*given, **named):
        raise ZeroDivisionError(f"{PLANTED['AWS_SECRET_ACCESS_KEY']} by nought")

    monkeypatch.setattr(verbs, "train", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", recipe(tmp_path)])
    assert "ZeroDivisionError: (AWS_SECRET_ACCESS_KEY) by nought" in str(ended.value.code) and "Traceback" in str(
        ended.value.code
    )


FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A cache of the hub with one network in two commits, of which `main` is the first; no network."""
    repo = tmp_path / "hub" / "models--me--tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(FIRST, encoding="utf-8")
    for commit in (FIRST, SECOND):
        folder = tiny_model(repo / "snapshots" / commit, "llama")
        if commit == SECOND:
            tensors = load_file(folder / "model.safetensors")
            save_file({name: value * 2 for name, value in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("transformers.utils.hub.is_offline_mode", lambda: True, raising=False)
    return repo


def test_a_run_goes_on_with_the_commit_that_it_began_with(hub, tmp_path):
    path = recipe(tmp_path)
    given = ["model.path=me/tiny", "plan.steps=4", "plan.validate_every=1"]
    begun = verbs.train(path, into=tmp_path / "run", overrides=[*given, "plan.stop_after=0.25"], quiet=True)
    assert begun.world()["revision"] == FIRST
    whole = verbs.train(path, into=tmp_path / "whole", overrides=given, quiet=True)
    (hub / "refs" / "main").write_text(SECOND, encoding="utf-8")
    assert load(ModelSettings(path="me/tiny")).revision == SECOND
    went_on = verbs.train(path, into=tmp_path / "run", overrides=given, quiet=True)
    assert went_on.world()["revision"] == FIRST
    assert [one["loss"] for one in went_on.steps()] == [one["loss"] for one in whole.steps()]
    adapter = tmp_path / "run" / "adapter"
    assert json.loads((adapter / "base.json").read_text(encoding="utf-8"))["revision"] == FIRST
    assert load(ModelSettings(path=str(tmp_path / "run"))).revision == FIRST, "and is used with it"


def test_a_revision_that_is_unknown_or_gone_is_told(hub, tmp_path):
    assert load(ModelSettings(path="me/tiny", revision=SECOND)).revision == SECOND
    for path, revision in (("me/tiny", "v9"), ("me/tiny", "3" * 40), ("me/tinny", None)):
        with pytest.raises(UserError) as caught:
            load(settings.build(ModelSettings, {"path": path, "revision": revision}))
        assert path in str(caught.value) and caught.value.hint, caught.value
    shutil.rmtree(hub / "snapshots" / FIRST)
    with pytest.raises(UserError):
        load(ModelSettings(path="me/tiny"))
