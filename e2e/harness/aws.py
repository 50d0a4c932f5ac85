"""A vendor that takes nothing but requests with a signature of AWS: the canonical request is built and the signature computed by
botocore, not by us. Speaks as much of S3 and of Bedrock's runtime as the tests need."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class Aws:
    """Serves on a free port of this machine; `refused` says why requests were not taken."""

    def __init__(self, access_key_id, secret, session_token=None):
        self.credentials = Credentials(access_key_id, secret, session_token)
        self.objects, self.refused, self.taken = {}, [], []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.authority = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.authority}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def problem(self, method, target, headers, body):
        """What is wrong with a signature, if something is."""
        kind, _, rest = headers.get("authorization", "").partition(" ")
        if kind != "AWS4-HMAC-SHA256":
            return "no signature"
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        key_id, _, region, service, end = parts["Credential"].split("/")
        if (key_id, end) != (self.credentials.access_key, "aws4_request"):
            return "another key"
        if headers.get("x-amz-security-token") != self.credentials.token:
            return "another session token"
        names = parts["SignedHeaders"].split(";")
        missing = [name for name in headers if name.startswith("x-amz-") and name not in names]
        if missing or names != sorted(names) or "host" not in names:
            return f"unsigned: {missing or names}"
        request = AWSRequest(
            method=method,
            url=f"http://{headers['host']}{target}",
            data=body,
            headers={name: headers[name] for name in names if name != "host"},
        )
        request.context["timestamp"] = headers["x-amz-date"]
        said = headers.get("x-amz-content-sha256")
        if service == "s3" and said is None:
            return "S3 wants x-amz-content-sha256"
        if said and len(said) == 64 and said != hashlib.sha256(body).hexdigest():
            return "the body has another hash"
        auth = (S3SigV4Auth if service == "s3" else SigV4Auth)(self.credentials, service, region)
        signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        return None if signature == parts["Signature"] else f"another signature: {auth.canonical_request(request)!r}"

    def _handler(aws):  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, body=b"", kind="application/xml"):
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def body(self):
                if self.headers.get("transfer-encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("content-length", 0)))
                pieces = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    pieces.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(pieces)

            def serve(self):
                headers = {}
                for name, value in self.headers.items():
                    name = name.lower()
                    headers[name] = f"{headers[name]},{value}" if name in headers else value
                body = self.body()
                if problem := aws.problem(self.command, self.path, headers, body):
                    aws.refused.append(problem)
                    error = "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>"
                    return self.answer(403, error.encode())
                aws.taken.append((self.command, self.path))
                url = urlsplit(self.path)
                if url.path.startswith("/model/"):
                    return self.converse()
                return self.s3(unquote(url.path), parse_qs(url.query, keep_blank_values=True), headers, body)

            def s3(self, path, query, headers, body):
                if self.command == "PUT":
                    if "aws-chunked" in headers.get("content-encoding", ""):
                        body = unchunked(body)
                    aws.objects[path] = body
                    return self.answer(200)
                if "list-type" in query:
                    keys = "".join(f"<Contents><Key>{escape(key.split('/', 2)[2])}</Key></Contents>" for key in sorted(aws.objects))
                    return self.answer(200, f"<ListBucketResult>{keys}</ListBucketResult>".encode())
                if path in aws.objects:
                    return self.answer(200, aws.objects[path], "application/octet-stream")
                return self.answer(404, b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>")

            def converse(self):
                answer = {
                    "output": {"message": {"role": "assistant", "content": [{"text": "otters"}]}},
                    "stopReason": "end_turn",
                    "usage": {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18},
                    "metrics": {"latencyMs": 1},
                }
                self.answer(200, json.dumps(answer).encode(), "application/json")

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = serve

        return Handler


def unchunked(body):
    """What an `aws-chunked` body holds; its trailer is left out."""
    held = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        size = int(size.split(b";")[0], 16)
        if size == 0:
            break
        held, body = held + rest[:size], rest[size + 2 :]
    return held
