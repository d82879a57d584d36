"""A cell of the pipeline's table: contestants that map batches of one kind."""

import functools
import time

from benchmarks import torch_contestants, turns
from benchmarks.contestants import (
    CUTMIX,
    KERAS,
    OURS_BFLOAT16,
    check,
    contestants,
    is_large,
    make_batches,
    ours_beside,
)
from benchmarks.workers import fastest


def measure(policy, size, dtype, rounds, seconds):
    """One cell, in a process: all contestants on batches of one size and dtype."""
    missing, failed, entered = [], {}, {}
    for peer, enter in _entries(policy, size, dtype, seconds):
        # One that cannot run does not take the others along.
        try:
            found = enter()
        except Exception as error:
            failed[peer] = repr(error)
            continue
        if found is None:
            missing.append(peer)
        else:
            entered[peer] = found
    # A gigabyte takes seconds a turn; below six rounds no interval covers 95 %.
    rounds = min(6, rounds) if is_large(size) else rounds
    rates = turns.in_rounds(
        list(entered),
        rounds,
        lambda peer: size[0] * entered[peer]["rate"](seconds),
    )
    for peer in entered:
        entered[peer].pop("rate")
        entered[peer].pop("close", lambda: None)()
    dtypes = {peer: its["gives"] for peer, its in entered.items()}
    ours = {peer: rates[ours_beside(peer, dtypes, policy)] for peer in entered}
    found = {
        "missing": missing,
        "failed": failed,
        "contestants": {
            peer: {
                **entered[peer],
                "rounds": rates[peer],
                "images_per_second": turns.median_interval(rates[peer]),
                "ours_over_it": turns.median_ratio(ours[peer], rates[peer]),
            }
            for peer in entered
        },
    }
    if OURS_BFLOAT16 in rates and KERAS in rates:
        over = turns.median_ratio(rates[OURS_BFLOAT16], rates[KERAS])
        found["contestants"][OURS_BFLOAT16]["over_keras"] = over
    return found


def _entries(policy, size, dtype, seconds):
    """By contestant, a function that starts it, or gives None where it is missing."""
    batches = make_batches(size, dtype)
    # A box is cut out of any dtype, and stays what it is.
    kept = dtype if policy == CUTMIX else None
    for peer, (form, function) in contestants(size, dtype, policy).items():
        own = (peer, batches[form], function, size, seconds, kept)
        yield peer, functools.partial(_best_mapped, *own)
    label = f"{'x'.join(map(str, size))} {dtype}"
    # Of a gigabyte two processes with copies are enough.
    threads = (2,) if is_large(size) else (1, 2)
    for peer in torch_contestants.names(size, policy):
        own = (f"{policy} {peer} {label}", seconds, threads)
        gives = torch_contestants.gives(policy, peer, dtype)
        yield peer, functools.partial(_best_of_torch, *own, gives=gives)


def _best_mapped(peer, batches, function, size, seconds, kept):
    """A contestant of TensorFlow with its best number of parallel calls."""
    if function is None:
        return None
    # Two calls of a gigabyte would end at one time, one of them outside of its turn.
    all_calls, rates, first_seconds = (1,) if is_large(size) else (1, 2), {}, []
    for calls in all_calls:
        start = time.perf_counter()
        mapped = batches.map(function, num_parallel_calls=calls)
        if not is_large(size):
            mapped = mapped.prefetch(2)
        rates[calls], first = _rate_of(mapped, is_large(size))
        check(peer, first, size, kept)
        first_seconds.append(time.perf_counter() - start)
    best = turns.best_of(rates, lambda calls: rates[calls](seconds))
    return {
        "rate": rates[best],
        "gives": first["images"].dtype.name,
        "parallel_calls": best,
        # The first of all: a second one finds prepared what is done once.
        "first_seconds": first_seconds[0],
    }


def _best_of_torch(passed, seconds, threads, gives):
    """A contestant of PyTorch, whose first iteration is no first batch."""
    found = fastest(torch_contestants.__name__, passed, seconds, threads)
    return found and found | {"first_seconds": None, "gives": gives}


def _rate_of(mapped, afresh):
    """Function from the seconds of a turn to batches per second; a first batch."""
    iterator = iter(mapped)
    first = next(iterator)
    if not afresh:
        return lambda seconds: turns.turn(iterator, seconds), first

    def rate(seconds):
        again = iter(mapped)
        next(again)
        return turns.consume(again, seconds)

    return rate, first
