"""The run's log file. What cannot be written to it costs the line, and one word to whoever looks."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from pathlib import Path

from ..models.redact import RedactingFilter

FILE = "run.log"


class RunLog(logging.FileHandler):
    """Appends to `folder/run.log`, made by the first record. A full disk stops no campaign and prints no traceback."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / FILE, encoding="utf-8", delay=True)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        self.addFilter(RedactingFilter())
        self._told = False

    def emit(self, record: logging.LogRecord) -> None:
        """Appends a record; also where the file cannot even be made, because its folder is gone or the disk is full."""
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def close(self) -> None:
        """Closes the file; what a full disk did not take is given up."""
        with suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's own name
        """Tells once that the log has gaps from here on, where the file system refuses; else as logging does."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._told:
            self._told = True
            sys.stderr.write(
                f"gristmill: {self.baseFilename} cannot be written ({error.strerror}), so warnings are missing there; "
                f"the campaign goes on. Free some space\n"
            )
