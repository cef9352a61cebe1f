# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""Rows to a Parquet file. pyarrow has no types of its own: they end here."""

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


class ColumnType(Enum):
    STRING = pa.string()
    INTEGER = pa.int64()
    FLOAT = pa.float64()
    STRINGS = pa.list_(pa.string())
    INTEGERS = pa.list_(pa.int64())
    FINDINGS = pa.list_(pa.struct([("explanation", pa.string()), ("summary", pa.string())]))


class ParquetWriter:
    """Each call of write makes one row group. The same calls make the same bytes."""

    def __init__(self, path: Path, columns: Mapping[str, ColumnType]) -> None:
        self._schema = pa.schema([(name, type.value) for name, type in columns.items()])
        self._writer = pq.ParquetWriter(path, self._schema, compression="snappy", version="2.6")

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        table = pa.Table.from_pylist(list(rows), schema=self._schema)
        self._writer.write_table(table, row_group_size=len(rows))

    def close(self) -> None:
        self._writer.close()
