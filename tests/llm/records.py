#!/usr/bin/env python3
"""records.py DIR: the records of the committed texts hold together: fields, unique ids, no text in two splits, cloze passages that stand in test and end there with their target."""
import gzip
import json
import pathlib
import re
import sys

here = pathlib.Path(sys.argv[1])


def lines(name, fields):
    raw = (here / name).read_bytes()
    text = (gzip.decompress(raw) if name.endswith(".gz") else raw).decode("utf-8")
    records = [json.loads(line) for line in text.removesuffix("\n").split("\n")]
    for r in records:
        assert set(r) == set(fields), (name, r.get("id"), sorted(r))
    assert len({r["id"] for r in records}) == len(records), f"{name}: an id occurs twice"
    return records


splits = {s: lines(f"{s}.jsonl.gz", ("id", "source", "text")) for s in ("fit", "calibration", "test")}
ids = [r["id"] for records in splits.values() for r in records]
assert len(set(ids)) == len(ids), "an id is in two splits"
assert not any(re.fullmatch(r"moby-04[0-5]", i) for i in ids), "chapters 40 to 45 are in no split"
for records in splits.values():
    for r in records:
        assert r["text"] == r["text"].strip() and len(r["text"].encode()) >= 1000, r["id"]

test = {r["id"]: r["text"] for r in splits["test"]}
cloze = lines("cloze.jsonl.gz", ("id", "context", "target"))
for c in cloze:
    text, whole = test[c["id"].rsplit("-", 1)[0]], f"{c['context']} {c['target']}"
    assert re.search(re.escape(whole) + r"[.,;:!?—]", text), c["id"]
    assert re.fullmatch(r"[a-z]{4,}", c["target"]) and re.search(rf"\b{c['target']}\b", c["context"].lower()), c["id"]
assert len(cloze) >= 200

prompts = lines("prompts.jsonl", ("id", "system", "user", "n"))
assert len(prompts) == 24 and {p["n"] for p in prompts} == {32, 64, 128}
assert all(p["user"] and "<|im_" not in p["user"] + p["system"] for p in prompts)
