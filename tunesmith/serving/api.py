"""OpenAI's paths on one model and its adapters: completions, conversations, models; and what the server tells of itself."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response

from tunesmith import __version__
from tunesmith.serving import refusals, server, swapping, vectors
from tunesmith.serving.calling import Tree
from tunesmith.serving.figures import Measured
from tunesmith.serving.served import Served
from tunesmith.serving.telling import Chat, Completion
from tunesmith.serving.vectors import Classify
from tunesmith.serving.wire import ChatRequest, CompletionRequest

REFUSED: dict[str, Any] = {
    "description": "What is wrong, in OpenAI's shape.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["error"],
                "properties": {
                    "error": {
                        "type": "object",
                        "required": ["message", "type", "param", "code"],
                        "properties": {
                            "message": {"type": "string"},
                            "type": {"type": "string"},
                            "param": {"type": ["string", "null"]},
                            "code": {"type": ["string", "null"]},
                        },
                    }
                },
            }
        }
    },
}


def application(served: Served, classify: Classify, *, token: str | None = None) -> FastAPI:
    """The API of one model as a server of its own. `classify`: how a head is asked."""
    made = server.create(routers(served, classify), home="/v1/models", token=token, largest=served.limits.body)
    return _finished(made, served)


def within(served: Served, classify: Classify) -> FastAPI:
    """The same without a guard of its own, for a server that has one."""
    made = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for one in routers(served, classify):
        made.include_router(one)
    return _finished(made, served)


def routers(served: Served, classify: Classify) -> list[APIRouter]:
    """All paths of the API."""
    swaps = [] if served.folder is None else [swapping.router(served, served.folder)]
    return [router(served), vectors.router(served, classify), *swaps]


def _finished(app: FastAPI, served: Served) -> FastAPI:
    refusals.tell(app)
    app.add_api_route("/openapi.json", lambda: JSONResponse(described(app)), include_in_schema=False)
    app.add_middleware(Measured, figures=served.figures)
    return app


def router(served: Served) -> APIRouter:
    made = APIRouter()

    @made.post("/v1/completions")
    async def completions(body: CompletionRequest, request: Request) -> Response:
        """Go on from a prompt."""
        return await served.answer(request, await served.spelled(served.asking.completion, body), Completion)

    @made.post("/v1/chat/completions")
    async def chat(body: ChatRequest, request: Request) -> Response:
        """The next turn of a conversation."""
        return await served.answer(request, await served.spelled(served.asking.chat, body), Chat)

    @made.get("/v1/models")
    async def models() -> Tree:
        """The base and the adapters that may be asked."""
        return {"object": "list", "data": listed(served)}

    @made.get("/v1/models/{model:path}")
    async def model(model: str) -> Tree:
        """One of them."""
        found = [one for one in listed(served) if one["id"] == model]
        if not found:
            raise served.unknown(model)
        return found[0]

    @made.get("/health")
    async def health() -> Response:
        """Whether requests are taken, and how the worker is."""
        worker = served.worker
        status = "failed" if not worker.alive else "draining" if served.draining else "ok"
        tree = {
            "status": status,
            "worker": {
                "alive": worker.alive,
                "fault": worker.fault.partition(":")[0],  # its kind: what it says is for those with the token
                "restarts": worker.counts.restarts,
                "under_way": worker.under_way,
                "waiting": worker.waiting,
            },
        }
        return JSONResponse(tree, 200 if status == "ok" else 503)

    @made.get("/metrics")
    async def metrics() -> Response:
        """Numbers for Prometheus."""
        return Response(served.figures.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return made


def listed(served: Served) -> list[Tree]:
    """Base and adapters; `root` is where each comes from, without the folders above it."""
    shared = {"object": "model", "created": served.began, "owned_by": "tunesmith", "max_model_len": served.model.window}
    base = {"id": served.name, **shared, "root": served.name, "parent": None}
    adapters = [
        {"id": name, **shared, "root": _root(version.folder), "parent": served.name, "version": version.number}
        for name, version in sorted(served.worker.shelf.names().items())
    ]
    return [base, *adapters]


def described(app: FastAPI) -> Tree:
    """The API's OpenAPI description. What does not fit a path's schema is refused with 400, and in OpenAI's shape."""
    if app.openapi_schema is None:
        tree = get_openapi(title="tunesmith", version=__version__, routes=app.routes)
        tree["paths"] = {path: methods for path, methods in tree["paths"].items() if refusals.is_api(path)}
        for methods in tree["paths"].values():
            for operation in methods.values():
                operation["responses"].pop("422", None)
                operation["responses"]["default"] = REFUSED
        for name in ("HTTPValidationError", "ValidationError"):
            tree.get("components", {}).get("schemas", {}).pop(name, None)
        app.openapi_schema = tree
    return app.openapi_schema


def _root(folder: Path) -> str:
    """The name of the run that an adapter is of, or of its own folder."""
    return folder.parent.name if folder.name == "adapter" else folder.name
