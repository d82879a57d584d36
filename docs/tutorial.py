# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # mixup in ten minutes
#
# A script that is a notebook too: `jupytext --to notebook docs/tutorial.py`. It needs
# scikit-learn beside this package, and nothing from the network.

# %%
import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import keras_mixup

keras.utils.set_random_seed(1)
digits = load_digits()
x, y = digits.images[..., None].astype("float32") / 16, digits.target
x_train, y_train, x_test, y_test = x[:1200], y[:1200].copy(), x[1200:], y[1200:]

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
# 40 % of the training labels are replaced. A network that is trained long enough learns
# most of them by heart, and errs on the test set. With mixup it learns fewer. After 15
# epochs there would be nothing to see yet: by then neither has learned them.

# %%
generator = np.random.default_rng(0)
wrong = generator.random(len(y_train)) < 0.4
y_train[wrong] = generator.integers(0, 10, wrong.sum())


def trained(alpha, epochs=60):
    """A small network after some epochs, by its alpha."""
    keras.utils.set_random_seed(1)
    network = keras_mixup.models.build(
        "mlp", input_shape=(8, 8, 1), num_classes=10, width=256
    )
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(alpha, seed=1))
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(x_train, y_train, batch_size=64, epochs=epochs, verbose=0)
    return model


models = {alpha: trained(alpha) for alpha in (0.0, 1.0)}
for alpha, model in models.items():
    learned = model.evaluate(x_train[wrong], y_train[wrong], verbose=0)[1]
    error = 1 - model.evaluate(x_test, y_test, verbose=0)[1]
    print(f"alpha {alpha}: wrong labels learned {learned:.0%}, test error {error:.1%}")

# %% [markdown]
# One seed shows nothing: `python -m experiments quickstart` does it with three, and
# writes down means and spreads.
#
# ## Out into the world

# %%
keras_mixup.export_saved_model(models[1.0], "exported/tutorial/1", from_logits=True)
served = tf.saved_model.load("exported/tutorial/1").signatures["serving_default"]
print(served(inputs=tf.constant(x_test[:3]))["label"].numpy(), y_test[:3])
