"""A server of one page, for the browser on this machine."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from inrcodec.viewer.page import Page

_LOOPBACK = "127.0.0.1"


@contextmanager
def serving(page: Page) -> Iterator[tuple[str, ThreadingHTTPServer]]:
    """A server, not started, of a page, and the page's address, which nobody on this machine can guess.

    Raises:
        OSError: there is no port.
    """
    place = f"/{secrets.token_urlsafe()}/"

    class Handler(BaseHTTPRequestHandler):
        """Answers with the page, or that there is nothing."""

        def do_GET(self) -> None:
            if self.path != place:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.OK)
            headers = {
                "Content-Type": "text/html; charset=utf-8",
                "Content-Length": str(len(page.html)),
                "Content-Security-Policy": f"{page.policy}; frame-ancestors 'none'",
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-store",
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(page.html)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: a terminal is not a log."""

    with ThreadingHTTPServer((_LOOPBACK, 0), Handler) as server:
        yield f"http://{_LOOPBACK}:{server.server_port}{place}", server
