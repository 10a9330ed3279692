"""What is printed, and the JSON for programs."""

import units

FAILURES = ["failures", "disorder", "mounted", "faults"]  # Shown where there are any.
# The JSON has all metrics; a person looks at these.
SHOWN = ["wall", "rate", "p99", "peak", "threads", "pss-first", "pss-further", "processes", "pss-each", "up", "memory",
         "descriptors", "left", "pss-idle", "pss-kept", "ready", "put", "first", "spun", *FAILURES]

# Those of functions that are shown a line for each workload and contender, and a peer of theirs that cannot be had.
FUNCTIONS = "functions-"
OF_FUNCTIONS = {"rate": "requests/s", "cpu": "CPU/request", "p50": "p50", "p99": "p99", "pss": "PSS", "wall": "time",
                "kept": "of its share", "off": "off its quota"}
ABSENT = {f"{FUNCTIONS}hello": "WasmBox"}


def aligned(rows, names=1):
    """Columns of text: the first `names` to the left, the others, which are numbers, to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if place < names else cell.rjust(width)
                 for place, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def figures_text(table):
    rows = [("workload", "contender", "metric", "median", "spread", "samples")]
    for workload, contender, metric in table.keys():
        if metric not in SHOWN or (workload.startswith(FUNCTIONS) and metric in OF_FUNCTIONS):
            continue
        series = table.get(workload, contender, metric)
        if metric in FAILURES and not any(series.samples):
            continue
        rows.append((workload, contender, metric, units.text_of(metric, series.median),
                     f"{series.spread:.0%}", str(len(series.samples))))
    return aligned(rows, names=3) if len(rows) > 1 else ""


def functions_text(table):
    """Servers of functions."""
    lines = {}  # Contenders by workload, in the order that they were measured in first.
    for workload, contender, metric in table.keys():
        if workload.startswith(FUNCTIONS) and metric in OF_FUNCTIONS:
            lines.setdefault(workload, {})[contender] = None
    rows = [("functions", "contender", *OF_FUNCTIONS.values())]
    for workload, contenders in lines.items():
        for contender in contenders:
            of_it = [table.get(workload, contender, metric) for metric in OF_FUNCTIONS]
            rows.append((workload.removeprefix(FUNCTIONS), contender,
                         *(units.text_of(metric, series.median) if series else ""
                           for metric, series in zip(OF_FUNCTIONS, of_it))))
        if workload in ABSENT:
            nothing = [""] * (len(OF_FUNCTIONS) - 1)
            rows.append((workload.removeprefix(FUNCTIONS), ABSENT[workload], "not to be had", *nothing))
    return aligned(rows, names=2) if len(rows) > 1 else ""


def epochs_text(table):
    """What the checks cost that let many guests share a process."""
    rows = [("epoch checks", "without", "with", "cost")]
    for workload, contender, metric in table.keys():
        if contender != "without" or metric != "cpu":
            continue
        bare = table.get(workload, "without", metric).median
        checked = table.get(workload, "with", metric).median
        rows.append((workload.removeprefix("epochs/"), units.text_of(metric, bare),
                     units.text_of(metric, checked), f"{checked / bare - 1:+.0%}"))
    return aligned(rows) if len(rows) > 1 else ""


def calls_text(table):
    """How long a shim takes for each call that containerd makes: the median of a run, and its 99th percentile."""
    marked = [(workload, metric.split(":")[1]) for workload, _, metric in table.keys()
              if metric.startswith("call:") and not metric.endswith(":p99")]
    contenders = list(dict.fromkeys(contender for _, contender, metric in table.keys() if metric.startswith("call:")))
    rows = [("calls", "", *contenders)]
    for workload, call in dict.fromkeys(marked):
        rows.append((workload, call, *(_call(table, workload, one, call) for one in contenders)))
    return aligned(rows, names=2) if len(rows) > 1 else ""


def _call(table, workload, contender, call):
    median = table.get(workload, contender, f"call:{call}")
    if median is None:
        return "-"
    late = table.get(workload, contender, f"call:{call}:p99")
    return f"{units.text_of('wall', median.median)} ({units.text_of('wall', late.median)})"


def goals_text(table, judged):
    rows = [("goal", "measured", "by CPU time", "wanted", "")]
    for goal, value, verdict in judged:
        rows.append((goal.title, _number(goal, value), _number(goal, goal.value_by_cpu(table)),
                     f"{goal.kind} {goal.limit:g}", verdict))
    return aligned(rows)


def _number(goal, value):
    return "-" if value is None else f"{value:.{goal.digits}f}"


def to_json(table, judged, machine):
    goals = [{"title": goal.title, "value": value, "value_by_cpu_time": goal.value_by_cpu(table),
              "kind": goal.kind, "limit": goal.limit, "verdict": verdict} for goal, value, verdict in judged]
    return {"machine": machine, "goals": goals, "figures": table.to_json()}
