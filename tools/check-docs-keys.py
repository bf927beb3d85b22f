#!/usr/bin/env python3
"""Every key of a JSON schema must be named in the page that explains it.

    check-docs-keys.py SCHEMA PAGE
    check-docs-keys.py --self-test

The page names keys in code spans: `a`, `a[]`, `a{b,c}`, `a.b{c}`, `a[]{b,c[]}`. In a paragraph or list item that begins with such a span of an object, and
in a section whose title is the object's name, its keys may stand alone. Keys of the document itself stand in the first column of the table under "## Top", keys of an
element of `cells` in that under "## A cell". Exit code 1: a key is not named.
"""
import json
import re
import sys

SPAN = re.compile(r"`([^`]+)`")
NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*(\[\])?(\.[A-Za-z_][A-Za-z0-9_]*(\[\])?)*$")


def schema_paths(schema, root):
    """Dotted paths of all named properties; arrays leave no trace."""
    found = []

    def walk(node, path):
        if "$ref" in node:
            target = root
            for part in node["$ref"].lstrip("#/").split("/"):
                target = target[part]
            walk(target, path)
        for key, value in node.get("properties", {}).items():
            found.append(path + (key,))
            walk(value, path + (key,))
        for kind in ("oneOf", "anyOf", "allOf"):
            for alternative in node.get(kind, []):
                walk(alternative, path)
        for key in ("items", "then", "else"):
            if isinstance(node.get(key), dict):
                walk(node[key], path)

    walk(schema, ())
    return list(dict.fromkeys(found))


def expand(span):
    """`a[]{b,c}` -> a, a.b, a.c; what is no name of keys gives nothing."""
    match = re.match(r"^([A-Za-z0-9_.\[\]]+?)(\{(.*)\})?$", span)
    if not match or not NAME.match(match.group(1)):
        return []
    base = tuple(part.replace("[]", "") for part in match.group(1).split("."))
    inner = [k.strip().replace("[]", "") for k in (match.group(3) or "").split(",") if k.strip()]
    return [base] + [base + tuple(k.split(".")) for k in inner]


def page_paths(text):
    """(all paths that the page names, those in the first columns by section)."""
    named, columns = set(), {}
    section, subsection = "", ""
    for block in re.split(r"\n(?=\n|- |#)", text):
        block = block.strip("\n")
        if block.startswith("## "):
            section, subsection = block[3:].split("\n")[0].strip(), ""
        elif block.startswith("### "):
            subsection = block[4:].split("\n")[0].strip().lower()
        spans = [p for s in SPAN.findall(block) for p in expand(s)]
        first = re.match(r"^(?:- )?`([^`]+)`", block)
        prefix = expand(first.group(1))[:1] if first and "{" in first.group(1) else []
        for path in spans:
            named.add(path)
            for own in prefix + ([(subsection,)] if subsection else []):
                named.add(own + path)
        if not subsection:
            for line in block.split("\n"):
                if line.startswith("| `"):
                    cell = re.split(r"(?<!\\)\|", line)[1]
                    columns.setdefault(section, set()).update(p for s in SPAN.findall(cell) for p in expand(s))
    return named, columns


def missing(schema, text):
    named, columns = page_paths(text)
    absent = []
    for path in schema_paths(schema, schema):
        of_cell = path[:1] == ("cells",) and len(path) > 1
        own = path[1:] if of_cell else path
        there = own in columns.get("A cell" if of_cell else "Top", set()) if len(own) == 1 else own in named
        if not there:
            absent.append(".".join(path))
    return absent


def self_test():
    schema = {"properties": {"a": {}, "o": {"oneOf": [{"type": "null"}, {"properties": {"x": {}, "list": {"items": {"properties": {"y": {}}}}}}]},
                             "cells": {"items": {"properties": {"id": {}, "e": {"properties": {"uj": {}}}}}}}}
    good = "## Top\n\n| key |\n|---|\n| `a` |\n| `o{}` | see |\n| `cells[]` |\n\n`o{}` has `x` and `list[]{y}`,\n`o.list{y}`.\n\n## A cell\n\n| key |\n|---|\n| `id`, `e` |\n\n### E\n\n| `uj` |\n"
    assert missing(schema, good) == [], missing(schema, good)
    for cut, gone in (("| `a` |\n", "a"), (" has `x`", "o.x"), ("`id`, ", "cells.id"), ("| `uj` |", "cells.e.uj"), (" and `list[]{y}`,\n`o.list{y}`", "o.list")):
        assert gone in missing(schema, good.replace(cut, "")), cut
    # A key in the wrong place, or in plain words, is not named.
    assert "a" in missing(schema, good.replace("| `a` |", "| `b` |") + "\n`a` is here.\n")
    assert "o.x" in missing(schema, good.replace("`x`", "x"))


def main(args):
    if args == ["--self-test"]:
        self_test()
        return 0
    schema_path, page_path = args
    with open(schema_path, encoding="utf-8") as f:
        schema = json.load(f)
    with open(page_path, encoding="utf-8") as f:
        absent = missing(schema, f.read())
    for path in absent:
        print(f"{page_path}: {schema_path} has the key {path}, which the page does not name")
    if not absent:
        print(f"check-docs: {page_path} names all {len(schema_paths(schema, schema))} keys of {schema_path}")
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
