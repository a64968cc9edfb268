"""Requests made from the server's own description: none of them makes it fail, and every error has OpenAI's shape."""

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig

from tests.serving.api_server import BASE
from tunesmith.serving.refusals import PATHS

EXAMPLES = 40  # of each path
PATIENT = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)


def fuzzed(address, modes):
    """(operations, statuses) of requests that a schema allows, or does not."""
    config = SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(generation=GenerationConfig(modes=modes))))
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json", config=config)
    statuses = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        told = statuses.setdefault(operation.label, set())

        @PATIENT
        @given_of(operation)
        def ask(case, told=told):
            if isinstance(case.body, dict) and isinstance(case.body.get("model"), str) and len(case.body["model"]) % 2:
                case.body["model"] = BASE
                for name in ("max_tokens", "max_completion_tokens", "min_tokens"):
                    if isinstance(case.body.get(name), int):
                        case.body[name] %= 9
            answer = case.call(timeout=120)
            told.add(answer.status_code)
            looked_at(answer)

        ask()
    return statuses


def given_of(operation):
    from hypothesis import given

    return given(operation.as_strategy())


def looked_at(answer):
    assert answer.status_code < 500, answer.text
    assert answer.status_code != 422
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        tree = answer.json()
        assert set(tree) == {"error"} and set(tree["error"]) == {"message", "type", "param", "code"}, tree
        assert isinstance(tree["error"]["message"], str) and tree["error"]["message"]


def test_no_request_makes_it_fail(api):
    fine = fuzzed(api.address, [schemathesis.GenerationMode.POSITIVE])
    assert len(fine) >= 7 and all(label.split()[1].startswith(PATHS) for label in fine)
    assert 200 in fine["POST /v1/completions"] and 200 in fine["POST /v1/chat/completions"]
    odd = fuzzed(api.address, [schemathesis.GenerationMode.NEGATIVE])
    assert 400 in odd["POST /v1/completions"]
    assert api.ask("/health")[1]["worker"]["restarts"] == 0
