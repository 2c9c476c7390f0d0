"""Every address of the pages, asked with what fits its description and with what does not: never a 5xx, always safe."""

from __future__ import annotations

import inspect
import re
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from openapi import described
from processes import starting
from schemathesis import GenerationMode
from served import serve
from visitor import CSRF, routes

from gristmill.review.web.security import HEADERS, SAFE

EXAMPLES = 15  # for each address, of what fits and of what does not
CASES = [(method, path, found[method]) for path, found in described(["x"])["paths"].items() for method in found]
FITTING = [pytest.param(method, path, GenerationMode.POSITIVE, id=f"{method}-{path}-fits") for method, path, _ in CASES]
MISFITTING = [  # a page that takes nothing has nothing that does not fit
    pytest.param(method, path, GenerationMode.NEGATIVE, id=f"{method}-{path}-fits-not")
    for method, path, operation in CASES
    if operation["parameters"] or "requestBody" in operation
]


@dataclass(frozen=True)
class Door:
    """A server with a session begun: what a request needs, and the ids that its run has."""

    origin: str
    session: requests.Session
    ids: list[str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def door(hostile: Path, tmp_path_factory: pytest.TempPathFactory):
    run = Path(shutil.copytree(hostile, tmp_path_factory.mktemp("fuzz") / "run"))
    with sqlite3.connect(run / "run.sqlite3") as store:
        ids = [id for table in ("items", "entities") for (id,) in store.execute(f"SELECT id FROM {table} LIMIT 5")]
    async with starting(tmp_path_factory.mktemp("said")) as start:
        served = await serve(start, run)
        with requests.Session() as session:
            found = CSRF.search(session.get(served.url, timeout=60).text)
            assert found
            session.headers["X-CSRF-Token"] = found[1]
            yield Door(served.origin, session, ids)
        assert "Traceback" not in served.said


def test_every_page_is_described() -> None:
    found = described(["x"])["paths"]
    for route in routes():
        assert route.path in found
        if set(route.methods or ()) <= SAFE or "requestBody" in str(found[route.path]):
            continue
        # A body whose model is not found would be left out of these tests. To read it and use nothing of it is fine.
        used = re.search(r"[=(] *await request\.(json|form|body)\(", inspect.getsource(route.endpoint))
        assert not used, f"{route.path}: read it with from_json(Model, request)"


@pytest.mark.parametrize(("method", "path", "mode"), [*FITTING, *MISFITTING])
def test_no_request_breaks_a_page(door: Door, method: str, path: str, mode: GenerationMode) -> None:
    operation = schemathesis.openapi.from_dict(described(door.ids))[path][method]

    @seed(20261121)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def asked(case: schemathesis.Case) -> None:
        answer = case.call(base_url=door.origin, session=door.session, timeout=60)
        assert answer.status_code < 500, answer.text
        for name, value in HEADERS.items():
            assert answer.headers.get(name.lower()) == [value]

    asked()
