"""The layers of the package: modules import only from lower layers, and without cycles.

The imports are read from the source files; nothing is imported.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = "resnet_keras"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE
LAYERS = {
    "errors": 1,
    "architectures": 1,
    "recipe": 1,
    "recipes": 1,
    "preprocessing": 1,
    "accounting": 1,
    "description": 1,
    "artefact": 1,
    "cpu": 1,
    "files": 1,
    "formatting": 1,
    "processes": 1,
    "models": 2,
    "data": 2,
    "runs": 2,
    "serving": 2,
    "importers": 3,
    "distributed": 3,
    "evaluation": 3,
    "reporting": 3,
    "export": 4,
    "training": 5,
    "experiments": 6,
    "tuning": 6,
    "cli": 7,
}
# The package's public interface: `resnet_keras.build`, and the version.
TOP = ("__init__", "__main__")
WITHOUT_TENSORFLOW = {"reporting", "runs", "serving"} | {
    name for name, layer in LAYERS.items() if layer < 2
}
HEAVY = {"tensorflow", "keras", "jax", "tensorflow_datasets", "keras_tuner"}

SOURCES = sorted(ROOT.rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in SOURCES]


def module_name(path):
    parts = (PACKAGE, *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in SOURCES}


def part(module):
    """`resnet_keras.models.build` -> `models`; the package itself -> `__init__`."""
    names = module.split(".")
    return names[1] if len(names) > 1 else "__init__"


def imports(path, deferred=True):
    """The modules that a file imports, inside functions too if `deferred`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if deferred:
        nodes = list(ast.walk(tree))
    else:
        nodes, left = [], [tree]
        while left:
            node = left.pop()
            nodes.append(node)
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                left.extend(ast.iter_child_nodes(node))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def own(modules):
    return [module for module in modules if module.split(".")[0] == PACKAGE]


def test_the_sources_are_read():
    assert len(SOURCES) > 40
    assert f"{PACKAGE}.models.build" in MODULES
    # Deferred imports are seen, and told from the others.
    public = ROOT / "__init__.py"
    assert f"{PACKAGE}.models.build" in imports(public)
    assert f"{PACKAGE}.models.build" not in imports(public, deferred=False)
    assert "keras" in imports(ROOT / "models" / "build.py", deferred=False)


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_every_file_belongs_to_a_layer(path):
    assert part(module_name(path)) in (*LAYERS, *TOP)


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_imports_go_down(path):
    here = part(module_name(path))
    if here in TOP:
        return
    for module in own(imports(path)):
        there = part(module)
        if there == "__init__":
            continue  # the version
        same_folder = there == here and (ROOT / here).is_dir()
        # The modules of the lowest layer may import each other; another test looks for cycles.
        lowest = LAYERS[here] == LAYERS[there] == 1
        assert same_folder or lowest or LAYERS[there] < LAYERS[here], (
            f"{here} (layer {LAYERS[here]}) imports {module} (layer {LAYERS[there]})"
        )


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_light_parts_import_nothing_heavy(path):
    if part(module_name(path)) in WITHOUT_TENSORFLOW:
        heavy = {module.split(".")[0] for module in imports(path)} & HEAVY
        assert not heavy


def test_importing_the_package_imports_nothing_heavy():
    for name in ("__init__", "__main__", "cli/__init__", "cli/main", "cli/train"):
        modules = imports(ROOT / f"{name}.py", deferred=False)
        assert not {module.split(".")[0] for module in modules} & HEAVY


def test_no_cycles():
    graph = {
        module_name(path): {module for module in own(imports(path)) if module in MODULES}
        for path in SOURCES
    }
    # `resnet_keras` itself is imported for its version; what it gives lazily makes no cycle.
    graph[PACKAGE] = set()
    done, trail = set(), []

    def visit(module):
        assert module not in trail, f"a cycle: {' -> '.join([*trail, module])}"
        if module in done:
            return
        trail.append(module)
        for other in sorted(graph[module]):
            visit(other)
        trail.pop()
        done.add(module)

    for module in sorted(graph):
        visit(module)
    assert done == MODULES


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_every_file_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
