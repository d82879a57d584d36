"""Contestants in processes of their own, so that their threads do not fight ours."""

import os
import socket
import subprocess
import sys
import time
import traceback

from benchmarks import turns

# TensorFlow leaves oneDNN's convolutions off on a CPU without AVX-512, PyTorch not.
ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "1"}
# Letters of a reason for a failure that are kept.
LONGEST_REASON = 200


class Worker:
    """A process that runs one contestant, and rests between its turns.

    Args:
        module: Name of a module that calls `serve` when it is run with `name`.
        name: Name of the contestant.
        threads: Number of threads for its computations.
    """

    def __init__(self, module, name, threads):
        variables = dict.fromkeys(
            ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"),
            str(threads),
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, name],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **ONEDNN, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        # None where the contestant is not installed.
        self.ready = self._answer()

    def rate(self, seconds):
        """Iterations per second, over a turn of so many seconds."""
        self.begin(seconds)
        return self.end()

    def begin(self, seconds):
        """Lets a turn of so many seconds begin."""
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()

    def end(self):
        """Waits for the end of that turn: its iterations per second."""
        return float(self._answer()["rate"])

    def close(self):
        """Ends the process."""
        self._process.communicate()

    def _answer(self):
        for line in self._process.stdout:
            if line.startswith("missing"):
                return None
            if line.startswith(("ready ", "rate ")):
                return dict([line.split(" ", 1)])
            if line.startswith("failed "):
                raise RuntimeError(line.split(" ", 1)[1].strip())
        raise RuntimeError(
            f"A contestant ended before its time, with {self._process.wait()}."
        )


def fastest(module, name, seconds, threads=(1, 2)):
    """A contestant with its best number of threads; None where missing.

    Returns:
        Dict of "rate" (function of the seconds of a turn), "close" (ends the process),
        "threads" and "first_seconds".
    """
    workers = {count: Worker(module, name, count) for count in threads}
    best = None
    if all(worker.ready for worker in workers.values()):
        best = turns.best_of(workers, lambda count: workers[count].rate(seconds))
    for count, worker in workers.items():
        if count != best:
            worker.close()
    if best is None:
        return None
    return {
        "rate": workers[best].rate,
        "close": workers[best].close,
        "threads": best,
        "first_seconds": float(workers[best].ready["ready"]),
    }


def together(module, name, seconds, processes, threads):
    """A contestant as so many processes at one time, whose rates are summed.

    Returns:
        As `fastest`, with "processes" beside; `seconds` are not needed for a choice.
    """
    workers = [Worker(module, name, threads) for _ in range(processes)]

    def close():
        for worker in workers:
            worker.close()

    def rate(seconds):
        for worker in workers:
            worker.begin(seconds)
        return sum(worker.end() for worker in workers)

    if not all(worker.ready for worker in workers):
        close()
        return None
    return {
        "rate": rate,
        "close": close,
        "processes": processes,
        "threads": threads,
        "first_seconds": max(float(worker.ready["ready"]) for worker in workers),
    }


def side_by_side(module, contestants, ours, flags, counted, each=1, start=fastest):
    """What the result file keeps of contestants in processes that take turns.

    Args:
        module: Name of the module that serves them.
        contestants: Dict of what `Worker` is to pass to it, by name.
        ours: The name of ours.
        flags: Has `rounds`, and `seconds` of a turn.
        counted: What the rate is called, as "images_per_second".
        each: How many of these an iteration is.
        start: Function that starts one, with the arguments and the result of `fastest`.

    Returns:
        Dict of "missing", a list of names, "failed", the reasons by name, and
        "contestants", a dict by name.
    """
    workers, failed = {}, {}
    for name, passed in contestants.items():
        print(f"Starting {passed!r} ...", flush=True)
        try:
            workers[name] = start(module, passed, flags.seconds)
        except RuntimeError as error:
            if name == ours:
                raise
            failed[name] = str(error)
    missing = [name for name, worker in workers.items() if worker is None]
    workers = {name: worker for name, worker in workers.items() if worker}
    rates = turns.in_rounds(
        list(workers),
        flags.rounds,
        lambda name: each * workers[name]["rate"](flags.seconds),
    )
    found = {}
    for name, worker in workers.items():
        worker["close"]()
        how = ("processes", "threads", "first_seconds")
        found[name] = {
            **{key: worker[key] for key in how if key in worker},
            "rounds": rates[name],
            counted: turns.median_interval(rates[name]),
            "ours_over_it": turns.median_ratio(rates[ours], rates[name]),
        }
    return {"missing": missing, "failed": failed, "contestants": found}


def serve(iterate):
    """Answers turns from standard input until it ends.

    Args:
        iterate: Function of `turns.repeat`, or None where what it needs is not
            installed.
    """
    if iterate is None:
        print("missing", flush=True)
        return
    start = time.perf_counter()
    try:
        iterate(2)
    except Exception as error:
        # Such as a compiler that this machine has not: one line says why.
        traceback.print_exc()
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"failed {reason[:LONGEST_REASON]}", flush=True)
        return
    print(f"ready {time.perf_counter() - start}", flush=True)
    iterate(3)
    for line in iter(sys.stdin.readline, ""):
        turns.repeat(iterate, turns.SETTLE)
        print(f"rate {turns.repeat(iterate, float(line))}", flush=True)


def free_ports(count):
    """Ports that nobody listens at."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
