"""Loops of Figure 5: five steps of the discriminator and one of the generator.

All have the same networks, batches, losses and optimizers, in mode author_code with
alpha 0.2 on the ring; each is run in a process of its own (`workers.py`).
"""

import contextlib
import sys

ALPHA = 0.2
BATCH, STEPS, WIDTH, DEPTH, LATENT = 128, 5, 512, 3, 2
OURS = "MixUpGAN, XLA"
NAMES = (
    OURS,
    "MixUpGAN, graph",
    "MixUpGAN, eager Keras",
    "PyTorch",
    "its matrix products alone",
)


def flops():
    """Operations of an iteration's products, but of its first and last layers (0.6 %).

    A product forward, and in a network that is moved two more backward; the generator's
    step goes back through the discriminator's rows alone.
    """
    product = 2 * WIDTH * WIDTH * (DEPTH - 1)
    # Each inner layer has all three products of a moved network, since the layer
    # before it has weights as well.
    discriminator = STEPS * (2 * BATCH * product + 3 * 2 * BATCH * product)
    generator = 3 * BATCH * product + 2 * BATCH * product
    return discriminator + generator


def keras_loop(**compiled):
    """Iterations of ours."""
    import tensorflow as tf

    from experiments import mixtures
    from experiments.gan import indices
    from experiments.paper import figure5_gan

    settings = figure5_gan.Settings()
    gan = mixtures.make_gan("ring", ALPHA, "author_code", 0, settings)
    gan.compile(*gan.optimizers, **compiled)
    step = gan.make_train_function() or gan.train_function
    batches = iter(indices(0))

    def iterate(count):
        for _ in range(count):
            results = step(batches)
        # What was computed is waited for.
        tf.nest.map_structure(float, results)
        return count

    return iterate


def torch_loop():
    """Iterations of the same in PyTorch, or None where it is not installed."""
    with contextlib.suppress(ImportError):
        import math

        import torch
        from torch import nn

        loss_of = nn.functional.binary_cross_entropy_with_logits
        angles = 2 * math.pi * torch.arange(8) / 8
        modes = torch.stack([torch.sin(angles), torch.cos(angles)], dim=1)

        def network(inputs, outputs):
            layers, width = [], inputs
            for _ in range(DEPTH):
                layers += [nn.Linear(width, WIDTH), nn.ReLU()]
                width = WIDTH
            return nn.Sequential(*layers, nn.Linear(width, outputs))

        generator, discriminator = network(LATENT, 2), network(2, 1)
        moves = [torch.optim.Adam(n.parameters()) for n in (generator, discriminator)]
        labels = torch.cat([torch.ones(BATCH, 1), torch.zeros(BATCH, 1)])

        def shuffled():
            real = modes[torch.randint(8, (BATCH,))] + 0.01 * torch.randn(BATCH, 2)
            with torch.no_grad():
                generated = generator(torch.randn(BATCH, LATENT))
            order = torch.randperm(2 * BATCH)
            return torch.cat([real, generated])[order], labels[order]

        def iterate(count):
            for _ in range(count):
                for _ in range(STEPS):
                    (first, its), (second, others) = shuffled(), shuffled()
                    share = ALPHA * torch.rand(2 * BATCH, 1)
                    rows = share * first + (1 - share) * second
                    targets = share * its + (1 - share) * others
                    moves[1].zero_grad(set_to_none=True)
                    loss_of(discriminator(rows), targets).backward()
                    moves[1].step()
                moves[0].zero_grad(set_to_none=True)
                logits = discriminator(generator(torch.randn(BATCH, LATENT)))
                (-loss_of(logits, torch.zeros(BATCH, 1)) / 2).backward()
                moves[0].step()
            return count

        return iterate
    return None


def products():
    """Products of the size of a step of d, as many as an iteration has."""
    import tensorflow as tf

    rows = tf.random.normal([2 * BATCH, WIDTH])
    kernel = tf.random.normal([WIDTH, WIDTH])
    count = round(flops() / (2 * 2 * BATCH * WIDTH * WIDTH))

    @tf.function(jit_compile=True)
    def multiply(rows):
        for _ in range(count):
            # Each needs the one before, so that none is left out.
            rows = tf.matmul(rows, kernel) / 32
        return rows

    def iterate(times):
        for _ in range(times):
            multiply(rows).numpy()
        return times

    return iterate


def loop_of(name):
    """The contestant of that name: a function of a number of iterations."""
    if name == "PyTorch":
        return torch_loop()
    if name == "its matrix products alone":
        return products()
    how = {
        OURS: {"jit_compile": True},
        "MixUpGAN, graph": {"jit_compile": False},
        "MixUpGAN, eager Keras": {"run_eagerly": True, "jit_compile": False},
    }
    return keras_loop(**how[name])


if __name__ == "__main__":
    from benchmarks import workers

    workers.serve(loop_of(sys.argv[1]))
