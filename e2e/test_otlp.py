"""Traces and logs reach a collector, in the form of the protocol's own definitions."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from conftest import KEYS
from harness.canary import found
from harness.clients import openai_client
from harness.fake import Fake
from harness.serve import Served

KINDS = {"/v1/traces": ExportTraceServiceRequest, "/v1/logs": ExportLogsServiceRequest}


class Collector(ThreadingHTTPServer):
    """Takes what the protocol defines, and nothing else. It is away as long as `away` is set."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.away, self.refused = False, 0
        self.spans, self.records, self.bodies = [], [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.headers["content-type"] == "application/json"
        assert self.headers["x-team"] == "otters"
        if self.server.away:
            self.server.refused += 1
            return self.answer(503)
        # JSON of protocol buffers has bytes in base64; OTLP has ids in hexadecimal.
        told = json_format.Parse(json.dumps(with_ids(json.loads(body))), KINDS[self.path]())
        self.server.bodies.append(body)
        for resource in getattr(told, "resource_spans", []):
            assert attributes(resource.resource)["service.name"] == "keystore"
            self.server.spans += [span for scope in resource.scope_spans for span in scope.spans]
        for resource in getattr(told, "resource_logs", []):
            self.server.records += [record for scope in resource.scope_logs for record in scope.log_records]
        return self.answer(200)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def with_ids(value):
    if isinstance(value, list):
        return [with_ids(item) for item in value]
    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(item)).decode() if key in ("traceId", "spanId") else with_ids(item)
            for key, item in value.items()
        }
    return value


def attributes(of):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in of.attributes}


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.shutdown()


@pytest.fixture
def fake(tmp_path):
    fake = Fake(tmp_path, "openai", "bearer", KEYS["openai"])
    yield fake
    fake.stop()


@pytest.fixture
def served(fake, tmp_path, collector):
    settings = {"telemetry.otlp_endpoint": collector.url, "telemetry.otlp_headers": "x-team=otters"}
    served = Served(tmp_path / "keystore", [fake], f"sqlite://{tmp_path / 'keystore.db'}", settings)
    yield served
    served.stop()


def test_calls_refusals_and_lines_arrive_also_after_the_collector_was_away(served, collector, fake, gpt):
    served.ks("provider", "add", "openai", "--base-url", fake.url, "--key-stdin", "--no-verify", stdin=KEYS["openai"])
    agent = served.agent("openai")
    client = openai_client(served, agent.token)
    say = lambda: client.chat.completions.create(model=gpt, messages=[{"role": "user", "content": "A secret: otters."}])
    collector.away = True
    first = say()
    served.process.wait_for(lambda: collector.refused > 0, "a try")
    collector.away = False
    second = say()
    arrived = served.process.wait_for(
        lambda: [span for span in collector.spans if span.name.endswith(gpt)][1:] and collector.spans, "two spans", 40
    )
    spans = [span for span in arrived if span.name.endswith(gpt)]
    assert len({span.span_id for span in spans}) == len(spans) == 2
    for span, answer in zip(spans, (first, second)):
        told = attributes(span)
        assert told["gen_ai.request.model"] == gpt and told["gen_ai.provider.name"] == "openai"
        assert told["gen_ai.usage.input_tokens"] == answer.usage.prompt_tokens
        assert told["gen_ai.usage.output_tokens"] == answer.usage.completion_tokens
        assert told["http.response.status_code"] == 200 and told["keystore.source"] == "byok"
        assert 0 < span.start_time_unix_nano < span.end_time_unix_nano
    # Lines follow the spans, in a delivery of their own.
    served.process.wait_for(lambda: any(record.body.string_value == "serving" for record in collector.records), "the line")
    told = b"".join(collector.bodies)
    assert found([gpt], {"told": told})
    assert not found([KEYS["openai"], agent.token, "A secret"], {"told": told})
