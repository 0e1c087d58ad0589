"""The tables of tools/bench/quality: what was measured of each workload, in short, as JSON, Markdown and a plot."""

import json
import math
import statistics

METHODS = ("treadline", "exact", "fold4", "fold50", "gradm")
TITLES = {"treadline": "Treadline", "exact": "exact list", "fold4": "fold at 4", "fold50": "fold at 50", "gradm": "gradm's score"}
GOALS = {"read": 1.5, "write": 1.1, "exec": 1.2}
BY_HAND = "## Why, where a goal is missed"


def exposure_of(found):
    """{ratio, reachable, touched}; the ratio is none where something can be reached and nothing was touched."""
    reachable, touched = found["reachable"], found["touched"]
    ratio = reachable / touched if touched else None if reachable else 1.0
    return {"ratio": ratio, **found}


def judged(figures):
    """One method's figures for one number of learned runs."""
    denied = [run["files"] for run in figures["denied"].values()]
    exposure = {name: {key: value for key, value in exposure_of(found).items() if key != "untouched"} for name, found in figures["exposure"].items()}
    return {"rules": figures["file_rules"], "exposure": exposure,
            "secrets_reachable": len(figures["secrets"]), "denied_per_run": statistics.mean(denied),
            "denied_runs": sum(number > 0 for number in denied) / len(denied)}


def entry(raw):
    """What is kept of a workload."""
    runs = sorted(map(int, raw["by_runs"]))
    shown = str(3 if 3 in runs else runs[-1])
    false = {}
    predicted = {}
    for number in runs:
        enforced = raw["enforced"][str(number)]
        denials = [run["denials"] for run in enforced.values()]
        false[str(number)] = {"median": statistics.median(denials), "mean": statistics.mean(denials), "max": max(denials),
                              "runs": len(denials), "runs_denied": sum(map(bool, denials)),
                              "runs_failed": sum(run["failed"] for run in enforced.values()),
                              "withheld": sum(run["withheld"] for run in enforced.values()),
                              "masked": sum(run["masked"] for run in enforced.values()), "of": {
                                  name: run["denials"] for name, run in enforced.items()},
                              "examples": sorted({text for run in enforced.values() for text in run["examples"]})[:12]}
        confidence = raw["confidence"][str(number)]
        left_out = confidence and confidence["left_out"]
        predicted[str(number)] = {"unseen": confidence and confidence["unseen"],
                                  "runs_denied": left_out["denied_runs"] / left_out["runs"] if left_out else None}
    ours = raw["by_runs"][shown]["treadline"]
    minimised = raw["minimised"][shown]
    return {"name": raw["name"], "what": raw["what"], "runs": {"learned": runs, "shown": int(shown), "held_out": len(raw["enforced"][shown])},
            "false_denials_per_run": false, "predicted": predicted,
            "exposure": {name: exposure_of(found) for name, found in ours["exposure"].items()},
            "secrets_reachable": len(ours["secrets"]), "secrets": ours["secrets"], "rules": ours["rules"] + minimised["withheld"],
            "surplus": {"share": minimised["droppable"] / minimised["judged"], **minimised},
            "baselines": {method: judged(raw["by_runs"][shown][method]) for method in METHODS},
            "replayed": {number: {method: judged(raw["by_runs"][number][method])["denied_per_run"] for method in METHODS} for number in raw["by_runs"]},
            "ablation": {name: judged(figures) for name, figures in raw["ablation"].items()}, "profile": raw["profile"]}


def write(out, about, before, measured, absent, order):
    new = {raw["name"]: entry(raw) for raw in measured}
    workloads = sorted([known for known in before if known["name"] not in new] + list(new.values()), key=lambda known: order.index(known["name"]))
    report = {"about": about, "workloads": workloads, "curve": curve(workloads), "ablation": ablation(workloads), "goals": goals(workloads),
              "absent": absent}
    (out / "quality.json").write_text(json.dumps(report, indent=1) + "\n")
    text = out / "quality.md"
    kept = text.read_text().partition(BY_HAND)[2] if text.exists() else ""
    text.write_text(markdown(report) + (BY_HAND + kept if kept else ""))
    (out / "quality.svg").write_text(plot(report["curve"]))


