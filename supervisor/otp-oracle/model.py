#!/usr/bin/env python3
"""A model of OTP's supervisor, written from its documentation alone.

    model.py < scenarios.jsonl > traces.jsonl

One thread, virtual time, no Erlang.  It exists to check that the specification
and the trace format say enough: its traces must equal those of OTP.
"""
import json
import sys
from math import floor

INF = float("inf")
NORMAL = ("normal", "shutdown")


def normal_class(r):
    return r in NORMAL or r.startswith("{shutdown,")


class Slot:
    """A child record.  pid: an actor, None (undefined) or "restarting"."""

    def __init__(self, spec, extra=None):
        self.spec, self.extra, self.pid = spec, extra, None
        self.id = spec["id"]
        self.restart = spec.get("restart", "permanent")
        self.significant = spec.get("significant", False)
        self.type = spec.get("type", "worker")
        self.shutdown = spec.get("shutdown", 5000 if self.type == "worker" else "infinity")


class Worker:
    kind = "worker"

    def __init__(self, w, path, n, stop, parent):
        self.w, self.path, self.n, self.stop, self.parent = w, path, n, stop, parent
        self.alive, self.termed, self.linked = True, False, stop != "unlink"
        w.actors.append(self)
        w.names[path] = self
        w.ev("start", path, n)

    def term(self, reason):
        self.termed = True
        self.w.ev("term", self.path, self.n, reason)

    def exit(self, reason, tell=True):
        self.alive = False
        self.w.ev("exit", self.path, self.n, reason)
        if tell and self.linked and self.parent.alive:
            self.parent.mail.append(("EXIT", self, reason))

    def stop_self(self, reason):
        self.term(reason)
        self.exit(reason)

    def ask_to_stop(self, reason, budget):
        """Exit signal of its parent.  Time until it is down, INF if never;
        within the budget (ms) it is down with self.last as its reason."""
        if self.stop in ("die", "unlink"):
            self.last = reason
            self.exit(reason, False)
            return 0
        self.term(reason)
        need, last = 0, reason
        if self.stop == "ignore":
            need = INF
        elif isinstance(self.stop, dict) and "linger" in self.stop:
            need = self.stop["linger"]
        elif isinstance(self.stop, dict):
            last = self.stop["exit"]
        if need <= budget:
            self.last = last
            self.exit(last, False)
        return need

    def kill(self):
        self.last = "killed"
        self.exit("killed", False)

    def parent_died(self, reason):
        if not self.alive or not self.linked:
            return
        if self.termed:
            return                      # stuck in terminate: an orphan
        if self.stop == "ignore" or (isinstance(self.stop, dict)
                                     and self.stop.get("linger", 0) > 1000):
            self.term(reason)           # will never answer
        else:
            self.ask_to_stop(reason, INF)


class Failed(Exception):
    pass


