"""What this process works on at the moment, for whoever writes a log line: the task and the role that is asked."""

from __future__ import annotations

from contextvars import ContextVar

TASK: ContextVar[str] = ContextVar("gristmill_task", default="")
ROLE: ContextVar[str] = ContextVar("gristmill_role", default="")
