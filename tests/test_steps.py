"""Steps that go on over the epochs: in pipelines, in `fit`, and where they cannot."""

import concurrent.futures
import contextlib
import functools
import multiprocessing
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup

S, BATCH, CLASSES = 15, 4, 3
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(S * BATCH, 4)).astype("float32")
Y = np.arange(S * BATCH) % CLASSES


def batches():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH)


def unmixed(i):
    return X[i * BATCH : (i + 1) * BATCH], Y[i * BATCH : (i + 1) * BATCH]


def policy(alpha=1.0, **settings):
    given = {"num_classes": CLASSES, "seed": 7, "jit_compile": False, **settings}
    return keras_mixup.MixUp(alpha, **given)


@functools.cache
def drawn(step):
    lam = keras_mixup.sample_lambda(1.0, (), seed=7, step=step).numpy()
    return lam, keras_mixup.sample_partner(BATCH, seed=7, step=step).numpy()


def mixed_by_hand(i, step):
    """Batch i by the lam and partners of a step, which the functions tell."""
    lam, partner = drawn(step)
    x = unmixed(i)[0]
    return lam * x + (1 - lam) * x[partner]


def xs(dataset):
    return np.stack([x for x, _ in dataset.as_numpy_iterator()])


@pytest.mark.parametrize("jit_compile", [True, False])
def test_an_epoch_draws_what_comes_after_the_last(jit_compile):
    mixed = batches().apply(policy(jit_compile=jit_compile))
    for epoch in range(3):
        for i, x in enumerate(xs(mixed)):
            expected = mixed_by_hand(i, epoch * S + i)
            np.testing.assert_allclose(x, expected, atol=1e-5)


def test_shapes_lengths_and_what_follows():
    mixed = batches().apply(policy())
    assert len(mixed) == S
    x, y = mixed.element_spec
    assert x.shape.as_list() == [None, 4] and y.shape.as_list() == [None, CLASSES]
    assert (
        batches().repeat().apply(policy()).cardinality() == tf.data.INFINITE_CARDINALITY
    )
    found = xs(mixed.repeat(2).prefetch(3).take(20))
    for i, x in enumerate(found):
        np.testing.assert_allclose(x, mixed_by_hand(i % S, i), atol=1e-5)
    weighted = tf.data.Dataset.zip(
        batches(), tf.data.Dataset.from_tensor_slices(np.ones((S, BATCH), "float32"))
    ).map(lambda batch, weight: (*batch, weight))
    x, _, weight = next(iter(weighted.apply(policy())))
    np.testing.assert_allclose(x, mixed_by_hand(0, 0), atol=1e-5)
    assert weight.shape == (BATCH,)
    named = batches().map(lambda x, y: {"images": x, "labels": y}).apply(policy())
    np.testing.assert_allclose(next(iter(named))["images"], x, atol=1e-6)


def test_two_datasets_of_one_policy_count_apart():
    mixup = policy()
    first, second = batches().apply(mixup), batches().apply(mixup)
    for _ in range(2):
        one = xs(first)
    np.testing.assert_allclose(one[0], mixed_by_hand(0, S), atol=1e-5)
    np.testing.assert_allclose(xs(second)[0], mixed_by_hand(0, 0), atol=1e-5)


def test_two_iterators_at_once_are_two_epochs():
    mixed = batches().apply(policy())
    for i, ((a, _), (b, _)) in enumerate(zip(mixed, mixed, strict=True)):
        np.testing.assert_allclose(a, mixed_by_hand(i, i), atol=1e-5)
        np.testing.assert_allclose(b, mixed_by_hand(i, S + i), atol=1e-5)


@pytest.mark.parametrize("form", ["map", "apply"])
def test_without_a_seed_epochs_and_pipelines_differ_also_under_a_global_seed(form):
    keras.utils.set_random_seed(0)
    try:
        pipelines = [
            batches().map(mixup, num_parallel_calls=4)
            if form == "map"
            else batches().apply(mixup)
            for mixup in (policy(seed=None), policy(seed=None))
        ]
        found = [xs(pipeline) for pipeline in pipelines for _ in range(3)]
    finally:
        tf.random.set_seed(None)
    assert len({one.tobytes() for one in found}) == 6
    # Within an epoch too: lam moves from batch to batch.
    ys = [y.max(axis=1).min() for _, y in pipelines[0].as_numpy_iterator()]
    assert len({round(float(value), 5) for value in ys}) > S // 2


@pytest.mark.parametrize("jit_compile", [None, True])
def test_calls_of_a_function_without_a_seed_differ_under_a_global_seed(jit_compile):
    keras.utils.set_random_seed(0)
    try:
        draw = tf.function(
            lambda: keras_mixup.sample_lambda(1.0, ()), jit_compile=jit_compile
        )
        found = [float(draw()) for _ in range(4)]
        found += [float(keras_mixup.sample_lambda(1.0, ())) for _ in range(4)]
    finally:
        tf.random.set_seed(None)
    assert len(set(found)) == 8


