"""A campaign from its TOML file: what its relative paths are meant from, what is said of a line that is not TOML."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..models.redact import redact
from .spec import CampaignSpec, make_spec, with_files

_MAY_BE_SECRET = re.compile(r"key|token|auth|pass|secret|credential|header|bearer|\[redacted", re.IGNORECASE)
_UNBROKEN = re.compile(r"[^\s\"'=,\[\]{}]{12,}")


def load_spec(path: str | Path, **overrides: Any) -> CampaignSpec:
    """Reads a campaign from a TOML file. Its relative paths are meant from the file's folder, and so are the modules
    that it names; what workers read as well is made absolute, since they may be started elsewhere.

    Raises:
        ConfigError: no such file, not TOML, or keys that are wrong; names them and the mend.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        meant = Path(f"{path}.toml")
        mend = f"did you mean {meant}?" if meant.is_file() else "`gristmill init NAME` writes one"
        raise ConfigError(f"no campaign file is at {path}; {mend}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder; give a campaign file, such as {path.name}.toml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"campaign file {path} cannot be read: {error}") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"campaign file {path} is not TOML: {error}{_line_of(text, error)}") from error
    except RecursionError:
        raise ConfigError(f"campaign file {path} is nested too deeply; no key needs more than a few levels") from None
    values.update({key: value for key, value in overrides.items() if value is not None})
    spec = make_spec(values, where=f"campaign file {path}")
    base = path.parent
    runs = spec.runs if "runs" in overrides and overrides["runs"] is not None else _under(base, spec.runs)
    return spec.model_copy(
        update={
            "documents": tuple(_under(base, name) for name in spec.documents),
            "home": _at(base, spec.home),
            "prompts": tuple(_at(base, name) for name in spec.prompts),
            "options": with_files(spec.options, lambda name: _at(base, name)),
            "runs": runs,
            "novelty": spec.novelty.model_copy(
                update={"against": tuple(_under(base, name) for name in spec.novelty.against)}
            ),
            "graph": spec.graph.model_copy(update={"seed": _under(base, spec.graph.seed)})
            if spec.graph.seed
            else spec.graph,
            "contamination": spec.contamination.model_copy(
                update={"sets": tuple(_under(base, name) for name in spec.contamination.sets)}
            ),
            "models": {
                name: model.model_copy(update={"api_key_file": _under(base, model.api_key_file)})
                if model.api_key_file
                else model
                for name, model in spec.models.items()
            },
        }
    )


def _under(base: Path, name: str | os.PathLike[str]) -> str:
    return os.path.normpath(base / Path(name).expanduser())


def _at(base: Path, name: str | os.PathLike[str]) -> str:
    return os.path.abspath(_under(base, name))


def _line_of(text: str, error: tomllib.TOMLDecodeError) -> str:
    """The line that an error is about, and what is mostly wrong with it; nothing where the error names none.

    The line may hold a credential: what follows a word that names one is not shown, and nothing long and unbroken is.
    """
    found = re.search(r"at line (\d+)", str(error))
    lines = text.split("\n")
    if found is None or not 0 < int(found[1]) <= len(lines) or not lines[int(found[1]) - 1].strip():
        return ""
    line = redact(lines[int(found[1]) - 1].strip())
    key, equals, value = line.partition("=")
    secret = _MAY_BE_SECRET.search(line)
    if equals and re.fullmatch(r"[a-z_.\"']{1,100} *", key):
        shown = f"{key.strip()} = {'…' if secret else _UNBROKEN.sub('…', value).strip()}"
    else:
        shown = _UNBROKEN.sub("…", f"{line[: secret.end()]} …" if secret else line)
    return f"\n  {shown[:200]}\ntext stands in quotes, a list in brackets, and no key twice"