def curve(workloads):
    """By number of learned runs, over the workloads: denials for each run nobody learned from."""
    points = []
    for number in sorted({number for known in workloads for number in known["replayed"]}, key=int):
        having = [known for known in workloads if number in known["replayed"]]
        point = {"runs": int(number), "enforced": statistics.mean(mean_of_common(known, number) for known in having)}
        points.append(point | {method: statistics.mean(known["replayed"][number][method] for known in having) for method in METHODS})
    return points


def mean_of_common(known, number):
    """Of the runs that were enforced after each number of learned runs, so that the points compare."""
    common = set.intersection(*(set(found["of"]) for found in known["false_denials_per_run"].values()))
    return statistics.mean(known["false_denials_per_run"][number]["of"][name] for name in common)


def ablation(workloads):
    rows = []
    for name in workloads[-1]["ablation"] if workloads else ():
        figures = [known["ablation"][name] for known in workloads if name in known["ablation"]]
        rows.append({"profiler": name, "rules": statistics.mean(one["rules"] for one in figures), "exposure": {
            mode: {count: sum(one["exposure"][mode][count] for one in figures) for count in ("reachable", "touched")} for mode in GOALS},
            "secrets_reachable": sum(one["secrets_reachable"] for one in figures),
            "denied_per_run": statistics.mean(one["denied_per_run"] for one in figures),
            "denied_runs": statistics.mean(one["denied_runs"] for one in figures)})
    return rows


def close(predicted, measured):
    return predicted == measured or (predicted and measured and 0.5 <= predicted / measured <= 2)


def goals(workloads):
    """Each goal, and the workloads that meet it."""
    def exposed(mode):
        return lambda known: known["exposure"][mode]["ratio"] is not None and known["exposure"][mode]["ratio"] <= GOALS[mode]

    def predicted(known):
        found = known["false_denials_per_run"].get("3")
        return found and close(known["predicted"]["3"]["runs_denied"], found["runs_denied"] / found["runs"])

    tests = {"no false denial in the median, after one run": lambda known: known["false_denials_per_run"]["1"]["median"] == 0,
             "no false denial at all, after three": lambda known: known["false_denials_per_run"].get("3", {}).get("max") == 0,
             "denials predicted within a factor of two, after three": predicted,
             "exposure to reading at most 1.5": exposed("read"), "to writing at most 1.1": exposed("write"),
             "to executing at most 1.2": exposed("exec"), "no planted secret reachable": lambda known: known["secrets_reachable"] == 0,
             "at most 40 rules to review": lambda known: known["rules"] <= 40, "at most 5 % surplus": lambda known: known["surplus"]["share"] <= 0.05}
    return [{"goal": goal, "met": [known["name"] for known in workloads if met(known)],
             "missed": [known["name"] for known in workloads if not met(known)]} for goal, met in tests.items()]


# Words

def percent(share):
    return "–" if share is None else f"{100 * share:.0f} %"


def number_of(value):
    return f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.1f}"


def ratio(found):
    if found["touched"] == 0 and found["reachable"] == 0:
        return "none"
    times = f"{found['reachable'] / found['touched']:.2f}" if found["touched"] else "∞"
    return f"{times} ({found['reachable']}/{found['touched']})"


def split(found):
    personal = found["personal"]
    return ratio(found) + (f" [{personal['reachable']}/{personal['touched']}]" if found["reachable"] else "")


def table(head, rows):
    return ["", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *("| " + " | ".join(row) + " |" for row in rows), ""]


