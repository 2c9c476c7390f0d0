"""One PostgreSQL database as a URL names it: connections to it, and its errors in words with a mend, never a password.

The URL is libpq's (https://www.postgresql.org/docs/current/libpq-connect.html); several hosts may stand in it.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode

from ..errors import ConfigError, StoreAway, StoreError, StoreFull

if TYPE_CHECKING:
    import psycopg

SCHEMES = ("postgresql://", "postgres://")
OLDEST = 120_000  # version 12: the first with tcp_user_timeout
# A host that vanishes is noticed within half a minute, on both sides: then its lock is free for the next coordinator.
CLIENT = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
SESSION = (
    "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; "
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; "
    "SET tcp_user_timeout = 30000; "
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
# A refused connection has no SQLSTATE in libpq, only the server's text.
REFUSED = ("password", "authentication", "pg_hba.conf", "role ", "not permitted to log in")
FINAL = (*REFUSED, "database ", "certificate", "does not support SSL")
# The server is there and says that it will be back: its text may name the database, and is no refusal.
PASSING = (
    "starting up",
    "shutting down",
    "recovery mode",
    "too many",
    "remaining connection slots",
    "not yet accepting",
)


class Server:
    """Connects to the database of `url`. Raises `ConfigError` when the URL cannot be read or psycopg is missing."""

    def __init__(self, url: str) -> None:
        self.driver = _driver()
        if not url.startswith(SCHEMES):
            raise ConfigError("a store is a PostgreSQL URL: give postgresql://user@host:5432/database")
        try:
            given = self.driver.conninfo.conninfo_to_dict(url)
        except self.driver.Error:  # whose text may hold a part of the password
            raise ConfigError(
                "the store's URL cannot be read; give postgresql://user@host:5432/database, and write characters such "
                "as @ / : # % in a password as %40 %2F %3A %23 %25"
            ) from None
        self._given = {key: str(value) for key, value in given.items() if value is not None}
        self._public = {key: value for key, value in self._given.items() if not _is_secret(key)}
        self._secrets = [value for key, value in self._given.items() if _is_secret(key) and value]
        self.url = url

    @property
    def shown(self) -> str:
        """The place for messages: user, host, port and database."""
        return _url({key: value for key, value in self._public.items() if key in ("user", "host", "port", "dbname")})

    @property
    def public_url(self) -> str:
        """The URL without what is secret in it."""
        return _url(self._public)

    def is_same_place(self, other: Server) -> bool:
        """Whether both name the same database of the same server, whatever their passwords and options."""
        return all(self._public.get(key) == other._public.get(key) for key in ("host", "port", "dbname"))

    def connect(self, schema: str, name: str) -> psycopg.Connection[Any]:
        """Opens a connection in autocommit whose tables are those of `schema`; `name` is what the server shows of it.

        Raises psycopg's errors, and `StoreError` for a server that cannot hold a run.
        """
        parameters = {**CLIENT, **self._given, "application_name": name, "client_encoding": "utf8"}
        connection: psycopg.Connection[Any] = self.driver.connect("", autocommit=True, **parameters)
        try:
            self._require_usable(connection)
            sql = self.driver.sql
            idle = "SET idle_session_timeout = 0; " if connection.info.server_version >= 140_000 else ""
            path = sql.SQL("SET search_path TO {}; ").format(sql.Identifier(schema))
            connection.execute(path + sql.SQL(idle + SESSION))
        except BaseException:
            connection.close()
            raise
        return connection

    def _require_usable(self, connection: psycopg.Connection[Any]) -> None:
        if connection.info.server_version < OLDEST:
            raise StoreError(
                f"{self.shown} runs PostgreSQL {connection.info.server_version // 10_000}; 12 is the oldest"
            )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise StoreError(
                f"the database {self.shown} is encoded in {encoding}, which cannot hold every text; make one with "
                f"`createdb --encoding UTF8 --template template0 NAME`"
            )

    def is_loss(self, error: BaseException) -> bool:
        """Whether the server is gone, starts, or has no connection free."""
        state = getattr(error, "sqlstate", None)
        if state is not None:
            return bool(state[:2] == "08" or state in ("57P01", "57P02", "57P03", "57P05", "53300"))
        text = str(error)
        lost = isinstance(error, (self.driver.OperationalError, self.driver.InterfaceError))
        return lost and (any(words in text for words in PASSING) or not any(words in text for words in FINAL))

    def is_passing(self, error: Exception) -> bool:
        """Whether waiting may mend it: a loss, or a transaction that gave way to another one."""
        return self.is_loss(error) or getattr(error, "sqlstate", None) in ("40001", "40P01")

    def translate(self, error: Exception) -> StoreError:
        """Turns what psycopg or the server said into an error with its mend."""
        if isinstance(error, StoreError):
            return error
        state, text = getattr(error, "sqlstate", None), self._text(error)
        if state == "53100":
            return StoreFull(
                f"the disk of {self.shown} is full ({text}); what was committed is intact: free some space there and "
                f"start the same command again"
            )
        if state == "25006":
            return StoreError(
                f"{self.shown} takes no writes ({text}): it is a standby or set to read only; name the primary, with "
                f"several hosts by ?target_session_attrs=read-write"
            )
        if state == "42501":
            return StoreError(
                f"the user of {self.shown} may not ({text}); a run needs a schema of its own: GRANT CREATE ON DATABASE "
                f"to this user, and read it as the user that made it"
            )
        if state is None and any(words in text for words in REFUSED) and not any(words in text for words in PASSING):
            return StoreError(
                f"{self.shown} refuses this user ({text}); give the password in PGPASSWORD, ~/.pgpass or the URL of "
                f"GRISTMILL_STORE, and check the role and the server's pg_hba.conf"
            )
        if state is None and "does not exist" in text:
            return StoreError(f"{self.shown}: {text}; make it with `createdb`, or mend the URL")
        if self.is_passing(error):
            return StoreAway(
                f"{self.shown} does not answer ({text}); start it or mend the URL, and start the same command again: "
                f"what was committed is kept"
            )
        return StoreError(f"{self.shown}: {text}")

    def _text(self, error: Exception) -> str:
        text = " ".join(str(error).split()) or type(error).__name__
        for secret in [self.url, *self._secrets, *map(unquote, self._secrets), *map(quote, self._secrets)]:
            text = text.replace(secret, "[redacted]")
        return text[:300]


def me() -> str:
    """This process, for messages on other hosts."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def _is_secret(key: str) -> bool:
    return "password" in key or "secret" in key or key in ("scram_client_key", "scram_server_key")


def _url(parts: dict[str, str]) -> str:
    """Writes a URL that libpq reads as `parts`; what the middle of one cannot carry goes behind the `?`."""
    rest = dict(parts)
    user, database = quote(rest.pop("user", ""), safe=""), quote(rest.pop("dbname", ""), safe="")
    host, port = rest.get("host", ""), rest.get("port", "")
    plain = bool(host) and not set(host + port) & set(",/:@%?#")
    if plain:
        del rest["host"]
        rest.pop("port", None)
    place = (host + (f":{port}" if port else "")) if plain else ""
    query = urlencode(rest, quote_via=quote, safe="/,:")
    return f"postgresql://{user + '@' if user else ''}{place}/{database}" + (f"?{query}" if query else "")


def _driver() -> Any:
    try:
        import psycopg  # an extra: only runs in PostgreSQL need it
        import psycopg.conninfo
        import psycopg.sql
    except ImportError:
        raise ConfigError("a store in PostgreSQL needs psycopg: pip install 'gristmill[postgres]'") from None
    return psycopg
