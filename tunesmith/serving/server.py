"""The frame of every page that is served: who may ask, what a browser may do with it, and the look that pages share.

A page is a template in `pages/` that extends `frame.html.jinja`, and a router with what it asks for. Nothing is fetched from
anywhere else, and nothing is built.
"""

import asyncio
import contextlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Sequence
from functools import lru_cache
from http.cookies import SimpleCookie
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode, urlsplit

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunesmith import __version__
from tunesmith.errors import UserError
from tunesmith.serving.refusals import RefusalError, is_api

POLICY = "content-security-policy"
SANDBOXED = (  # of a page from the disk, which brings its own style and script: it may fetch nothing, and is of no origin
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LEAST_TOKEN = 8  # letters
LARGEST_BODY = 1 << 18  # bytes that anybody may send
READ_PAST = 1 << 24, 5.0  # bytes and seconds of a refused body that are read, so that its sender hears why
OPEN = ("/health",)  # what a load balancer asks, without a token
KINDS = {".css": "text/css", ".js": "text/javascript"}
HEADERS = {
    POLICY: (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def create(
    routers: Sequence[APIRouter],
    *,
    home: str,
    token: str | None = None,
    largest: int = LARGEST_BODY,
    api: ASGIApp | None = None,
) -> FastAPI:
    """The application that serves these routers.

    home:  the page that `/` leads to.
    token: what a visitor has to bring, in the link (`?token=`), the cookie that the link leaves, or as `Authorization: Bearer`;
           None: nobody has to, and only names of this machine itself are answered to.
    largest: most bytes of a body.
    api:   answers the paths of the API (`refusals.PATHS`), where no router does.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for router in routers:
        app.include_router(router)

    @app.get("/", include_in_schema=False)
    def start() -> RedirectResponse:
        return RedirectResponse(home)

    @app.get("/pages/{name}", include_in_schema=False)
    def asset(name: str) -> Response:
        kind = KINDS.get("." + name.rpartition(".")[2])
        if kind is None or name not in _assets():
            return PlainTextResponse("There is no such file.", 404)
        return Response(_assets()[name], media_type=kind)

    if api is not None:
        app.add_middleware(Apart, api=api)
    app.add_middleware(Guard, token=token, largest=largest)
    return app


def page(name: str, **shown: Any) -> HTMLResponse:
    """A page of `pages/`, with all that is shown in it escaped."""
    return HTMLResponse(_templates().get_template(f"{name}.html.jinja").render(version=__version__, **shown))


class Apart:
    """Leads the paths of the API to an application of their own."""

    def __init__(self, app: ASGIApp, api: ASGIApp) -> None:
        self.app, self.api = app, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["type"] == "http" and is_api(scope["path"])
        await (self.api if asked else self.app)(scope, receive, send)


class Guard:
    """Stands before everything: refuses who may not ask, and adds the headers that hold a browser to the rules."""

    def __init__(self, app: ASGIApp, token: str | None, largest: int = LARGEST_BODY) -> None:
        self.app, self.token, self.largest = app, token, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # no page has a socket
            return await send({"type": "websocket.close"})

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    if name != POLICY or headers.get(name) != SANDBOXED:
                        headers[name] = value
            await send(message)

        refused = self._refusal(Request(scope))
        if refused is not None and refused.status_code >= 400 and is_api(scope["path"]):
            refused = RefusalError(refused.status_code, bytes(refused.body).decode()).response()
        if refused is not None:
            await _read_past(receive)
        return await (self.app if refused is None else refused)(scope, receive, guarded)

    def _refusal(self, request: Request) -> Response | None:
        """What is answered instead of the page; None where all is well."""
        headers = request.headers
        host = _host(headers.get("host", ""))
        if self.token is None and host not in LOOPBACK:
            # A name of somebody else's that was led to this machine (DNS rebinding).
            return PlainTextResponse("This server answers to 127.0.0.1 and localhost only.", 421)
        if request.method not in ("GET", "HEAD") and (refused := _foreign(headers, self.largest)) is not None:
            return refused
        if self.token is None or request.scope["path"] in OPEN:
            return None
        return self._without_token(request, self.token)

    def _without_token(self, request: Request, token: str) -> Response | None:
        cookie = f"tunesmith-{(request.scope.get('server') or ('', 80))[1]}"  # cookies are shared by the ports of a name
        brought = request.query_params.get("token")
        if brought is not None and _equal(brought, token) and request.method == "GET":
            rest = urlencode([(name, value) for name, value in request.query_params.multi_items() if name != "token"])
            answer = RedirectResponse("/" + request.scope["path"].lstrip("/") + (f"?{rest}" if rest else ""), 303)
            answer.set_cookie(cookie, token, httponly=True, samesite="strict", max_age=30 * 24 * 3600)
            return answer
        kept = SimpleCookie(request.headers.get("cookie", ""))
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        given = bearer if scheme.lower() == "bearer" else kept[cookie].value if cookie in kept else ""
        if _equal(given, token):
            return None
        if is_api(request.scope["path"]):
            return PlainTextResponse("Incorrect API key: give the server's token as `Authorization: Bearer TOKEN`.", 401)
        return PlainTextResponse("Open the link that the server printed when it started: it has the token in it.", 401)


async def _read_past(receive: Receive) -> None:
    """Let the sender of a refused body come to its end: a connection closed before is a reset to it, without the reason."""
    most, seconds = READ_PAST
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while most > 0 and (message := await receive()).get("more_body", False):
                most -= len(message["body"])


def _foreign(headers: Headers, largest: int) -> Response | None:
    """Only a page of this very server may write, and only JSON of a stated, moderate size."""
    origin = headers.get("origin")
    elsewhere = origin is not None and origin.partition("://")[2] != headers.get("host")
    if elsewhere or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return PlainTextResponse("Another page may not write here.", 403)
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return PlainTextResponse("Send JSON.", 415)
    length = headers.get("content-length", "")
    if not length.isdigit():
        return PlainTextResponse("Say how long the body is.", 411)
    return PlainTextResponse("That is too long.", 413) if int(length) > largest else None


def bind(host: str, port: int, token: str | None) -> tuple[socket.socket, str | None]:
    """A socket that listens, and the token that visitors need: none on this machine alone, elsewhere one in any case."""
    if token is not None and (
        len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or set(token) & set('"\\;, ')
    ):
        raise UserError("`--token` is too short or has odd letters", f"take {LEAST_TOKEN} letters and figures or more")
    if token is None and not _is_loopback(host):
        token = secrets.token_urlsafe(18)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        raise UserError(
            f"`{host}` port {port} cannot be listened on: {error.strerror}", "take another `--port`, or 0 for any"
        ) from None
    return listening, token


def link(listening: socket.socket, path: str, token: str | None) -> str:
    """The address of a page, with the token where one is needed."""
    host, port = listening.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = socket.gethostname()
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}{path}" + (f"?{urlencode({'token': token})}" if token else "")


def serve(app: FastAPI, listening: socket.socket) -> None:
    """Answer until it is interrupted."""
    config = uvicorn.Config(app, log_level="warning", server_header=False, timeout_graceful_shutdown=2)
    uvicorn.Server(config).run(sockets=[listening])


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _host(header: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@lru_cache(maxsize=1)
def _assets() -> dict[str, bytes]:
    """The styles and scripts of `pages/`, by name."""
    folder = files("tunesmith.serving").joinpath("pages")
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(tuple(KINDS))}


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("tunesmith.serving", "pages"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
