#!/usr/bin/env python3
"""Seeded generator of supervision scenarios (JSON lines, see README.md).

    generate.py --seed 1 --count 2000 > scenarios.jsonl

Scenario i depends on (seed, i) alone, so a longer run begins with a shorter
one. --first-id numbers them from there on, for files of several seeds.  What is kept out, so that no trace depends on a race or on a defect of
one OTP release, is listed in README.md ("What scenarios avoid").
"""
import argparse
import copy
import json
import random

from model import World

FOREVER = 3600          # a restart window nothing falls out of
PERMANENT, TRANSIENT, TEMPORARY = "permanent", "transient", "temporary"
CRASHES = ["boom", "bang", "oops", "killed", "noproc"]
NORMALS = ["normal", "shutdown", "{shutdown,done}"]
STRATEGIES = ["one_for_one", "one_for_all", "rest_for_one"]

# profile -> (weight, knobs)
PROFILES = {
    "general":    (22, {}),
    "intensity":  (11, dict(crashy=True, low_intensity=True)),
    "nested":     (11, dict(depth=3, crashy=True, nest=0.55)),
    "restartfail": (11, dict(start_fail=0.45, crashy=True)),
    "startup":    (6, dict(first_fail=0.30, nest=0.35, depth=3)),
    "significant": (10, dict(auto=1.0, finish=True)),
    "dynamic":    (10, dict(sofo=1.0, start_fail=0.2)),
    "api":        (8, dict(api=True)),
    "gate":       (11, dict(gate=True)),
    "burst":      (5, dict(burst=True)),
    "window":     (6, dict(window=True)),
    "stopping":   (5, dict(odd_stop=0.6)),
    "killsup":    (5, dict(kill_sup=True, nest=0.7, depth=3)),
    "badspec":    (3, dict(bad=True)),
}


class Node:
    """What the generator believes about one child of a supervisor."""

    def __init__(self, path, sup, spec):
        self.path, self.sup, self.spec = path, sup, spec
        self.id = spec["id"]
        self.up = True

    @property
    def restart(self):
        return self.spec.get("restart", PERMANENT)


class Sup:
    def __init__(self, path, spec, parent):
        self.path, self.spec, self.parent = path, spec, parent
        self.flags = spec["flags"]
        self.children = []      # Node
        self.node = None        # its own Node under the parent
        self.sealed = False     # no dynamic children (see odd_sup)
        self.next_dyn = 1

    @property
    def strategy(self):
        return self.flags.get("strategy", "one_for_one")

    @property
    def sofo(self):
        return self.strategy == "simple_one_for_one"


