"""Data files of every format, written by pyarrow, and the rows that Hugging Face's datasets reads in them.

With datasets 5.0.0, pyarrow 26.0.1 and pandas 3.1.1: `python rows.py OUT`. Timestamps and dates are printed by str,
bytes as Base64, all else by json.dumps.
"""

import base64
import datetime
import decimal
import gzip
import json
import pathlib
import sys
import tempfile

import datasets
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
datasets.disable_progress_bars()

texts = ["", "plain", "zwei\nZeilen", "日本語 😀", 'quote " and \\', "é" * 40, None]
day = datetime.date(2026, 11, 25)
moment = datetime.datetime(2026, 11, 25, 21, 31, 42, 500000)


def message(i, j):
    calls = None if (i + j) % 3 else [{"name": f"f{j}", "arguments": [float(i), 0.5]}]
    return {"role": ["user", "assistant"][j % 2], "content": texts[(i + j) % 7], "calls": calls}


rows = [
    {
        "instruction": f"row {i} " + (texts[i % 7] or "none"),
        "messages": None if i % 11 == 10 else [message(i, j) for j in range(i % 4)],
        "tags": None if i % 5 == 4 else [f"t{j}" if j != 1 else None for j in range(i % 3)],
        "pair": None if i % 6 == 5 else {"a": i, "b": None if i % 2 else {"c": texts[i % 7]}},
        "nested": [[j] * (j % 3) for j in range(i % 4)],
        "id": (1 << 60) + i * 7919,
        "small": None if i % 9 == 8 else i - 20,
        "unsigned": (1 << 64) - 1 - i,
        "score": i / 4,
        "half": i / 8,
        "flag": None if i % 4 == 3 else i % 2 == 0,
        "kind": ["red", "green", "blue", None][i % 4],
        "day": day + datetime.timedelta(days=i * 37),
        "moment": None if i % 7 == 6 else moment - datetime.timedelta(microseconds=i * 1234567),
        "price": decimal.Decimal(i * 125) / 100,
        "blob": bytes([255, i, 0]),
        "nothing": None,
    }
    for i in range(60)
]

call = pa.struct([("name", pa.string()), ("arguments", pa.list_(pa.float64()))])
turn = pa.struct([("role", pa.string()), ("content", pa.string()), ("calls", pa.list_(call))])
schema = pa.schema(
    [
        ("instruction", pa.string()),
        ("messages", pa.list_(turn)),
        ("tags", pa.list_(pa.string())),
        ("pair", pa.struct([("a", pa.int64()), ("b", pa.struct([("c", pa.string())]))])),
        ("nested", pa.list_(pa.list_(pa.int32()))),
        ("id", pa.int64()),
        ("small", pa.int8()),
        ("unsigned", pa.uint64()),
        ("score", pa.float64()),
        ("half", pa.float32()),
        ("flag", pa.bool_()),
        ("kind", pa.string()),
        ("day", pa.date32()),
        ("moment", pa.timestamp("us")),
        ("price", pa.decimal128(10, 2)),
        ("blob", pa.binary()),
        ("nothing", pa.null()),
    ]
)
table = pa.Table.from_pylist(rows, schema=schema)


def large(kind):
    if pa.types.is_string(kind):
        return pa.large_string()
    if pa.types.is_binary(kind):
        return pa.large_binary()
    if pa.types.is_list(kind):
        return pa.large_list(large(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, large(field.type)) for field in kind])
    return kind


wide = table.cast(pa.schema([(field.name, large(field.type)) for field in schema]))
kind = table.schema.get_field_index("kind")
coded = table.set_column(kind, "kind", table["kind"].dictionary_encode())
flat = table.select(["instruction", "tags", "id", "small", "score", "half", "flag", "kind", "moment"])

parquet = {
    "plain": dict(compression="none", use_dictionary=False),
    "snappy": dict(compression="snappy"),
    "gzip": dict(compression="gzip", row_group_size=13),
    "brotli": dict(compression="brotli"),
    "zstd": dict(compression="zstd", data_page_version="2.0", data_page_size=100),
    "lz4": dict(compression="lz4", row_group_size=25),
    "pages": dict(compression="snappy", data_page_size=64, write_batch_size=5, use_dictionary=False),
}
for name, options in parquet.items():
    pq.write_table(table, out / f"{name}.parquet", **options)
