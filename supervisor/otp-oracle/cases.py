#!/usr/bin/env python3
"""Pack and unpack the archive of scenario + expected-trace pairs.

    cases.py pack SCENARIOS TRACES OUT.jsonl.lzma [N]   (traces made canonical)
    cases.py unpack CASES.jsonl.lzma > scenarios.jsonl [--skip TAG[,TAG]]

With N, pack keeps N scenarios: first up to EACH for every feature of coverage.py,
rarest feature first, then the earliest of the rest. The archive is a plain .lzma
file (`unlzma` reads it), one pair a line.
"""
import json
import lzma
import sys

from collections import defaultdict

from canon import canon, dumps, open_any
from coverage import features

EACH = 40
# Text: the best of what was tried.
FILTERS = [{"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0}]


def select(sc, tr, n):
    have = defaultdict(list)
    for i in sorted(tr):
        for f in features(sc[i], tr[i]) | set("tag " + t for t in sc[i]["tags"]):
            have[f].append(i)
    keep = set()
    for f in sorted(have, key=lambda f: (len(have[f]), f)):
        missing = EACH - len(keep & set(have[f]))
        for i in have[f]:
            if missing > 0 and i not in keep and len(keep) < n:
                keep.add(i)
                missing -= 1
    for i in sorted(tr):
        if len(keep) < n:
            keep.add(i)
    return keep


def pack(scenarios, traces, out, n=None):
    sc = {o["id"]: o for o in map(json.loads, open_any(scenarios))}
    tr = {o["id"]: canon(o) for o in map(json.loads, open_any(traces))}
    for i, t in tr.items():
        if "error" in t:
            sys.exit("scenario %s has no trace: %s" % (i, t["error"]))
    keep = select(sc, tr, n) if n else set(tr)
    with lzma.open(out, "wb", format=lzma.FORMAT_ALONE, filters=FILTERS) as f:
        for i in sorted(keep):
            f.write((dumps({"scenario": sc[i], "trace": tr[i]}) + "\n").encode())
    print("%d cases" % len(keep))


def unpack(cases, skip):
    for line in open_any(cases):
        s = json.loads(line)["scenario"]
        if not skip & set(s["tags"]):
            print(dumps(s))


if __name__ == "__main__":
    a = sys.argv[1:]
    if a[:1] == ["pack"] and len(a) in (4, 5):
        pack(*a[1:4], *map(int, a[4:]))
    elif a[:1] == ["unpack"] and len(a) in (2, 4):
        unpack(a[1], set(a[3].split(",")) if a[2:3] == ["--skip"] else set())
    else:
        sys.exit(__doc__)
