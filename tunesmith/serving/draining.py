"""A server that ends as it should: told to end (SIGTERM), it takes no more requests, and ends once those under way have."""

import signal
import socket
import sys
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from tunesmith.errors import UserError
from tunesmith.serving.served import Served

QUICK = 2  # seconds for what is still open once the server ends


class Draining(uvicorn.Server):
    """`patience`: seconds that answers under way have. A second signal, or Ctrl-C, ends it at once."""

    def __init__(self, config: uvicorn.Config, served: Served, patience: float) -> None:
        super().__init__(config)
        self.served, self.patience = served, patience
        self._deadline = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM or self.served.draining:
            super().handle_exit(sig, frame)
            return
        self.served.draining = True
        self._deadline = time.monotonic() + self.patience

    async def on_tick(self, counter: int) -> bool:
        if not self.served.worker.alive:  # whoever was under way has been told
            self.should_exit = True
        if self.served.draining and (not self.served.counted.open or time.monotonic() > self._deadline):
            self.should_exit = True
        return await super().on_tick(counter)


def serve(app: FastAPI, served: Served, listening: socket.socket, patience: float = 30.0) -> None:
    """Answer until it is told to end; then no accepted request is left without a word.

    Raises:
        UserError: the worker has ended by a fault, so that nothing can be answered any more.
    """
    config = uvicorn.Config(app, log_level="warning", server_header=False, timeout_graceful_shutdown=QUICK)
    try:
        Draining(config, served, patience).run(sockets=[listening])
    finally:
        if not served.worker.close(QUICK):
            print("warning: some answers were cut off", file=sys.stderr)
        served.close()
    if served.worker.fault:
        raise UserError(
            f"the worker has ended: {served.worker.fault}",
            "start the server again; a supervisor does so by itself (systemd: `Restart=on-failure`)",
        )
