"""Reads Parquet files by two implementations: a JSON object as the argument names them, one on stdout is what they saw.

pyarrow is Arrow in C++; arro3 is the Rust crate `parquet`, with which Arco reads. Every integer becomes a text, because
JSON as JavaScript reads it has no 64-bit numbers.
"""

import json
import sys

import arro3.io
import pyarrow
import pyarrow.parquet


def cell(value):
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def seen(table):
    return {
        "columns": [[field.name, str(field.type), field.nullable] for field in table.schema],
        "rows": [[cell(value) for value in row.values()] for row in table.to_pylist()],
    }


def by_rust(path):
    return pyarrow.table(arro3.io.read_parquet(path).read_all())


files = json.loads(sys.argv[1])
readers = {"pyarrow": pyarrow.parquet.read_table, "arro3": by_rust}
json.dump(
    {reader: {name: seen(read(path)) for name, path in files.items()} for reader, read in readers.items()},
    sys.stdout,
)
