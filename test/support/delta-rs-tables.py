"""Writes Delta tables by delta-rs below the folder of the first argument, one a subfolder, in the ways that its users do."""

import sys
from pathlib import Path

from arro3.core import Array, DataType, Table
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

ROOT = Path(sys.argv[1])


def rows(ids, part="a"):
    return Table.from_pydict(
        {
            "id": Array(ids, DataType.int64()),
            "part": Array([part] * len(ids), DataType.utf8()),
        }
    )


def path(name):
    return str(ROOT / name)


# Appends.
for i in range(4):
    write_deltalake(path("appends"), rows([i, i + 10]), mode="append")

# Partitions, a delete, an update, a checkpoint and an append after it.
name = path("partitioned")
for part in ("a", "b", "c"):
    write_deltalake(name, rows([1, 2, 3], part), mode="append", partition_by=["part"])
DeltaTable(name).delete("part = 'a'")
DeltaTable(name).update(updates={"id": "id + 100"}, predicate="part = 'b'")
DeltaTable(name).create_checkpoint()
write_deltalake(name, rows([7], "d"), mode="append")

# Overwrite, compaction, restore.
name = path("rewritten")
write_deltalake(name, rows([1, 2]))
write_deltalake(name, rows([3, 4]), mode="append")
write_deltalake(name, rows([5]), mode="overwrite")
DeltaTable(name).restore(1)
DeltaTable(name).optimize.compact()
DeltaTable(name).create_checkpoint()

# Transactions of an application, a constraint, a checkpoint in the middle.
name = path("transactions")
for version in range(3):
    write_deltalake(
        name,
        rows([version]),
        mode="append",
        commit_properties=CommitProperties(app_transactions=[Transaction("app", version)]),
    )
DeltaTable(name).create_checkpoint()
DeltaTable(name).alter.add_constraint({"positive": "id >= 0"})
write_deltalake(name, rows([9]), mode="append")

# A log whose beginning was cleaned up.
name = path("cleaned")
for i in range(4):
    write_deltalake(
        name,
        rows([i]),
        mode="append",
        configuration={"delta.logRetentionDuration": "interval 0 seconds"} if i == 0 else None,
    )
DeltaTable(name).create_checkpoint()
DeltaTable(name).cleanup_metadata()
write_deltalake(name, rows([5]), mode="append")
