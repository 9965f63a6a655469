"""Every public function has an example in its docstring, and all examples run as doctests."""

import ast
import doctest
import importlib
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "resnet_keras"
SOURCES = sorted(ROOT.rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in SOURCES]


def public_functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def module_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_examples_run(path, tmp_path, monkeypatch):
    if ">>>" not in path.read_text(encoding="utf-8"):
        return
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(module_of(path))
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(module, optionflags=flags)
    assert result.failed == 0
    assert os.getcwd() == str(tmp_path)


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_every_public_function_has_an_example(path):
    # Commands share one interface, `configure` and `run`, whose example is the command line.
    missing = [
        node.name
        for node in public_functions(path)
        if ">>>" not in (ast.get_docstring(node) or "")
        and not (path.parent.name == "cli" and node.name in ("configure", "run"))
    ]
    assert not missing
