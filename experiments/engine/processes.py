"""Runs side by side: two processes of one core each are quicker than one of both."""

import concurrent.futures
import multiprocessing

import tensorflow as tf

from experiments import processor


def do(count, function, tasks):
    """Calls a function once for each task, in processes of their own.

    Each has its share of the cores.

    Args:
        count: Processes at a time.
        function: Function at the top of a module.
        tasks: List of its arguments, each a tuple.

    Raises:
        BrokenProcessPool: where a process was killed.
    """
    if not tasks:
        return
    # TensorFlow does not survive a fork once it has computed. Each process is forked
    # off one that has imported it, and no more.
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["keras_mixup"])
    with concurrent.futures.ProcessPoolExecutor(
        min(count, len(tasks)),
        server,
        _begin,
        (processor.cores() // count,),
    ) as pool:
        doing = [pool.submit(function, *task) for task in tasks]
        try:
            for one in concurrent.futures.as_completed(doing):
                one.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(threads):
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
