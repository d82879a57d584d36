"""Programs whose Keras runs on JAX or PyTorch, each in a process of its own."""

import os
import subprocess
import sys
import textwrap

from tests.matrix.programs import program

# Both halves are equal, so that a mixed batch is the batch and the first loss is log 2.
FIT = """
    import keras, numpy as np, tensorflow as tf, keras_mixup
    x = np.ones((8, 3), "float32")
    y = np.full((8, 2), 0.5, "float32")
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    data = data.apply(keras_mixup.{policy})
    network = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, kernel_initializer="zeros")]
    )
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(0.0), loss)
    found = network.fit(data, verbose=0).history["loss"][0]
    assert keras.backend.backend() == "{backend}"
    np.testing.assert_allclose(found, np.log(2), rtol=1e-5)
"""
MODEL = """
    import keras, keras_mixup
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    keras_mixup.MixUpModel(network, keras_mixup.MixUp(0.2))
"""


def in_process(source, backend):
    """Runs a program; its last line of error, where it raises ValueError, is raised."""
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        last = process.stderr.strip().splitlines()[-1]
        kind, _, sentence = last.partition(": ")
        raise (ValueError if kind == "ValueError" else RuntimeError)(sentence)


for _backend in ("jax", "torch"):
    for _policy in ("MixUp(1.0)", "CutMix(1.0, axes=(1,))"):

        @program(
            "backends", f"{_policy} in a pipeline of {_backend}", needs=(_backend,)
        )
        def _fitted(backend=_backend, policy=_policy):
            in_process(FIT.format(policy=policy, backend=backend), backend)

    @program(
        "backends",
        f"MixUpModel on {_backend}",
        refused="needs the TensorFlow backend",
        needs=(_backend,),
    )
    def _refused(backend=_backend):
        in_process(MODEL, backend)
