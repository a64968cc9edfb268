"""A model behind an OpenAI-compatible endpoint that writes: requests side by side, sent again where that can help.

The key comes from the environment, goes into one header, and is cut out of whatever the endpoint says before that is shown.
"""

import asyncio
import logging
import os
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2

from tunesmith.errors import UserError
from tunesmith.synthesis.settings import Endpoint
from tunesmith.synthesis.writer import OnSaid, Request, Said, now

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
LASTING = frozenset({"insufficient_quota", "billing_hard_limit_reached"})  # a 429 that waiting does not mend
REFUSED = frozenset({"context_length_exceeded", "content_filter", "content_policy_violation"})  # this prompt alone
ENDS = ("/chat/completions", "/completions")
SHOWN = 300  # letters of what an endpoint says
TOLD = 5.0  # seconds of a pause from which on it is told
LOG = logging.getLogger(__name__)


class _AgainError(Exception):
    """It may help to send the request again, after `pause` seconds where the endpoint says so."""

    def __init__(self, problem: str, pause: float | None = None) -> None:
        super().__init__(problem)
        self.problem, self.pause = problem, pause


class Remote:
    """An endpoint.

    url:  its base, such as `https://api.openai.com/v1`.
    name: the model that it is asked for.
    """

    def __init__(self, url: str, name: str, settings: Endpoint) -> None:
        self.base, self.name, self.settings = _base(url), name, settings
        self._key = os.environ.get(settings.key, "").strip()
        self._runner = asyncio.Runner()
        self._client: httpx2.AsyncClient | None = None
        self._next = 0.0  # when the next request may be sent, by the rate
        self._free = 0.0  # when the endpoint wants to be asked again
        self.retried = 0

    @property
    def about(self) -> dict[str, Any]:
        return {"name": self.name, "endpoint": self.base}

    def write(self, requests: Sequence[Request], on_said: OnSaid) -> None:
        """Put requests, so many side by side as the settings say.

        Raises:
            UserError: of the first request that cannot be answered; what was answered till then has been handed on.
        """
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            hint = "give the command `tunesmith data grow`, or call it in a thread of its own"
            raise UserError("an endpoint cannot be asked from within a running event loop, such as a notebook's", hint)
        self._runner.run(self._all(requests, on_said))

    def close(self) -> None:
        if self._client is not None:
            self._runner.run(self._client.aclose())
        self._runner.close()

    async def _all(self, requests: Sequence[Request], on_said: OnSaid) -> None:
        waiting = iter(requests)

        async def work() -> None:
            for request in waiting:  # each request is taken by one of the workers
                on_said(request, await self._answer(request))

        workers = [asyncio.create_task(work()) for _ in range(min(self.settings.concurrency, len(requests)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _answer(self, request: Request) -> Said:
        """The answer to a request, which is sent again where that can help."""
        start, pause = time.monotonic(), self.settings.pause
        for tries in range(1, self.settings.retries + 2):
            await self._turn()
            try:
                said = await self._send(request)
            except _AgainError as error:
                if tries > self.settings.retries:
                    hint = "the same command goes on where it stopped; `endpoint.retries` and `endpoint.pause` are its patience"
                    raise UserError(f"`{self.base}` did not answer in {tries} tries: {error.problem}", hint) from None
                wait = pause * (0.5 + random.random()) if error.pause is None else error.pause
                if error.pause is not None and wait > self.settings.longest_pause:
                    hint = "give the same command again then, or raise `endpoint.longest_pause`"
                    raise UserError(f"`{self.base}` asks to wait {wait:.0f} seconds: {error.problem}", hint) from None
                self.retried += 1
                if wait >= TOLD:
                    LOG.warning(f"waits {wait:.0f} seconds: {error.problem}")
                if error.pause is None:
                    await asyncio.sleep(wait)
                else:  # others would only hear the same
                    self._free = max(self._free, time.monotonic() + wait)
                pause = min(pause * 2, self.settings.longest_pause)
                continue
            seconds = round(time.monotonic() - start, 3)
            return Said(said.text, said.finish, said.shown, said.spoken, seconds, said.model, tries, now())
        raise AssertionError("the last try returns or raises")

    async def _turn(self) -> None:
        """Wait until the next request may be sent."""
        while (wait := self._free - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        if self.settings.per_minute is None:
            return
        moment = max(time.monotonic(), self._next)
        self._next = moment + 60 / self.settings.per_minute
        await asyncio.sleep(moment - time.monotonic())

    async def _send(self, request: Request) -> Said:
        if self._client is None:
            headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
            limits = httpx2.Limits(max_connections=self.settings.concurrency)
            self._client = httpx2.AsyncClient(headers=headers, timeout=self.settings.timeout, limits=limits)
        try:
            # The client's own limit is of each part of an answer: one that trickles would never end.
            async with asyncio.timeout(self.settings.timeout):
                response = await self._client.post(self.base + self._path, json=self._body(request))
        except (TimeoutError, httpx2.TimeoutException):
            raise _AgainError(f"no answer within {self.settings.timeout:g} seconds") from None
        except httpx2.TransportError as error:
            raise _AgainError(self._clean(str(error) or type(error).__name__)) from None
        if response.status_code == 200:
            return self._read(response)
        return self._refused(response)

    @property
    def _path(self) -> str:
        return ENDS[0] if self.settings.api == "chat" else ENDS[1]

    def _body(self, request: Request) -> dict[str, Any]:
        speech = request.speech
        chat = self.settings.api == "chat"
        asked = {"messages": [{"role": "user", "content": request.prompt}]} if chat else {"prompt": request.prompt}
        how = {
            self.settings.tokens_as: speech.tokens,
            "temperature": speech.temperature,
            "top_p": speech.top_p,
            "presence_penalty": speech.presence_penalty,
            "frequency_penalty": speech.frequency_penalty,
            "stop": list(request.stop) or None,
            "seed": request.draw if self.settings.seed else None,
        }
        return {"model": self.name, **asked, **{name: value for name, value in how.items() if value is not None}}

    def _read(self, response: httpx2.Response) -> Said:
        try:
            tree = response.json()
            choice = tree["choices"][0]
            text = choice["message"]["content"] if self.settings.api == "chat" else choice["text"]
            if text is not None and not isinstance(text, str):
                raise TypeError
            reason, usage = choice.get("finish_reason"), tree.get("usage") or {}
            shown, spoken = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
            model = str(tree.get("model") or "")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            told = self._clean(response.text)
            raise _AgainError(f"its answer is not of the form of OpenAI's: {told}") from None
        if reason == "content_filter":
            return Said("the endpoint's filter of contents", "refused", shown, spoken, model=model)
        return Said(text or "", "length" if reason == "length" else "stop", shown, spoken, model=model)

    def _refused(self, response: httpx2.Response) -> Said:
        """What an answer that is none means: send it again, leave this prompt out, or stop."""
        code, told = self._error(response)
        status = response.status_code
        if status in AGAIN and code not in LASTING:
            raise _AgainError(f"status {status}: {told}", retry_after(response.headers))
        if status in (400, 413, 422) and code in REFUSED:
            return Said(told, "refused", 0, 0)
        problem = f"`{self.base}{self._path}` answers with status {status}: {told}"
        if status in (401, 403):
            state = "has a key" if self._key else "is not set"
            raise UserError(problem, f"the key is read from the environment variable `{self.settings.key}`, which {state}")
        if status == 404:
            raise UserError(problem, "look at the address, which mostly ends in `/v1`, at `--name`, and at `endpoint.api`")
        if code in LASTING:
            raise UserError(problem, "the same command goes on where it stopped, once there is credit")
        raise UserError(
            problem, "settings at null are not sent (`instructions.temperature=null`); `endpoint.tokens_as`, `endpoint.seed`"
        )

    def _error(self, response: httpx2.Response) -> tuple[str, str]:
        """The code of an error, and what is told of it."""
        try:
            error = response.json()["error"]
            found = error if isinstance(error, dict) else {"message": error}
            return str(found.get("code") or found.get("type") or ""), self._clean(str(found.get("message", "")))
        except (ValueError, KeyError, TypeError):
            return "", self._clean(response.text)

    def _clean(self, text: str) -> str:
        """A text without the key, on one line, not long."""
        line = " ".join((text.replace(self._key, "(key)") if self._key else text).split())
        return line if len(line) <= SHOWN else line[: SHOWN - 3] + "..."


def retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds that an endpoint asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date (RFC 9110, 10.2.3)."""
    for name, part in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            return max(0.0, float(headers[name]) / part)
        except (KeyError, ValueError):
            continue
    try:
        moment = parsedate_to_datetime(headers["retry-after"])
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None


def _count(usage: Any, name: str) -> int | None:
    count = usage.get(name)
    return count if isinstance(count, int) else None


def _base(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"`--endpoint` is `{url}`", "give an address such as `http://127.0.0.1:8000/v1`")
    if parts.username or parts.password or parts.query or parts.fragment:
        shown = urlunsplit((parts.scheme, parts.hostname + (f":{parts.port}" if parts.port else ""), parts.path, "", ""))
        raise UserError(
            f"`--endpoint` holds more than an address; it begins with `{shown}`",
            "a key stands in an environment variable, which `endpoint.key` names: it would be written down here",
        )
    path = parts.path.rstrip("/")
    for end in ENDS:
        path = path.removesuffix(end)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
