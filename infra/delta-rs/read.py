"""Reads (or appends to) a Delta table with delta-rs; what was asked and the answer are JSON. See python.ts."""

import json
import sys

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, write_deltalake

request = json.loads(sys.argv[1])
table = DeltaTable(request["folder"], version=request["version"])
batches = QueryBuilder().register("t", table).execute(request["sql"])
rows = pa.table(batches) if hasattr(batches, "__arrow_c_stream__") else pa.table(batches.read_all())
if request.get("append"):
    write_deltalake(table, rows, mode="append")
else:
    schema = pa.schema(table.schema().to_arrow())
    answer = {
        "version": table.version(),
        "schema": {field.name: str(field.type) for field in schema},
        "files": len(table.file_uris()),
        "rows": rows.to_pylist(),
        "count": table.to_pyarrow_dataset().count_rows(),
    }
    print(json.dumps(answer, default=str))
