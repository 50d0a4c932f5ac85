"""What must hold of a call, whichever client made it."""

from decimal import Decimal


def only(fake, model=None, path=None):
    """The one request that arrived at the vendor for this model, or the last one on this path. It came with the vendor's real key,
    in the vendor's own slot, and with nothing of ours."""
    received = [one for one in fake.received(model) if path is None or one.path == path]
    assert received and (model is None or len(received) == 1), received
    last = received[-1]
    assert last.credentials == [(fake.slot, fake.key)]
    sent = [last.line["target"], last.line["body"], *(f"{name}: {value}" for name, value in last.line["headers"])]
    assert not [text for text in sent if "ks_" in text]
    return last


def recorded(keystore, agent, *, status=200, usage=None, cost=None, calls=1):
    """The last of this many calls of an agent on record: with what it used and cost, and nothing held."""
    rows = keystore.requests(agent, count=calls)
    row = rows[-1]
    assert (row["status"], row["ending"]) == (status, "complete"), row
    assert row["attemptId"]
    if usage is not None:
        assert row["usage"] == usage, row
    if cost is not None:
        assert Decimal(row["cost"]) == cost, row
    return row


def refused(keystore, agent, fake, code, status, arrived):
    """One refusal of ours on record; the vendor received nothing beyond the `arrived` requests of before."""
    (row,) = keystore.requests(agent, count=1)
    assert (row["code"], row["status"]) == (code, status), row
    assert not row.get("attemptId") and Decimal(row["cost"]) == 0
    assert len(fake.received()) == arrived
