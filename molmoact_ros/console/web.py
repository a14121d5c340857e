# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The web server: one thread beside the node's, with NiceGUI's application behind a guard."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import threading
import time
import traceback
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from nicegui import Client, app, core, ui
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from molmoact_ros.ros.running import ClosableNode, StartError

from .access import Access, Guard
from .desk import Desk
from .page import ConsolePage
from .parameters import ConsoleParameters
from .pictures import PictureFeed
from .robot import Robot

_REFRESH = 0.2  # s
_LINGER = 5.0  # s after which nothing is subscribed to any more; a page that is reloaded is faster
_STOP = 3.0  # s that the server may take to end
_MOST_PAGES = 40  # built; a page that is not opened is forgotten after a minute
_LARGEST_MESSAGE = 65_536  # bytes of a websocket's message
_HERE = Path(__file__).parent
_LOST = (
    "CONNECTION TO THE CONSOLE LOST. Nothing below is live, and you cannot halt from here: use the "
    "emergency stop."
)
_BODY = f'<div id="lost" role="alert">{_LOST}<div id="unsent">HALT WAS NOT SENT.</div></div>'


class WebServer:
    """Serves the pages between `start` and `stop`."""

    def __init__(self, node: ClosableNode, robot: Robot, parameters: ConsoleParameters) -> None:
        """Bind the port.

        Args:
            node: Logs, and is ended when the server fails.
            robot: What the pages show.
            parameters: The console's.

        Raises:
            StartError: The port cannot be had.
        """
        self._node = node
        self._robot = robot
        self._parameters = parameters
        self._socket = _bound(parameters)
        token = "" if parameters.is_local else secrets.token_urlsafe(18)
        self._access = Access(token, parameters.hosts, parameters.port)
        self._desk = Desk(robot, operators=parameters.operators)
        self._pages: dict[str, ConsolePage] = {}
        self._opened = 0
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def pages(self) -> int:
        """How many pages are open."""
        return len(self._pages)

    @property
    def holder(self) -> str:
        """Who is in control; empty: nobody."""
        page = self._desk.control.holder(time.monotonic())
        return page.name if page else ""

    def start(self) -> None:
        """Serve, and print where."""
        self._thread.start()
        host = (
            f"[{self._parameters.address}]"
            if ":" in self._parameters.address
            else (self._parameters.address)
        )
        url = f"http://{host}:{self._parameters.port}/"
        self._node.get_logger().info(f"console: {url}")
        if self._access.token:
            self._node.get_logger().warning(
                "the console's traffic is not encrypted: use it in a network of your own, or "
                "behind a reverse proxy with TLS (docs/security.md)"
            )
            # Not by the logger: what it writes goes to /rosout, for everybody to read.
            print(f"console with its token: {url}?token={self._access.token}", flush=True)

    def stop(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_STOP)
        self._socket.close()

    def _run(self) -> None:
        try:
            config = uvicorn.Config(
                Guard(self._application(), self._access),
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                ws_max_size=_LARGEST_MESSAGE,
                ws_max_queue=8,
                timeout_graceful_shutdown=1,
            )
            logging.getLogger("nicegui").setLevel(logging.ERROR)
            self._server = uvicorn.Server(config)
            self._server.run(sockets=[self._socket])
            if not self._server.should_exit:
                self._node.fail("the web server has ended")
        except BaseException:  # noqa: BLE001 - nobody else would notice the thread's end
            self._node.fail(f"the web server failed:\n{traceback.format_exc()}")

    def _application(self) -> FastAPI:
        application = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        application.add_route("/picture/{name}", self._picture)
        ui.page("/")(self._page)
        app.on_startup(self._refresh)
        self._robot.on_picture = self._announce
        ui.run_with(
            application,
            title="MolmoAct console",
            favicon="🤖",
            dark=None,
            binding_refresh_interval=None,
            message_history_length=100,
            reconnect_timeout=3.0,
            tailwind=False,
            show_welcome_message=False,
        )
        core.sio.eio.max_http_buffer_size = _LARGEST_MESSAGE
        return application

    async def _picture(self, request: Request) -> Response:
        name = request.path_params["name"]
        feeds = {str(number): feed for number, feed in enumerate(self._robot.feeds)}
        feed = (feeds | {"depth": self._robot.depth}).get(name)
        picture = feed.encoded() if feed else None
        if picture is None:
            return PlainTextResponse("no picture\n", 404)
        return Response(
            picture.data, media_type=picture.kind, headers={"cache-control": "no-store"}
        )

    def _page(self, request: Request) -> Response | None:
        if len(Client.instances) > _MOST_PAGES:
            return PlainTextResponse("too many pages are open: close some, or wait a minute\n", 503)
        client = ui.context.client
        ui.add_head_html(f"<style>{(_HERE / 'page.css').read_text('utf-8')}</style>")
        ui.add_body_html(_BODY + f"<script>{(_HERE / 'page.js').read_text('utf-8')}</script>")
        self._opened += 1
        device = "phone" if "Mobile" in request.headers.get("user-agent", "") else "computer"
        name = f"page {self._opened} ({device} at {client.ip})"
        page = ConsolePage(client, self._robot, self._desk, self._parameters, name)
        client.on_connect(lambda: self._open(page))
        client.on_disconnect(lambda: self._close(page))
        return None

    def _open(self, page: ConsolePage) -> None:
        self._pages[page.key] = page
        self._desk.control.open(page.key, page.name, time.monotonic())
        if len(self._pages) == 1:
            self._robot.watch(True)

    def _close(self, page: ConsolePage) -> None:
        self._pages.pop(page.key, None)
        self._desk.control.close(page.key)
        if not self._pages:
            asyncio.get_running_loop().call_later(_LINGER, self._rest)

    def _rest(self) -> None:
        """Let the robot be when no page has come back."""
        if not self._pages:
            self._robot.watch(False)

    async def _refresh(self) -> None:
        """Show every page what is known, five times a second."""
        while True:
            await asyncio.sleep(_REFRESH)
            if not self._pages:
                continue
            snapshot = self._robot.snapshot()
            self._desk.take(snapshot)
            for page in tuple(self._pages.values()):
                try:
                    page.refresh(snapshot)
                except Exception:  # noqa: BLE001 - one page must not keep the others from theirs
                    self._node.get_logger().error(
                        f"page failed:\n{traceback.format_exc()}", throttle_duration_sec=5.0
                    )

    def _announce(self, feed: PictureFeed) -> None:
        """Offer a picture to all pages; called in the node's thread."""
        with contextlib.suppress(RuntimeError):  # the server ends
            if core.loop is not None:
                core.loop.call_soon_threadsafe(self._offer, feed)

    def _offer(self, feed: PictureFeed) -> None:
        for page in tuple(self._pages.values()):
            page.offer(feed)


def _bound(parameters: ConsoleParameters) -> socket.socket:
    family = socket.AF_INET6 if ":" in parameters.address else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((parameters.address, parameters.port))
        server.listen(128)
    except OSError as error:
        server.close()
        raise StartError(
            f"parameters 'address' and 'port': {parameters.address}:{parameters.port} cannot be "
            f"had: {error.strerror}; is another console or program there?"
        ) from error
    return server
