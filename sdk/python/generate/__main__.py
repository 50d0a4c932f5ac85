"""Writes what is generated of the Python client: `python3 sdk/python/generate`; with `--check`, only says whether it is up to date.

From `openapi.json`: the objects of answers, the objects of requests, the operations, and the resources with their methods, for
threads and for tasks; and the table of methods in `docs/sdk-python.md`. From `catalog/`: the vendors' hosts and variables. Needs
Python 3.11 and nothing else.
"""

import json
import sys
from pathlib import Path

import catalog
import models
import params
import reference
import resources
from spec import Spec

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
INTO = HERE.parent / "src" / "keystore_sdk"


def files():
    """Every generated file by its path, with its text."""
    methods = json.loads((ROOT / "sdk" / "methods.json").read_text())
    spec = Spec(json.loads((ROOT / "openapi.json").read_text()), methods)
    made = {
        "types.py": models.text(spec),
        "params.py": params.text(spec),
        "_generated/encoders.py": params.encoders(spec),
        "_generated/operations.py": resources.operations(spec),
        "_generated/resources.py": resources.text(spec, "sync"),
        "_generated/async_resources.py": resources.text(spec, "async"),
        "_generated/catalog.py": catalog.text(ROOT / "catalog" / "providers"),
        "_generated/__init__.py": '"""Written by `sdk/python/generate` from `openapi.json` and `catalog/`. Not to be edited."""\n',
    }
    page = ROOT / "docs" / "sdk-python.md"
    return {**{INTO / name: text for name, text in made.items()}, page: reference.page(spec, page.read_text())}


def main(check):
    stale = []
    for path, text in files().items():
        if path.exists() and path.read_text() == text:
            continue
        stale.append(path.relative_to(ROOT))
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    for path in stale:
        print(f"{'out of date' if check else 'written'}: {path}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] == ["--check"]))
