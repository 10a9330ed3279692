"""How figures are written for people. Every metric is kept in one unit: ns, bytes, threads or runs a second."""

UNIT_OF_METRIC = {"wall": "ns", "cpu": "ns", "background": "ns", "peak": "bytes", "threads": "threads",
                  "rate": "runs/s", "pss-first": "bytes", "pss-further": "bytes", "processes": "processes",
                  "failures": "tasks", "disorder": "tasks", "mounted": "tasks", "faults": "tasks", "tasks": "tasks",
                  "memory": "bytes", "pss": "bytes", "pss-each": "bytes", "descriptors": "count", "left": "count",
                  "pss-idle": "bytes", "pss-kept": "bytes", "kept": "share", "off": "share", "spun": "share"}


def three_digits(value):
    if value == 0:
        return "0"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def scaled(value, steps):
    """`value` in the largest of `steps`, (factor, unit) from small to large, that it reaches."""
    factor, unit = max((step for step in steps if step[0] <= value), default=steps[0])
    return f"{three_digits(value / factor)} {unit}"


def text_of(metric, value):
    unit = UNIT_OF_METRIC.get(metric, "ns")  # What else there is are the times of calls.
    if unit == "ns":
        return scaled(value, [(1, "ns"), (1e3, "us"), (1e6, "ms"), (1e9, "s")])
    if unit == "bytes":
        return scaled(value, [(1, "B"), (1 << 10, "KiB"), (1 << 20, "MiB")])
    if unit == "share":
        return f"{value:.1%}"
    if unit in ("threads", "tasks", "count"):
        return f"{value:.0f}"
    return f"{three_digits(value)} {unit}"