def test_an_unknown_length_gives_each_epoch_room_and_refuses_a_schedule():
    unknown = batches().filter(lambda x, y: True)
    mixed = unknown.apply(policy())
    xs(mixed)
    for i, x in enumerate(xs(mixed)):
        np.testing.assert_allclose(x, mixed_by_hand(i, 2**32 + i), atol=1e-5)
    schedule = policy(keras_mixup.AlphaSchedule(1.0))
    with pytest.raises(ValueError, match=r"assert_cardinality\(n\)"):
        unknown.apply(schedule)
    known = unknown.apply(tf.data.experimental.assert_cardinality(S)).apply(schedule)
    np.testing.assert_allclose(xs(known)[3], mixed_by_hand(3, 3), atol=1e-5)


def test_a_schedule_refuses_a_second_pass_over_an_endless_dataset():
    mixed = batches().repeat().apply(policy(keras_mixup.AlphaSchedule(1.0)))
    np.testing.assert_allclose(xs(mixed.take(20))[19], mixed_by_hand(4, 19), atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="CountEpochs"):
        next(iter(mixed))


def test_an_iterator_goes_on_where_it_was_saved(tmp_path):
    mixed = batches().apply(policy())
    with pytest.raises(tf.errors.FailedPreconditionError):
        tf.train.Checkpoint(it=iter(mixed)).save(str(tmp_path / "refused"))
    options = tf.data.Options()
    options.experimental_external_state_policy = (
        tf.data.experimental.ExternalStatePolicy.IGNORE
    )
    mixed = mixed.with_options(options)
    xs(mixed)
    iterator = iter(mixed)
    for _ in range(4):
        next(iterator)
    path = tf.train.Checkpoint(it=iterator).save(str(tmp_path / "saved"))
    fresh = iter(batches().apply(policy()).with_options(options))
    tf.train.Checkpoint(it=fresh).restore(path)
    np.testing.assert_allclose(next(fresh)[0], mixed_by_hand(4, S + 4), atol=1e-5)


