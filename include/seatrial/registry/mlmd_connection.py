"""One connection to ml-metadata: configured, locked, its errors translated. Knows protos, but no entity."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from ml_metadata import errors as mlmd
from ml_metadata.metadata_store.metadata_store import ListOptions, MetadataStore, OrderByField
from ml_metadata.proto import metadata_store_pb2 as pb

from seatrial.errors import Conflict, Refused, SeatrialError, TryAgain
from seatrial.registry.connection import ServerStore, SqliteStore, parse_connection

T = TypeVar("T")

TRANSLATION: dict[type[mlmd.StatusError], type[SeatrialError]] = {
    mlmd.AbortedError: TryAgain,  # a transaction that lost its lock, e.g. SQLite busy
    mlmd.UnavailableError: TryAgain,
    mlmd.DeadlineExceededError: TryAgain,
    mlmd.ResourceExhaustedError: TryAgain,
    mlmd.CancelledError: TryAgain,
    mlmd.InternalError: TryAgain,  # what a lost MySQL or PostgreSQL connection looks like
    mlmd.AlreadyExistsError: Conflict,
    mlmd.InvalidArgumentError: Refused,
    mlmd.OutOfRangeError: Refused,
}
"""Errors without a row (data loss, no permission, unimplemented) need a person: a plain SeatrialError."""

OPENERS = 4  # tries at making tables and types, each of which only another process that makes them can spoil
TABLES_BEING_MADE = ("already exists", "retry the connection")  # by another process, at this moment


class Connection:
    """A MetadataStore behind one lock: it is one session, and not safe for threads by itself.

    Opened by the first call. A session that was lost (the server restarted) is opened anew by the call that notices,
    which is made once more: it may have been done before its answer was lost, and then finds its own unique name taken.
    Calls raise TryAgain while the store cannot be reached. `failed` is told of each error that is no fault of the call.
    """

    def __init__(self, connection: str, failed: Callable[[SeatrialError], None] = lambda _: None) -> None:
        address = parse_connection(connection)
        if isinstance(address, SqliteStore):
            Path(address.path).parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._config, self._failed = _config(address), failed
        self._session: MetadataStore | None = None

    def type_id(
        self, kind: Literal["artifact", "execution", "context"], name: str, properties: Mapping[str, int]
    ) -> int:
        """The id of a type, which is made if it is not there. Refused when it is there with other properties.

        ml-metadata keeps external ids unique, but not the names of types: two processes would make two of one name.
        """
        made = {"artifact": pb.ArtifactType, "execution": pb.ExecutionType, "context": pb.ContextType}[kind](
            name=name, external_id=f"seatrial:{kind}:{name}"
        )
        made.properties.update(properties)
        for _ in range(OPENERS):
            try:
                return int(self.call(f"put_{kind}_type", made))
            except Conflict as error:  # somebody made it meanwhile, the same one or another
                refusal = error
        raise Refused(
            f"the registry's store has a type {name} with other properties: another Seatrial made it", field="registry"
        ) from refusal

    def call(self, method: str, *arguments: Any) -> Any:
        """One call of MetadataStore by name. Refused with a backslash in a text: PostgreSQL would run the rest."""
        for text in arguments:
            if isinstance(text, str) and "\\" in text:
                raise Refused(f"no name in the registry holds a backslash: {text[:80]!r}", value=text)
        return translated(lambda: self._ask(method, *arguments))

    def find(
        self,
        kind: Literal["artifacts", "executions", "contexts"],
        query: str,
        limit: int | None = None,
        *,
        newest_first: bool = False,
    ) -> list[Any]:
        """The nodes that meet ml-metadata's `filter_query`, ordered by id."""
        options = ListOptions(limit, OrderByField.ID, not newest_first, query)
        return list(self.call(f"get_{kind}", options))

    def newest(self, kind: Literal["artifacts", "executions"], context_id: int, limit: int) -> list[Any]:
        """The nodes of a context with the highest ids, highest first."""
        return list(self.call(f"get_{kind}_by_context", context_id, ListOptions(limit, OrderByField.ID, False)))

    def newest_execution(self) -> int:
        """The id of the execution that was written last; 0 before the first. A tenth of what `find` takes: 0.1 ms."""
        found = self.call("get_executions", ListOptions(1, OrderByField.ID, False))
        return int(found[0].id) if found else 0

    def put_new(
        self,
        *,
        executions: Iterable[pb.Execution] = (),
        artifacts: Iterable[pb.Artifact] = (),
        contexts: Iterable[pb.Context] = (),
        edges: Iterable[tuple[int | None, int | None, pb.Event]] = (),
    ) -> int | None:
        """Write all of it in one transaction; a context that exists is used, everything else must be new.

        Edges join executions and artifacts by their index here, or by the event's own id where the index is None.
        Returns the id of the first artifact, else of the first execution. When a name is taken: None, nothing written.
        """
        try:
            ids = self._ask(
                "put_lineage_subgraph",
                list(executions),
                list(artifacts),
                list(contexts),
                list(edges),
                reuse_context_if_already_exist=True,
            )
        except mlmd.AlreadyExistsError:
            return None
        except mlmd.StatusError as error:
            raise _our(error) from error
        return int((ids[1] or ids[0])[0])

    def _ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        try:
            return self._ask_session(method, *arguments, **options)
        except (mlmd.StatusError, SeatrialError) as error:
            ours = _our(error) if isinstance(error, mlmd.StatusError) else error
            if ours.status >= 500:
                self._failed(ours)
            raise

    def _ask_session(self, method: str, *arguments: Any, **options: Any) -> Any:
        with self._lock:
            if self._session is not None:
                try:
                    return getattr(self._session, method)(*arguments, **options)
                except mlmd.InternalError:  # all that ml-metadata says of a lost connection
                    self._session = None
            self._session = _open(self._config)
            return getattr(self._session, method)(*arguments, **options)


