"""Requests made from the server's own description: none of them makes it fail, and every error has OpenAI's shape."""

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from tests.serving.api_server import BASE
from tunesmith.serving.refusals import PATHS

PATIENT = settings(max_examples=40, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
LENGTHS = ("max_tokens", "max_completion_tokens", "min_tokens")


def statuses(api, mode):
    """operation -> the statuses of requests that its schema allows, or does not."""
    schema = schemathesis.openapi.from_dict(api.ask("/openapi.json")[1])
    with httpx2.Client(base_url=api.address, timeout=120) as client:
        every = [one.ok() for one in schema.get_all_operations()]
        some = [one for one in every if mode == GenerationMode.POSITIVE or one.method == "post"]  # others cannot be unfit
        return {one.label: asked(client, one, mode) for one in some}


def asked(client, operation, mode):
    found = set()

    @PATIENT
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case):
        body = case.body if isinstance(case.body, dict | list | str | int | float | bool | None) else {}
        if isinstance(body, dict) and mode == GenerationMode.POSITIVE and "model" in body:
            body = {name: value % 9 + 1 if name in LENGTHS and value else value for name, value in body.items()}
            body["model"] = BASE
        answer = client.request(case.method, case.formatted_path, **({} if case.method == "GET" else {"json": body}))
        found.add(answer.status_code)
        looked_at(answer)

    ask()
    return found


def looked_at(answer):
    assert answer.status_code < 500 and answer.status_code != 422, answer.text
    if answer.status_code >= 400:
        tree = answer.json()
        assert set(tree) == {"error"} and set(tree["error"]) == {"message", "type", "param", "code"}, tree
        assert isinstance(tree["error"]["message"], str) and tree["error"]["message"]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fit", "unfit"])
def test_no_request_makes_it_fail(api, mode):
    found = statuses(api, mode)
    assert len(found) >= (8 if mode == GenerationMode.POSITIVE else 4) and all(
        label.split()[1].startswith(PATHS) for label in found
    )
    if mode == GenerationMode.POSITIVE:
        assert 200 in found["POST /v1/completions"] and 200 in found["POST /v1/embeddings"]
    else:
        assert 400 in found["POST /v1/completions"] and 400 in found["POST /v1/chat/completions"]
    assert api.ask("/health")[1]["worker"]["restarts"] == 0
