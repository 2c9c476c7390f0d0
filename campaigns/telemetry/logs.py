"""Where log records go: the run's `run.log` as text, or one JSON object a line on stderr and in that file.

A message may quote documents and model text. Whatever it holds, a JSON record stays one line of printable characters,
and a text record shows its further lines as such. Credentials are taken out of both.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import orjson

from ...errors import ConfigError, GristmillError
from ...models.context import ROLE, TASK
from ...models.redact import RedactingFilter, redact_values
from ..run_log import FILE, RunLog

LOG = logging.getLogger(__name__)
LogFormat = Literal["text", "json"]
IN_PIPE = 4096  # bytes of a line that a pipe takes unmixed from several processes (PIPE_BUF on Linux)
IN_FILE = 65_536
LEVELS = {"text": "warning", "json": "info"}  # where none is given: a person looks at the progress instead
# What no terminal or line splitter may meet: controls, line separators, and marks that turn the reading direction.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def _escaped(text: str) -> str:
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object of at most `limit` bytes; `known` are fields of every line (run, worker).

    A longer record loses the end of its message, the start of its traceback, and then its data; `cut` says so.
    """

    def __init__(self, limit: int = IN_FILE, **known: str) -> None:
        super().__init__()
        self.limit = limit
        self.known = {key: value for key, value in known.items() if value}

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self.known,
        }
        for name, value in (("task", TASK.get()), ("role", ROLE.get())):
            if value:
                fields[name] = value
        data = getattr(record, "data", None)
        if isinstance(data, Mapping):
            fields["data"] = redact_values(dict(data))
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            fields["exception"] = record.exc_text
        line = _dump(fields)
        room = self.limit - 1  # for the line's end
        allowed = room // 2
        while len(line.encode()) > room and allowed > 8:
            fields |= {"cut": True, "message": fields["message"][:allowed]}
            if "exception" in fields:
                fields["exception"] = fields["exception"][-allowed:]
            if allowed < room // 4:
                fields.pop("data", None)
            line = _dump(fields)
            allowed //= 2
        return line


def _dump(fields: Mapping[str, Any]) -> str:
    try:
        text = orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # halves of surrogate pairs from a badly decoded document, or numbers beyond 64 bits
        text = orjson.dumps({key: str(value).encode(errors="replace").decode() for key, value in fields.items()})
    return _escaped(text.decode())


class TextFormatter(logging.Formatter):
    """Writes a record as people read it; its further lines are indented, so that no message can pass for two."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return _escaped(super().format(record).encode(errors="replace").decode()).replace("\n", "\n    ")


class Lines(logging.Handler):
    """Writes each record with one system call, so that lines of several processes do not mix.

    A reader that has gone, or a full disk, costs the line and nothing else.
    """

    def __init__(self, descriptor: int, *, owned: bool = False) -> None:
        super().__init__()
        self.descriptor = descriptor
        self._owned = owned

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            os.write(self.descriptor, self.format(record).encode() + b"\n")

    def close(self) -> None:
        if self._owned:
            self._owned = False
            os.close(self.descriptor)
        super().close()


class Logs:
    """The handlers of one command. `warned` tells whether anything worth a look has been written to `file`."""

    def __init__(self, form: LogFormat, level: str | None, *, worker: str = "") -> None:
        self.form = form
        self.level = (level or LEVELS[form]).upper()
        self.worker = worker
        self.file: Path | None = None
        self.warned = False
        self._handlers: list[logging.Handler] = []
        # Other libraries speak up in JSON too: a line of another shape would break whoever reads these.
        self._logger = logging.getLogger("gristmill") if form == "text" else logging.getLogger()

    def __enter__(self) -> Self:
        self._before = logging.getLogger("gristmill").level
        logging.getLogger("gristmill").setLevel(self.level)
        if self.form == "json":
            logging.captureWarnings(True)
            self._add(Lines(sys.stderr.fileno()), JsonFormatter(IN_PIPE, worker=self.worker))
        return self

    def __exit__(self, *_: object) -> None:
        for handler in self._handlers:
            self._logger.removeHandler(handler)
            handler.close()
        if self.form == "json":
            logging.captureWarnings(False)
        logging.getLogger("gristmill").setLevel(self._before)

    def follow(self, run: str, folder: Path | None) -> None:
        """Says which run the lines are about, and writes them into its folder; without one, text goes to stderr.

        Raises:
            ConfigError: the folder cannot be made.
        """
        for handler in self._handlers:
            handler.setFormatter(JsonFormatter(IN_PIPE, run=run, worker=self.worker))
        if folder is None:
            if self.form == "text":
                self._add(Lines(sys.stderr.fileno()), TextFormatter())
            return
        self.file = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self.form == "text":
                self._add(RunLog(folder), TextFormatter())
                return
            descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ConfigError(
                f"the run's folder {folder} cannot be made ({error.strerror}); mend `runs`, or give --runs FOLDER"
            ) from error
        self._add(Lines(descriptor, owned=True), JsonFormatter(IN_FILE, run=run, worker=self.worker))

    def _add(self, handler: logging.Handler, formatter: logging.Formatter) -> None:
        handler.setFormatter(formatter)
        handler.addFilter(RedactingFilter())
        handler.addFilter(self._notice)
        self._handlers.append(handler)
        self._logger.addHandler(handler)

    def _notice(self, record: logging.LogRecord) -> bool:
        self.warned = self.warned or record.levelno >= logging.WARNING
        return True

    def answer(self, act: Callable[[], int]) -> int:
        """Runs a command and returns its exit code; with JSON logs what it would die of is a line, too."""
        if self.form == "text":
            return act()
        try:
            return act()
        except KeyboardInterrupt:
            LOG.warning("interrupted")
            return 130
        except (GristmillError, OSError) as error:
            LOG.error("%s", error, extra={"data": {"error": type(error).__name__}})
        except Exception:
            LOG.critical("this is a fault of gristmill's own: please report it", exc_info=True)
        return 1
