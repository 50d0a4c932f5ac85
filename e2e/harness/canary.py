"""Looks for secrets in whatever form they could lie around."""

import base64
import gzip
import json
import zlib
from urllib.parse import quote


def forms(secret):
    """A secret in each form, by its name."""
    raw = secret.encode()
    half = len(raw) // 2
    made = {
        "raw": raw,
        "hex": raw.hex().encode(),
        "hex in capitals": raw.hex().upper().encode(),
        "percent": quote(secret, safe="").encode(),
        "percent, every byte": "".join(f"%{byte:02X}" for byte in raw).encode(),
        "json, every character": "".join(f"\\u{byte:04x}" for byte in raw).encode(),
        "utf-16": secret.encode("utf-16-le"),
        "utf-16, big-endian": secret.encode("utf-16-be"),
        "reversed": raw[::-1],
        "first half": raw[:half],
        "second half": raw[half:],
    }
    # Whatever stands before it in a longer text that is encoded: three alignments, without the edges.
    for before in range(3):
        made[f"base64, {before}"] = base64.b64encode(b"x" * before + raw)[4:-4]
        made[f"base64 for URLs, {before}"] = base64.urlsafe_b64encode(b"x" * before + raw)[4:-4]
    return made


def unpacked(text):
    """The text, and behind it what was compressed in it (gzip)."""
    whole, at = [text], 0
    while (at := text.find(b"\x1f\x8b\x08", at)) >= 0:
        try:
            whole.append(zlib.decompressobj(31).decompress(text[at:]))
        except zlib.error:
            pass
        at += 1
    return b"\n".join(whole)


# So many secrets are looked for in every form, the rest as they are: what encodes one encodes its like.
IN_EVERY_FORM = 30


def found(secrets, texts):
    """Names, secrets and forms that were found; texts by name."""
    needles = {needle: (secret[:12], form) for secret in secrets[:IN_EVERY_FORM] for form, needle in forms(secret).items()}
    needles |= {secret.encode(): (secret[:12], "raw") for secret in secrets[IN_EVERY_FORM:]}
    return [(name, *needles[needle]) for name, text in texts.items() for text in [unpacked(text)] for needle in needles if needle in text]


def hidden(secret):
    """The secret as others would write it into a text, by form: what a search has to find."""
    text = f"authorization: Bearer {secret}; more"
    raw = text.encode()
    yield "raw", raw
    yield "half of it", secret[: len(secret) // 2].encode() + b"\0" * 9
    yield "the other half", b"\0" * 9 + secret[len(secret) // 2 :].encode()
    yield "hex", raw.hex().encode()
    yield "hex in capitals", raw.hex().upper().encode()
    yield "percent", quote(text).encode()
    yield "percent, every byte", "".join(f"%{byte:02X}" for byte in raw).encode()
    yield "json", json.dumps({"said": text}).encode()
    yield "json, every character", "".join(f"\\u{ord(letter):04x}" for letter in text).encode()
    yield "utf-16", text.encode("utf-16")
    yield "utf-16, big-endian", text.encode("utf-16-be")
    yield "reversed", raw[::-1]
    for before in range(3):
        yield f"base64, {before}", base64.b64encode(b"." * before + raw)
        yield f"base64 for URLs, {before}", base64.urlsafe_b64encode(b"." * before + raw)
    yield "gzip", b"before" + gzip.compress(raw) + b"behind"
