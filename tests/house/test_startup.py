"""How a command's modules are imported: with the garbage collector off, and on again whatever comes of it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from gristmill.campaigns.commands import options


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_nothing_is_collected_while_a_command_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(options, "import_module", lambda name, package: seen.append((gc.isenabled(), name)) or sys)
    assert options._imported("campaigns.commands.running") is sys
    assert seen == [(False, "...campaigns.commands.running")]
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_a_module_that_cannot_be_imported_leaves_the_collector_on() -> None:
    with pytest.raises(ModuleNotFoundError):
        options._imported("campaigns.nowhere")
    assert gc.isenabled()
