"""Where a run's replicas are: on this device, this machine, or several machines.

Several machines find each other by TF_CONFIG, or by what Slurm says. All run the same
command on one shared `--run_dir`: all read there, and the chief, worker 0, writes and
decides what hangs on the state of that folder.
"""

import functools
import json
import os

import tensorflow as tf

from experiments.settings import Refusal

SLURM = "SLURM_STEP_NUM_TASKS"


class NoCluster(Refusal, ValueError):
    """Several workers were asked for, and nothing says where they are."""


def strategy_of(settings):
    """The `tf.distribute` strategy of the settings; one a process, however often asked.

    That of several workers has to be made before TensorFlow computes anything.
    """
    makers = {"mirrored": mirrored, "multi_worker": multi_worker}
    return makers.get(settings.strategy, tf.distribute.get_strategy)()


@functools.cache
def mirrored():
    """The one `MirroredStrategy` of this process, over all of its devices.

    TensorFlow numbers the collectives of each strategy from 100 on: those of a second
    network under a second strategy would meet the first's, of other shapes.
    """
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


@functools.cache
def multi_worker():
    """The one `MultiWorkerMirroredStrategy`; waits until all workers are there."""
    return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=_resolver())


def _resolver():
    text = os.environ.get("TF_CONFIG")
    resolvers = tf.distribute.cluster_resolver
    if text is None and SLURM in os.environ:
        return resolvers.SlurmClusterResolver()
    try:
        found = json.loads(text or "{}")
        workers, task = found["cluster"]["worker"], found["task"]
        known = task["type"] == "worker" and 0 <= int(task["index"]) < len(workers)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise NoCluster(
            "--strategy multi_worker needs to know its workers. Expected TF_CONFIG, "
            'such as {"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": '
            '{"type": "worker", "index": 0}}, or a Slurm step. '
            f"Received: TF_CONFIG={text!r}"
        )
    return resolvers.TFConfigClusterResolver()


def is_chief(settings):
    """Whether this process writes: it is alone, or it is worker 0."""
    if getattr(settings, "strategy", "one") != "multi_worker":
        return True
    return multi_worker().cluster_resolver.task_id in (None, 0)


def agreed(settings, numbers):
    """The chief's numbers, on every worker; waits for all of them."""
    if settings.strategy != "multi_worker":
        return list(numbers)
    strategy = multi_worker()
    own = tf.constant(numbers, tf.int64) * int(is_chief(settings))
    # Each worker has as many replicas as the others, and the same number in each.
    shares = strategy.run(lambda: own)
    total = strategy.reduce("SUM", shares, axis=None).numpy()
    return [int(n) // len(strategy.extended.worker_devices) for n in total]
