"""Documents in: folders, links, patterns and names that lead to them."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest
from loaded import read, refused

from gristmill.errors import ConfigError
from gristmill.storage.documents import FORMATS, Skipped, read_documents
from gristmill.storage.records import Document


def test_folders_are_walked_in_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.txt", "a/y.md", "a.txt", ".hidden.txt", ".git/x.txt", "a/~$lock.docx"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    found = read(tmp_path / "root")
    assert [document.name for document in found] == ["a/y.md", "a/z.txt", "a.txt", "b.txt"]


def test_links(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (root / "sub" / "real.txt").write_text("real")
    (root / "a-out.txt").symlink_to(tmp_path / "secret.txt")
    (root / "b-parent").symlink_to(tmp_path)
    (root / "c-nowhere.txt").symlink_to(root / "missing.txt")
    (root / "d-sub").symlink_to(root / "sub")
    os.mkfifo(root / "e-pipe.txt")
    found = {document.name: document for document in read(root)}
    assert sorted(found) == ["a-out.txt", "b-parent", "c-nowhere.txt", "e-pipe.txt", "sub/real.txt"]
    assert isinstance(found.pop("sub/real.txt"), Document)
    assert all(isinstance(skipped, Skipped) and skipped.reason == "unreadable" for skipped in found.values())
    assert not any(getattr(document, "text", "") == "secret" for document in found.values())


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    path.chmod(0)
    assert refused(path).reason == "unreadable"


def test_names_and_headers_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("text")
    (tmp_path / os.fsdecode(b"caf\xe9.xyz")).write_text("text")
    (tmp_path / "a.csv").write_bytes(b"text,caf\xe9\n1,2\n")
    (tmp_path / "b.csv").write_bytes(b"body,caf\xe9\n1,2\n")
    found = [(document.name, getattr(document, "reason", "")) for document in read(tmp_path)]
    assert found == [("a.csv", "encoding"), ("b.csv", "malformed"), ("caf?.txt", ""), ("caf?.xyz", "unsupported")]


def test_duplicates_name_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("same text")
    (tmp_path / "b.md").write_bytes(b"\xef\xbb\xbfsame text")
    first, second = read(tmp_path)
    assert isinstance(first, Document)
    assert second == Skipped(name="b.md", reason="duplicate", detail="has the same text as 'a.txt'")


def test_equal_names_of_two_folders(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text(folder)
    names = [document.name for document in read(tmp_path / "one", tmp_path / "two")]
    assert names == ["a.txt", f"{tmp_path.as_posix()}/two/a.txt"]


def test_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("docs/a.md", "docs/sub/b.md", "docs/c.txt", "odd[1].txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    assert [document.name for document in read("docs/**/*.md")] == ["a.md", "sub/b.md"]
    assert [document.name for document in read("odd[1].txt")] == ["odd[1].txt"]
    assert len(read("docs/**")) == 3
    with pytest.raises(ConfigError, match=r"nothing matches '\*\.pdf'"):
        read_documents(["*.pdf"])


def test_paths_that_cannot_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no documents were given"):
        read_documents([])
    with pytest.raises(ConfigError, match=r"missing\.txt' does not exist"):
        read_documents([tmp_path / "missing.txt"])


def test_reading_is_lazy(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"text": f"row {n}"}) + b"\n" for n in range(1000)) + b"broken\n")
    documents = read_documents([path, tmp_path])
    assert next(documents).name == "a.jsonl#1"
    path.unlink()  # the rest of the open file is still there; nothing was listed ahead
    assert sum(isinstance(found, Document) for found in documents) == 999


def test_same_input_gives_the_same_ids(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.html").write_text("<h1>A</h1><p>b")
    (first,), (second,) = read(tmp_path / "one"), read(tmp_path / "two")
    assert first == second


def test_every_format_has_a_loader() -> None:
    import importlib

    for target in FORMATS.values():
        module, function = target.split(":")
        assert callable(getattr(importlib.import_module(f"gristmill.storage.loaders.{module}"), function))
