"""Runs the contenders of a workload in turn, round by round."""

from measuring import MeasureError

NODE = "wasmtimed"  # The node's daemon, beside shims.
COMPONENT = "wasmoor-component"  # A function that is a component, beside one that is a command.
OURS = ("wasmoor", NODE, COMPONENT)


def order(names, turn):
    """Another contender begins every round, so that none always follows the same one."""
    names = list(names)
    shift = turn % len(names)
    return names[shift:] + names[:shift]


def run(workload, measure, table, say):
    """A peer that fails is left out of the rest of the workload, which `say` tells: a crash of theirs must not
    hide the other figures. If one of ours fails, MeasureError ends it."""
    failed = set()
    for turn in range(workload.rounds):
        for name in order(workload.commands, turn):
            if name in failed or turn >= workload.at_most.get(name, workload.rounds):
                continue
            try:
                _sample(workload, name, turn, measure, table)
            except MeasureError as error:
                if name in OURS:
                    raise
                failed.add(name)
                say(f"{workload.name}: {name} is left out from round {turn + 1} on: {error}")


def _sample(workload, name, turn, measure, table):
    command = workload.commands[name]
    if turn == 0 and workload.count_threads:
        table.add(workload.name, name, "threads", measure.threads(command))
    if workload.at_once:
        many = measure.many(command, workload.at_once, workload.times)
        table.add(workload.name, name, "rate", many["times"] / (many["wall_ns"] / 1e9))
    else:
        _add(table, workload.name, name, measure.once(command))


def _add(table, workload, contender, sample):
    table.add(workload, contender, "wall", sample["wall_ns"])
    table.add(workload, contender, "cpu", (sample["user_us"] + sample["system_us"]) * 1000)
    table.add(workload, contender, "peak", sample["peak_kib"] * 1024)
    if sample["background_us"] > 1000:
        table.add(workload, contender, "background", sample["background_us"] * 1000)
