"""What a file of speeds says in its footer of the results sets that it holds.

So that thousands of sets are listed without reading a row.
"""

import json
from datetime import datetime
from typing import Any

import pyarrow as pa

from bench import results
from bench.records import dumps
from bench.schemas import SETS_SCHEMA

KEY = b"results_sets"
COLUMNS = ("run", "source", "measure", "outcome", *results.SET_COLUMNS)


def of(table: pa.Table) -> list[dict[str, Any]]:
    """What results.results_sets says of rows of SPEED_SCHEMA, as rows of SETS_SCHEMA.

    Without pandas, which takes twenty times as long for a run's rows.
    """
    grouped = table.select(list(COLUMNS)).group_by("run", use_threads=False)
    named = {name: f"{name}_first" for name in results.SET_COLUMNS}
    firsts = grouped.aggregate([(name, "first") for name in named])
    sets: dict[str, dict[str, Any]] = {
        row["run"]: {"run": row["run"], "failures": 0}
        | {name: row[column] for name, column in named.items()}
        for row in firsts.to_pylist()
    }
    sources = grouped.aggregate([("source", "distinct")])
    for row in sources.to_pylist():
        sets[row["run"]]["source"] = "; ".join(sorted(row["source_distinct"]))
    counts = table.group_by(["run", "measure", "outcome"]).aggregate([([], "count_all")])
    for row in counts.to_pylist():
        key = row["measure"] if row["outcome"] == "ok" else "failures"
        sets[row["run"]][key] = sets[row["run"]].get(key, 0) + row["count_all"]
    found: list[dict[str, Any]] = pa.Table.from_pylist(
        [sets[run] for run in sorted(sets)], SETS_SCHEMA
    ).to_pylist()
    return found


def to_json(table: pa.Table) -> bytes:
    """`of` as JSON."""
    rows = of(table)
    for row in rows:
        row["measured_at"] = row["measured_at"] and row["measured_at"].isoformat()
    return dumps({"sets": rows}).encode()


def from_json(told: bytes) -> list[dict[str, Any]]:
    """`of` again, of the right types. Raises ValueError, TypeError, KeyError."""
    rows = json.loads(told)["sets"]
    for row in rows:
        row["measured_at"] = row["measured_at"] and datetime.fromisoformat(row["measured_at"])
    found: list[dict[str, Any]] = pa.Table.from_pylist(rows, SETS_SCHEMA).to_pylist()
    return found
