"""A receiver of webhooks."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace


class Receiver:
    """Keeps every message: headers in lower case, and the body as it came."""

    def __init__(self):
        self.got = got = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                got.append(SimpleNamespace(headers={name.lower(): value for name, value in self.headers.items()}, body=body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.authority = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.authority}/hooks/keystore"

    def events(self):
        return {json.loads(one.body)["id"] for one in self.got}

    def wait_for(self, ids, limit=60.0):
        deadline = time.monotonic() + limit
        while not set(ids) <= self.events():
            assert time.monotonic() < deadline, f"{len(set(ids) - self.events())} of {len(ids)} did not arrive"
            time.sleep(0.05)
