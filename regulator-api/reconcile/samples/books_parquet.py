"""Writes the samples of books in Parquet as pyarrow and pandas do: `python3 books_parquet.py` (pyarrow 15 or newer).

Decimals of 128 bits, timestamps in nanoseconds with a time zone, repeated text as dictionaries, missing values, two row
groups, and columns that nobody reads: a nested one, a list, a time of day.
"""

import datetime
import decimal
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
UTC = datetime.timezone.utc


def nanoseconds(*moment):
    return int(datetime.datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000_000


def text(values):
    return pa.array(values, pa.string()).dictionary_encode()


table = pa.table(
    {
        "reference": pa.array(["INV-2026-17", None, "E2E-2", None], pa.string()),
        "hash": pa.array([None, None, None, "0x" + "3f" * 32], pa.large_string()),
        "time": pa.array(
            [
                nanoseconds(2026, 11, 26, 9, 30),
                nanoseconds(2026, 11, 26, 10),
                None,
                nanoseconds(2026, 11, 26, 11),
            ],
            pa.timestamp("ns", tz="Europe/Berlin"),
        ),
        "amount": pa.array(
            [decimal.Decimal(text) for text in ["-250.00", "0.05", "99999999999999999999.99", "100.00"]],
            pa.decimal128(38, 2),
        ),
        "counterparty": text(["0x" + "bb" * 20, "0x" + "cc" * 20, "0x" + "bb" * 20, None]),
        "currency": text([None, None, None, "0x" + "11" * 20]),
        "notes": pa.array([{"a": 1}, None, {"a": 2}, {"a": 3}], pa.struct([("a", pa.int32())])),
        "tags": pa.array([["x"], [], None, ["y", "z"]], pa.list_(pa.string())),
        "entered": pa.array([datetime.time(9, 30), None, None, None], pa.time64("ns")),
    }
)

pq.write_table(table, HERE / "books.parquet", row_group_size=2)
pq.write_table(table.select(["amount"]), HERE / "books-zstd.parquet", compression="zstd")
