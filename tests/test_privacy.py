"""Private names of a package are used in that package alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import isthmus

ROOT = Path(isthmus.__file__).parent

OF_NAMED_TUPLES = {"_asdict", "_field_defaults", "_fields", "_make", "_replace"}
"""Methods that are public, in spite of their names: the underscore keeps fields apart from them."""

OF_SCIKIT_LEARN = {"_parameter_constraints", "_validate_params"}
"""What its developers' guide has every estimator call so."""

OF_DASK = {"_meta", "_meta_nonempty"}
"""Frames without rows, or with one, by which libraries are to know the types of a collection."""

OF_PYTHON = {"_exit"}
"""The end of a process at once, in the module os."""

OWN = ("self", "cls")


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def package_of(module, modules):
    """The package that may use the private names of a module; a top-level module stands alone."""
    if module in modules and not modules[module]:
        parent = module.rpartition(".")[0]
        return module if parent == "isthmus" else parent
    return module


def owner(path, modules):
    """The package that alone may use the dotted ``path``; None if no part of it is private."""
    parts = path.split(".")
    for index, part in enumerate(parts):
        if is_private(part):
            return package_of(".".join(parts[:index]), modules)
    return None


def is_within(module, package):
    return module == package or module.startswith(f"{package}.")


def imported(tree) -> Iterator[tuple[int, str, str]]:
    """Line, name in the module and dotted path of everything that is imported from isthmus."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            for alias in node.names:
                yield node.lineno, alias.asname or alias.name, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.asname or alias.name.partition(".")[0], alias.name
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            (path, *_) = node.args
            if isinstance(path, ast.Constant):
                yield node.lineno, "", path.value


def defined(tree):
    """Private names that a module gives to its functions, classes, variables and attributes."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                found.add(name)
    return set(filter(is_private, found))


def attributes(tree) -> Iterator[tuple[int, str, str]]:
    """Line, object and name of every private attribute of something but the object or class itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            whose = ast.unparse(node.value)
            if (
                whose not in OWN
                and whose != "super()"
                and node.attr not in OF_NAMED_TUPLES | OF_SCIKIT_LEARN | OF_DASK | OF_PYTHON
            ):
                yield node.lineno, whose, node.attr


def violations(trees, modules):
    """Uses of private names outside their packages; ``modules`` says of each whether it is a package."""
    own_names: dict[str, set[str]] = {}
    for module, tree in trees.items():
        own_names.setdefault(package_of(module, modules), set()).update(defined(tree))
    for module, tree in trees.items():
        paths = {}
        for line, name, path in imported(tree):
            paths[name] = path
            home = owner(path, modules)
            if is_within(path, "isthmus") and home is not None and not is_within(module, home):
                yield f"{module}:{line} imports {path}, which is private to {home}"
        for line, whose, name in attributes(tree):
            start, *rest = whose.split(".")
            path = ".".join([paths.get(start, ""), *rest])
            if start in paths and is_within(path, "isthmus"):
                home = owner(f"{path}.{name}", modules)
                # A class or an instance: its module, or the package that hands it on, is its home.
                while home not in modules:
                    home = home.rpartition(".")[0]
                is_own = is_within(module, package_of(home, modules))
            else:
                is_own = name in own_names[package_of(module, modules)]
            if not is_own:
                yield f"{module}:{line} uses {whose}.{name}, a private name of another package"


def test_private_names_are_used_in_their_own_package_alone():
    trees, modules = {}, {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        modules[module] = is_package
        trees[module] = ast.parse(path.read_text(encoding="utf-8"))
    assert list(violations(trees, modules)) == []


@pytest.mark.parametrize(
    ("module", "text", "found"),
    [
        ("isthmus.a.user", "from isthmus.a._b import f", None),
        ("isthmus.a.user", "from isthmus.a.c import _g", None),
        ("isthmus.a.inner.user", "from isthmus.a._b import f", None),
        ("isthmus.b.user", "from isthmus.a._b import f", "imports isthmus.a._b.f"),
        ("isthmus.b.user", "from isthmus.a import _b", "imports isthmus.a._b"),
        ("isthmus.b.user", "import isthmus.a._b", "imports isthmus.a._b"),
        ("isthmus.b.user", "from isthmus.a.c import _g", "imports isthmus.a.c._g"),
        ("isthmus.b.user", "import_module('isthmus.a._b')", "imports isthmus.a._b"),
        ("isthmus.b.user", "def f():\n    from isthmus.a.c import _g", "imports isthmus.a.c._g"),
        ("isthmus.user", "from isthmus.top import _h", "imports isthmus.top._h"),
        ("isthmus.b.user", "from isthmus.a import c\nc._g()", "uses c._g"),
        ("isthmus.b.user", "import isthmus.a.c\nisthmus.a.c._g()", "uses isthmus.a.c._g"),
        ("isthmus.b.user", "from isthmus.a.c import C\nC._make_one()", "uses C._make_one"),
        ("isthmus.a.user", "from isthmus.a.c import C\nC._make_one()", None),
        ("isthmus.b.user", "def f(model): return model._state", "uses model._state"),
        ("isthmus.a.user", "def f(model): return model._state", None),
        ("isthmus.b.user", "def f(model): model._mine = 1; return model._mine", None),
        ("isthmus.b.user", "class D:\n    def f(self): return self._state", None),
        ("isthmus.b.user", "def f(record): return record._asdict()", None),
        ("isthmus.b.user", "from sklearn.base import _fit_context", None),
    ],
)
def test_the_rule_finds_what_it_forbids(module, text, found):
    library = {
        "isthmus.a._b": "def f(): pass",
        "isthmus.a.c": (
            "class C:\n    def f(self): self._state = 1\n    def _make_one(): pass\ndef _g(): pass"
        ),
        "isthmus.top": "def _h(): pass",
    }
    trees = {name: ast.parse(part) for name, part in {**library, module: text}.items()}
    modules = dict.fromkeys(trees, False)
    modules |= dict.fromkeys(("isthmus", "isthmus.a", "isthmus.b", "isthmus.a.inner"), True)
    assert [found in each for each in violations(trees, modules)] == ([] if found is None else [True])