def markdown(report):
    about, workloads = report["about"], report["workloads"]
    lines = [
        "# How good profiles are", "",
        f"Linux {about['kernel']}, {about['processors']} processors, {about['minutes']} minutes; made by `tools/bench/quality`.", "",
        "Each workload is learned by running `treadline learn` again and again in the same checkout, as a person would, and then",
        "enforced with `--strict` on runs nobody learned from, each in a fresh copy of home and project that differs in one thing:",
        f"{', '.join(about['variations'])}. After 2 and 5 learned runs only the first three. Nobody accepts what was withheld."]
    lines += ["", *(f"- **{known['name']}**: {known['what']}" for known in workloads)]
    lines += table(["goal", "met by", "missed by"], [[found["goal"], f"{len(found['met'])} of {len(workloads)}", ", ".join(found["missed"]) or "–"]
                                                     for found in report["goals"]])
    counts = sorted({int(number) for known in workloads for number in known["false_denials_per_run"]})

    def false(known, number):
        found = known["false_denials_per_run"].get(str(number))
        if not found:
            return "–"
        failed = f", {found['runs_failed']} failed" if found["runs_failed"] else ""
        return f"{number_of(found['median'])} (mean {number_of(found['mean'])}, max {found['max']}{failed})"

    lines += ["", "## False denials", "", "What was denied in each run nobody learned from, median (mean, worst; runs whose command failed). The goal: 0 in the median",
              "after one run, none at all after three. *Withheld* is how many of all denials learning had proposed, as a comment for a", "person to accept. Not counted: credentials that were masked while learning, too, where the command did without them", "(*masked*, for each run); `--strict` fails a run for these as well."]
    lines += table(["workload", *(f"after {number}" for number in counts), "withheld", "masked"],
                   [[known["name"], *(false(known, number) for number in counts),
                     f"{sum(one['withheld'] for one in known['false_denials_per_run'].values())} of "
                     f"{sum(sum(one['of'].values()) for one in known['false_denials_per_run'].values())}",
                     number_of(sum(one["masked"] for one in known["false_denials_per_run"].values())
                               / sum(one["runs"] for one in known["false_denials_per_run"].values()))] for known in workloads])
    lines += ["Denied, in the profile of the most runs that denied anything:", ""]
    for known in workloads:
        for number in reversed(counts):
            found = known["false_denials_per_run"].get(str(number))
            if found and found["runs_denied"]:
                lines.append(f"- {known['name']}, after {number}: " + ", ".join(f"`{text}`" for text in found["examples"][:6]))
                break
    lines += ["", "## What was predicted", "", "The share of runs that would be denied something, as `review` estimates it from the learned runs (each held against what",
              "the others taught), and as measured; and the share of what a run does that `review` thinks nobody has seen", "yet. The goal: within a factor of two."]
    rows = []
    for known in workloads:
        for number, found in known["predicted"].items():
            if int(number) >= 2:
                measured = known["false_denials_per_run"][number]
                rows.append([known["name"], number, percent(found["runs_denied"]), percent(measured["runs_denied"] / measured["runs"]), percent(found["unseen"])])
    lines += table(["workload", "runs", "predicted", "measured", "unseen"], rows)
    shown = workloads[0]["runs"]["shown"] if workloads else 0
    lines += [f"## The profiles, after {shown} runs", "",
              "Exposure is how many existing files the profile lets the command read (write, execute) for each that it did, outside the project",
              "and packages' files (dpkg's, and what else lies in /usr but not in /usr/local); goals 1.5, 1.1, 1.2. Secrets are of forty planted",
              "ones, goal 0. In brackets what of it lies in homes and temporary directories; the rest is the machine's. Rules count each line",
              "a person reads, withheld ones too, and an include as one; goal 40. Surplus is what `profile --minimise` would drop; goal 5 %."]
    lines += table(["workload", "read", "write", "execute", "secrets", "rules", "surplus"],
                   [[known["name"], *(split(known["exposure"][mode]) for mode in GOALS), str(known["secrets_reachable"]), str(known["rules"]),
                     f"{percent(known['surplus']['share'])} ({known['surplus']['droppable']}/{known['surplus']['judged']})"] for known in workloads])
    for known in workloads:
        for mode in GOALS:
            if untouched := known["exposure"][mode]["untouched"]:
                lines.append(f"- {known['name']}, {mode}, not touched: " + ", ".join(f"`{short(path)}`" for path in untouched[:3]))
        if known["secrets"]:
            lines.append(f"- {known['name']}, secrets: " + ", ".join(f"`{path}`" for path in known["secrets"]))
    lines += ["", "## Beside other ways to make a profile", "",
              "From the same accesses, rules for files only; *denied* is by replay of what the other runs did, not by enforcing, so that all are",
              "treated alike. The others get portable paths, which they do not all have, and no abstractions or guards, which they have not.",
              "Fold at N: a directory with N used files becomes its tree (sandlock's and kubescape's thresholds, their ways simplified).",
              "In each cell: rules; files reachable to read, write, execute; secrets; accesses denied per run."]
    lines += table(["workload", *(TITLES[method] for method in METHODS)],
                   [[known["name"], *(cell(known["baselines"][method]) for method in METHODS)] for known in workloads])
    lines += ["## The learning curve", "", "![denials by learned runs](quality.svg)", "", "Denied accesses for each run nobody learned from, mean over the workloads; *enforced* is Treadline's real runs, the rest is replay",
              "of accesses to files."]
    lines += table(["runs", "enforced", *(TITLES[method] for method in METHODS)],
                   [[str(point["runs"]), *(number_of(point[name]) for name in ("enforced", *METHODS))] for point in report["curve"]])
    lines += ["## Without one of its parts", "", "The profiler after one run, over all workloads, with one generaliser priced away (replay)."]
    lines += table(["profiler", "rules for files", "read", "write", "execute", "secrets", "denied per run", "runs denied"],
                   [[row["profiler"], number_of(row["rules"]), *(ratio(row["exposure"][mode]) for mode in GOALS), str(row["secrets_reachable"]),
                     number_of(row["denied_per_run"]), percent(row["denied_runs"])] for row in report["ablation"]])
    if report["absent"]:
        lines += ["Did not run:", "", *(f"- {name}: {why.splitlines()[0]}" for name, why in report["absent"].items()), ""]
    return "\n".join(lines) + "\n"