class Supervisor:
    kind = "sup"

    def __init__(self, w, path, spec, parent):
        self.w, self.path, self.parent, self.spec = w, path, parent, spec
        self.alive, self.termed, self.up = True, False, False
        self.mail, self.restarts, self.slots, self.stopping = [], [], [], None
        f = spec.get("flags", {})
        self.strategy = f.get("strategy", "one_for_one")
        self.intensity, self.period = f.get("intensity", 1), f.get("period", 5)
        self.auto = f.get("auto_shutdown", "never")
        self.sofo = self.strategy == "simple_one_for_one"

    # --- start ----------------------------------------------------------
    def start(self):
        """None, or the start error."""
        w = self.w
        self.n = w.attempt(self.path)
        self.linked = True
        script = self.spec.get("start", [])
        if self.n <= len(script) and script[self.n - 1] == "ignore":
            self.alive = False
            w.ev("nostart", self.path, self.n, "ignore")
            return "ignore"
        w.actors.append(self)
        w.names[self.path] = self
        w.ev("sup_start", self.path, self.n, self.strategy)
        why = self.check()
        if why:
            return self.fail(why)
        if self.sofo:
            self.template = Slot(self.spec["children"][0])
            self.up = True
            return None
        self.slots = [Slot(c) for c in self.spec.get("children", [])]
        bad = self.start_slots(self.slots[:])
        if bad:
            slot, r = bad
            self.stop_slots(self.slots)
            return self.fail("{shutdown,{failed_to_start_child,%s,%s}}" % (slot.id, r))
        self.up = True
        return None

    def fail(self, why):
        self.leave(why)
        return why

    def check(self):
        if self.period <= 0:
            return "{supervisor_data,{invalid_period,%d}}" % self.period
        specs = self.spec.get("children", [])
        if self.sofo and len(specs) != 1:
            return "{bad_start_spec,%d}" % len(specs)
        why = check_specs(specs, self.auto)
        return "{start_spec,%s}" % why if why else None

    def start_slots(self, slots):
        """Left to right; at the first failure report it and return (slot, reason)."""
        for s in slots:
            kind, val = self.launch(s)
            if kind == "error":
                self.report("start_error", val, s.id)
                return s, val
            s.pid = val
            if val is None and s.restart == "temporary":
                self.slots.remove(s)
        return None

    def launch(self, slot):
        """Run the start function: ("ok", actor or None) or ("error", reason)."""
        w = self.w
        self.info = False
        path = self.path + "/" + (slot.extra[0] if slot.extra else slot.id)
        body = slot.extra[1] if slot.extra else slot.spec
        if slot.type == "supervisor":
            sup = Supervisor(w, path, body if slot.extra else body["sup"], self)
            err = sup.start()
            if err == "ignore":
                return "ok", None
            return ("error", err) if err else ("ok", sup)
        beh = body if slot.extra else body.get("behaviour", {})
        n = w.attempt(path)
        script = beh.get("start", [])
        res = script[n - 1] if n <= len(script) else "ok"
        if isinstance(res, dict) and "gate" in res:
            w.at_gate(self)
            res = res["gate"]
        if res in ("ok", "ok_info"):
            self.info = res == "ok_info"
            return "ok", Worker(w, path, n, beh.get("stop", "die"), self)
        if res == "ignore":
            w.ev("nostart", path, n, "ignore")
            return "ok", None
        if res == "timeout":
            w.ev("nostart", path, n, "timeout")
            return "error", "timeout"
        (k, r), = res.items()
        w.ev("nostart", path, n, "%s:%s" % (k, r))
        return "error", r

    def report(self, ctx, reason, child):
        self.w.ev("report", self.path, self.n, ctx, reason, child)

    # --- stop -----------------------------------------------------------
    def stop_slot(self, s, budget):
        """Stop protocol for one child.  Returns the time it took; None when
        the supervisor itself ran out of its own budget in the middle."""
        a = s.pid
        if a is None or a == "restarting":
            return 0
        limit = INF if s.shutdown in ("infinity", "brutal_kill") else s.shutdown
        took, how = 0, None
        if not a.alive:
            how = "noproc"
        elif s.shutdown == "brutal_kill":
            a.kill()
            how = a.last
        else:
            took = a.ask_to_stop("shutdown", min(limit, budget))
            if took > budget and budget <= limit:
                return None
            if took > limit:
                a.kill()
                took = limit
            how = a.last
        for m in self.mail:
            if m[0] == "EXIT" and m[1] is a:
                how = m[2]
                self.mail.remove(m)
                break
        if not self.fine(s, how):
            self.report("shutdown_error", how, s.id)
        return took

    @staticmethod
    def fine(s, how):
        if how == ("killed" if s.shutdown == "brutal_kill" else "shutdown"):
            return True
        return normal_class(how) and s.restart != "permanent"

    def stop_slots(self, slots, budget=INF):
        took = 0
        for s in reversed(slots):
            t = self.stop_slot(s, budget - took)
            if t is None:
                return None
            took += t
            if s.restart == "temporary":
                self.slots.remove(s)
            else:
                s.pid = None
        return took

    def stop_dynamic(self, budget):
        limit = INF if self.template.shutdown in ("infinity", "brutal_kill") else self.template.shutdown
        wrong, took, stuck = {}, 0, []
        live = [s for s in self.slots if s.pid != "restarting"]
        for s in sorted(live, key=lambda s: s.extra[0]):
            a = s.pid
            if not a.alive:
                how = "noproc"
            elif limit == INF and self.template.shutdown == "brutal_kill":
                a.kill()
                how = a.last
            else:
                t = a.ask_to_stop("shutdown", min(limit, budget))
                if t > budget and budget <= limit:
                    stuck.append(s)
                    continue
                if t > limit:
                    a.kill()
                took = max(took, min(t, limit))
                how = a.last
            for m in self.mail:
                if m[0] == "EXIT" and m[1] is a:
                    how = m[2]
            if not self.fine(s, how):
                wrong[how] = wrong.get(how, 0) + 1
        if stuck:
            return None
        for how in sorted(wrong):
            self.report("shutdown_error", how, "%s*%d" % (self.template.id, wrong[how]))
        return took

    def ask_to_stop(self, reason, budget):
        took = self.stop_dynamic(budget) if self.sofo else self.stop_slots(self.slots[:], budget)
        if took is None:
            self.stopping = reason      # stuck in the middle of it
            return INF
        self.last = reason
        self.leave(reason)
        return took

    def leave(self, reason):
        self.alive = False
        self.w.ev("sup_exit", self.path, self.n, reason)
        self.last = reason
        for m in self.mail:
            if m[0] == "call":
                m[2].append("exit:" + reason)
        self.mail = []

    def kill(self):
        self.leave("killed")
        for s in self.slots:
            if s.pid not in (None, "restarting"):
                s.pid.parent_died("killed")

    def parent_died(self, reason):
        if self.alive and self.stopping:
            self.go_on()
        elif self.alive:
            self.ask_to_stop(reason, INF)

    def go_on(self):
        """It was stopping already: that goes on, with the reason it had."""
        for s in reversed(self.slots[:]):
            a = s.pid
            if a in (None, "restarting") or not a.alive or not (a.termed or getattr(a, "stopping", None)):
                self.stop_slot(s, INF)
            elif s.shutdown != "infinity":
                a.kill()
                if not self.fine(s, a.last):
                    self.report("shutdown_error", a.last, s.id)
            elif a.kind == "sup":
                a.go_on()
            else:
                return                  # waits for ever
        self.leave(self.stopping)

    def end(self, reason):
        """Ends by itself; the parent hears of it."""
        self.ask_to_stop(reason, INF)
        if self.parent and self.parent.alive:
            self.parent.mail.append(("EXIT", self, reason))

    # --- the loop -------------------------------------------------------
    def handle(self, m):
        if m[0] == "EXIT":
            slot = next((s for s in self.slots if s.pid is m[1]), None)
            if slot:
                self.child_exit(slot, m[2])
        elif m[0] == "retry":
            if m[1] in self.slots and m[1].pid == "restarting":
                self.restart(m[1])
        else:
            m[2].append(self.call(m[1]))

    def child_exit(self, s, reason):
        label = s.id if not s.extra else self.template.id
        if s.restart == "permanent" or (s.restart == "transient" and not normal_class(reason)):
            self.report("child_terminated", reason, label)
            return self.restart(s)
        if not normal_class(reason):
            self.report("child_terminated", reason, label)
        self.forget(s)
        if self.auto == "never" or not s.significant:
            return
        if self.auto == "all_significant":
            if self.sofo and self.slots:
                return
            if any(x.significant and x.pid is not None for x in self.slots):
                return
        self.end("shutdown")

    def forget(self, s):
        s.pid = None
        if s.restart == "temporary" or self.sofo:
            self.slots.remove(s)

    def restart(self, s):
        now = floor(self.w.now)
        self.restarts = [now] + [t for t in self.restarts if t >= now - self.period]
        if len(self.restarts) > self.intensity:
            self.report("shutdown", "reached_max_restart_intensity",
                        s.id if not s.extra else self.template.id)
            self.forget(s)
            return self.end("shutdown")
        if self.strategy in ("one_for_one", "simple_one_for_one"):
            kind, val = self.launch(s)
            if kind == "ok":
                s.pid = val
                if val is None and self.sofo:
                    self.slots.remove(s)
            else:
                s.pid = "restarting"
                self.report("start_error", val, s.id if not s.extra else self.template.id)
                self.mail.append(("retry", s))
            return
        group = self.slots[:] if self.strategy == "one_for_all" else self.slots[self.slots.index(s):]
        s.pid = None
        self.stop_slots(group)
        bad = self.start_slots([x for x in group if x in self.slots])
        if bad:
            bad[0].pid = "restarting"
            self.mail.append(("retry", bad[0]))

    # --- API ------------------------------------------------------------
    def call(self, op):
        return getattr(self, "do_" + op["op"])(op)

    def find(self, op):
        if op.get("by") == "pid":
            if not self.sofo:
                return None
            a = self.w.names.get(self.path + "/" + op["child"])
            return next((s for s in self.slots if s.pid is a), None)
        return next((s for s in self.slots if s.id == op["child"]), None)

    def do_start_child(self, op):
        if self.sofo:
            s = Slot(self.template.spec, (op["key"], op.get("sup_spec", op.get("behaviour", {}))))
            kind, val = self.launch(s)
            if kind == "error":
                return "failed:" + val
            if val is None:
                return "ok:undefined"
            s.pid = val
            self.slots.append(s)
            return "ok:#%d%s" % (val.n, ":info" if self.info else "")
        why = check_specs([op["spec"]], self.auto)
        if why:
            return "error:" + why
        s = Slot(op["spec"])
        old = next((x for x in self.slots if x.id == s.id), None)
        if old:
            if old.pid in (None, "restarting"):
                return "error:already_present"
            return "error:{already_started,#%d}" % old.pid.n
        kind, val = self.launch(s)
        if kind == "error":
            return "failed:" + val
        s.pid = val
        if val is not None or s.restart != "temporary":
            self.slots.append(s)
        if val is None:
            return "ok:undefined"
        return "ok:#%d%s" % (val.n, ":info" if self.info else "")

    def do_terminate_child(self, op):
        if self.sofo:
            if op.get("by") != "pid":
                return "error:simple_one_for_one"
            s = self.find(op)
            if s:
                self.stop_slot(s, INF)
                self.slots.remove(s)
                return "ok"
            a = self.w.names.get(self.path + "/" + op["child"])
            return "error:not_found" if a.alive else "ok"
        s = self.find(op)
        if not s:
            return "error:not_found"
        self.stop_slot(s, INF)
        self.forget(s)
        return "ok"

    def do_restart_child(self, op):
        if self.sofo:
            return "error:simple_one_for_one"
        s = self.find(op)
        if not s:
            return "error:not_found"
        if s.pid is not None:
            return "error:restarting" if s.pid == "restarting" else "error:running"
        kind, val = self.launch(s)
        if kind == "error":
            return "failed:" + val
        s.pid = val
        if val is None:
            return "ok:undefined"
        return "ok:#%d%s" % (val.n, ":info" if self.info else "")

    def do_delete_child(self, op):
        if self.sofo:
            return "error:simple_one_for_one"
        s = self.find(op)
        if not s:
            return "error:not_found"
        if s.pid is not None:
            return "error:restarting" if s.pid == "restarting" else "error:running"
        self.slots.remove(s)
        return "ok"

    def do_get_childspec(self, op):
        s = self.find(op)
        if self.sofo and not s:
            a = self.w.names.get(self.path + "/" + op["child"])
            if op["child"] == self.template.id or (op.get("by") == "pid" and not a.alive):
                s = self.template
        if not s:
            return "error:not_found"
        return {"id": s.id, "restart": s.restart, "shutdown": s.shutdown,
                "significant": s.significant, "type": s.type}

    def do_which_children(self, op=None):
        show = lambda p: "undefined" if p is None else p if p == "restarting" else "#%d" % p.n
        if self.sofo:
            l = [[None if s.pid == "restarting" else s.extra[0], show(s.pid), s.type] for s in self.slots]
            return sorted(l, key=lambda x: (x[0] is not None, x[0] or "", x[1:]))
        return [[s.id, show(s.pid), s.type] for s in reversed(self.slots)]

    def do_count_children(self, op=None):
        sups = sum(s.type == "supervisor" for s in self.slots)
        if self.sofo:
            act = sum(s.pid != "restarting" for s in self.slots)
        else:
            act = sum(s.pid not in (None, "restarting") and s.pid.alive for s in self.slots)
        return {"specs": 1 if self.sofo else len(self.slots), "active": act,
                "supervisors": sups, "workers": len(self.slots) - sups}


