"""A server on this machine that behaves like OpenAI's: a model that writes good rows and bad ones, and faults on request."""

import hashlib
import random
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse

KEY = "sk-a-key-that-nobody-may-see"


def listed(text, mark=None):
    return text.split(mark)


VERBS = listed("Write Describe Explain Compare Summarize Translate Suggest List Rewrite Invent Name Outline Correct Plan Judge")
FORMS = listed(
    "poem letter recipe dialogue speech review summary timetable riddle advert warning proverb story menu contract lesson"
)
THINGS = listed("rain bread trains owls chess winter bridges salt mirrors gardens clocks wool volcanoes tea kites paper ghosts")
PLACES = listed("harbour school desert kitchen hospital market castle island forest library museum tunnel bakery theatre")
PEOPLE = listed("a sailor,two sisters,an old baker,my neighbour,a shy teacher,the mayor,some tourists,a young nurse", ",")


@dataclass
class Behaviour:
    """What the server does.

    delay:   seconds of each answer.
    faults:  what is done to the first requests, one after another: a status, `slow`, `broken`, `html`, `cut`, or a mapping with
             `status`, `headers`, `code`, `message`.
    key:     what is asked for; empty: nothing.
    cut:     one in so many longer answers is cut; which ones, the prompt decides.
    """

    delay: float = 0.0
    faults: list = field(default_factory=list)
    key: str = ""
    cut: int = 0
    seen: list = field(default_factory=list)
    answered: Counter = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0
    times: list = field(default_factory=list)
    refuses: str = ""


def instruction(dice):
    """A new instruction; sometimes one that a filter refuses."""
    chance = dice.random()
    pick = dice.choice
    if chance < 0.08:
        return f"{pick(VERBS)} an image of {pick(THINGS)} near the {pick(PLACES)}."
    if chance < 0.14:
        return pick(VERBS)
    if chance < 0.2:
        return f"- {pick(VERBS)} a {pick(FORMS)} about {pick(THINGS)}"
    if chance < 0.35:
        return (
            f"Classify {pick(THINGS)}, {pick(THINGS)} or a {pick(FORMS)} of {pick(PEOPLE)}: {pick(PLACES)} or {pick(PLACES)}?"
        )
    start = pick(
        [f"{pick(VERBS)} a {pick(FORMS)}", f"How would {pick(PEOPLE)} {pick(VERBS).lower()} the {pick(FORMS)}", "Tell me"]
    )
    return f"{start} {pick(['about', 'like'])} {pick(THINGS)} for {pick(PEOPLE)} in the {pick(PLACES)} of {pick(THINGS)}."


def said(prompt, seed):
    """What the model says: a function of the prompt and the seed."""
    dice = random.Random(f"{prompt} {seed}")
    last = prompt.rstrip().rpartition("\n")[2]
    task = prompt.rpartition("Task: ")[2].partition("\n")[0]
    if last == "Labels:":
        return " yes" if "Classify" in task else " no"
    if last == "Label:":
        bad = "\nLabel: sad\nInput: The sun shone." if dice.random() < 0.5 else ""
        return f" glad\nInput: The sun shone.\nLabel: sad\nInput: {task} It rained on {dice.choice(THINGS)}.{bad}"
    if last.startswith("Example"):
        if dice.random() < 0.1:
            return "\nInput: the same\nOutput: the same"
        first = f"\nInput: {dice.choice(THINGS)}\nOutput: Once {task.lower()} And so it ended with {dice.choice(THINGS)}.\n"
        return first + f"Example 2\nInput: <none>\nOutput: Nothing but {dice.choice(THINGS)} {dice.random():.3f}"
    if last == "Instruction:":
        blocks = [
            f"{'' if n == 4 else f'Task {n}{chr(10)}Instruction:'} {instruction(dice)}\nInput: <none>\n"
            f"Output: {dice.choice(THINGS)} {dice.random():.3f}\n"
            for n in range(4, 9)
        ]
        return "\n".join(blocks)
    first = int(last.rstrip("."))
    lines = [f" {instruction(dice)}", *(f"{first + n}. {instruction(dice)}" for n in range(1, 8))]
    return "\n".join(lines)


def application(behaviour):
    app, lock = FastAPI(), threading.Lock()

    @app.post("/v1/{path:path}")
    async def post(path: str, request: Request):
        import asyncio

        body = await request.json()
        chat = path == "chat/completions"
        prompt = body["messages"][-1]["content"] if chat else body["prompt"]
        with lock:
            behaviour.seen.append((path, body, dict(request.headers)))
            behaviour.times.append(time.monotonic())
            fault = behaviour.faults.pop(0) if behaviour.faults else None
            behaviour.at_once += 1
            behaviour.most_at_once = max(behaviour.most_at_once, behaviour.at_once)
        try:
            await asyncio.sleep(3 if fault == "slow" else behaviour.delay)
        finally:
            behaviour.at_once -= 1
        if behaviour.key and request.headers.get("authorization") != f"Bearer {behaviour.key}":
            told = f"Incorrect API key provided: {request.headers.get('authorization', '').removeprefix('Bearer ')}"
            return JSONResponse({"error": {"message": told, "code": "invalid_api_key"}}, 401)
        if behaviour.refuses and behaviour.refuses in prompt:
            return JSONResponse({"error": {"message": "too long", "code": "context_length_exceeded"}}, 400)
        if isinstance(fault, int):
            return JSONResponse({"error": {"message": f"fault {fault} of {request.headers.get('authorization')}"}}, fault)
        if isinstance(fault, dict):
            error = {"error": {"message": fault.get("message", "no"), "code": fault.get("code")}}
            return JSONResponse(error, fault["status"], headers=fault.get("headers"))
        if fault == "html":
            return PlainTextResponse("<html>a gateway's page</html>", 200)
        if fault == "broken":
            return JSONResponse({"id": "x", "choices": []})
        text = said(prompt, body.get("seed", 0))
        for stop in body.get("stop", []):
            text = text.partition(stop)[0]
        chance = random.Random(prompt).random()
        cut = fault == "cut" or bool(behaviour.cut and len(text) > 20 and chance * behaviour.cut < 1)
        if cut:
            text = text[: len(text) * 2 // 3]
        with lock:
            behaviour.answered[hashlib.sha1(repr((prompt, body.get("seed"))).encode()).hexdigest()] += 1
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(text.split())}
        choice = {"index": 0, "finish_reason": "length" if cut else "stop"}
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        return {"object": "chat.completion", "model": "scripted-2026", "choices": [choice], "usage": usage}

    return app


@contextmanager
def serving(behaviour):
    """The server in a thread of its own, on a free port; gives its address."""
    config = uvicorn.Config(application(behaviour), host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(timeout=10)