class Gen:
    def __init__(self, seed, i):
        self.r = random.Random("%s/%s" % (seed, i))
        self.i = i
        self.profile = self.r.choices(list(PROFILES), [w for w, _ in PROFILES.values()])[0]
        self.k = PROFILES[self.profile][1]
        self.tags = {self.profile}
        self.sups, self.workers, self.steps = [], [], []
        self.names = 0

    def chance(self, p):
        return self.r.random() < p

    def pick(self, l):
        return self.r.choice(l)

    def weighted(self, pairs):
        return self.r.choices([a for a, _ in pairs], [w for _, w in pairs])[0]

    # ------------------------------------------------------------ the tree
    def period(self):
        if self.k.get("window"):
            return self.pick([2, 3, 5])
        return FOREVER

    def intensity(self, depth):
        if self.k.get("low_intensity"):
            return self.weighted([(0, 2), (1, 4), (2, 4), (3, 2)])
        if self.k.get("window"):
            return self.weighted([(0, 1), (1, 4), (2, 4), (3, 2)])
        if self.k.get("api") or self.k.get("auto"):
            return self.pick([2, 3, 5])
        if depth == 1:
            return self.weighted([(0, 1), (1, 2), (2, 4), (3, 4), (5, 5), (8, 4)])
        return self.weighted([(0, 2), (1, 5), (2, 4), (3, 3)])

    def flags(self, depth, strategy):
        f = {"strategy": strategy, "intensity": self.intensity(depth), "period": self.period()}
        if self.chance(self.k.get("auto", 0.12)) and strategy != "simple_one_for_one":
            f["auto_shutdown"] = self.pick(["any_significant", "all_significant"])
        elif self.chance(0.15):
            f["auto_shutdown"] = "never"
        if strategy == "one_for_one" and self.chance(0.1):
            del f["strategy"]
        return f

    def strategy(self, depth):
        p = self.k.get("sofo", 0.0)
        if p and depth == 1:
            return "simple_one_for_one" if self.chance(0.6) else self.pick(STRATEGIES)
        if self.chance(0.75 if p and depth == 2 else 0.07):
            return "simple_one_for_one"
        return self.pick(STRATEGIES)

    def start_script(self, dynamic=False, first=None):
        """Results of the n-th start attempts; all later ones are ok."""
        k = self.k
        if k.get("api") and not dynamic and self.chance(0.3):
            # what a restart_child by hand will meet
            return ["ok", self.pick([{"error": "e1"}, {"exit": "e2"}, "ignore", "ok_info"])]
        first_fail = k.get("first_fail", 0.02) if first is None else first
        fail = k.get("start_fail", 0.08)
        out = []
        if self.chance(first_fail):
            out.append(self.bad_start(1, dynamic))
        elif self.chance(0.04):
            out.append("ok_info")
        if self.chance(fail):
            out = out or ["ok"]
            for _ in range(self.weighted([(1, 5), (2, 4), (3, 3), (5, 1)])):
                out.append(self.bad_start(len(out) + 1, dynamic))
            if self.chance(0.25):
                out += ["ok", self.bad_start(9, dynamic)]
        return out

    def bad_start(self, nth, dynamic):
        kinds = [("error", 6), ("exit", 2), ("ignore", 3), ("timeout", 1)]
        if dynamic and nth > 1:
            kinds[2] = ("ignore", 0)        # a defect of OTP 25 (README)
        kind = self.weighted(kinds)
        if kind in ("ignore", "timeout"):
            if kind == "timeout":
                self.tags.add("init_timeout")
            return kind
        return {kind: self.pick(["e1", "e2", "e3", "normal", "shutdown", "{shutdown,e4}"])}

    def stop_mode(self):
        odd = self.k.get("odd_stop", 0.2)
        if not self.chance(odd):
            return self.weighted([("die", 6), ("trap", 4)])
        return self.weighted([
            ({"linger": self.pick([3, 8, 15])}, 4),
            ({"linger": 60000}, 1),
            ("ignore", 4),
            ({"exit": self.pick(NORMALS + ["boom", "bang"])}, 5),
            ("unlink", 1),
        ])

    def behaviour(self, dynamic=False):
        b = {}
        s = self.start_script(dynamic)
        if s:
            b["start"] = s
        stop = self.stop_mode()
        if stop != "die" or self.chance(0.2):
            b["stop"] = stop
        if stop == "unlink":
            self.tags.add("unlink")
        return b

    @staticmethod
    def stubborn(stop):
        return stop == "ignore" or (isinstance(stop, dict) and stop.get("linger", 0) > 1000)

    def shutdown_for(self, stop):
        """A shutdown value under which the outcome is no race."""
        if self.stubborn(stop):
            return self.pick([25, 40, "brutal_kill"])
        return self.weighted([(None, 4), (5000, 3), (2000, 2), ("infinity", 2), ("brutal_kill", 3)])

    def restart_type(self, auto="never"):
        if auto != "never":
            return self.weighted([(PERMANENT, 3), (TRANSIENT, 4), (TEMPORARY, 3)])
        return self.weighted([(None, 2), (PERMANENT, 5), (TRANSIENT, 4), (TEMPORARY, 3)])

    def new_id(self, prefix):
        self.names += 1
        return "%s%d" % (prefix, self.names)

    def finish_spec(self, c, auto, shutdown):
        rt = self.restart_type(auto)
        if rt:
            c["restart"] = rt
        if shutdown is not None:
            c["shutdown"] = shutdown
        if auto != "never" and rt in (TRANSIENT, TEMPORARY):
            if self.chance(0.6):
                c["significant"] = True
        elif self.chance(0.08):
            c["significant"] = False
        return c

    def worker_spec(self, auto, wid=None):
        b = self.behaviour()
        c = {"id": wid or self.new_id("w"), "behaviour": b}
        if self.chance(0.3):
            c["type"] = "worker"
        return self.finish_spec(c, auto, self.shutdown_for(b.get("stop", "die")))

    def sup_spec(self, auto, depth, path, parent):
        cid = self.new_id("s")
        c = {"id": cid, "type": "supervisor"}
        shutdown = self.weighted([(None, 7), ("infinity", 4), (5000, 1),
                                  ("brutal_kill", 3 if self.k.get("kill_sup") else 1)])
        self.finish_spec(c, auto, shutdown)
        spec, sup = self.sup(depth + 1, path + "/" + cid, parent)
        if self.chance(self.k.get("start_fail", 0.06) * 0.4):
            spec["start"] = self.pick([["ok", "ignore"], ["ignore"], ["ok", "ignore", "ignore"]])
        if self.k.get("kill_sup") and not sup.sofo and self.chance(0.3):
            self.odd_sup(c, spec, sup)
        c["sup"] = spec
        return c, sup

    def odd_sup(self, c, spec, sup):
        """A supervisor killed by its parent's timeout.  Its last child, the
        first to be stopped, never gives in, so the point it is killed at is
        fixed."""
        w = {"id": self.new_id("w"), "shutdown": 1500, "restart": PERMANENT,
             "behaviour": {"stop": "ignore"}}
        spec["children"].append(w)      # not among sup.children: no step may touch it
        sup.sealed = True
        c["shutdown"] = 100
        self.tags.add("sup_timeout")

    def sup(self, depth, path, parent):
        strategy = self.strategy(depth)
        spec = {"flags": self.flags(depth, strategy), "children": []}
        s = Sup(path, spec, parent)
        self.sups.append(s)
        auto = s.flags.get("auto_shutdown", "never")
        if s.sofo:
            t = {"id": self.new_id("t")}
            t = self.finish_spec(t, auto, self.pick([None, 5000, "infinity", "brutal_kill", 40]))
            if depth < 3 and self.chance(0.15):
                t["type"] = "supervisor"
                if t.get("shutdown") == 40:
                    del t["shutdown"]
            spec["children"] = [t]
            return spec, s
        n = self.weighted([(0, 1), (1, 3), (2, 6), (3, 7), (4, 4), (5, 1)])
        if depth == 1 and n < 2:
            n = 2
        if depth == 1 and self.k.get("burst"):
            n = self.r.randint(3, 6)
        for _ in range(n):
            if depth < self.k.get("depth", 3) and self.chance(self.k.get("nest", 0.22)):
                c, sub = self.sup_spec(auto, depth, path, s)
                node = Node(sub.path, s, c)
                sub.node = node
            else:
                c = self.worker_spec(auto)
                node = Node(path + "/" + c["id"], s, c)
                self.workers.append(node)
            s.children.append(node)
            spec["children"].append(c)
        return spec, s

    # ------------------------------------------------------------ the steps
    def live_workers(self):
        return [w for w in self.workers if w.up] or self.workers

    def crash_reason(self):
        return self.pick(CRASHES)

    def any_reason(self):
        if self.k.get("finish"):
            return self.pick(NORMALS) if self.chance(0.6) else self.crash_reason()
        return self.pick(NORMALS) if self.chance(0.3) else self.crash_reason()

    def note_exit(self, w, reason):
        if w.restart == TEMPORARY:
            self.gone(w)
        elif w.restart == TRANSIENT and reason in NORMALS:
            w.up = False

    def gone(self, w):
        w.up = False
        if w in self.workers:
            self.workers.remove(w)
        if w in w.sup.children:
            w.sup.children.remove(w)

    def op_exit(self, w=None, reason=None):
        if not self.workers:
            return
        w = w or self.pick(self.live_workers())
        reason = reason or self.any_reason()
        self.steps.append({"op": "exit", "target": w.path, "reason": reason})
        self.note_exit(w, reason)

    def op_signal(self):
        if self.chance(0.35) and len(self.sups) > 1:
            s = self.pick(self.sups)
            # a kill of a supervisor is a matter of its own (killsup)
            self.steps.append({"op": "signal", "target": s.path,
                               "reason": self.pick(["shutdown", "boom", "normal"])})
            return
        if not self.workers:
            return
        w = self.pick(self.live_workers())
        reason = self.pick(["kill", "kill", "shutdown", "normal", "boom", "{shutdown,done}"])
        self.steps.append({"op": "signal", "target": w.path, "reason": reason})
        if reason == "kill" and w.restart == TEMPORARY:
            self.gone(w)

    def op_kill_sup(self):
        subs = [s for s in self.sups if s.parent]
        if subs:
            self.steps.append({"op": "signal", "target": self.pick(subs).path, "reason": "kill"})
            self.tags.add("kill_sup")

    def op_start_child(self, s=None):
        s = s or self.pick(self.sups)
        if s.sealed:
            return
        if s.sofo:
            return self.start_dynamic(s)
        auto = s.flags.get("auto_shutdown", "never")
        dup = s.children and self.chance(0.2)
        depth = s.path.count("/") + 1
        if dup:
            down = [c for c in s.children if not c.up]
            spec = self.worker_spec(auto, self.pick(down if down and self.chance(0.7) else s.children).id)
        elif depth < 3 and self.chance(0.08):
            spec, sub = self.sup_spec(auto, depth, s.path, s)
            node = Node(sub.path, s, spec)
            sub.node = node
            s.children.append(node)
        else:
            spec = self.worker_spec(auto)
            if self.chance(0.06):
                spec["significant"] = True      # may be refused
                spec["restart"] = self.pick([PERMANENT, TRANSIENT])
            node = Node(s.path + "/" + spec["id"], s, spec)
            s.children.append(node)
            self.workers.append(node)
        self.steps.append({"op": "start_child", "sup": s.path, "spec": spec})

    def start_dynamic(self, s):
        t = s.spec["children"][0]
        key = "k%d" % s.next_dyn
        s.next_dyn += 1
        step = {"op": "start_child", "sup": s.path, "key": key}
        node = Node(s.path + "/" + key, s, dict(t, id=key))
        if t.get("type") == "supervisor":
            spec, sub = self.sup(3, s.path + "/" + key, s)
            sub.node = node
            step["sup_spec"] = spec
        else:
            b = {}
            script = self.start_script(dynamic=True, first=0.12)
            if script:
                b["start"] = script
            if t.get("shutdown") == 40:         # only stubborn ones may be timed out
                b["stop"] = self.pick(["ignore", {"linger": 60000}])
            else:
                stop = self.stop_mode()
                if self.stubborn(stop) and t.get("shutdown") != "brutal_kill":
                    stop = "trap"
                if stop == "unlink":
                    self.tags.add("unlink")
                b["stop"] = stop
            if b:
                step["behaviour"] = b
            self.workers.append(node)
        s.children.append(node)
        self.steps.append(step)

    def child_of(self, s):
        if s.children and self.chance(0.9):
            return self.pick(s.children)
        return None

    def op_child(self, op, s=None):
        # mostly a call that can succeed: restart and delete want a stopped
        # child, terminate wants a running one
        wanted = op == "terminate_child"
        fit = [c for x in self.sups if not x.sofo or wanted for c in x.children
               if c.up == wanted]
        if s is None and not fit and not wanted and self.k.get("api"):
            return self.op_child("terminate_child")
        if s is None and fit and self.chance(0.65):
            c = self.pick(fit)
            s = c.sup
        else:
            s = s or self.pick(self.sups)
            c = self.child_of(s)
        step = {"op": op, "sup": s.path, "child": c.id if c else "nosuch"}
        if s.sofo and c and op in ("terminate_child", "get_childspec") and self.chance(0.85):
            step["by"] = "pid"
        elif s.sofo and op == "get_childspec":
            step["child"] = s.spec["children"][0]["id"]
        self.steps.append(step)
        if c and op == "terminate_child" and (not s.sofo or step.get("by")):
            if c.restart == TEMPORARY or s.sofo:
                self.gone(c)
            else:
                c.up = False
        elif c and op == "restart_child":
            c.up = True
        elif c and op == "delete_child" and not c.up and not s.sofo:
            self.gone(c)

    def op_check(self):
        specs = [self.worker_spec("never", wid) for wid in self.pick([["x"], ["x", "y"], ["x", "x"]])]
        step = {"op": "check_childspecs", "specs": specs}
        if self.chance(0.6):
            step["auto_shutdown"] = self.pick(["never", "any_significant", "all_significant"])
        if self.chance(0.5):
            specs[0]["significant"] = True
        self.steps.append(step)

    def random_step(self):
        k = self.k
        ops = [("exit", 34), ("signal", 7), ("start", 10), ("terminate_child", 8),
               ("restart_child", 7), ("delete_child", 5), ("which_children", 6),
               ("count_children", 5), ("get_childspec", 2), ("check", 1)]
        if k.get("crashy"):
            ops[0] = ("exit", 90)
        if k.get("finish"):
            ops[0] = ("exit", 60)
            ops[3] = ("terminate_child", 14)
        if k.get("api"):
            ops = [("exit", 14), ("signal", 3), ("start", 20), ("terminate_child", 20),
                   ("restart_child", 20), ("delete_child", 14), ("which_children", 8),
                   ("count_children", 8), ("get_childspec", 6), ("check", 6)]
        if k.get("sofo"):
            ops[2] = ("start", 40)
        if k.get("kill_sup"):
            ops.append(("kill_sup", 45))
        op = self.weighted(ops)
        if op == "exit":
            self.op_exit()
        elif op == "signal":
            self.op_signal()
        elif op == "start":
            sofos = [s for s in self.sups if s.sofo]
            self.op_start_child(self.pick(sofos) if sofos and self.chance(0.7) else None)
        elif op == "check":
            self.op_check()
        elif op == "kill_sup":
            self.op_kill_sup()
        elif op in ("which_children", "count_children"):
            self.steps.append({"op": op, "sup": self.pick(self.sups).path})
        else:
            self.op_child(op)

    # ------------------------------------------------------------ profiles
    def scenario(self):
        if self.k.get("bad"):
            tree = self.bad_tree()
        else:
            tree, _ = self.sup(1, "root", None)
            if self.k.get("gate"):
                self.gate(tree)
            elif self.k.get("burst"):
                self.burst()
            elif self.k.get("window"):
                self.window()
            else:
                for s in [s for s in self.sups if s.sofo]:
                    for _ in range(self.r.randint(1, 3)):
                        self.start_dynamic(s)
                for _ in range(self.weighted([(3, 1), (5, 3), (7, 4), (9, 3), (12, 2)])):
                    self.random_step()
            if self.chance(0.12):
                self.steps.append({"op": "parent_exit",
                                   "reason": self.pick(["normal", "shutdown", "boom", "{shutdown,done}",
                                                        "kill", "kill"])})
        if any(st["op"] == "advance" for st in self.steps):
            self.tags.add("advance")
        self.legacy(tree)
        sc = {"id": self.i, "tags": sorted(self.tags), "tree": tree, "steps": self.steps}
        if any("during" in st for st in self.steps):
            w = World()
            w.run(copy.deepcopy(sc))
            if w.racy:
                for st in self.steps:
                    st.pop("during", None)
        return sc

    def legacy(self, tree):
        """About one dynamic scenario in twelve: simple_one_for_one with auto_shutdown,
        which OTP 24 to 27 take and later releases refuse."""
        f = tree["flags"]
        if f.get("strategy") == "simple_one_for_one" and not self.k.get("bad") and self.chance(0.08):
            t = tree["children"][0]
            f["auto_shutdown"] = self.pick(["any_significant", "all_significant"])
            t["restart"] = self.pick([TRANSIENT, TEMPORARY])
            t["significant"] = True
            self.tags.add("sofo_auto_shutdown")

    def crash_in(self, s):
        ws = [c for c in s.children if c in self.workers and c.restart != TEMPORARY]
        if ws:
            self.op_exit(self.pick(ws), self.crash_reason())
        return bool(ws)

    def window(self):
        """Every remembered restart is either well inside the window when it
        counts (age <= period - 1 s) or well outside (age >= period + 2 s)."""
        s = self.pick(self.sups)
        while s.sofo and len(self.sups) > 1 and self.chance(0.9):
            s = self.pick(self.sups)
        if s.sofo:
            for _ in range(2):
                self.start_dynamic(s)
        p, i = s.flags["period"], s.flags["intensity"]
        inside = {"op": "advance", "ms": (p - 1) * 1000}
        outside = {"op": "advance", "ms": (p + 2) * 1000 + 100}
        shape = self.weighted([("old restarts leave", 4), ("inside still counts", 4),
                               ("sliding", 8 if i >= 2 and p == 5 else 0)])
        if shape == "inside still counts":
            # fill the window, wait inside it, one more: gives up
            for _ in range(max(1, i)):
                self.crash_in(s)
            self.steps.append(inside)
            self.crash_in(s)
        elif shape == "sliding":
            self.tags.add("sliding")
            # restarts at 0, 4 (i - 1 of them) and 7.1 s: by then the first is out
            # and the others still count, so the second one there is too many
            self.crash_in(s)
            self.steps.append({"op": "advance", "ms": 4000})
            for _ in range(i - 1):
                self.crash_in(s)
            self.steps.append({"op": "advance", "ms": 3100})
            self.crash_in(s)
            self.crash_in(s)
        else:
            for _ in range(self.r.randint(1, 2)):
                for _ in range(self.r.randint(max(1, i - 1), max(1, i))):
                    self.crash_in(s)
                self.steps.append(dict(outside))
            for _ in range(self.r.randint(i, i + 2)):
                self.crash_in(s)
        self.steps.append({"op": "which_children", "sup": s.path})

    def gate(self, tree):
        """A start that blocks until the step's `during` ops are queued in the
        mailbox of the supervisor, which makes `restarting' visible."""
        self.tags.add("gate")
        cands = [w for w in self.workers if w.restart != TEMPORARY and not w.sup.sofo]
        if self.chance(0.1) and self.gate_significant(tree):
            return
        if not cands or self.chance(0.25):
            s = self.pick([s for s in self.sups if not s.sealed])
            auto = s.flags.get("auto_shutdown", "never")
            if s.sofo:
                self.start_dynamic(s)
                self.start_dynamic(s)
                step = self.steps[-1]
                if "behaviour" in step and self.chance(0.7):
                    step["behaviour"]["start"] = [{"gate": self.pick(["ok", {"error": "e1"}, "ignore"])}]
                    step["during"] = self.during(s, s.children[-1])
            else:
                spec = self.worker_spec(auto)
                spec["behaviour"]["start"] = [{"gate": self.pick(["ok", "ok", {"error": "e1"}, "ignore"])}]
                node = Node(s.path + "/" + spec["id"], s, spec)
                step = {"op": "start_child", "sup": s.path, "spec": spec}
                self.steps.append(step)
                step["during"] = self.during(s, node)
                s.children.append(node)
                self.workers.append(node)
        else:
            w = self.pick(cands)
            b = w.spec.setdefault("behaviour", {})
            fails = self.weighted([(0, 3), (1, 5), (2, 2)])
            script = ["ok"] + [{"error": self.pick(["e1", "e2"])} for _ in range(fails)]
            script.append({"gate": self.weighted([("ok", 3), ("ignore", 1), ({"error": "e3"}, 7),
                                                  ({"exit": "e4"}, 1)])})
            if self.chance(0.3):
                script += [{"error": "e5"}] * self.r.randint(1, 2)
            b["start"] = script
            if b.get("stop") == "unlink":
                b["stop"] = "trap"
            # no sibling may be unlinked either: a burst waits for its exit signal
            if w.sup.flags["intensity"] < fails + 1 and self.chance(0.8):
                w.sup.flags["intensity"] = fails + self.r.randint(1, 3)
            if self.chance(0.3):
                others = [x for x in w.sup.children if x is not w and x in self.workers
                          and x.restart != TEMPORARY]
                trigger = self.pick(others) if others and w.sup.strategy != "one_for_one" else w
            else:
                trigger = w
            ops = self.during(w.sup, w)
            if self.chance(0.35) and isinstance(script[fails + 1]["gate"], dict):
                ops.insert(self.r.randint(0, len(ops)),
                           {"op": "terminate_child", "sup": w.sup.path, "child": w.id})
            self.steps.append({"op": "exit", "target": trigger.path, "reason": self.crash_reason(),
                               "during": ops})
        for _ in range(self.r.randint(1, 5)):
            self.random_step()

    def gate_significant(self, tree):
        """all_significant: a restarting child still counts as there."""
        s = self.sups[0]
        ws = [c for c in s.children if c in self.workers
              and c.spec.get("behaviour", {}).get("stop") != "unlink"]
        if s.sofo or s.strategy != "one_for_one" or len(ws) < 2:
            return False
        self.tags.add("gate_significant")
        s.flags.update(auto_shutdown="all_significant", intensity=3)
        for c in s.spec["children"]:
            c.pop("significant", None)
        w, m = ws[0], ws[1]
        for c in (w, m):
            c.spec.update(restart=TRANSIENT, significant=True)
        m.spec["behaviour"].pop("start", None)
        w.spec["behaviour"]["start"] = ["ok", {"gate": {"error": "e1"}},
                                        self.pick(["ok", "ignore", {"error": "e2"}])]
        self.steps.append({"op": "exit", "target": w.path, "reason": self.crash_reason(),
                           "during": [{"op": "exit", "target": m.path, "reason": self.pick(NORMALS)},
                                      {"op": "which_children", "sup": s.path}]})
        self.steps.append({"op": "exit", "target": w.path, "reason": self.pick(NORMALS)})
        return True

    def burst(self):
        """Several children of one supervisor are dead before it sees the first
        exit: they die while it is blocked in the start of one more child."""
        self.tags.update(("gate", "burst"))
        s = self.sups[0]
        for _ in range(self.weighted([(1, 3), (2, 1)])):
            if s.sofo:
                for _ in range(3):
                    self.start_dynamic(s)
            mates = [c for c in s.children if c in self.workers and c.up
                     and "unlink" not in json.dumps([c.spec] + (self.steps if s.sofo else []))]
            self.r.shuffle(mates)
            mates = mates[:self.r.randint(2, 4)]
            if not mates:
                return
            start = [{"gate": self.weighted([("ok", 5), ({"error": "e1"}, 2)])}]
            if s.sofo:
                self.start_dynamic(s)
                step = self.steps[-1]
                if "behaviour" not in step:
                    return
                step["behaviour"]["start"] = start
            else:
                spec = self.worker_spec(s.flags.get("auto_shutdown", "never"))
                spec["behaviour"]["start"] = start
                step = {"op": "start_child", "sup": s.path, "spec": spec}
                self.steps.append(step)
                if start[0]["gate"] == "ok":
                    node = Node(s.path + "/" + spec["id"], s, spec)
                    s.children.append(node)
                    self.workers.append(node)
            step["during"] = []
            for m in mates:
                reason = self.any_reason()
                step["during"].append({"op": "exit", "target": m.path, "reason": reason})
                self.note_exit(m, reason)
                if self.chance(0.25):
                    step["during"].append({"op": self.pick(["which_children", "count_children"]),
                                           "sup": s.path})
            for _ in range(self.r.randint(0, 3)):
                self.random_step()

    def during(self, s, w):
        """1 to 5 ops that queue up behind the blocked start of w under s."""
        ops = []
        mates = [c for c in s.children if c is not w and c in self.workers
                 and c.spec.get("behaviour", {}).get("stop") != "unlink"
                 and c.restart is not None]
        if s.sofo:
            mates = [c for c in mates if "unlink" not in json.dumps(self.steps)]
        dead = set()
        for _ in range(self.r.randint(1, 5)):
            kind = self.weighted([("which_children", 5), ("count_children", 3), ("restart_child", 4),
                                  ("delete_child", 3), ("terminate_child", 3), ("start_child", 3),
                                  ("exit", 6)])
            if kind == "exit":
                alive = [m for m in mates if m.path not in dead]
                if not alive:
                    continue
                m = self.pick(alive)
                dead.add(m.path)
                ops.append({"op": "exit", "target": m.path, "reason": self.any_reason()})
            elif kind in ("which_children", "count_children"):
                ops.append({"op": kind, "sup": s.path})
            elif kind == "start_child":
                if s.sofo or s.sealed:
                    continue
                spec = self.worker_spec(s.flags.get("auto_shutdown", "never"),
                                        w.id if self.chance(0.6) else None)
                ops.append({"op": "start_child", "sup": s.path, "spec": spec})
            else:
                c = w if self.chance(0.75) or not mates else self.pick(mates)
                if s.sofo:
                    # by id only: a restarting dynamic child has no live pid
                    ops.append({"op": kind, "sup": s.path, "child": s.spec["children"][0]["id"]})
                else:
                    ops.append({"op": kind, "sup": s.path, "child": c.id})
        return ops or [{"op": "which_children", "sup": s.path}]

    def bad_tree(self):
        """Specifications OTP refuses (only what typed code can express)."""
        kind = self.pick(["dup", "sig_never", "sig_permanent", "sofo_none", "sofo_two", "period",
                          "nested_dup", "nested_sig", "start_child"])
        self.tags.add("bad_" + kind)
        sub = {"flags": {"strategy": self.pick(STRATEGIES)}, "children": [{"id": "x"}, {"id": "y"}]}
        tree = {"flags": {"strategy": self.pick(STRATEGIES), "intensity": 1, "period": FOREVER},
                "children": [{"id": "a"}, {"id": "b", "restart": self.pick([TRANSIENT, TEMPORARY])}]}
        if kind == "dup":
            tree["children"].append({"id": self.pick(["a", "b"])})
        elif kind == "sig_never":
            tree["children"][1]["significant"] = True
        elif kind == "sig_permanent":
            tree["flags"]["auto_shutdown"] = self.pick(["any_significant", "all_significant"])
            tree["children"][0]["significant"] = True
        elif kind in ("sofo_none", "sofo_two"):
            tree["flags"]["strategy"] = "simple_one_for_one"
            if kind == "sofo_none":
                tree["children"] = []
        elif kind == "period":
            tree["flags"]["period"] = 0
        elif kind in ("nested_dup", "nested_sig"):
            if kind == "nested_dup":
                sub["children"].append({"id": "x"})
            else:
                sub["children"][0].update(significant=True, restart=TRANSIENT)
            tree["children"].append({"id": "s", "type": "supervisor", "sup": sub})
        else:
            self.steps += [
                {"op": "start_child", "sup": "root",
                 "spec": {"id": "c", "significant": True, "restart": self.pick([TRANSIENT, PERMANENT])}},
                {"op": "start_child", "sup": "root",
                 "spec": {"id": "s", "type": "supervisor",
                          "sup": {"flags": {"period": 0}, "children": []}}},
                {"op": "start_child", "sup": "root",
                 "spec": {"id": "s", "type": "supervisor",
                          "sup": {"flags": {}, "children": [{"id": "x"}, {"id": "x"}]}}},
                {"op": "which_children", "sup": "root"}]
        return tree


def generate(seed, count):
    for i in range(1, count + 1):
        yield Gen(seed, i).scenario()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=100)
    p.add_argument("--first-id", type=int, default=1)
    o = p.parse_args()
    for s in generate(o.seed, o.count):
        s["id"] += o.first_id - 1
        print(json.dumps(s, separators=(",", ":")))


if __name__ == "__main__":
    main()