class Spy(keras.Model):
    """Records what each step is trained on."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(CLASSES)
        self.seen = []
        self.build((None, 4))
        self.compile(
            keras.optimizers.SGD(0.01),
            keras.losses.CategoricalCrossentropy(from_logits=True),
        )

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.built = True

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        tf.numpy_function(lambda x: self.seen.append(x.copy()), [data[0]], [])
        return super().train_step(data)


def is_of_step(seen, step):
    return np.abs(seen - mixed_by_hand(step % S, step)).max() < 1e-4


def check_steps(spy, expected):
    assert len(spy.seen) == len(expected)
    for seen, step in zip(spy.seen, expected, strict=True):
        assert is_of_step(seen, step), step


def test_fit_and_a_later_fit_go_on():
    spy, mixed = Spy(), batches().apply(policy())
    spy.fit(mixed, epochs=2, verbose=0)
    spy.fit(mixed, initial_epoch=2, epochs=4, verbose=0)
    check_steps(spy, range(4 * S))


def test_a_warm_up_ends_where_it_says():
    spy = Spy()
    alpha = keras_mixup.AlphaSchedule(1.0, steps_per_epoch=S, warm_up=5)
    spy.fit(batches().apply(policy(alpha)), epochs=7, verbose=0)
    for step, seen in enumerate(spy.seen):
        plain = np.array_equal(seen, unmixed(step % S)[0])
        assert plain if step < 5 * S else is_of_step(seen, step), step


@pytest.mark.parametrize(
    ("change", "arguments", "first"),
    [
        (lambda d: d, {"initial_epoch": 3, "epochs": 5}, 3 * S),
        (lambda d: d.prefetch(2), {"initial_epoch": 2, "epochs": 3}, 2 * S),
        (lambda d: d, {"initial_epoch": 3, "epochs": 9, "steps_per_epoch": 5}, S),
        (
            lambda d: d.repeat().prefetch(4),
            {"initial_epoch": 1, "epochs": 4, "steps_per_epoch": S},
            S,
        ),
        (lambda d: d.repeat(2), {"initial_epoch": 1, "epochs": 2}, 2 * S),
    ],
)
def test_the_callback_sets_the_epoch(change, arguments, first):
    mixed = change(batches().apply(policy()))
    next(iter(mixed))  # A look at it, which uses up an epoch.
    spy = Spy()
    counting = keras_mixup.CountEpochs(mixed)
    spy.fit(mixed, callbacks=[counting], verbose=0, **arguments)
    check_steps(spy, range(first, first + len(spy.seen)))


def test_the_callback_sets_an_endless_dataset_once():
    mixed = batches().repeat().apply(policy())
    next(iter(mixed))
    spy = Spy()
    counting = keras_mixup.CountEpochs(mixed)
    spy.fit(
        mixed,
        initial_epoch=2,
        epochs=4,
        steps_per_epoch=S,
        callbacks=[counting],
        verbose=0,
    )
    check_steps(spy, range(2 * S, 4 * S))


def test_the_callback_keeps_the_count_where_others_look():
    mixed = batches().apply(policy())
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: next(iter(mixed))
    )
    spy = Spy()
    spy.fit(
        mixed, epochs=3, verbose=0, callbacks=[look, keras_mixup.CountEpochs(mixed)]
    )
    check_steps(spy, range(3 * S))
    with pytest.raises(ValueError, match="`dataset`.*apply"):
        keras_mixup.CountEpochs(batches())


def test_an_interrupted_run_goes_on(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def run(*callbacks):
        spy, mixed = Spy(), batches().apply(policy())
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        counting = keras_mixup.CountEpochs(mixed)
        with contextlib.suppress(KeyboardInterrupt):
            spy.fit(
                mixed, epochs=4, verbose=0, callbacks=[backup, counting, *callbacks]
            )
        return spy

    check_steps(run(Stop()), range(2 * S))
    check_steps(run(), range(2 * S, 4 * S))


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


@pytest.mark.parametrize(
    "settings", [{}, {"seed": None, "alpha": keras_mixup.AlphaSchedule(1)}]
)
def test_a_step_that_begins_anew_in_a_map_is_refused(settings):
    mixup = policy(**settings)
    numbered = batches().enumerate()
    inner = tf.function(mixup.at_step)
    for function in (mixup.at_step, lambda i, b: inner(i, b), inner):
        with pytest.raises(ValueError, match=r"dataset.apply\(mixup\)"):
            numbered.map(function)
    with pytest.raises(ValueError, match="count_steps"):
        numbered.map(lambda step, batch: mixup.between(batch, batch, step=step))
    mixed = numbered.map(lambda i, batch: mixup.at_step(keras_mixup.Step(i), batch))
    if not settings:
        np.testing.assert_allclose(xs(mixed)[3], mixed_by_hand(3, 3), atol=1e-5)
    # Outside of a dataset a step is what the caller says.
    x, _ = inner(tf.constant(4), unmixed(0))
    assert x.shape == (BATCH, 4)


def test_functions_refuse_such_a_step_too():
    numbers = batches().enumerate()
    for draw in (
        lambda step, _: keras_mixup.sample_lambda(1.0, (), seed=3, step=step),
        lambda step, _: keras_mixup.sample_partner(4, seed=3, step=step),
    ):
        with pytest.raises(ValueError, match="count_steps"):
            numbers.map(draw)
    counted = batches().apply(keras_mixup.count_steps)
    lams = counted.map(
        lambda step, _: keras_mixup.sample_lambda(1.0, (), seed=3, step=step)
    )
    for epoch in range(2):
        for i, lam in enumerate(lams):
            expected = keras_mixup.sample_lambda(1.0, (), seed=3, step=epoch * S + i)
            np.testing.assert_allclose(lam, expected, atol=1e-5)
    numbers.map(lambda step, _: keras_mixup.sample_lambda(1.0, (), step=step))


def test_count_steps_refuses_what_it_cannot_count():
    with pytest.raises(ValueError, match="`first_step`.*Received: first_step=-1"):
        keras_mixup.count_steps(batches(), first_step=-1)
    with pytest.raises(ValueError, match="outside of graphs"):
        batches().flat_map(lambda x, y: batches().apply(policy()))


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


def mixed_and_read(case):
    """A dataset for CountEpochs, and another one that `fit` reads."""
    mixed = batches().apply(policy())
    if case == "another":
        return mixed, batches().apply(policy())
    if case == "kept":
        return mixed, mixed.cache()
    return mixed, mixed.repeat().prefetch(S + 2 if case == "long" else 3)


# How far a prefetch has read ahead when an epoch ends depends on the machine's load.
@pytest.mark.parametrize(
    "case",
    [
        "another",
        "kept",
        pytest.param("long", marks=pytest.mark.slow),
        pytest.param("short", marks=pytest.mark.slow),
    ],
)
def test_the_callback_refuses_a_dataset_that_fit_does_not_read(case):
    mixed, read = mixed_and_read(case)
    spy, counting = Spy(), keras_mixup.CountEpochs(mixed)
    steps = {"steps_per_epoch": S} if case in ("long", "short") else {}
    with pytest.raises(ValueError, match="does not read.*the same dataset in both"):
        spy.fit(read, epochs=3, callbacks=[counting], verbose=0, **steps)
    # And before it has trained on a draw that came before.
    draws = [x.tobytes() for x in spy.seen]
    assert len(set(draws)) == len(draws) or case == "kept"


def test_the_callback_counts_each_of_several_datasets():
    one, other = (batches().apply(policy()) for _ in range(2))
    joined = one.concatenate(other.take(S - 1))
    spy = Spy()
    counting = keras_mixup.CountEpochs(joined)
    spy.fit(joined, initial_epoch=1, epochs=3, callbacks=[counting], verbose=0)
    own = [*range(S, 2 * S)], [*range(2 * S, 3 * S)]
    check_steps(spy, [*own[0], *own[0][:-1], *own[1], *own[1][:-1]])
