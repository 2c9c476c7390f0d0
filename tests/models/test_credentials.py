"""Keys: where they are read, and that they do not slip out."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from pathlib import Path
from time import process_time

import orjson
import pytest

from gristmill.errors import ConfigError
from gristmill.models.credentials import Secret, know_environment, read_key
from gristmill.models.redact import RedactingFilter, redact, register

KEY = "zq-canary-7711aa22bb33cc44"


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret(KEY)
    assert secret.reveal() == KEY
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        format(secret, ">9"),
        repr([secret]),
        repr({"a": secret}),
    ]
    assert all(KEY not in text for text in shown)
    with pytest.raises(TypeError, match="never serialised"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.deepcopy(secret)
    for write in (json.dumps, orjson.dumps):
        with pytest.raises(TypeError):
            write({"key": secret})
    with pytest.raises(TypeError):
        vars(secret)


def test_a_key_is_read_from_the_environment_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    for secret in (read_key("MY_KEY", None), read_key(None, str(file))):
        assert secret is not None
        assert secret.reveal() == KEY
    assert read_key(None, None) is None


def test_a_missing_key_names_the_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(ConfigError, match="export NO_SUCH_KEY="):
        read_key("NO_SUCH_KEY", None)
    with pytest.raises(ConfigError, match="nowhere"):
        read_key(None, str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="keep one"):
        read_key("A", "b")
    empty = tmp_path / "empty"
    empty.write_text("\n")
    with pytest.raises(ConfigError, match="empty"):
        read_key(None, str(empty))
    large = tmp_path / "large"
    large.write_bytes(b"x" * 100_000)
    with pytest.raises(ConfigError, match="no key"):
        read_key(None, str(large))


def test_a_key_that_would_break_a_header_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (f"{KEY}\r\nX-Evil: 1", f"{KEY} two", f"{KEY}ü"):
        monkeypatch.setenv("MY_KEY", value)
        with pytest.raises(ConfigError) as caught:
            read_key("MY_KEY", None)
        assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef.ghijkl-mnop",
        "using sk-proj-abcdefghijklmnop now",
        "Incorrect API key provided: sk-ab***********wxyz.",
        "http://user:hunter22@example.org/v1",
        'body {"api_key": "0123456789abcdef"}',
        "?api_key=0123456789abcdef&x=1",
        "key AIzaSyA0123456789abcdefghij0123456789abc",
    ],
)
def test_what_looks_like_a_key_is_taken_out(text: str) -> None:
    cleaned = redact(text)
    assert "[redacted]" in cleaned
    for part in ("abcdef", "ab***", "hunter22", "0123456789"):
        assert part not in cleaned


@pytest.mark.parametrize(
    "text",
    ["a risk-averse mill", "http://localhost:8000/v1 answers", "it asks for basic needs", "the task-based desk-top"],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


def test_a_known_key_is_found_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    register("pa/ss+word=1")
    assert redact("x pa/ss+word=1 y pa%2Fss%2Bword%3D1") == "x [redacted] y [redacted]"
    monkeypatch.setenv("SOME_PROVIDER_API_KEY", "unguessable-value-1")
    know_environment()
    assert redact("with unguessable-value-1.") == "with [redacted]."


def test_hostile_text_is_cleaned_in_little_time() -> None:
    began = process_time()
    for text in ("sk-" * 100_000, "api_key=" * 50_000, "http://" + "a:" * 100_000, "bearer " * 50_000, "a" * 500_000):
        redact(text)
    assert process_time() - began < 5


def test_a_log_line_and_its_traceback_are_cleaned(capsys: pytest.CaptureFixture[str]) -> None:
    Secret(KEY)
    handler = logging.StreamHandler()
    handler.addFilter(RedactingFilter())
    log = logging.getLogger("another.library")
    log.addHandler(handler)
    try:
        log.warning("sent %s to %s", KEY, "there")
        try:
            raise ValueError(f"refused {KEY}")
        except ValueError:
            log.exception("failed with %r", {"key": KEY})
    finally:
        log.removeHandler(handler)
    written = capsys.readouterr().err
    assert KEY not in written
    assert "sent [redacted] to there" in written
    assert "ValueError: refused [redacted]" in written
