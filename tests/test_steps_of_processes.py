"""Steps of other threads and processes, under a strategy, and with determinism."""

import concurrent.futures
import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.counted_batches import mixed_by_hand, policy, unmixed

PROGRAM = """
import sys, zlib, keras, numpy as np, tensorflow as tf, keras_mixup
x = np.arange(48, dtype="float32").reshape(12, 4)
data = tf.data.Dataset.from_tensor_slices((x, x)).batch(4)
for seed in (7, None):
    keras.utils.set_random_seed(int(sys.argv[1]) if seed is None else 0)
    mixed = data.apply(keras_mixup.MixUp(1.0, seed=seed, jit_compile=False))
    epochs = [a for _ in range(2) for a, _ in mixed.as_numpy_iterator()]
    print([zlib.crc32(a.tobytes()) for a in epochs])
"""


def output_of(program, *arguments):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    return process.stdout.strip().splitlines()


@pytest.mark.slow
def test_two_processes_draw_the_same_by_a_seed():
    one, again, other = (output_of(PROGRAM, seed) for seed in ("1", "1", "2"))
    assert one == again
    assert one[0] == other[0] and one[1] != other[1]
    assert len(set(eval(one[0]))) == 6


MIRRORED = """
import keras, numpy as np, tensorflow as tf, keras_mixup
device = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(device, two)
strategy = tf.distribute.MirroredStrategy()
steps = tf.data.Dataset.from_tensors(np.ones((4, 1), "float32")).repeat(5)
steps = steps.apply(keras_mixup.count_steps)
steps = steps.map(lambda step, x: (x * tf.cast(step.index, tf.float32), x))

class Model(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
    def call(self, x):
        return self.dense(x)
    def train_step(self, data):
        return super().train_step(data) | {"step": tf.reduce_max(data[0])}

seen = []
record = keras.callbacks.LambdaCallback(
    on_train_batch_end=lambda batch, logs: seen.append(int(logs["step"])))
with strategy.scope():
    model = Model()
    model.build((None, 1))
    model.compile(keras.optimizers.SGD(0.0), "mse")
model.fit(steps, initial_epoch=2, epochs=4, verbose=0,
          callbacks=[record, keras_mixup.CountEpochs(steps)])
print(seen)
"""


@pytest.mark.slow
def test_under_a_strategy_the_callback_counts():
    assert output_of(MIRRORED)[-1] == str(list(range(10, 20)))


def test_eager_calls_of_another_thread_have_no_step():
    mixup = policy()
    np.testing.assert_allclose(mixup(*unmixed(0))[0], mixed_by_hand(0, 0), atol=1e-6)
    with (
        concurrent.futures.ThreadPoolExecutor(1) as pool,
        pytest.raises(ValueError, match=r"mixup.at_step\(index, batch\)"),
    ):
        pool.submit(mixup, *unmixed(1)).result()
    np.testing.assert_allclose(mixup(*unmixed(1))[0], mixed_by_hand(1, 1), atol=1e-6)


def _in_a_process(queue, mixup):
    try:
        queue.put(mixup(*unmixed(0))[0].numpy().tobytes())
    except ValueError as error:
        queue.put(str(error))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, None])
def test_eager_calls_of_other_processes(seed):
    mixup = policy(seed=seed)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [
        context.Process(target=_in_a_process, args=(queue, mixup)) for _ in range(2)
    ]
    for process in processes:
        process.start()
    # Each imports TensorFlow, which takes minutes where the machine is busy.
    found = [queue.get(timeout=500) for _ in processes]
    for process in processes:
        process.join()
    if seed is None:
        assert found[0] != found[1]
    else:
        assert all("mixup.at_step(index, batch)" in one for one in found)


DETERMINISTIC = """
import numpy as np, tensorflow as tf, keras_mixup
tf.config.experimental.enable_op_determinism()
x = np.ones((4, 2), "float32")
data = tf.data.Dataset.from_tensors((x, x))
for draw in (lambda: data.map(keras_mixup.MixUp()), lambda: keras_mixup.MixUp()(x, x)):
    try:
        draw()
    except ValueError as error:
        print("dataset.apply(mixup)" in str(error))
tf.random.set_seed(1)
mixed = data.apply(keras_mixup.MixUp(seed=1))
print(len(list(mixed)))
"""


@pytest.mark.slow
def test_determinism_asks_for_a_seed():
    assert output_of(DETERMINISTIC) == ["True", "True", "1"]
