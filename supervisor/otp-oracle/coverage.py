#!/usr/bin/env python3
"""How many scenarios of a run hit each feature.

    coverage.py SCENARIOS TRACES      or      coverage.py cases.jsonl.lzma

A feature counts when it happened in the trace, not when it was only written
into the scenario.  Prints a Markdown table.
"""
import json
import sys
from collections import Counter

from canon import open_any


def load(args):
    if len(args) == 1:
        for line in open_any(args[0]):
            o = json.loads(line)
            yield o["scenario"], o["trace"]
        return
    sc = {}
    for line in open_any(args[0]):
        o = json.loads(line)
        sc[o["id"]] = o
    for line in open_any(args[1]):
        o = json.loads(line)
        yield sc[o["id"]], o


def specs_of(sup, path, out):
    """path -> (supervisor flags, child spec) for every static child."""
    for c in sup.get("children", []):
        p = path + "/" + c["id"]
        out[p] = (sup.get("flags", {}), c)
        if "sup" in c:
            specs_of(c["sup"], p, out)


def features(sc, tr):
    f = set()
    specs, sups = {}, {"root": sc["tree"]}
    specs_of(sc["tree"], "root", specs)
    for st in sc["steps"]:
        if st["op"] == "start_child":
            if "spec" in st:
                p = st["sup"] + "/" + st["spec"]["id"]
                specs.setdefault(p, ({}, st["spec"]))
                if "sup" in st["spec"]:
                    specs_of(st["spec"]["sup"], p, specs)
    for p, (_, c) in specs.items():
        if "sup" in c:
            sups[p] = c["sup"]
    flags = lambda p: sups.get(p, {}).get("flags", {})
    strat = {}
    if tr["steps"][0]["r"] != "ok":
        f.add("root fails to start")
    if tr["final"] is not None:
        f.add("root alive at the end")
    if tr["orphans"]:
        f.add("orphan left behind by a killed supervisor")
    groups = [(s, s["ev"]) for s in tr["steps"]]
    if tr["stop"]:
        groups.append(({"op": "stop", "r": "ok"}, tr["stop"]))
    steps = [None] + sc["steps"]
    for i, (st, evs) in enumerate(groups):
        op, r = st["op"], st["r"]
        if isinstance(r, str) and op not in ("start", "stop", "exit", "advance", "signal", "parent_exit"):
            if r.startswith("ok:#") and r.count(":") == 2:
                f.add("start returns extra info")
            if r == "ok:undefined":
                f.add("%s: ok, undefined (ignore)" % op)
            elif r.startswith("failed"):
                f.add("%s: start fails" % op)
            elif r.startswith("error:"):
                e = r[6:]
                e = e[1:].split(",")[0] if e.startswith("{") else e
                f.add("%s: error %s" % (op, e))
            elif r == "noproc":
                f.add("API call to a dead supervisor")
            elif r.startswith("ok"):
                f.add("%s: ok" % op)
        elif op in ("which_children", "count_children", "get_childspec"):
            f.add(op)
        elif op in ("advance", "signal", "parent_exit"):
            f.add(op)
        if "dr" in st:
            if st["dr"] == "nogate":
                f.add("during: gate not reached")
            else:
                f.add("during: ops queued behind a blocked start")
                for d in st["dr"]:
                    if isinstance(d, list) and any(x[1] == "restarting" for x in d):
                        f.add("during: which_children shows restarting")
                    if d == "error:restarting":
                        f.add("during: error restarting")
                if sum(1 for o in steps[i].get("during", []) if o["op"] == "exit") >= 2:
                    f.add("during: several exits queued at once")
        started = {}
        restarted_by = set()
        for k, e in enumerate(evs):
            kind, path, n = e[0], e[1], e[2]
            up = path.rpartition("/")[0]
            if kind == "sup_start":
                strat[path] = e[3]
                f.add("strategy %s" % e[3])
                if path.count("/") == 2:
                    f.add("nesting depth 3")
                elif path.count("/") == 1:
                    f.add("nesting depth 2")
                a = flags(path).get("auto_shutdown")
                if a and a != "never":
                    f.add("auto_shutdown %s" % a)
            if kind in ("start", "sup_start") and n > 1:
                f.add("%s restarted" % ("worker" if kind == "start" else "supervisor"))
                if i and op in ("exit", "signal"):
                    f.add("restart under %s" % strat.get(up))
            if kind == "nostart":
                what = e[3].split(":")[0]
                where = "first start" if n == 1 else "later start"
                f.add("%s: %s" % (where, {"error": "init error", "exit": "init crashes",
                                          "ignore": "ignore", "timeout": "init timeout"}[what]))
            if kind == "exit":
                c = specs.get(path, ({}, {}))[1]
                if op in ("exit", "signal") and k < 2:
                    rt = c.get("restart", "permanent") if path in specs else "dynamic"
                    cls = "normal" if e[3] in ("normal", "shutdown") or e[3].startswith("{shutdown") else "abnormal"
                    f.add("%s child exits %s" % (rt, cls))
                stop = c.get("behaviour", {}).get("stop", "die")
                name = stop if isinstance(stop, str) else list(stop)[0]
                if e[3] == "killed" and name in ("ignore", "linger"):
                    f.add("stubborn child killed")
                if name == "linger" and e[3] == "shutdown":
                    f.add("lingering child obeys in time")
                if c.get("shutdown") == "brutal_kill" and e[3] == "killed":
                    f.add("brutal_kill")
                if c.get("shutdown") == "infinity" and e[3] == "shutdown":
                    f.add("shutdown infinity")
            if kind == "sup_exit":
                if e[3] == "killed":
                    f.add("supervisor killed")
                if e[3].startswith("{shutdown,{failed"):
                    f.add("supervisor fails to start, siblings rolled back")
            if kind == "report":
                f.add("report %s" % e[3])
                if e[4] == "reached_max_restart_intensity":
                    f.add("intensity exceeded (root)" if path == "root" else "intensity exceeded (nested)")
                    if any(x[0] == "sup_start" and x[1] == path for x in evs[k:]):
                        f.add("nested supervisor gave up and was restarted")
                    if any(x[0] == "report" and x[4] == "reached_max_restart_intensity" and x[1] == up
                           for x in evs[k + 1:]):
                        f.add("escalation through two supervisors")
                    parent_rt = specs.get(path, ({}, {}))[1].get("restart", "permanent")
                    if path != "root" and parent_rt != "permanent":
                        f.add("%s supervisor gave up: not restarted" % parent_rt)
                if e[3] == "shutdown_error" and "*" in e[5]:
                    f.add("grouped shutdown_error of a dynamic supervisor")
                if e[3] == "start_error" and any(x[0] == "nostart" and x[2] > 1 for x in evs[:k]):
                    restarted_by.add(path)
                    f.add("failed restart under %s" % strat.get(path))
        fails = Counter((e[1]) for e in evs if e[0] == "report" and e[3] == "start_error")
        if any(v > 1 for v in fails.values()):
            f.add("restart retried more than once in a row")
        for e in evs:
            if e[0] == "sup_exit" and e[3] == "shutdown" and op in ("exit", "signal"):
                p, n = e[1], e[2]
                gave_up = any(x[0] == "report" and x[1] == p and x[2] == n and x[4] == "reached_max_restart_intensity"
                              for x in evs)
                a = flags(p).get("auto_shutdown", "never")
                first = next((x for x in evs if x[0] in ("exit", "sup_exit")), None)
                if not gave_up and a != "never" and first and first[1].rpartition("/")[0] == p:
                    f.add("automatic shutdown by %s" % a)
        if op == "exit" and i and evs:
            p = evs[0][1].rpartition("/")[0]
            if strat.get(p) in ("one_for_all", "rest_for_one"):
                dead = {x[1] for x in evs if x[0] == "exit"}
                back = {x[1] for x in evs if x[0] == "start"}
                sup_ended = any(x[0] == "sup_exit" and x[1] == p for x in evs)
                for q in dead - back:
                    if not sup_ended and specs.get(q, ({}, {}))[1].get("restart") == "temporary" and q != evs[0][1]:
                        f.add("temporary sibling stopped and dropped")
                for q in back - dead:
                    f.add("stopped sibling revived by a group restart")
        if any(x[0] == "report" and x[3] == "child_terminated" for x in evs) is False and op == "exit" and evs:
            f.add("exit without a report")
    return f


def main():
    c, total = Counter(), 0
    events = 0
    for sc, tr in load(sys.argv[1:]):
        if "error" in tr:
            c["RUN ERROR"] += 1
            continue
        total += 1
        events += sum(len(s["ev"]) for s in tr["steps"]) + len(tr["stop"] or [])
        for x in features(sc, tr):
            c[x] += 1
        for t in sc["tags"]:
            c["tag " + t] += 1
    print("%d scenarios, %d events\n" % (total, events))
    print("| feature | scenarios |\n| --- | ---: |")
    for k in sorted(c):
        print("| %s | %d |" % (k, c[k]))


if __name__ == "__main__":
    main()
