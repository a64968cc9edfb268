"""The client against a server of our own that behaves like OpenAI's: both ways of asking, faults, limits, and the key."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest

from tests.synthesis.server import KEY, Behaviour, said, serving
from tunesmith.errors import UserError
from tunesmith.synthesis.endpoint import Remote, retry_after
from tunesmith.synthesis.settings import Endpoint, Speech
from tunesmith.synthesis.writer import Request

PROMPT = "More tasks.\n1. Sing a song.\n2."


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def request(number=0, prompt=PROMPT, stop=(), **speech):
    return Request(number, "instructions", prompt, Speech(**speech), draw=number, stop=tuple(stop))


def answers(address, requests, **settings):
    """Answers by number, and the writer that has been closed."""
    found = {}
    writer = Remote(address, "scripted", Endpoint(**{"pause": 0.01, **settings}))
    try:
        writer.write(requests, lambda request, said: found.__setitem__(request.number, said))
    finally:
        writer.close()
    return found, writer


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_what_is_sent_and_what_comes_back(api):
    behaviour = Behaviour(key=KEY)
    with serving(behaviour) as address:
        asked = request(7, stop=["\n5."], tokens=50, temperature=0.3, top_p=0.5, presence_penalty=1.5)
        found, writer = answers(f"{address}/", [asked], api=api)
    [(path, body, headers)] = behaviour.seen
    shown = {"messages": [{"role": "user", "content": PROMPT}]} if api == "chat" else {"prompt": PROMPT}
    assert path == ("chat/completions" if api == "chat" else "completions")
    how = {"max_tokens": 50, "temperature": 0.3, "top_p": 0.5, "presence_penalty": 1.5, "stop": ["\n5."], "seed": 7}
    assert body == {"model": "scripted", **shown, **how}
    assert headers["authorization"] == f"Bearer {KEY}"
    whole = said(PROMPT, 7)
    assert found[7].text == whole.partition("\n5.")[0] != whole
    assert (found[7].finish, found[7].tries, found[7].model) == ("stop", 1, "scripted-2026")
    assert (found[7].shown, found[7].spoken) == (len(PROMPT.split()), len(found[7].text.split()))
    assert writer.about == {"name": "scripted", "endpoint": address}


def test_settings_at_null_are_not_sent():
    behaviour = Behaviour()
    with serving(behaviour) as address:
        answers(address, [request(temperature=None)], tokens_as="max_completion_tokens", seed=False)
    assert set(behaviour.seen[0][1]) == {"model", "messages", "max_completion_tokens"}


@pytest.mark.parametrize("fault", [429, 500, 502, 503, 504, 408, "slow", "broken", "html"])
def test_faults_that_pass_are_outlasted(fault):
    behaviour = Behaviour(faults=[fault, fault])
    with serving(behaviour) as address:
        found, writer = answers(address, [request()], timeout=1 if fault == "slow" else 60)
    assert found[0].text == said(PROMPT, 0)
    assert found[0].tries == 3 and writer.retried == 2


def test_a_server_that_comes_back_is_waited_for():
    with serving(Behaviour()) as address:
        pass  # its port is closed now
    with pytest.raises(UserError, match=r"did not answer in 3 tries: .*[Cc]onnect"):
        answers(address, [request()], retries=2)


def test_after_all_tries_it_ends_and_says_how_to_go_on():
    behaviour = Behaviour(faults=[503] * 3)
    with serving(behaviour) as address, pytest.raises(UserError) as error:
        answers(address, [request()], retries=2)
    assert "did not answer in 3 tries: status 503" in error.value.problem and "the same command goes on" in error.value.hint
    assert len(behaviour.seen) == 3


def test_retry_after_is_honoured():
    behaviour = Behaviour(faults=[{"status": 429, "headers": {"Retry-After": "1"}}])
    with serving(behaviour) as address:
        answers(address, [request()])
    first, second = behaviour.times
    assert second - first >= 1
    behaviour = Behaviour(faults=[{"status": 503, "headers": {"retry-after-ms": "300", "Retry-After": "9"}}])
    with serving(behaviour) as address:
        answers(address, [request()])
    first, second = behaviour.times
    assert 0.3 <= second - first < 8
    behaviour = Behaviour(faults=[{"status": 429, "headers": {"Retry-After": "4000"}}])
    with serving(behaviour) as address, pytest.raises(UserError, match="asks to wait 4000 seconds"):
        answers(address, [request()])


def test_while_an_endpoint_wants_to_be_left_alone_nobody_asks():
    behaviour = Behaviour(faults=[{"status": 429, "headers": {"Retry-After": "1"}}])
    with serving(behaviour) as address:
        found, _ = answers(address, [request(n) for n in range(12)], concurrency=2)
    assert len(found) == 12 and [one.tries for one in found.values()].count(1) == 11
    gaps = [after - before for before, after in zip(behaviour.times, behaviour.times[1:], strict=False)]
    assert max(gaps) > 0.8 and len(behaviour.times) == 13


def test_an_event_loop_that_runs_is_refused():
    import asyncio

    async def inside():
        Remote("http://127.0.0.1:9/v1", "x", Endpoint()).write([request()], lambda *_: None)

    with pytest.raises(UserError, match="running event loop"):
        asyncio.run(inside())


def test_retry_after_as_a_date():
    later = datetime.now(UTC) + timedelta(seconds=30)
    assert 25 < retry_after(httpx2.Headers({"Retry-After": format_datetime(later, usegmt=True)})) <= 30
    assert retry_after(httpx2.Headers({"Retry-After": format_datetime(later - timedelta(days=1), usegmt=True)})) == 0
    assert retry_after(httpx2.Headers({"Retry-After": "soon"})) is None
    assert retry_after(httpx2.Headers({})) is None


def test_pauses_grow():
    behaviour = Behaviour(faults=[500] * 4)
    with serving(behaviour) as address:
        answers(address, [request()], pause=0.1)
    pauses = [after - before for before, after in zip(behaviour.times, behaviour.times[1:], strict=False)]
    for pause, least in zip(pauses, (0.05, 0.1, 0.2, 0.4), strict=True):
        assert pause >= least


@pytest.mark.parametrize(
    ("fault", "told", "hint"),
    [
        (401, "status 401", "`OPENAI_API_KEY`, which has a key"),
        (404, "status 404", "ends in `/v1`"),
        ({"status": 400, "message": "unknown parameter"}, "unknown parameter", "`instructions.temperature=null`"),
        ({"status": 429, "code": "insufficient_quota", "message": "no credit"}, "no credit", "goes on where it stopped"),
    ],
)
def test_faults_that_stay_end_it_at_once(fault, told, hint):
    behaviour = Behaviour(faults=[fault])
    with serving(behaviour) as address, pytest.raises(UserError) as error:
        answers(address, [request()])
    assert told in error.value.problem and hint in error.value.hint
    assert len(behaviour.seen) == 1


def test_a_prompt_that_the_endpoint_refuses_is_told_and_others_go_on():
    behaviour = Behaviour(refuses="very long")
    with serving(behaviour) as address:
        found, _ = answers(address, [request(0, "A very long prompt\n2."), request(1)])
    assert (found[0].finish, found[0].text) == ("refused", "too long")
    assert found[1].finish == "stop"


def test_cut_answers_are_marked():
    with serving(Behaviour(faults=["cut"])) as address:
        found, _ = answers(address, [request()])
    assert found[0].finish == "length" and said(PROMPT, 0).startswith(found[0].text)


def test_what_was_answered_before_a_fault_is_handed_on():
    behaviour = Behaviour(faults=[None, None, None, 403])
    with serving(behaviour) as address:
        found = {}
        writer = Remote(address, "scripted", Endpoint(concurrency=1))
        with pytest.raises(UserError, match="status 403"):
            writer.write([request(n) for n in range(9)], lambda request, said: found.__setitem__(request.number, said))
        writer.close()
    assert sorted(found) == [0, 1, 2]


def test_requests_run_side_by_side_and_no_more_than_allowed():
    behaviour = Behaviour(delay=0.1)
    with serving(behaviour) as address:
        found, _ = answers(address, [request(n) for n in range(24)], concurrency=6)
    assert len(found) == 24 and 1 < behaviour.most_at_once <= 6


def test_the_rate_is_kept():
    behaviour = Behaviour()
    with serving(behaviour) as address:
        start = time.monotonic()
        answers(address, [request(n) for n in range(6)], per_minute=600, concurrency=6)
        assert time.monotonic() - start >= 0.5  # five gaps of a tenth of a second
    assert len(behaviour.seen) == 6


def test_the_key_is_never_told():
    behaviour = Behaviour(key="another key")  # the server repeats the key that it got
    with serving(behaviour) as address, pytest.raises(UserError) as error:
        answers(address, [request()])
    assert KEY not in str(error.value) and "Incorrect API key provided: (key)" in error.value.problem
    with serving(Behaviour(faults=[500] * 2)) as address, pytest.raises(UserError) as error:
        answers(address, [request()], retries=1)
    assert KEY not in str(error.value) and "Bearer (key)" in error.value.problem


@pytest.mark.parametrize("url", ["http://me:secret@127.0.0.1/v1", "http://127.0.0.1/v1?key=secret"])
def test_addresses_with_secrets_are_refused(url):
    with pytest.raises(UserError) as error:
        Remote(url, "x", Endpoint())
    assert "secret" not in str(error.value) and "environment variable" in error.value.hint


def test_addresses():
    for url in ("127.0.0.1:80/v1", "http://127.0.0.1:80/v1/", "http://127.0.0.1:80/v1/chat/completions"):
        assert Remote(url, "x", Endpoint()).base == "http://127.0.0.1:80/v1"
    with pytest.raises(UserError, match="`--endpoint` is `ftp://x`"):
        Remote("ftp://x", "x", Endpoint())