encodings = {
    "instruction": "DELTA_BYTE_ARRAY",
    "kind": "DELTA_LENGTH_BYTE_ARRAY",
    "id": "DELTA_BINARY_PACKED",
    "small": "DELTA_BINARY_PACKED",
    "score": "BYTE_STREAM_SPLIT",
    "half": "BYTE_STREAM_SPLIT",
    "moment": "DELTA_BINARY_PACKED",
    "flag": "RLE",
}
for version in ["1.0", "2.0"]:
    path = out / f"encodings-{version[0]}.parquet"
    pq.write_table(flat, path, use_dictionary=False, column_encoding=encodings, data_page_version=version)
pq.write_table(table.slice(0, 0), out / "none.parquet")

for name, data, options in [
    ("stream", table, {}),
    ("large", wide, {}),
    ("coded", coded, {}),
    ("lz4", table, {"compression": "lz4"}),
    ("zstd", table, {"compression": "zstd"}),
]:
    with pa.ipc.new_stream(out / f"{name}.arrow", data.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(data, max_chunksize=17)
with pa.ipc.new_file(out / "file.arrow", coded.schema) as writer:
    writer.write_table(coded, max_chunksize=17)
views = flat.set_column(0, "instruction", flat["instruction"].cast(pa.string_view()))
with pa.ipc.new_stream(out / "views.arrow", views.schema) as writer:
    writer.write_table(views)
pyarrow.feather.write_feather(table, out / "table.feather", compression="lz4")

(out / "table.csv").write_bytes(
    'text,count,share,flag,gap,note,"qu""ote"\r\n'
    'a,1,0.5,True,1,x,"one\r\ntwo"\r\n'
    '"b, c",2,1,false,,NA,"say ""hi"""\r\n'
    '\r\n'
    'ü😀,-3,1e3,TRUE,3,None,"x"y\r\n'
    ' d ,9007199254740993,.25,False,4,in"side,\r\n'
    'short,5,2.0,True\r\n'.encode()
)
(out / "table.tsv").write_text("text\tn\na,b\t1\n\t2\n", encoding="utf-8")
(out / "lines.txt").write_bytes("one\r\n\nthrée\x0b\rfour\n".encode())
(out / "list.json").write_text(json.dumps([{"a": "x", "b": [1.0, 2.5]}, {"a": None, "b": []}], indent=1))
(out / "texts.json").write_text('["x", "y"]')
(out / "lines.jsonl").write_bytes('\ufeff{"a": "ü", "n": 12345678901234567}\r\n\r\n{"a": "", "n": 1}'.encode())
packed = gzip.compress((out / "lines.jsonl").read_bytes(), mtime=0)
(out / "lines.jsonl.gz").write_bytes(packed)


def plain(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


kinds = {".parquet": "parquet", ".arrow": "arrow", ".csv": "csv", ".txt": "text", ".json": "json", ".jsonl": "json", ".gz": "json"}
expected = {}
for path in sorted(out.iterdir()):
    options = {}
    if path.suffix == ".tsv":
        options = {"sep": "\t"}
    if path.suffix == ".feather":
        found = pyarrow.feather.read_table(path).to_pylist()
    elif path.name in ("expected.json", "none.parquet"):
        continue
    else:
        with tempfile.TemporaryDirectory() as cache:
            kind = kinds.get(path.suffix, "csv")
            found = list(datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=cache, **options))
    expected[path.name] = [json.dumps(row, default=plain, ensure_ascii=False) for row in found]

# Most files hold the same rows: each list stands once, under the first name that has it.
shared = {}
names = {name: shared.setdefault(json.dumps(lines), name) for name, lines in expected.items()}
lists = {name: expected[name] for name in dict.fromkeys(names.values())}
(out / "expected.json").write_text(json.dumps({"same": names, "rows": lists}, ensure_ascii=False, indent=0) + "\n")
