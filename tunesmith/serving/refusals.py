"""What a client is told where something is wrong: in the shape of OpenAI's errors, for every path of the API.

{"error": {"message": ..., "type": "invalid_request_error", "param": "temperature", "code": null}}
"""

import json
import logging
import re
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tunesmith.errors import UserError, did_you_mean

PATHS = ("/v1/", "/health", "/metrics")  # of the API; pages have words of their own
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
CODES = {401: "invalid_api_key", 413: "request_too_large", 429: "rate_limit_exceeded", 503: "unavailable"}
# pydantic's names of the forms that a field may have
_FORM = re.compile(r"str$|int$|list\[|constrained-|function-|literal\[|ToBeCalled$")
log = logging.getLogger(__name__)


class RefusalError(Exception):
    """A request that is answered with an error.

    status: of HTTP. code: OpenAI's name of what is wrong, where it has one. param: which field of the request.
    """

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param = status, message, param
        self.code = code or CODES.get(status)

    @property
    def tree(self) -> dict[str, Any]:
        kind = TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        """Letters are escaped, since what is refused may be no Unicode."""
        headers = {429: {"retry-after": "1"}, 503: {"retry-after": "5"}, 401: {"www-authenticate": "Bearer"}}
        return Response(json.dumps(self.tree), self.status, headers.get(self.status), "application/json")


def refused(error: UserError) -> RefusalError:
    """What a person can mend about a request."""
    return RefusalError(400, str(error))


def unknown_model(name: str, known: Sequence[str]) -> RefusalError:
    hint = did_you_mean(name, known)
    return RefusalError(404, f"The model `{name}` does not exist; {hint}", "model_not_found", "model")


def is_api(path: str) -> bool:
    return path.startswith(PATHS)


def tell(app: FastAPI) -> None:
    """Have an application answer so; pages keep FastAPI's own words."""

    @app.exception_handler(RefusalError)
    async def refusal(request: Request, error: RefusalError) -> Response:
        return error.response()

    @app.exception_handler(UserError)
    async def mendable(request: Request, error: UserError) -> Response:
        return refused(error).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        if not is_api(request.url.path):
            return await request_validation_exception_handler(request, error)
        return of_field(error.errors()).response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if not is_api(request.url.path):
            return await http_exception_handler(request, error)
        answer = RefusalError(error.status_code, f"{error.detail}: {request.method} {request.url.path}").response()
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        log.error("a request failed", exc_info=error)
        return RefusalError(500, f"The server failed: {type(error).__name__}: {error}").response()


def of_field(errors: Sequence[Any]) -> RefusalError:
    """What is wrong with the fields of a request; the first thing, or of several forms a field may have that no one fits."""
    unknown = [one for one in errors if one["type"] == "extra_forbidden"]
    first = (unknown or list(errors))[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body" and not _FORM.match(str(part)))
    if first["type"] == "extra_forbidden":
        return RefusalError(400, f"Unrecognized request argument supplied: {where}", "unknown_parameter", where)
    if first["type"] == "json_invalid":
        return RefusalError(400, "We could not parse the JSON body of your request.")
    others = [one["msg"] for one in errors if one["loc"][:2] == first["loc"][:2]]
    told = " or: ".join(dict.fromkeys(others))
    return RefusalError(400, f"`{where or 'body'}`: {told}", None, where or None)
