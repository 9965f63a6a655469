"""A griffe extension that shows the doctests of docstrings as code.

The docstrings follow the Keras style: the line `Example:`, an empty line, and the doctest at the
indentation of the docstring. griffe wants the doctest indented below `Examples:`.
"""

import re
from typing import Any

import griffe

_HEADING = "Example:"
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields|Note|Notes):$")


def indented(text: str) -> str:
    """Returns a docstring with its examples as a section that griffe knows."""
    lines, inside = [], False
    for line in text.splitlines():
        if line.strip() == _HEADING:
            inside = True
            lines.append("Examples:")
            continue
        if inside and _SECTION.match(line):
            inside = False
        lines.append(f"    {line}" if inside and line else line)
    return "\n".join(lines)


class Examples(griffe.Extension):
    """Rewrites the docstring of every object."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called by griffe for every module, class, function and attribute."""
        if obj.docstring is not None and _HEADING in obj.docstring.value:
            obj.docstring.value = indented(obj.docstring.value)
