"""A real feed of weather, which may be stopped."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

FORECASTS: dict[str, dict[str, Any]] = {
    "Jeju": {"sky": "rain", "low": 11, "high": 14.5, "rain": 80},
    "서울": {"sky": "맑음", "low": 3, "high": 12, "rain": 0},
    "Busan": {"sky": "sun"},
    "제주": {"sky": "비", "low": 11, "high": 14.5, "rain": 80},
}
FEED = "http://127.0.0.1:8629"


class Feed(ThreadingHTTPServer):
    """A real feed: forecasts by city, and what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[str] = []


class Answer(BaseHTTPRequestHandler):
    server: Feed

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        city = unquote(self.path.removeprefix("/weather/").partition("?")[0])
        self.server.asked.append(city)
        found = FORECASTS.get(city)
        body = json.dumps(found or {"error": "unknown city"}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Running:
    """The feed, which may be stopped and started on its port."""

    def __init__(self) -> None:
        self.feed = Feed()
        self.port = self.feed.server_port
        self._thread = threading.Thread(target=self.feed.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self.feed.shutdown()
            self._thread.join()
            self.feed.server_close()
