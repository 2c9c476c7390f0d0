"""Text that would do harm in a terminal."""

from __future__ import annotations

EVIL = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred \x9b31m \u202eevil\u202c \x7f<script>alert(1)</script> [bold]not markup[/bold]"
)


UNSAFE = ("\x1b]0;", "\x1b[2J", "\x07", "\x9b", "\u202e", "\x7f")
