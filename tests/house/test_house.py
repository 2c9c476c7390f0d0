"""The house stands as CONTRIBUTING.md draws it: floors, names, sizes, what ships, what `import gristmill` loads."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from places import ROOT, TESTS

import gristmill

FLOORS = (
    {"errors"},
    {"prompts", "storage"},
    {"models"},
    {"evals"},
    {"agents"},
    {"graphs"},
    {"campaigns"},
    {"review"},
    {"cli", "__init__"},
)
AT_ROOT = {"__init__.py", "cli.py", "errors.py"}
OUTSIDE = {"tests", "docs", "examples", "benchmarks", "build", "dist", "runs"}
LONG, TOO_LONG = 250, 500
FORBIDDEN_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "imp"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
HEAVY = {
    "langgraph",
    "langchain_core",
    "litellm",
    "networkx",
    "aiohttp",
    "rich",
    "pyarrow",
    "datasets",
    "redis",
    "openai",
}
OPTIONAL = {"litellm", "vllm", "torch", "transformers", "datasets", "pyarrow", "pandas", "prometheus_client", "psycopg"}


@cache
def settings() -> dict[str, object]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def tool(name: str) -> dict[str, object]:
    """One tool's table in pyproject.toml."""
    table = settings()["tool"][name]  # type: ignore[index]
    assert isinstance(table, dict)
    return table


@cache
def package_folders() -> tuple[Path, ...]:
    """Every folder that ships, relative to the root; the root itself is `.`."""
    tops = [d for d in ROOT.iterdir() if (d / "__init__.py").exists() and not d.name.startswith(".")]
    inner = [p.parent for d in tops if d.name not in OUTSIDE for p in d.rglob("__init__.py")]
    return Path(), *sorted(p.relative_to(ROOT) for p in inner)


@cache
def sources() -> tuple[Path, ...]:
    """Every Python file that ships, relative to the root."""
    return tuple(sorted(path.relative_to(ROOT) for d in package_folders() for path in (ROOT / d).glob("*.py")))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), filename=str(path))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file that a rule here is about, in one walk."""
    kinds = (ast.Import, ast.ImportFrom, ast.Call, ast.FunctionDef, ast.AsyncFunctionDef)
    return tuple(node for node in ast.walk(tree(path)) if isinstance(node, kinds))


def dotted(path: Path) -> str:
    """`models/layers/cache.py` -> `models.layers.cache`; a package is its folder, the root is ''."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> frozenset[str]:
    """Every module that ships, dotted without `gristmill.`."""
    return frozenset(dotted(path) for path in sources())


@cache
def imports(path: Path, *, at_import_time: bool = False) -> tuple[str, ...]:
    """The gristmill modules that a file imports, dotted without `gristmill.`.

    With `at_import_time`, only what runs when the file is imported: not within functions or `if TYPE_CHECKING`.
    """
    package = list(path.parent.parts)

    def visit(node: ast.AST) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                continue  # no statement stands in one, and most of a file is these
            if at_import_time and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if at_import_time and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.ImportFrom):
                if child.level:
                    base = package[: len(package) - child.level + 1] + (child.module or "").split(".")
                elif (child.module or "").split(".")[0] == "gristmill":
                    base = (child.module or "").split(".")[1:]
                else:
                    continue
                name = ".".join(filter(None, base))
                for alias in child.names:
                    inner = f"{name}.{alias.name}".strip(".")
                    yield inner if inner in modules() else name
            elif isinstance(child, ast.Import):
                yield from (a.name.partition(".")[2] for a in child.names if a.name.split(".")[0] == "gristmill")
            else:
                yield from visit(child)

    return tuple(visit(tree(path)))


def floor(module: str) -> int:
    top = module.split(".")[0] or "__init__"
    found = [height for height, names in enumerate(FLOORS) if top in names]
    assert found, f"{top} stands on no floor: add it to FLOORS here and to CONTRIBUTING.md"
    return found[0]


def test_no_folder_imports_one_above_it() -> None:
    wrong = []
    for path in sources():
        here = dotted(path)
        for target in imports(path):
            if floor(target) > floor(here):
                wrong.append(f"{path} (floor {floor(here)}) imports {target or 'gristmill'} (floor {floor(target)})")
    assert not wrong, "\n".join(wrong)


def test_imports_run_in_no_circle() -> None:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for path in sources():
        here = dotted(path)
        sorter.add(here, *(t for t in imports(path, at_import_time=True) if t != here))
    sorter.prepare()  # CycleError names the circle


