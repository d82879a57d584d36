"""What a step costs beyond one machine: gradients, input by tf.data service, mixing.

Measured on loopback, two processes on this machine: the all-reduce of a network's
gradients under `MultiWorkerMirroredStrategy`, and the batches of a tf.data service with
one worker beside the same pipeline at home. From these and from what a network is said
to carry, `projected` says what a step of data parallel training costs on many machines:
a model on paper, whose numbers are arguments.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

from benchmarks import command, report, turns
from benchmarks.workers import free_ports

# ResNet-50 at 224 pixels, 256 images a device: parameters, bytes of a uint8 batch.
PARAMETERS = 25_600_000
BATCH, PIXELS = 256, 224 * 224 * 3
# Assumptions on paper: bytes a second of a network card (100 Gb/s) and of an
# accelerator's memory (H100, 3.35 TB/s), seconds of one hop, seconds of a step that
# computes alone.
CARD, MEMORY, HOP, STEP = 12.5e9, 3.35e12, 10e-6, 0.1
DEVICES = (1, 8, 64, 512, 4096)
FLOATS = 4_000_000


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    parser = command.parser_of("scale_out", __doc__, 9)
    command.conclude("scale_out", parser.parse_args(arguments), measured, table)


def measured(flags):
    """What the result file keeps."""
    seconds = all_reduce(flags.rounds)
    return {
        "floats": FLOATS,
        "all_reduce_seconds": turns.median_interval(seconds),
        "all_reduce_bytes_a_second": 4
        * FLOATS
        / turns.median_interval(seconds)["median"],
        "batches_a_second": {
            name: turns.median_interval(rates)
            for name, rates in input_rates(flags.rounds).items()
        },
        "projected": {str(devices): projected(devices) for devices in DEVICES},
    }


def projected(
    devices,
    parameters=PARAMETERS,
    batch=BATCH,
    pixels=PIXELS,
    card=CARD,
    memory=MEMORY,
    hop=HOP,
    step=STEP,
):
    """Seconds of the parts of one step, on paper.

    A ring sends `2 (N - 1) / N` times the gradients (float32) and takes `2 log2 N` hops
    where its messages are combined as a tree. The input of a device is its uint8 batch
    over its machine's card, 8 devices a machine. Mixing on the accelerator reads a
    float32 batch twice and writes it once. Gradients that travel while others are
    computed, and input that is fetched ahead, cost nothing until they take longer than
    the step.
    """
    import math

    gradients = 4 * parameters * 2 * (devices - 1) / devices / card
    latency = 2 * math.log2(devices) * hop
    return {
        "gradients": gradients + latency,
        "input": min(devices, 8) * batch * pixels / card,
        "mixing": 3 * 4 * batch * pixels / memory,
        "step": step,
    }


def all_reduce(rounds):
    """Seconds of each of so many all-reduces, by the slower of two workers."""
    hosts = [f"localhost:{port}" for port in free_ports(2)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.scale_out", "worker", str(rounds)],
            env={
                **os.environ,
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "TF_CONFIG": json.dumps(
                    {
                        "cluster": {"worker": hosts},
                        "task": {"type": "worker", "index": index},
                    }
                ),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    try:
        printed = [worker.communicate(timeout=600)[0] for worker in workers]
    finally:
        # If one ends before its time, the other waits for it.
        for worker in workers:
            worker.kill()
    answers = [json.loads(text.splitlines()[-1]) for text in printed]
    return [max(pair) for pair in zip(*answers, strict=True)]


def worker(rounds):
    """One of the two: times its all-reduces."""
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()

    @tf.function(autograph=False)
    def reduced():
        own = strategy.run(lambda: tf.ones([FLOATS]))
        return tf.reduce_sum(strategy.reduce("SUM", own, axis=None)[:1])

    reduced()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        reduced().numpy()
        seconds.append(time.perf_counter() - start)
    print(json.dumps(seconds))


def input_rates(rounds):
    """Batches a second of mixed CIFAR batches, at home and by a service, in turns."""
    import tensorflow as tf

    import keras_mixup
    from experiments.data import service

    mixup = keras_mixup.MixUp(1.0, num_classes=10)
    count = 8192
    x = tf.cast(tf.random.uniform([count, 32, 32, 3], 0, 256, tf.int32), tf.uint8)
    examples = tf.data.Dataset.from_tensor_slices((x, tf.range(count) % 10))

    def mixed(examples):
        return examples.repeat().batch(128).map(mixup)

    sent = mixed(service.in_chunks(examples, count))
    ports = free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        own = "experiments.data.service"
        flags = (
            ["dispatcher", "--port", ports[0], "--work_dir", folder],
            ["worker", "--dispatcher", f"localhost:{ports[0]}", "--port", ports[1]],
        )
        servers = [
            subprocess.Popen(
                [sys.executable, "-m", own, *map(str, each)],
                stdout=subprocess.PIPE,
                text=True,
            )
            for each in flags
        ]
        try:
            for server in servers:
                server.stdout.readline()
            address = f"grpc://localhost:{ports[0]}"
            iterators = {
                "at home": iter(mixed(examples).prefetch(2)),
                "tf.data service": iter(service.distributed(sent, address, 128)),
            }
            return turns.in_rounds(
                list(iterators), rounds, lambda name: turns.turn(iterators[name], 1.0)
            )
        finally:
            for server in servers:
                server.kill()


def table(result):
    """The Markdown tables of a result."""
    rates = result["batches_a_second"]
    rows = [
        [
            f"all-reduce of {4 * result['floats'] / 1e6:.0f} MB, seconds",
            report.interval(result["all_reduce_seconds"], ".3f"),
        ],
        ["MB a second", f"{result['all_reduce_bytes_a_second'] / 1e6:,.0f}"],
        *(
            [f"batches a second, {n}", report.interval(r, ",.0f")]
            for n, r in rates.items()
        ),
    ]
    paper = [
        [f"{int(devices):,}", *(f"{1e3 * seconds:.2f}" for seconds in parts.values())]
        for devices, parts in result["projected"].items()
    ]
    head = ["Devices", *(f"{part} (ms)" for part in result["projected"]["1"])]
    return "\n\n".join(
        [
            report.markdown(["Measured on loopback", "Median"], rows),
            report.markdown([f"On paper: {head[0]}", *head[1:]], paper),
        ]
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(int(sys.argv[2]))
    else:
        main()
