"""How many requests a second, how late, and for how much CPU time: servers on one CPU, who asks them on another."""

import contextlib

import contest
import functions_load as loads
import functions_servers as servers
import shims


def _rate(stand, table, workload, server, contender, script=None, **options):
    """One sample: rate, times, and CPU time of a request."""
    before = server.cpu_ns()
    answered = stand.load.wrk(server, contender.path, stand.sizes.seconds, script=script, **options)
    loads.add(table, workload, server, answered, server.cpu_ns() - before)


def _in_turn(stand, contenders, table, say, workload, script=None, **options):
    with servers.serving_all(contenders, stand.cpus.server, stand.scratch, say) as serving:
        there = [one for one in contenders if one.name in serving]
        for one in there:
            stand.load.wrk(serving[one.name], one.path, 1, script=script, **options)  # Warm.

        def sample(one, _turn):
            _rate(stand, table, workload, serving[one.name], one, script, **options)

        shims.in_turn(there, stand.sizes.rounds, sample, say)


def hello(stand, table, say):
    say("functions: hello")
    _in_turn(stand, stand.roster.hello(), table, say, "functions-hello", connections=stand.sizes.connections)


def echo(stand, table, say):
    say("functions: echo of 4 KiB")
    _in_turn(stand, stand.roster.echo(), table, say, "functions-echo", loads.ECHO, connections=stand.sizes.connections)


def limits(stand, table, say):
    """Of ours: another quota and memory limit in each request; and as many fields that say nothing."""
    say("functions: limits in every request")
    ours = stand.roster.ours("/hello")
    cases = {"functions-same": None, "functions-limits": loads.LIMITS, "functions-fields": loads.FIELDS}
    with servers.serving_one(ours, stand.cpus.server, stand.scratch) as server:
        stand.load.wrk(server, ours.path, 1, stand.sizes.connections)
        for turn in range(stand.sizes.rounds):
            for workload in contest.order(cases, turn):
                _rate(stand, table, workload, server, ours, cases[workload], connections=stand.sizes.connections)


def both_cpus(stand, table, say):
    """Of ours: with as many loops as CPUs, on which the load is too; against one of each."""
    say("functions: both CPUs shared with the load")
    ours = stand.roster.ours("/hello")
    with contextlib.ExitStack() as stack:
        one, two = (stack.enter_context(servers.serving_one(ours, cpus, stand.scratch))
                    for cpus in (stand.cpus.server, stand.cpus.both))
        cases = {"functions-one-cpu": (one, None), "functions-both-cpus": (two, stand.cpus.both)}
        for turn in range(-1, stand.sizes.rounds):
            for workload in contest.order(cases, max(turn, 0)):
                server, cpus = cases[workload]
                if turn < 0:
                    stand.load.wrk(server, ours.path, 1, stand.sizes.connections, cpus=cpus)
                else:
                    _rate(stand, table, workload, server, ours, connections=stand.sizes.connections, cpus=cpus)


def crowd(stand, table, say):
    """With many connections: the latest, and what memory the server has meanwhile."""
    say("functions: 128 connections")
    workload, many = "functions-crowd", stand.sizes.crowd
    contenders = stand.roster.hello()
    with servers.serving_all(contenders, stand.cpus.server, stand.scratch, say) as serving:
        there = [one for one in contenders if one.name in serving]

        def sample(one, turn):
            server = serving[one.name]
            if turn == 0:
                stand.load.wrk(server, one.path, 1, many)
            _rate(stand, table, workload, server, one, connections=many)
            # By itself, since to read it is work for the server.
            stand.load.wrk(server, one.path, 1, many,
                           meanwhile=lambda: table.add(workload, one.name, "pss", server.pss()))

        shims.in_turn(there, stand.sizes.rounds, sample, say)


def http2(stand, table, say):
    """In cleartext, by prior knowledge."""
    say("functions: HTTP/2")
    roster, streams = stand.roster, 8
    ours = [roster.ours("/hello"), roster.ours("/greeter", contest.COMPONENT)]
    contenders = [*ours, *roster.nginx("http2"), roster.go()]
    with servers.serving_all(contenders, stand.cpus.server, stand.scratch, say) as serving:
        def sample(one, _turn):
            server = serving[one.name]
            before = server.cpu_ns()
            answered = stand.load.h2load(server, one.path, stand.sizes.seconds, stand.sizes.connections // streams,
                                         streams)
            loads.add(table, "functions-http2", server, answered, server.cpu_ns() - before)

        shims.in_turn([one for one in contenders if one.name in serving], stand.sizes.rounds, sample, say)


def paced(stand, table, say):
    """One request every 100 ms: what a server that sleeps takes to wake and answer."""
    say("functions: one request every 100 ms")
    contenders = stand.roster.hello()
    with servers.serving_all(contenders, stand.cpus.server, stand.scratch, say) as serving:
        def sample(one, _turn):
            _, times = stand.load.ask(serving[one.name], one.path, stand.sizes.paced, every=100)
            for time in times:
                table.add("functions-paced", one.name, "wall", time)

        shims.in_turn([one for one in contenders if one.name in serving], stand.sizes.paced_rounds, sample, say)
