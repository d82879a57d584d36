# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # First steps
#
# A pair mixed by hand, the law of the weights, wrong labels that are not learned, and a
# model that is served. Two or three minutes on two cores.
#
# In [Colab](https://colab.research.google.com): File > Upload notebook. Where the
# package is not installed, as there, upload its wheel as well (`pip wheel --no-deps .`
# in a checkout makes it) and run the next cell. Nothing else comes from the network.

# %%
# %pip install -q keras_mixup-*.whl scikit-learn matplotlib

# %%
import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import keras_mixup

keras.utils.set_random_seed(1)
digits = load_digits()
x, y = digits.images[..., None].astype("float32") / 16, digits.target
x_train, y_train, x_test, y_test = x[:1200], y[:1200], x[1200:], y[1200:]

# %% [markdown]
# ## A pair, by hand
#
# Two examples and their one-hot rows, and what lies between them.

# %%
lam = tf.constant([0.7, 1.0])
partner = tf.constant([1, 0])
mixed = keras_mixup.mix((x[:2], tf.one_hot(y[:2], 10)), lam, partner)
print("labels", y[:2], "become", mixed[1][0].numpy().round(1))
np.testing.assert_allclose(mixed[0][0], 0.7 * x[0] + 0.3 * x[1], atol=1e-6)

# %% [markdown]
# ## The law of the weights
#
# At small alpha most pairs hardly mix; at 1 the weights are uniform.

# %%
for alpha in (0.1, 1.0, 8.0):
    weights = keras_mixup.sample_lambda(alpha, (10_000,), seed=1).numpy()
    print(f"alpha {alpha}: standard deviation {weights.std():.2f}")
    # The variance of Beta(a, a) is 1 / (4 (2 a + 1)).
    np.testing.assert_allclose(weights.var(), 1 / (4 * (2 * alpha + 1)), rtol=0.05)

# %% [markdown]
# ## Wrong labels
#
# 40 % of the training labels are replaced by random ones. A wide network that is
# trained long enough learns them by heart, and then errs on the test set. mixup with a
# large alpha keeps it from that. One seed shows little, so this is done with three,
# each with wrong labels, initial values and an order of its own.

# %%
SEEDS, ALPHAS = (1, 2, 3), (0.0, 8.0)  # alpha 0 is training without mixup


def corrupted(seed):
    """Labels of which 40 % are drawn anew, and which of them are wrong by that."""
    generator = np.random.default_rng(seed)
    replaced = generator.random(len(y_train)) < 0.4
    labels = np.where(replaced, generator.integers(0, 10, len(y_train)), y_train)
    return labels, labels != y_train


def trained(alpha, seed, epochs=60):
    """A wide network after 60 epochs, by its alpha."""
    keras.utils.set_random_seed(seed)
    network = keras_mixup.models.build(
        "mlp", input_shape=(8, 8, 1), num_classes=10, width=512
    )
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(alpha, seed=seed))
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    labels, _ = corrupted(seed)
    model.fit(x_train, labels, batch_size=64, epochs=epochs, verbose=0)
    return model


learned, errors = {}, {}
for alpha in ALPHAS:
    for seed in SEEDS:
        model = trained(alpha, seed)
        labels, wrong = corrupted(seed)
        key = alpha, seed
        learned[key] = model.evaluate(x_train[wrong], labels[wrong], verbose=0)[1]
        errors[key] = 1 - model.evaluate(x_test, y_test, verbose=0)[1]
        print(
            f"alpha {alpha}, seed {seed}: wrong labels learned {learned[key]:.0%}, "
            f"test error {errors[key]:.1%}"
        )

# %% [markdown]
# Without mixup most of the wrong labels are learned. With it fewer than half are, and
# the test error is smaller, with each of the three seeds:

# %%
for seed in SEEDS:
    assert learned[8.0, seed] < 0.5 < learned[0.0, seed]
    assert errors[8.0, seed] < errors[0.0, seed]
for alpha in ALPHAS:
    print(f"alpha {alpha}: {np.mean([errors[alpha, s] for s in SEEDS]):.1%} on average")

# %% [markdown]
# `python -m experiments quickstart` compares more alphas, with means and spreads.
#
# ## Export
#
# The last network, which was trained with mixup, as a SavedModel:

# %%
keras_mixup.export_saved_model(model, "exported/first_steps/1", from_logits=True)
served = tf.saved_model.load("exported/first_steps/1").signatures["serving_default"]
print(served(inputs=tf.constant(x_test[:3]))["label"].numpy(), y_test[:3])
