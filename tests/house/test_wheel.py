"""The wheel: what it holds is what the tree has, and it works in an empty environment away from the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT

SIZE_LIMIT_MB = 120
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")


def packages() -> dict[str, str]:
    """Folder of each package that ships -> its place in the wheel."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    return {"/".join(name.split(".")[1:]) or ".": name.replace(".", "/") for name in listed}


def run(*command: str | Path, cwd: Path, timeout: float = 300) -> str:
    """Standard output of a command that knows nothing of this checkout; fails with all that it said."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k != "VIRTUAL_ENV"}
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=clean, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"{command} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: a build in place would leave (and could pick up) a stale build folder."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    shutil.copytree(
        ROOT,
        copy,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns(".*", "build", "dist", "runs", "*.egg-info", "__pycache__", "tests"),
    )
    run(sys.executable, *PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", out, copy, cwd=out)
    (built,) = out.glob("gristmill-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The bin folder of an empty environment with nothing but the wheel and what it asks for."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=True)
    before = size_mb(home)
    start = time.monotonic()
    run(home / "bin/python", *PIP, "install", "--quiet", "--no-compile", wheel, cwd=home)
    seconds, size = time.monotonic() - start, size_mb(home) - before
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print(f"\ncore install: {seconds:.0f} s, {size:.1f} MB (limit {SIZE_LIMIT_MB})")
    assert size < SIZE_LIMIT_MB
    yield home / "bin"
    shutil.rmtree(home)


def size_mb(folder: Path) -> float:
    """Size of what packages ship, in millions of bytes: without the bytecode that Python makes of it on the machine."""
    files = (p for p in folder.rglob("*") if p.suffix != ".pyc" and p.is_file() and not p.is_symlink())
    return sum(p.stat().st_size for p in files) / 1e6


def test_the_wheel_holds_what_the_tree_has(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = set()
    for folder, place in packages().items():
        for path in (ROOT / folder).iterdir():
            ships = path.suffix == ".py" or (path.is_file() and folder != "." and path.suffix != ".pyc")
            if ships and not path.name.startswith("."):
                expected.add(f"{place}/{path.name}")
            if path.is_dir() and path.name in {"static", "templates"}:  # data in folders that are no packages
                inside = (one for one in path.rglob("*") if one.is_file())
                expected |= {f"{place}/{one.relative_to(path.parent).as_posix()}" for one in inside}
    assert held == expected | {"gristmill/py.typed"}


def test_the_installed_package_imports_everything(installed: Path, wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = [name for name in archive.namelist() if name.endswith(".py")]
    modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files]
    program = "".join(f"import {name}\n" for name in modules) + "import gristmill; print(gristmill.__file__)"
    where = run(installed / "python", "-W", "error", "-c", program, cwd=tmp_path).strip()
    assert Path(where).is_relative_to(installed.parent)


def test_the_command_line_works(installed: Path, tmp_path: Path) -> None:
    told = run(installed / "gristmill", "--help", cwd=tmp_path)
    for command in ("init", "run", "status", "show", "graph", "flow", "export", "doctor"):
        assert command in told


def test_the_quick_start_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    run(installed / "gristmill", "run", "examples/demo.toml", cwd=tmp_path)
