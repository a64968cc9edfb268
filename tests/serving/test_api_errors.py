"""What clients are told where something is wrong, and how a server ends: nobody is left without a word."""

import json
import signal
import socket
import threading
import time
from contextlib import ExitStack

import httpx2
import openai
import pytest
import uvicorn

from tests.serving.api_server import BASE, Server, base, serving
from tunesmith.evaluation.heads import classify
from tunesmith.serving import server
from tunesmith.serving.api import application
from tunesmith.serving.served import Limits, Served
from tunesmith.serving.worker import Worker

ASKED = {"model": BASE, "prompt": "The river", "max_tokens": 4, "temperature": 0}
CHAT = {"model": BASE, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}


def wrong(api: Server, body, path="/v1/completions", status=400, **headers):
    """The error that a request is answered with, once its shape is looked at."""
    found, tree = api.ask(path, body, **headers)
    assert found == status, tree
    assert set(tree) == {"error"} and set(tree["error"]) == {"message", "type", "param", "code"}
    return tree["error"]


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"max_tokens": 10**6}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"n": 128, "prompt": ["a"] * 9}, "n"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": [10**6]}, "prompt"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"prompt": "word " * 3000}, "prompt"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"logit_bias": {"999999": 1}}, "logit_bias"),
        ({"stop": ""}, "stop"),
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 2, "n": 3}, "best_of"),
        ({"best_of": 3, "stream": True}, "best_of"),
        ({"best_of": 200}, "best_of"),
        ({"stream_options": {"include_usage": True}}, None),
        ({"response_format": {"type": "odd"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "odd"}}}}, "response_format"),
        ({"seed": 2**70}, "seed"),
        ({"prompt": "\ud800"}, None),
        ({"unheard_of": 1}, "unheard_of"),
    ],
)
def test_a_field_that_is_wrong_is_named(api, more, param):
    error = wrong(api, ASKED | more)
    assert error["type"] == "invalid_request_error"
    assert param is None or error["param"] == param, error


def test_other_mistakes(api):
    assert wrong(api, ASKED | {"model": "lowe"}, status=404)["code"] == "model_not_found"
    assert "did you mean `low`" in wrong(api, ASKED | {"model": "lowe"}, status=404)["message"]
    assert "JSON" in wrong(api, b'{"model": ')["message"]
    assert wrong(api, b"\xff\xfe\x00")
    assert wrong(api, b"[" * 100_000)
    for _ in range(8):  # the sender hears why, whether or not it was still sending
        assert wrong(api, b"[" * (1 << 23), status=413)["code"] == "request_too_large"
    assert wrong(api, ASKED, status=415, **{"Content-Type": "text/plain"})
    assert wrong(api, ASKED, status=403, Origin="https://elsewhere.example")
    assert wrong(api, ASKED, status=421, Host="elsewhere.example")
    assert wrong(api, None, "/v1/completions", status=405)
    assert wrong(api, ASKED, "/v1/odd", status=404)
    assert wrong(api, CHAT | {"messages": []}, "/v1/chat/completions")["param"] == "messages"
    assert wrong(api, CHAT | {"messages": [{"role": "odd", "content": ""}]}, "/v1/chat/completions")
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}
    assert wrong(api, CHAT | {"messages": [image]}, "/v1/chat/completions")
    assert wrong(api, CHAT | {"top_logprobs": 2}, "/v1/chat/completions")["param"] == "top_logprobs"
    assert "no head" in wrong(api, {"model": BASE, "input": "a"}, "/v1/classify")["message"]
    assert wrong(api, {"lora_name": "a", "lora_path": "/etc"}, "/v1/load_lora_adapter", status=404), "off unless switched on"
    status, page = api.ask("/metrics")
    assert status == 200 and 'tunesmith_requests_total{path="/v1/completions",status="404"}' in page


TOKEN = "a-secret-token"
WITH = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def strict_servers(tmp_path_factory):
    """Starts a server with a token, one row and one that may wait, where none runs any more."""
    words = ("--token", TOKEN, "--rows", "1", "--queue", "1")
    with ExitStack() as kept:
        running: list[Server] = []

        def start() -> Server:
            if not running or running[-1].process.poll() is not None:
                folder = tmp_path_factory.mktemp("strict")
                running.append(kept.enter_context(serving(folder, *words, standing=(), folders={})))
            return running[-1]

        yield start


@pytest.fixture
def strict(strict_servers):
    return strict_servers()


