"""Generator iterations of Figure 5 per second: ours, eager Keras, PyTorch, the limit.

An iteration is five steps of the discriminator, on two batches of 128 real and 128
generated points each, and one of the generator. Contestants are processes that take
turns; each runs with the number of threads, one or two, that it is fastest with.
"""

from benchmarks import command, report
from benchmarks.gan_contestants import NAMES, OURS, flops
from benchmarks.workers import side_by_side

# Iterations of ours per second that are aimed at, on two quick cores.
TARGET = 27.0


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    parser = command.parser_of("gan", __doc__, 9, 4.0)
    command.conclude("gan", parser.parse_args(arguments), measured, table)


def measured(flags):
    """What the result file keeps."""
    names = {name: name for name in NAMES}
    return {
        "target": TARGET,
        "flops_per_iteration": flops(),
        **side_by_side(
            "benchmarks.gan_contestants", names, OURS, flags, "iterations_per_second"
        ),
        "torch": report.version("torch"),
    }


def table(result):
    """The Markdown table of a result."""
    head = ["Contestant", "Threads", "First iterations (s)", "Iterations/s"]
    rows = [
        [
            name,
            str(its["threads"]),
            f"{its['first_seconds']:.1f}",
            report.interval(its["iterations_per_second"], ".2f"),
            report.interval(its["ours_over_it"], ".2f") if name != OURS else "",
        ]
        for name, its in result["contestants"].items()
    ]
    for what in ("missing", "failed"):
        rows += [[name, what, "", "", ""] for name in result.get(what, ())]
    ours = result["contestants"][OURS]["iterations_per_second"]
    reached = report.at_least(ours, result["target"])
    products = result["flops_per_iteration"] / 1e9
    return report.markdown([*head, "Ours / it"], rows) + (
        f"{report.rounds(result, ours)} Target, iterations per second of ours on two "
        f"quick cores: {reached}. The matrix products of an iteration are "
        f"{products:.2f} GFLOP."
    )


if __name__ == "__main__":
    main()
