"""The table at the end of `docs/sdk-python.md`: every method, what it takes, what it gives, and the operation behind it."""

import sys

from resources import OWN, Writer

HEADING = "## Every method\n"


def page(spec, text):
    """The page with the table as it is now."""
    before, heading, _ = text.partition(HEADING)
    if not heading:
        sys.exit(f"docs/sdk-python.md has no heading `{HEADING.strip()}`")
    rows = sorted(row for one in spec.operations for row in _rows(Writer(spec, "sync"), one))
    return f"{before}{HEADING}\n{INTRODUCTION}\n| method | gives | operation | |\n| --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"


INTRODUCTION = """\
Arguments that must be there are named; `…` are others. Every method takes a `timeout`, and each `POST` outside of `ks.auth` an `idempotency_key`. With tasks the names are the same, and `Pager`, `Download` and
`EventStream` are `AsyncPager`, `AsyncDownload` and `AsyncEventStream`. Answers are in `keystore_sdk.types`.
"""


def _rows(writer, one):
    arguments = writer.arguments(one)[0]
    must = [argument.partition(":")[0] for argument in arguments if "=" not in argument]
    if must[-1] == "*":
        must.pop()
    may = {argument.partition(":")[0] for argument in arguments if "=" in argument} - OWN
    said = " ".join(one.summary.split()).replace("|", "\\|")
    shown = ", ".join([*must, "…"] if may else must)
    gives = writer.answer(one)[0].replace("types.", "")
    yield f"| `ks.{one.resource}.{one.verb}({shown})` | `{gives}` | `{one.method} {one.path}` | {said} |"
    if one.files and one.json:
        name = f"ks.{one.resource}.{writer.file_verb(one)}({must[0]}, *, format)"
        yield f"| `{name}` | `Download` | `{one.method} {one.path}` | {said.partition(':')[0]}, as a file. |"
