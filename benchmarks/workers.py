"""Contestants in processes of their own, so that their threads do not fight ours."""

import os
import socket
import subprocess
import sys
import time

from benchmarks import turns

# TensorFlow leaves oneDNN's convolutions off on a CPU without AVX-512, PyTorch not.
ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "1"}


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
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
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


def side_by_side(module, contestants, ours, flags, counted, each=1):
    """What the result file keeps of contestants in processes that take turns.

    Args:
        module: Name of the module that serves them.
        contestants: Dict of what `Worker` is to pass to it, by name.
        ours: The name of ours.
        flags: Has `rounds`, and `seconds` of a turn.
        counted: What the rate is called, as "images_per_second".
        each: How many of these an iteration is.

    Returns:
        Dict of "missing", a list of names, and "contestants", a dict by name.
    """
    workers = {}
    for name, passed in contestants.items():
        print(f"Starting {passed!r} ...", flush=True)
        workers[name] = fastest(module, passed, flags.seconds)
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
        ratios = [a / b for a, b in zip(rates[ours], rates[name], strict=True)]
        found[name] = {
            "threads": worker["threads"],
            "first_seconds": worker["first_seconds"],
            "rounds": rates[name],
            counted: turns.median_interval(rates[name]),
            "ours_over_it": turns.median_interval(ratios),
        }
    return {"missing": missing, "contestants": found}


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
    iterate(2)
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
