"""Turns: contestants alternate in rounds, and what is compared is one round.

A machine grows faster and slower, by its clock or by what else runs on it, and
often by more than the difference that is to be seen. Contestants that take turns
of a fraction of a second meet the same machine: a ratio is formed within a round
and its median taken over rounds.
"""

import math
import random
import statistics
import time

# Seconds before a turn is timed: time to use up what was made ahead in between.
SETTLE = 0.1


# What a pipeline makes ahead after its turn: two batches behind `prefetch`, and those
# of the parallel calls; at most so many seconds are given to it.
AHEAD, LONGEST_REST = 6, 1.0


def turn(iterator, seconds):
    """Items per second of an iterator that has rested, and rests again at the end.

    What it makes ahead it makes in its own time, not in that of the next contestant.
    """
    consume(iterator, SETTLE)
    rate = consume(iterator, seconds)
    time.sleep(min(LONGEST_REST, AHEAD / rate))
    return rate


def best_of(trials, measure):
    """The key for which `measure` gives the highest median of three trials in turns."""
    if len(trials) == 1:
        return next(iter(trials))
    found = in_rounds(list(trials), 3, measure)
    return max(found, key=lambda key: statistics.median(found[key]))


def in_rounds(names, rounds, measure):
    """What `measure` gives for each name, by name and round.

    Each round has an order of its own, drawn from a fixed seed: what a contestant
    leaves behind, in the caches or in the clock, does not always meet the same one.
    """
    found = {name: [] for name in names}
    orders = random.Random(0)
    for _ in range(rounds):
        for name in orders.sample(names, len(names)):
            found[name].append(measure(name))
    return found


def consume(iterator, seconds):
    """Takes batches for so long, at least one; gives batches per second."""
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds or count == 0:
        next(iterator)
        count += 1
    return count / passed


def repeat(iterate, seconds):
    """Iterations per second of a function of a number of them, over so many seconds.

    `iterate(n)` runs n iterations, or some more where they come in packets, to their
    end, and gives how many it ran.
    """
    count, packet, start = 0, 1, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds or count == 0:
        count += iterate(packet)
        # Waiting for the end costs: the packets grow with what a turn can hold.
        packet = max(packet, int(0.1 * count))
    return count / passed


def median_ratio(ours, its):
    """The median of the ratios within each round, with its interval."""
    return median_interval([a / b for a, b in zip(ours, its, strict=True)])


def median_interval(values, confidence=0.95):
    """The median, with an interval of order statistics.

    From the k-th smallest to the k-th largest of n values it covers the true
    median with probability `1 - 2 P(Binomial(n, 1/2) < k)`, whatever their law.
    The largest k that reaches the confidence is taken. With fewer than 6 values
    none does: then it is their whole range, with the coverage that this has.

    Returns:
        Dict with "median", "low", "high" and "coverage".
    """
    values, n = sorted(values), len(values)
    below = [sum(math.comb(n, i) for i in range(k)) / 2**n for k in range(n // 2 + 2)]
    reach = [k for k in range(1, len(below)) if 1 - 2 * below[k] >= confidence]
    k = max(reach, default=1)
    return {
        "median": statistics.median(values),
        "low": values[k - 1],
        "high": values[n - k],
        "coverage": 1 - 2 * below[k],
    }
