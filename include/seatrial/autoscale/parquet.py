"""The capacity table as a parquet file, for pandas and whatever else reads tables. The only importer of pyarrow."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from seatrial.autoscale.row import Row
from seatrial.errors import Refused
from seatrial.storage.local import atomic_file


def write_parquet(file: Path, rows: Iterable[Row]) -> None:
    """A column for each field of Row, of its type; what is None is null. Replaces a file that is there, whole.

    Raises Refused where the file cannot be written, and where pyarrow is missing.
    """
    try:
        import pyarrow
        from pyarrow.parquet import write_table
    except ModuleNotFoundError as error:
        raise Refused("a parquet file needs pyarrow: pip install 'seatrial[parquet]'") from error
    table = pyarrow.Table.from_pylist([row.model_dump() for row in rows], schema=_schema(pyarrow))
    try:
        with atomic_file(file) as whole:
            write_table(table, whole)
    except OSError as error:
        raise Refused(f"{file}: {error.strerror or error}", field="parquet", value=str(file)) from error


def _schema(arrow: Any) -> Any:
    kinds = {
        **{str: arrow.string(), bool: arrow.bool_(), int: arrow.int64(), float: arrow.float64()},
        datetime: arrow.timestamp("ms", tz="UTC"),
    }
    fields = []
    for name, field in Row.model_fields.items():
        said = get_args(field.annotation) or (field.annotation,)
        kind = next(one for one in said if one is not NoneType)
        fields.append(arrow.field(name, kinds[kind], nullable=NoneType in said))
    return arrow.schema(fields)