def test_folders_import_each_other_in_no_circle() -> None:
    """On one floor too: prompts may know storage's records, then storage knows no prompts."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for path in sources():
        here = dotted(path).split(".")[0]
        sorter.add(here, *(top for t in imports(path) if (top := t.split(".")[0]) != here))
    sorter.prepare()


def test_imports_inside_the_package_are_relative() -> None:
    wrong = []
    for path in sources():
        if path == Path("__init__.py"):
            continue
        for node in nodes(path):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            wrong += [f"{path}:{node.lineno} {n}" for n in names if n.split(".")[0] == "gristmill"]
    assert not wrong, "absolute imports of the package:\n" + "\n".join(wrong)


def test_the_root_file_imports_absolutely() -> None:
    """A relative import there breaks pytest in a checkout whose folder is not called gristmill."""
    wrong = [n.lineno for n in ast.walk(tree(Path("__init__.py"))) if isinstance(n, ast.ImportFrom) and n.level]
    assert not wrong


def test_only_three_files_at_the_root() -> None:
    assert {p.name for p in ROOT.glob("*.py")} <= AT_ROOT


def test_two_folder_levels_at_most() -> None:
    assert [str(p) for p in package_folders() if len(p.parts) > 2] == []


def test_packages_in_pyproject_are_the_tree() -> None:
    listed = tool("setuptools")["packages"]
    assert isinstance(listed, list)
    tree = [".".join(("gristmill", *p.parts)) for p in package_folders()]
    assert sorted(listed) == sorted(tree), "pyproject.toml's packages and the folders differ"


def test_folders_with_python_are_packages() -> None:
    folders = {p.parent for d in package_folders() if d.parts for p in (ROOT / d).rglob("*.py")}
    assert sorted(str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()) == []


def test_package_data_covers_every_other_file() -> None:
    data = tool("setuptools")["package-data"]
    assert isinstance(data, dict)
    missing = []
    for folder in package_folders():
        if not folder.parts:
            continue  # the root also holds the project's own files
        patterns = data.get(".".join(("gristmill", *folder.parts)), [])
        for path in (ROOT / folder).iterdir():
            other = path.is_file() and path.suffix not in {".py", ".pyc"} and not path.name.startswith(".")
            if other and not any(fnmatch(path.name, pattern) for pattern in patterns):
                missing.append(str(path.relative_to(ROOT)))
    assert not missing, f"not in [tool.setuptools.package-data], so absent from the wheel: {missing}"


def test_no_file_is_too_long(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {path: len((ROOT / path).read_text().splitlines()) for path in sources()}
    long = {str(path): n for path, n in sizes.items() if n > LONG}
    listed = "\n".join(f"  {n} {name}" for name, n in sorted(long.items(), key=lambda pair: -pair[1]))
    with capsys.disabled():
        print(f"\nfiles over the aim of {LONG} lines:\n{listed}" if long else "")
    pages = [
        path
        for ext in ("js", "html", "css")
        for path in (ROOT / "review").rglob(f"*.{ext}")
        if "vendor" not in path.parts
    ]
    sizes |= {path: len(path.read_text().splitlines()) for path in pages}
    assert {str(path): n for path, n in sizes.items() if n > TOO_LONG} == {}


def test_no_test_file_is_too_long_and_none_imports_another() -> None:
    """What two test files need is a helper of `tests/shared`."""
    texts = {path: path.read_text() for path in TESTS.rglob("*.py")}
    assert {str(path): n for path, text in texts.items() if (n := len(text.splitlines())) > TOO_LONG} == {}
    assert [str(path) for path, text in texts.items() if re.search(r"^(from|import) test_", text, re.MULTILINE)] == []


def test_nothing_unpickles_or_evaluates() -> None:
    wrong = []
    for path in sources():
        for node in nodes(path):
            if isinstance(node, ast.Import):
                wrong += [f"{path}:{node.lineno} {a.name}" for a in node.names if a.name in FORBIDDEN_MODULES]
            elif isinstance(node, ast.ImportFrom) and node.module in FORBIDDEN_MODULES:
                wrong.append(f"{path}:{node.lineno} {node.module}")
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
                wrong.append(f"{path}:{node.lineno} {node.func.id}()")
    assert not wrong, "\n".join(wrong)


def test_only_the_command_line_prints() -> None:
    wrong = [
        f"{path}:{node.lineno}"
        for path in sources()
        if path != Path("cli.py")
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not wrong, f"print() in the package; log, or return what the command line prints: {wrong}"


def test_imports_within_functions_are_of_optional_packages() -> None:
    """A circle or a slow start hides in them; a heavy optional dependency is the only reason."""
    core = {re.split(r"[^\w-]", d)[0].lower() for d in settings()["project"]["dependencies"]}  # type: ignore[index]
    wrong = []
    for path in sources():
        for function in nodes(path):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                name = node.module if isinstance(node, ast.ImportFrom) and not node.level else ""
                name = node.names[0].name if isinstance(node, ast.Import) else name
                top = (name or "").split(".")[0]
                if top and (top in sys.stdlib_module_names or (top in core and top not in HEAVY)):
                    wrong.append(f"{path}:{node.lineno} {name}")
    assert not wrong, "imports within functions that belong at the top:\n" + "\n".join(wrong)


def test_every_public_name_is_importable_and_documented() -> None:
    public = set(gristmill.__all__)
    assert len(public) == len(gristmill.__all__), "a name stands twice in gristmill.__all__"
    assert {name for name in public if not hasattr(gristmill, name)} == set()
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    words = set(re.findall(r"\w+", "\n".join(p.read_text() for p in pages)))
    assert sorted(public - words - {"__version__"}) == [], "public names that no page in README.md or docs/ mentions"


def modules_loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running `code`."""
    program = f"{code}\nimport sys, json\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_gristmill_loads_nothing_heavy() -> None:
    assert modules_loaded_by("import gristmill") & HEAVY == set()


def test_importing_everything_loads_no_optional_package() -> None:
    every = [".".join(filter(None, ("gristmill", dotted(path)))) for path in sources()]
    assert modules_loaded_by("\n".join(f"import {name}" for name in every)) & OPTIONAL == set()


def test_every_module_says_what_it_is() -> None:
    assert [str(path) for path in sources() if not ast.get_docstring(tree(path))] == []


def test_walk_packages_finds_what_the_tree_has() -> None:
    """The installed package is this checkout, whole."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {m.name for m in pkgutil.walk_packages(gristmill.__path__, "gristmill.")}
    expected = {f"gristmill.{dotted(p)}" for p in sources() if dotted(p)}
    assert expected <= found
    assert importlib.import_module("gristmill").__file__ == str(ROOT / "__init__.py")
