"""What the commands of the command line share: options, how a command is run, groups that have a default command."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

import click

from ...errors import GristmillError

Command = TypeVar("Command", bound=Callable[..., Any])
SEEN = (
    click.option(
        "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True,
        envvar="GRISTMILL_LOG_FORMAT", help="json: one object a line on stderr and in RUN/run.log, nothing else.",
    ),
    click.option(
        "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), envvar="GRISTMILL_LOG_LEVEL",
        help="What is logged; by default warning, as JSON info.",
    ),
    click.option(
        "--metrics-port", type=click.IntRange(0, 65535), default=0, envvar="GRISTMILL_METRICS_PORT",
        help="Serve Prometheus metrics on this port; local workers take the ports after it.",
    ),
    click.option(
        "--metrics-host", default="127.0.0.1", show_default=True, envvar="GRISTMILL_METRICS_HOST",
        help="Address to serve them on; whoever reaches it can read them.",
    ),
    click.option(
        "--traces", is_flag=True, envvar="GRISTMILL_TRACES",
        help="Send OpenTelemetry traces; the OTEL_ variables of the environment say where.",
    ),
)  # fmt: skip


def seen(command: Command) -> Command:
    """Adds the options of what others see of a process: logs, metrics, traces."""
    for option in reversed(SEEN):
        command = option(command)
    return command


def call(command: str, *, room: str = "campaigns.commands.running", **options: Any) -> None:
    """Runs `command` of the module `room`; an error of ours is one message on stderr and exit code 1."""
    try:
        code = getattr(_imported(room), command)(**options)
    except GristmillError as error:
        plain = import_module("..terminal", __package__).plain  # an error may quote what a model wrote
        click.echo(f"gristmill: {plain(str(error))}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone (`gristmill status | head`); say nothing more
        sys.exit(141)
    except OSError as error:  # a file that cannot be written or read, which no command has words of its own for
        click.echo(f"gristmill: {error}; mend its path or its rights", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("gristmill: interrupted", err=True)
        sys.exit(130)
    sys.exit(code)


def _imported(room: str) -> ModuleType:
    """Imports the module `room` and all that it needs, while no garbage is looked for.

    What an import makes stays: collections among it find nothing and take a fifth of its CPU. Nor do later ones
    look through it again.
    """
    gc.disable()
    try:
        return import_module(f"...{room}", __package__)
    finally:
        gc.freeze()
        gc.enable()


STORE = click.option(
    "--store", default="", help="PostgreSQL that has the run, postgresql://user@host/database; or GRISTMILL_STORE."
)


def group_of(default: str, *verbs: str) -> type[click.Group]:
    """Makes groups whose first word may also be a run: `gristmill review RUN` is `open`, `RUN --list` the command list.

    `default` is the command that is meant where none is named; one of `verbs` names another.
    """

    class Group(click.Group):
        def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
            named = not args or args[0] in ctx.help_option_names
            return super().parse_args(ctx, args if named else self._named(args))  # options may stand before the run

        def resolve_command(
            self, ctx: click.Context, args: list[str]
        ) -> tuple[str | None, click.Command | None, list[str]]:
            return super().resolve_command(ctx, self._named(args))

        def _named(self, args: list[str]) -> list[str]:
            if args[0] in self.commands:
                return args
            verb = next((word for word in args if word in verbs), "")
            if verb:
                args.remove(verb)
            return [verb[2:] or default, *args]

    return Group


REVIEWER = click.option(
    "--reviewer", default="", envvar="GRISTMILL_REVIEWER", help="Who decides; by default the user's name."
)
NOTE = click.option("--note", default="", help="Why, for whoever reads the list of merges.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="As one JSON object.")


def edits(command: Command) -> Command:
    """Adds the options of what edits a graph."""
    for option in (STORE, REVIEWER, AS_JSON, NOTE):
        command = option(command)
    return command


def embeds(command: Command) -> Command:
    """Adds the options of what makes vectors of texts."""
    told = "auto (the campaign's), hashed (wording only), sentence-transformers:MODEL, openai_api/MODEL, or none."
    options = (
        click.option("--api-key-env", default="", help="Environment variable that has its key."),
        click.option("--base-url", default="", help="The embedding server, http://host:port/v1."),
        click.option("--embedder", default="auto", show_default=True, help=told),
    )
    for option in options:
        command = option(command)
    return command
