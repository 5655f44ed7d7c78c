"""One peer on uvicorn, in a process of its own on a core of its own.

``python -m benchmarks.server PEER BUILDER CORE [ARGUMENT]`` prints its port once it listens.
"""

from __future__ import annotations

import os
import socket
import sys
import warnings

import uvicorn

from benchmarks import peers

__all__ = ["serve"]


def serve(peer: str, builder: str, core: int, *arguments: str) -> None:
    """Serve an application of a peer until SIGTERM."""
    os.sched_setaffinity(0, {core})
    warnings.simplefilter("ignore")
    app = getattr(peers.load(peer), builder)(*arguments)
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(
        app, ws="websockets-sansio", log_level="critical", access_log=False, timeout_graceful_shutdown=1
    )
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