def check_specs(specs, auto):
    """auto None: the rule about `never' is not applied."""
    seen = set()
    for c in specs:
        if c.get("significant"):
            if auto == "never":
                return "{bad_combination,[{auto_shutdown,never},{significant,true}]}"
            if c.get("restart", "permanent") == "permanent":
                return "{bad_combination,[{restart,permanent},{significant,true}]}"
        if c["id"] in seen:
            return "{duplicate_child_name,%s}" % c["id"]
        seen.add(c["id"])
    return None


class World:
    def __init__(self):
        self.events, self.actors, self.names, self.attempts = [], [], {}, {}
        self.now, self.during, self.late, self.racy = 0.0, None, None, False

    def ev(self, *e):
        self.events.append(list(e))

    def take(self):
        e, self.events = self.events, []
        return e

    def attempt(self, path):
        self.attempts[path] = self.attempts.get(path, 0) + 1
        return self.attempts[path]

    def target(self, path):
        a = self.names.get(path)
        return a if a and a.alive and not a.termed else None

    def at_gate(self, sup):
        if self.during is None:
            return
        if not sup.up:
            # sup is in its own init: once it is up, it and its parent go on at
            # the same time, so what it does with these ops is a race
            self.racy = True
        ops, self.during, self.late = self.during, None, []
        for op in ops:
            box = []
            self.late.append(box)
            self.perform(op, box)

    def perform(self, op, box):
        """Cause the op; the result lands in box, at once or later."""
        kind = op["op"]
        if kind == "exit":
            a = self.target(op["target"])
            if not a or a.kind != "worker":
                return box.append("noproc")
            a.stop_self(op["reason"])
            return box.append("ok")
        if kind == "signal":
            a = self.target(op["target"])
            if not a:
                return box.append("noproc")
            r = op["reason"]
            if r == "kill":
                a.kill()
                if a.linked and a.parent and a.parent.alive:
                    a.parent.mail.append(("EXIT", a, "killed"))
            elif a.kind == "worker" and a.stop in ("die", "unlink") and r != "normal":
                a.exit(r)
            return box.append("ok")
        if kind == "parent_exit":
            if op["reason"] == "kill":
                self.root.kill()
            else:
                self.root.ask_to_stop(op["reason"], INF)
            return box.append("ok")
        if kind == "advance":
            self.now += op["ms"] / 1000
            return box.append("ok")
        if kind == "check_childspecs":
            why = check_specs(op["specs"], op.get("auto_shutdown"))
            return box.append("error:" + why if why else "ok")
        sup = self.target(op["sup"])
        if not sup or sup.kind != "sup":
            return box.append("noproc")
        if op.get("by") == "pid" and op["sup"] + "/" + op["child"] not in self.names:
            return box.append("nopid")
        sup.mail.append(("call", op, box))

    def drain(self):
        while True:
            s = next((a for a in self.actors if a.kind == "sup" and a.alive and a.mail), None)
            if not s:
                return
            s.handle(s.mail.pop(0))

    def run(self, sc):
        self.root = Supervisor(self, "root", sc["tree"], None)
        self.root.linked = False
        err = self.root.start()
        steps = [{"op": "start", "r": "ignore" if err == "ignore" else "error:" + err if err else "ok"}]
        self.drain()
        steps[0]["ev"] = self.take()
        for st in sc["steps"]:
            if not self.root.alive:
                break
            box, out = [], {"op": st["op"]}
            self.during, self.late = st.get("during"), None
            self.perform(st, box)
            self.drain()
            out["r"] = box[0]
            if "during" in st:
                out["dr"] = [b[0] for b in self.late] if self.late is not None else "nogate"
            self.during = None
            out["ev"] = self.take()
            steps.append(out)
        final = stop = None
        if self.root.alive:
            sups = sorted((a for a in self.actors if a.kind == "sup" and a.alive), key=lambda a: a.path)
            final = [{"sup": a.path, "which": a.do_which_children(), "count": a.do_count_children()}
                     for a in sups]
            self.root.ask_to_stop("shutdown", INF)
            stop = self.take()
        orphans = sorted("%s#%d" % (a.path, a.n) for a in self.actors if a.alive)
        return {"id": sc["id"], "steps": steps, "final": final, "stop": stop, "orphans": orphans}


if __name__ == "__main__":
    for line in sys.stdin:
        if line.strip():
            print(json.dumps(World().run(json.loads(line)), separators=(",", ":"), sort_keys=True))
