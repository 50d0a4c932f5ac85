"""Names: snake_case here, camelCase on the wire."""

from __future__ import annotations

import keyword
import re
from functools import lru_cache

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@lru_cache(maxsize=4096)
def snake_case(wire: str) -> str:
    """`rpmLimit` is `rpm_limit`; a word of the language gets an underscore: `from_`."""
    name = _WORD.sub("_", wire).replace("-", "_").lower()
    return f"{name}_" if keyword.iskeyword(name) else name


@lru_cache(maxsize=4096)
def camel_case(name: str) -> str:
    """The other way round; what is in camelCase stays as it is."""
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)
