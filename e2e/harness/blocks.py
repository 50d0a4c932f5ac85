"""The commands that stand in the pages of the documentation."""

import re
import shlex
from dataclasses import dataclass

from .process import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "sdk").glob("*/README.md")), ROOT / "deploy" / "README.md"]


@dataclass(frozen=True)
class Command:
    """One command of a page, and what is printed below it."""

    page: str
    line: int
    text: str
    printed: str
    # The first of its block.
    first: bool


def commands(path):
    """The commands of a page, in its order. A block that shows output alone has none."""
    page = str(path.relative_to(ROOT))
    lines = path.read_text().splitlines()
    at = 0
    while at < len(lines):
        kind = re.fullmatch(r" *```(console|sh|bash|shell)", lines[at])
        at += 1
        if not kind:
            continue
        end = next(number for number in range(at, len(lines)) if lines[number].strip() == "```")
        first = True
        while at < end:
            begun = at
            text = lines[at]
            at += 1
            if kind[1] == "console" and not text.startswith("$ "):
                continue
            text = text.removeprefix("$ ") if kind[1] == "console" else text
            while at < end and not whole(text):
                text += "\n" + lines[at]
                at += 1
            printed = []
            while kind[1] == "console" and at < end and not lines[at].startswith("$ "):
                printed.append(lines[at])
                at += 1
            yield Command(page, begun + 1, text, "\n".join(printed), first)
            first = False


def whole(text):
    """Whether a command ends here: no quote is open and no line is continued."""
    if text.endswith("\\"):
        return False
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False
    return True
