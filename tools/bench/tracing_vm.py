"""What tracing costs in instructions, with each of the probe sets, on a kernel that has them all.

tools/bench/tracing --vm calls measure(). The machine is emulated and its clock counts instructions (tests/vm/boot
--icount), so processor time is a number of instructions: the same whatever else the host does, and nothing about caches,
mispredicted branches or mitigations. One processor, so that the collector and the command take turns.
"""

import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
KERNEL = "6.12"
SETS = ("lsm", "tracepoint")  # as TREADLINE_PROBES has them
WORKLOADS = {
    "start and end (true)": "true",
    "compile (two C files, make)": "rm -f *.o; make -s -j1",
    "open-heavy scan (cat of {files} files)": "find /tmp/scan -type f -print0 | xargs -0 cat -- >/dev/null",
}
CALLS = ("getppid", "read", "write", "stat", "open")
MAKEFILE = "all: calls.o storm.o\n%.o: %.c\n\t$(CC) -O1 -c -o $@ $<\n"


def measure(options):
    """The report's part about instructions."""
    with tempfile.TemporaryDirectory(prefix="treadline-vm-bench-") as share:
        share = pathlib.Path(share)
        share.chmod(0o755)
        subprocess.run(["cc", "-O2", "-o", share / "calls", HERE / "calls.c"], check=True)
        subprocess.run(["tar", "cf", share / "scan.tar", "-C", "/usr/include", "."], check=True)
        shutil.copy(HERE / "calls.c", share)
        shutil.copy(TOP / "tests/programs/storm.c", share)
        binaries = options.bin.resolve()
        begun = time.monotonic()
        subprocess.run([TOP / "tests/vm/boot", "--kernel", KERNEL, "--icount", "--cpus", "1", "--share", share, "--keep", binaries,
                        "--timeout", "1800", "--", "python3", pathlib.Path(__file__).resolve(), binaries, options.user,
                        "quick" if options.quick else "all"], check=True)
        print(f"virtual machine: {time.monotonic() - begun:.0f} s", file=sys.stderr)
        return json.loads((share / "figures.json").read_text())


def of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1e9


class Guest:
    """In the machine, as root. Files lie in memory: what 9p does to reach the host's is neither's to count."""

    def __init__(self, binaries, user):
        self.binaries, self.user = pathlib.Path(binaries), user
        self.shared = pathlib.Path("/run/vm")
        self.folder = pathlib.Path("/tmp/bench")
        private = pathlib.Path("/run/treadline")  # 9p carries no file capabilities
        private.mkdir()
        for program in ("treadline", "treadline-collector"):
            shutil.copy(self.binaries / program, private)
        subprocess.run(["setcap", "cap_bpf,cap_perfmon+ep", private / "treadline-collector"], check=True)
        self.treadline = private / "treadline"
        self.folder.mkdir()
        (self.folder / "scan").mkdir()
        for name in ("calls", "calls.c", "storm.c"):
            shutil.copy(self.shared / name, self.folder)
        (self.folder / "Makefile").write_text(MAKEFILE)
        pathlib.Path("/tmp/scan").mkdir()
        subprocess.run(["tar", "xf", self.shared / "scan.tar", "-C", "/tmp/scan", "--no-same-owner"], check=True)
        self.files = sum(len(files) for _, _, files in os.walk("/tmp/scan"))
        subprocess.run(["chown", "-R", user, self.folder, "/tmp/scan"], check=True)

    def run(self, tracer, words):
        """Runs the words; nanoseconds of a processor that all took, tracer and all."""
        for leftover in ("out", "p.yaml", "trace.db", "trace.db-wal", "trace.db-shm"):
            (self.folder / leftover).unlink(missing_ok=True)
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.folder), "USER": self.user,
                       "XDG_STATE_HOME": str(self.folder / "state")}
        if tracer != "untraced":
            environment["TREADLINE_PROBES"] = tracer
            words = [self.treadline, "learn", "--store", "trace.db", "-p", "p.yaml", "--", *words]
        before = of_children()
        done = subprocess.run(["runuser", "-u", self.user, "--", *words], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        whole = of_children() - before
        if done.returncode != 0:
            sys.exit(f"tracing: {tracer}: {words} ended with {done.returncode}: {done.stdout}")
        return whole

    def workload(self, name, shell):
        row = {"workload": name.format(files=self.files)}
        words = [self.folder / "calls", "run", self.folder / "out", "sh", "-ec", shell]
        self.run("untraced", words)  # fills the caches
        for tracer in ("untraced", *SETS):
            whole = self.run(tracer, words)
            row[tracer] = {"itself": float((self.folder / "out").read_text().split()[1]) * 1e9, "whole": whole}
        return row

    def calls(self, rounds):
        """All in one run: to start and end one takes longer than to measure."""
        rows = [{"call": name} for name in CALLS]
        shell = "; ".join(f"./calls {name} {rounds} {name}.out calls.c" for name in CALLS)
        for tracer in ("untraced", *SETS):
            self.run(tracer, ["sh", "-ec", shell])
            for row in rows:
                row[tracer] = float((self.folder / f"{row['call']}.out").read_text().split()[0])
        return rows


def markdown(part):
    """The report's part as lines."""
    sets = part["sets"]
    lines = [
        "",
        "## Instructions, not time",
        "",
        f"In an emulated machine with Linux {part['kernel']} whose clock counts instructions, one processor, files in memory; made by",
        "`tools/bench/tracing --vm`. It says what each probe set makes a processor execute where all of them can be had (`lsm`: BPF",
        "LSM programs beside the system call tracepoint), and nothing about caches, branches or mitigations. *Itself* is what ran in",
        "the command's own processes, probes included; *beside* what the collector and `learn` executed, as a share of the",
        "untraced command (their fixed part, the first row, taken off).",
        "",
        "| workload | untraced | " + " | ".join(sets) + " |",
        "| --- | --- |" + " --- |" * len(sets),
    ]
    fixed = part["workloads"][0]
    for row in part["workloads"]:
        plain = row["untraced"]["itself"]
        cells = []
        for name in sets:
            rest = row[name]["whole"] - row[name]["itself"]
            if row is fixed:
                cells.append(f"+{(row[name]['whole'] - row['untraced']['whole']) / 1e6:.0f} M")
            else:
                beside = (rest - (fixed[name]["whole"] - fixed[name]["itself"])) / plain
                cells.append(f"itself {row[name]['itself'] / plain:.3f}, beside {beside:.2f}")
        lines.append(f"| {row['workload']} | {plain / 1e6:.0f} M | " + " | ".join(cells) + " |")
    lines += ["", "What one system call executes more:", "", "| call | untraced | " + " | ".join(sets) + " |", "| --- | --- |" + " --- |" * len(sets)]
    for row in part["calls"]:
        lines.append(f"| {row['call']} | {row['untraced']:.0f} | " + " | ".join(f"{row[name] - row['untraced']:+.0f}" for name in sets) + " |")
    return lines


def main(binaries, user, extent):
    guest = Guest(binaries, user)
    part = {"kernel": os.uname().release, "sets": list(SETS), "workloads": []}
    for name, shell in WORKLOADS.items():
        part["workloads"].append(guest.workload(name, shell))
        print(json.dumps(part["workloads"][-1]), flush=True)
    part["calls"] = guest.calls(1000 if extent == "quick" else 10000)
    (guest.shared / "figures.json").write_text(json.dumps(part))


if __name__ == "__main__":
    main(*sys.argv[1:])
