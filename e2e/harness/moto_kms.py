"""moto's KMS as a server, with the one rule that moto leaves out: a disabled key is not used (AWS answers DisabledException).

`python -m harness.moto_kms PORT` serves on 127.0.0.1 until it is ended. What it has is in memory.
"""

import io
import json
import sys

from moto.backends import get_backend
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


class KeysCanBeDisabled:
    """Refuses `Encrypt` and `Decrypt` with a key that moto knows to be disabled."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if target in ("TrentService.Encrypt", "TrentService.Decrypt"):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            arn = json.loads(body)["KeyId"]
            if not self._is_enabled(arn):
                start_response("400 Bad Request", [("content-type", "application/x-amz-json-1.1")])
                return [json.dumps({"__type": "DisabledException", "message": f"{arn} is disabled."}).encode()]
        return self.app(environ, start_response)

    @staticmethod
    def _is_enabled(arn):
        _, _, _, region, account, name = arn.split(":")
        key = get_backend("kms")[account][region].keys.get(name.removeprefix("key/"))
        return key is None or key.enabled


if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), KeysCanBeDisabled(DomainDispatcherApplication(create_backend_app)), threaded=True)
