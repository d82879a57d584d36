"""Input by tf.data service: other machines decode, augment and mix.

    python -m experiments.data.service dispatcher --port 5000 --work_dir DIR
    python -m experiments.data.service worker --dispatcher HOST:5000 --port 5001
    python -m experiments figure3_cifar --data_service grpc://HOST:5000

An epoch is a job of its own. The dispatcher hands out the examples, files or chunks of
memory, as workers ask for them: each is seen once as long as nothing dies, in an order
that nobody can foresee. What is drawn for a batch follows from the seed and the batch.
The dispatcher's folder outlives it: started again with the same port, it goes on.
"""

import argparse
import math
import os
import sys
import threading
import time

import keras
import tensorflow as tf

service = tf.data.experimental.service
# Of examples in memory; a worker that dies takes no more than one with it.
CHUNKS = 256


def distributed(batches, address, batch_size):
    """The batches of one epoch, made by the workers of the dispatcher at this address.

    Each worker's last batch may be smaller; these are put together.
    """
    sent = batches.apply(service.distribute(service.ShardingPolicy.DYNAMIC, address))
    return sent.rebatch(batch_size)


def in_chunks(examples, count):
    """Examples in memory as a dataset that a dispatcher hands out many at a time.

    It hands out the elements of a dataset's source, 0.8 ms each: of slices of memory
    single examples. Those of files are files, and are left alone.
    """
    if not isinstance(examples, type(tf.data.Dataset.from_tensor_slices([0]))):
        return examples
    size = -(-count // CHUNKS)
    return tf.data.Dataset.range(-(-count // size)).flat_map(
        lambda chunk: examples.skip(chunk * size).take(size)
    )


def fingerprint(batch):
    """An int64 number that follows from the content of a batch, or of an example."""
    text = tf.io.serialize_tensor(tf.nest.flatten(batch)[0])
    return tf.strings.to_hash_bucket_fast(text, 2**31 - 1)


class StopWithoutInput(keras.callbacks.Callback):
    """Ends the process when no batch of an epoch is done for so long.

    A worker that does not come back leaves TensorFlow waiting for ever, where no
    exception can reach it. Put before callbacks that evaluate or save at the end of an
    epoch, which is not watched. The wait includes compiling.
    """

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds
        self._done = threading.Event()

    def on_train_begin(self, logs=None):
        self._done.clear()
        self._last = math.inf
        threading.Thread(target=self._watch, daemon=True).start()

    def on_epoch_begin(self, epoch, logs=None):
        self._last = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self._last = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self._last = math.inf

    def on_train_end(self, logs=None):
        self._done.set()

    def _watch(self):
        while not self._done.wait(min(1.0, self.seconds / 4)):
            waited = time.monotonic() - self._last
            if waited > self.seconds:
                leave_at_once(
                    f"No batch for {waited:.0f} seconds: does the tf.data service have "
                    "its dispatcher and a worker? The same command goes on from the "
                    "last checkpoint. (--data_service_timeout says how long to wait.)"
                )
                return


def leave_at_once(message):
    """Says it, and ends the process with status 2."""
    print(f"\n{message}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(2)


def main():
    """Runs a dispatcher or a worker until it is stopped."""
    parser = argparse.ArgumentParser("python -m experiments.data.service")
    parts = parser.add_subparsers(dest="part", required=True)
    dispatcher = parts.add_parser("dispatcher", help="one; hands out the examples")
    dispatcher.add_argument("--port", type=int, default=5000, help="(5000)")
    dispatcher.add_argument("--work_dir", required=True, help="what a restart needs")
    worker = parts.add_parser("worker", help="as many as wanted; make the batches")
    worker.add_argument("--dispatcher", required=True, help="HOST:PORT")
    worker.add_argument("--port", type=int, default=5001, help="(5001)")
    worker.add_argument("--host", default="localhost", help="as seen by trainers")
    flags = parser.parse_args()
    if flags.part == "dispatcher":
        place = {"port": flags.port, "work_dir": flags.work_dir}
        config = service.DispatcherConfig(**place, fault_tolerant_mode=True)
        server = service.DispatchServer(config)
    else:
        address = f"{flags.host}:{flags.port}"
        config = service.WorkerConfig(flags.dispatcher, address, flags.port)
        server = service.WorkerServer(config)
    print(f"The {flags.part} listens at port {flags.port}.", flush=True)
    server.join()


if __name__ == "__main__":
    main()
