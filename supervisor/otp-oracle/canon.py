#!/usr/bin/env python3
"""Canonical form of a trace: sort what OTP leaves unordered, nothing else.

    canon.py [FILE|-] > canonical.jsonl

Three situations are unordered in OTP (see README.md, "Order"):

R1  A simple_one_for_one supervisor stops its children all at once.  The
    closing run of term/exit/sup_exit/shutdown_error events in its subtree,
    just before its own sup_exit, is grouped by direct child and the groups
    are sorted by child id.  Its own shutdown_error reports come last, sorted.
R2  A supervisor that is killed stops nothing: its children hear of it through
    their links while the rest of the world goes on.  What its descendants
    still do in that step is moved right behind its sup_exit, grouped by
    direct child, groups sorted by child id.
R3  A supervisor that fails to start answers its parent first and exits then,
    so its sup_exit races with what the parent does about it.  It is put right
    behind the last earlier event of its own subtree.

Inside a group the order is kept, so everything OTP does define stays checked.
canon() is idempotent. The comparer, which is in Rust, has the same rules and applies
them to both sides (examples/otp_runner/oracle/canon.rs).
"""
import json
import lzma
import sys

CLOSING = {"term", "exit", "sup_exit"}
START_FAILURES = ("{shutdown,{failed_to_start_child,", "{start_spec,",
                  "{supervisor_data,", "{bad_start_spec,")


def parent_of(path):
    return path.rpartition("/")[0]


class Canon:
    def __init__(self):
        self.current = {}   # supervisor path -> its latest incarnation
        self.strategy = {}  # (path, n) -> strategy
        self.parent = {}    # (path, n) -> (parent path, parent n)

    def learn(self, events):
        for e in events:
            kind, path, n = e[0], e[1], e[2]
            if kind in ("start", "sup_start", "nostart"):
                up = parent_of(path)
                self.parent[(path, n)] = (up, self.current.get(up))
            if kind == "sup_start":
                self.current[path] = n
                self.strategy[(path, n)] = e[3]

    def child_under(self, actor, sup):
        """The direct child of `sup` through which `actor` descends, or None."""
        seen = actor
        while seen in self.parent:
            up = self.parent[seen]
            if up == sup:
                return seen
            seen = up
        return None

    def step(self, events):
        self.learn(events)
        events = self.early_exits([list(e) for e in events])
        ends = [(e[1].count("/"), i, (e[1], e[2]), e[3])
                for i, e in enumerate(events) if e[0] == "sup_exit"]
        for _, _, sup, reason in sorted(ends):
            if reason == "killed":
                events = self.pull(events, sup)
            if self.strategy.get(sup) == "simple_one_for_one":
                events = self.sort_closing(events, sup)
        return events

    def early_exits(self, events):
        out = []
        for e in events:
            if e[0] == "sup_exit" and e[3].startswith(START_FAILURES):
                sup = (e[1], e[2])
                own = [i for i, x in enumerate(out)
                       if (x[1], x[2]) == sup or self.child_under((x[1], x[2]), sup)]
                if own:
                    out.insert(own[-1] + 1, e)
                    continue
            out.append(e)
        return out

    def grouped(self, evs, sup):
        return sorted(evs, key=lambda e: self.child_under((e[1], e[2]), sup))

    def pull(self, events, sup):
        at = next(i for i, e in enumerate(events)
                  if e[0] == "sup_exit" and (e[1], e[2]) == sup)
        head, tail = events[:at + 1], events[at + 1:]
        mine = [e for e in tail if self.child_under((e[1], e[2]), sup)]
        rest = [e for e in tail if not self.child_under((e[1], e[2]), sup)]
        return head + self.grouped(mine, sup) + rest

    def sort_closing(self, events, sup):
        at = next(i for i, e in enumerate(events)
                  if e[0] == "sup_exit" and (e[1], e[2]) == sup)
        slots = []
        for i in range(at - 1, -1, -1):
            e = events[i]
            own = (e[1], e[2]) == sup
            if not own and not self.child_under((e[1], e[2]), sup):
                continue
            if e[0] in CLOSING or (e[0] == "report" and e[3] == "shutdown_error"):
                slots.append(i)
            else:
                break
        slots.reverse()
        run = [events[i] for i in slots]
        own = sorted(e for e in run if (e[1], e[2]) == sup)
        kids = self.grouped([e for e in run if (e[1], e[2]) != sup], sup)
        for i, e in zip(slots, kids + own):
            events[i] = e
        return events


def canon(trace):
    """Canonical copy of one trace object."""
    if "error" in trace:
        return trace
    c = Canon()
    out = dict(trace)
    out["steps"] = [dict(s, ev=c.step(s["ev"])) for s in trace["steps"]]
    if trace.get("stop") is not None:
        out["stop"] = c.step(trace["stop"])
    out["orphans"] = sorted(trace.get("orphans") or [])
    return out


def open_any(name):
    if name == "-":
        return sys.stdin
    if name.endswith(".lzma"):
        return lzma.open(name, "rt", encoding="utf-8")
    return open(name, encoding="utf-8")


def read_traces(name):
    """Traces of a trace file, or of an archive of scenario+trace pairs."""
    with open_any(name) as f:
        for line in f:
            if line.strip():
                o = json.loads(line)
                yield o["trace"] if "trace" in o else o


def dumps(o):
    return json.dumps(o, sort_keys=True, separators=(",", ":"))


if __name__ == "__main__":
    for t in read_traces(sys.argv[1] if len(sys.argv) > 1 else "-"):
        print(dumps(canon(t)))
