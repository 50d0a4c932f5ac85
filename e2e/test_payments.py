"""Top-ups by card, in production: the events are signed by Stripe's own package."""

import json
import subprocess
import time
import urllib.error
import urllib.request

import stripe

from conftest import KEYS
from harness.fake import Fake
from harness.process import BINARIES
from harness.serve import Served

SECRET = "whsec_e2e_payments"


def event(name, begun, session, cents=5_000):
    """An event of Stripe, as bytes: a payment was made."""
    checkout = {
        "id": session,
        "object": "checkout.session",
        "client_reference_id": begun["id"],
        "amount_total": cents,
        "currency": "usd",
        "payment_status": "paid",
    }
    return json.dumps({"id": name, "object": "event", "type": "checkout.session.completed", "data": {"object": checkout}})


def signed(body, secret=SECRET, at=None):
    at = int(time.time()) if at is None else at
    return f"t={at},v1={stripe.WebhookSignature._compute_signature(f'{at}.{body}', secret)}"


def tell(keystore, body, signature):
    """The status of the answer."""
    headers = {"content-type": "application/json", "stripe-signature": signature}
    request = urllib.request.Request(f"{keystore.api_url}/v1/payments/stripe", body.encode(), headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_a_payment_counts_once_with_stripes_signature(tmp_path):
    fake = Fake(tmp_path, "stripe", "bearer", KEYS["stripe"])
    settings = {
        "payments.stripe_key": KEYS["stripe"],
        "payments.stripe_webhook_secret": SECRET,
        "payments.stripe_url": fake.url,
    }
    keystore = Served(tmp_path / "keystore", [fake], f"sqlite://{tmp_path / 'keystore.db'}", settings)
    try:
        begun = keystore.ks("billing", "top-up", 50)
        (asked,) = [one for one in fake.received() if one.path == "/v1/checkout/sessions"]
        assert asked.header("idempotency-key") == begun["id"]
        session = f"fake_{0:08}"
        body = event("evt_1", begun, session)
        now = int(time.time())
        forged = [
            (body, ""),
            (body, signed(body, secret="")),
            (body, signed(body, secret="whsec_other")),
            (body, signed(body, at=now - 600)),
            (body.replace("5000", "9000"), signed(body)),
        ]
        assert [tell(keystore, *one) for one in forged] == [401] * len(forged)
        other = event("evt_2", begun, session, cents=100)
        assert tell(keystore, other, signed(other)) == 409
        assert keystore.ks("billing", "balance")["available"] == "0.00"
        for _ in range(2):
            assert tell(keystore, body, signed(body)) == 204
            assert keystore.ks("billing", "balance")["available"] == "50.00"
    finally:
        keystore.stop()
        fake.stop()


def test_a_server_does_not_start_with_stripe_and_no_secret(tmp_path):
    key = tmp_path / "root.key"
    key.write_text("")
    config = tmp_path / "keystore.toml"
    for secret in ("", '\nstripe_webhook_secret = ""', '\nstripe_webhook_secret = "  "'):
        config.write_text(
            f'[kms]\nkey_file = "{key}"\n[store]\ndata_dir = "{tmp_path / "data"}"\n[payments]\nstripe_key = "sk_live"{secret}\n'
        )
        done = subprocess.run([BINARIES / "ks", "serve", "--config", config], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert "stripe_webhook_secret" in done.stderr