def translated(call: Callable[[], T]) -> T:
    """What `call` returns, its ml-metadata errors made ours by TRANSLATION."""
    try:
        return call()
    except mlmd.StatusError as error:
        raise _our(error) from error


def _our(error: mlmd.StatusError) -> SeatrialError:
    kind = next((ours for theirs, ours in TRANSLATION.items() if isinstance(error, theirs)), SeatrialError)
    return kind(f"the registry's store: {error}")


def _open(config: pb.ConnectionConfig) -> MetadataStore:
    """An opened store; the first one makes the tables. Raises TryAgain."""
    for _ in range(OPENERS):
        try:
            return translated(lambda: MetadataStore(config))
        except RuntimeError as error:  # what its C++ half raises while it opens a store, whatever the reason
            refusal = error
            if not any(sign in str(error) for sign in TABLES_BEING_MADE):
                break
    raise TryAgain(f"the registry's store cannot be opened: {refusal}") from refusal


def _config(address: SqliteStore | ServerStore) -> pb.ConnectionConfig:
    config = pb.ConnectionConfig()
    if isinstance(address, SqliteStore):
        config.sqlite.filename_uri = address.path
        config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    elif address.kind == "mysql":
        mysql = config.mysql
        mysql.host, mysql.port, mysql.database = address.host, address.port, address.database
        mysql.user, mysql.password = address.user, address.password
    else:
        postgresql = config.postgresql
        postgresql.host, postgresql.port = _conninfo(address.host), str(address.port)
        postgresql.user, postgresql.password = _conninfo(address.user), _conninfo(address.password)
        postgresql.dbname = _conninfo(address.database)
    return config


def _conninfo(value: str) -> str:
    """A value quoted for libpq: ml-metadata joins `key=value` pairs as they are."""
    if re.fullmatch(r"[\w.:-]+", value):
        return value
    return "'" + value.replace("\\", r"\\").replace("'", r"\'") + "'"
