"""Reads (or changes) a Delta table with delta-rs; what was asked and the answer are JSON. See python.ts."""

import json
import math
import sys

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, QueryBuilder, write_deltalake

SAFE = 2**53 - 1


def rows_of(table, sql):
    batches = QueryBuilder().register("t", table).execute(sql)
    return pa.table(batches) if hasattr(batches, "__arrow_c_stream__") else pa.table(batches.read_all())


def plain(column):
    """Values of a column in the words of infra/spark/spark.ts: `us:…`, `day:…`, numbers that JSON cannot hold as text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return plain(pc.cast(column, kind.value_type))
    if pa.types.is_timestamp(kind):
        micros = pc.cast(pc.cast(column, pa.timestamp("us", kind.tz)), pa.int64())
        return [None if one is None else f"us:{one}" for one in micros.to_pylist()]
    if pa.types.is_date(kind):
        days = pc.cast(pc.cast(column, pa.date32()), pa.int32())
        return [None if one is None else f"day:{one}" for one in days.to_pylist()]
    return [plain_value(one, pa.types.is_map(kind)) for one in column.to_pylist()]


def plain_value(value, is_map):
    if is_map and value is not None:
        return dict(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > SAFE:
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    return value


def ask(table, sql):
    found = rows_of(table, sql)
    return [list(row) for row in zip(*(plain(found.column(i)) for i in range(found.num_columns)))]


request = json.loads(sys.argv[1])
if "script" in request:
    exec(request["script"], {"folder": request["folder"], "pa": pa, "DeltaTable": DeltaTable, "write_deltalake": write_deltalake})
    sys.exit()
table = DeltaTable(request["folder"], version=request["version"])
if request.get("append"):
    write_deltalake(table, rows_of(table, request["sql"]), mode="append")
elif "questions" in request:
    print(json.dumps([ask(table, sql) for sql in request["questions"]], default=str))
else:
    answer = {
        "version": table.version(),
        "schema": {field.name: str(field.type) for field in pa.schema(table.schema().to_arrow())},
        "files": len(table.file_uris()),
        "rows": rows_of(table, request["sql"]).to_pylist(),
        "count": table.to_pyarrow_dataset().count_rows(),
    }
    print(json.dumps(answer, default=str))