def test_without_the_token_nobody_is_answered(strict):
    assert wrong(strict, ASKED, status=401)["code"] == "invalid_api_key"
    assert strict.ask("/metrics")[0] == 401
    assert strict.ask("/health")[0] == 200
    with openai.OpenAI(base_url=f"{strict.address}/v1", api_key=TOKEN) as client:
        assert client.completions.create(**ASKED).choices
    with (
        openai.OpenAI(base_url=f"{strict.address}/v1", api_key="wrong-token") as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()


def test_more_than_may_wait_are_told_to_come_again(strict):
    long = ASKED | {"max_tokens": 900, "min_tokens": 900}
    waiting = [threading.Thread(target=strict.ask, args=("/v1/completions", long), kwargs=WITH) for _ in range(2)]
    for one in waiting:
        one.start()
    while sum(strict.ask("/health")[1]["worker"][name] for name in ("under_way", "waiting")) < 2:
        assert all(one.is_alive() for one in waiting)
        time.sleep(0.01)
    assert wrong(strict, ASKED, status=429, **WITH)["code"] == "rate_limit_exceeded"
    for one in waiting:
        one.join()
    assert strict.ask("/v1/completions", ASKED, **WITH)[0] == 200


def test_told_to_end_it_lets_answers_end(strict):
    body = ASKED | {"max_tokens": 900, "min_tokens": 900, "stream": True}
    with httpx2.stream("POST", f"{strict.address}/v1/completions", json=body, timeout=60, headers=WITH) as answer:
        events = iter(httpx2.EventSource(answer))
        next(events)
        strict.process.send_signal(signal.SIGTERM)
        while strict.ask("/health")[0] == 200:
            time.sleep(0.01)
        assert strict.ask("/health")[1]["status"] == "draining"
        assert wrong(strict, ASKED, status=503, **WITH)["type"] == "server_error"
        rest = list(events)
    assert rest[-1].data == "[DONE]"
    assert json.loads(rest[-2].data)["choices"][0]["finish_reason"] == "length"
    assert strict.process.wait(30) == 0
    assert "Traceback" not in strict.warnings.read_text()


@pytest.fixture
def here(tmp_path):
    """A server in this very process, so that its network can be broken."""
    model = base()
    worker = Worker(model, rows=2).start()
    served = Served(worker, BASE, Limits())
    listening, _ = server.bind("127.0.0.1", 0, None)
    running = uvicorn.Server(uvicorn.Config(application(served, classify), log_level="critical"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    yield Server(None, server.link(listening, "", None), {}, tmp_path), worker
    running.should_exit = True
    thread.join(20)
    worker.close(1)
    served.close()


def test_a_fault_is_told_and_the_worker_comes_back(here):
    api, worker = here
    assert api.ask("/v1/completions", ASKED)[0] == 200
    speech = worker.call(lambda: worker._engine.speech).result(10)
    whole = speech.step

    def broke(*given):
        raise RuntimeError("the network is ill")

    speech.step = broke
    error = wrong(api, ASKED, status=500)
    assert "the network is ill" in error["message"] and error["type"] == "server_error"
    speech.step = whole
    assert api.ask("/v1/completions", ASKED)[0] == 200
    assert api.ask("/health")[1] == {
        "status": "ok",
        "worker": {"alive": True, "fault": "", "restarts": 1, "under_way": 0, "waiting": 0},
    }
    assert api.figure("tunesmith_restarts_total") == api.figure("tunesmith_failed_total") == 1
    worker.call(lambda: worker._engine.speech).result(10).step = broke
    with httpx2.stream("POST", f"{api.address}/v1/completions", json=ASKED | {"stream": True}) as answer:
        events = list(httpx2.EventSource(answer))
    assert "the network is ill" in events[-1].json()["error"]["message"]


def test_a_worker_that_is_no_more_is_reported(here):
    api, worker = here
    worker.close(1)
    status, tree = api.ask("/health")
    assert status == 503 and tree["status"] == "failed"
    assert wrong(api, ASKED, status=503)["code"] == "unavailable"
    assert wrong(api, {"model": BASE, "input": "a"}, "/v1/embeddings", status=503)
    assert api.figure("tunesmith_worker_alive") == 0


def test_a_device_that_computes_no_more_ends_the_worker_and_everybody_is_told(here, monkeypatch):
    api, worker = here
    assert api.ask("/v1/completions", ASKED)[0] == 200
    speech = worker.call(lambda: worker._engine.speech).result(10)
    monkeypatch.setattr("tunesmith.serving.worker.is_lost", lambda device: True)

    def broke(*given):
        raise RuntimeError("CUDA error: device-side assert triggered")

    speech.step = broke
    found = []
    began = time.monotonic()
    asking = [threading.Thread(target=lambda: found.append(wrong(api, ASKED, status=500)["message"])) for _ in range(2)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert time.monotonic() - began < 10, "at once, and not once somebody looks"
    assert all("device-side assert" in message for message in found)
    status, tree = api.ask("/health")
    assert (status, tree["status"], tree["worker"]["fault"]) == (503, "failed", "RuntimeError")
    assert wrong(api, ASKED, status=503)["code"] == "unavailable"


def test_a_server_whose_worker_has_ended_ends_too_and_its_command_with_status_1(monkeypatch, capsys, tmp_path):
    """What a supervisor starts again. Whoever was under way has been told before."""
    from tunesmith import hosting
    from tunesmith.cli import main
    from tunesmith.models.speech import Speech

    def broke(*given):
        raise RuntimeError("the network is ill")

    told, asking = [], []

    def ready(address):
        api = Server(None, address.base.removesuffix("/v1"), {}, tmp_path)
        asking.append(threading.Thread(target=lambda: told.extend(wrong(api, ASKED, status=500) for _ in range(3))))
        asking[0].start()

    monkeypatch.setattr(Speech, "step", broke)
    monkeypatch.setattr(hosting, "opened", lambda *given: (hosting.Base(BASE, base()), {}))
    monkeypatch.setattr("tunesmith.commands.serving.announce", ready)
    with pytest.raises(SystemExit) as ended:
        main(["serve", BASE, "--port", "0", "--restarts", "2"])
    asking[0].join(20)
    assert ended.value.code == 1
    assert [("the network is ill" in one["message"]) for one in told] == [True] * 3
    error = capsys.readouterr().err
    assert "3 faults in a row" in error and "Restart=on-failure" in error


def test_half_a_request_and_none_at_all_harm_nobody(api):
    host, port = api.address.removeprefix("http://").split(":")
    for sent in (b"", b"POST /v1/comp", b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90\r\n\r\n{"):
        with socket.create_connection((host, int(port))) as half:
            half.sendall(sent)
    assert api.ask("/v1/completions", ASKED)[0] == 200