def short(path):
    return path if len(path) <= 60 else f"{path[:40]}…{path[-15:]}"


def cell(found):
    reached = "/".join(str(found["exposure"][mode]["reachable"]) for mode in GOALS)
    return f"{found['rules']}; {reached}; {found['secrets_reachable']}; {number_of(found['denied_per_run'])}"


# The plot

WIDTH, HEIGHT, LEFT, BOTTOM, RIGHT, ABOVE = 720, 400, 60, 50, 150, 30
COLOURS = {"enforced": "#0b6e4f", "treadline": "#5fbf95", "exact": "#c1121f", "fold4": "#e07a1f", "fold50": "#8d5fd3", "gradm": "#3a6ea5"}


def plot(points):
    """Denials by learned runs, on the scale of log(1 + n), by hand: no library is asked for."""
    if not points:
        return "<svg xmlns='http://www.w3.org/2000/svg'/>\n"
    most = max(10.0, *(point[name] for point in points for name in COLOURS))
    runs = [point["runs"] for point in points]

    def x(number):
        return LEFT + (number - runs[0]) / max(1, runs[-1] - runs[0]) * (WIDTH - LEFT - RIGHT)

    def y(value):
        return HEIGHT - BOTTOM - math.log10(1 + value) / math.log10(1 + most) * (HEIGHT - BOTTOM - ABOVE)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
             f'<text x="{LEFT}" y="18" font-size="14">Denied accesses for each run nobody learned from</text>',
             f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">learned runs</text>']
    for tick in [0] + [10 ** power for power in range(int(math.log10(most)) + 1)]:
        parts += [f'<line x1="{LEFT}" y1="{y(tick):.1f}" x2="{WIDTH - RIGHT}" y2="{y(tick):.1f}" stroke="#ddd"/>',
                  f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>']
    for number in runs:
        parts.append(f'<text x="{x(number):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{number}</text>')
    free = HEIGHT
    names = {"enforced": "Treadline, enforced", **TITLES, "treadline": "Treadline, replayed"}
    for name, colour in sorted(COLOURS.items(), key=lambda one: points[-1][one[0]]):
        line = " ".join(f"{x(point['runs']):.1f},{y(point[name]):.1f}" for point in points)
        free = min(y(points[-1][name]) + 4, free - 15)  # labels do not lie over each other
        parts += [f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>',
                  *(f'<circle cx="{x(point["runs"]):.1f}" cy="{y(point[name]):.1f}" r="3" fill="{colour}"/>' for point in points),
                  f'<text x="{WIDTH - RIGHT + 10}" y="{free:.1f}" fill="{colour}">{names[name]}</text>']
    return "\n".join([*parts, "</svg>", ""])
