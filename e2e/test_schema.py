"""openapi.json against a running server: requests made up from it, sound and unsound, by schemathesis.

None of them may be a fault of the server, get a status or a media type that is not described or an answer that its schema does not
allow, pass without a key where one is needed, pass unsound, or find what was deleted. (Sound ones may be refused: that a time lies in
the future, or which fields a provider's key has, no schema says.) More requests: `KEYSTORE_SCHEMA_EXAMPLES=300 e2e/run test_schema.py`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from harness.keystore import Keystore
from harness.process import ROOT

EXAMPLES = os.environ.get("KEYSTORE_SCHEMA_EXAMPLES", "3")
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
]
# One never ends, and one calls a vendor.
LEFT_OUT = ["stream_requests", "test_credential"]


def test_every_answer_is_described(tmp_path):
    keystore = Keystore(tmp_path / "keystore", [], tapped=False)
    config = tmp_path / "schemathesis.toml"
    config.write_text(f'[auth.openapi.bearer]\nbearer = "{keystore.dev["apiKey"]}"\n')
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run", ROOT / "openapi.json"]
    command += ["--url", keystore.api_url, "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", EXAMPLES]
    command += ["--seed", "20261125", "--suppress-health-check", "all", "--warnings", "off", "--no-color"]
    for operation in LEFT_OUT:
        command += ["--exclude-operation-id", operation]
    try:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=3600)
    finally:
        keystore.stop()
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    said = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert said and int(said[1]) > 1000, done.stdout[-2000:]
    log = keystore.process.err.read_text()
    assert "panicked" not in log and " ERROR " not in log, [line for line in log.splitlines() if " ERROR " in line][:5]
