"""Runs the contenders of a workload in turn, round by round."""


def order(names, turn):
    """Another contender begins every round, so that none always follows the same one."""
    names = list(names)
    shift = turn % len(names)
    return names[shift:] + names[:shift]


def run(workload, measure, table):
    if workload.count_threads:
        for name, command in workload.commands.items():
            table.add(workload.name, name, "threads", measure.threads(command))
    for turn in range(workload.rounds):
        for name in order(workload.commands, turn):
            if turn >= workload.at_most.get(name, workload.rounds):
                continue
            command = workload.commands[name]
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
