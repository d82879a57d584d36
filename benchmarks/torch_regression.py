"""C-Mixup on Airfoil by a plain loop of PyTorch, on the splits of `cmixup_regression`.

The gain that the authors report does not come out of that experiment. This loop shares
no code of training with it: network, batches, partners (by the kernel of all pairs of
targets), lam (one a batch), Adam, and the choice of the epoch by the validation error
are written anew. Initial values and draws differ from those of our runs.

    python -m benchmarks.torch_regression --data_dir DATA

PyTorch runs in a process of its own: beside TensorFlow it crashes.
"""

import dataclasses
import multiprocessing

import numpy as np

from benchmarks import command, report
from experiments.report import result_file, tables

METHODS = ("ERM", "mixup, hidden", "C-Mixup, hidden")


def main(arguments=None):
    """Trains, prints the table, writes the result."""
    parser = command.parser_of("torch_regression", __doc__, 10)
    parser.add_argument("--data_dir", required=True, help="has regression/airfoil")
    flags = parser.parse_args(arguments)
    data_dir = vars(flags).pop("data_dir")
    command.conclude(
        "torch_regression", flags, lambda flags: measured(data_dir, flags.rounds), table
    )


def measured(data_dir, rounds):
    """The test error of each method on as many splits as there are rounds."""
    from experiments.beyond.cmixup_regression import RECIPES
    from experiments.data import regression

    rows = regression.load_table("airfoil", data_dir)
    recipe = dataclasses.asdict(RECIPES["airfoil"])
    runs = []
    for seed in range(rounds):
        split = regression.split(rows, seed)
        parts = {name: (part.x, part.y) for name, part in split.items()}
        runs += [(parts, method, seed, recipe) for method in METHODS]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        errors = pool.starmap(trained, runs, chunksize=1)
    runs = [
        {"group": "airfoil", "method": method, "seed": seed, "final": {"rmse": error}}
        for (_, method, seed, _), error in zip(runs, errors, strict=True)
    ]
    return {
        "runs": runs,
        "summary": result_file.summarize(runs, {}),
        "paired": result_file.pair(runs),
        "torch": report.version("torch"),
    }


def trained(parts, method, seed, recipe):
    """The test error of one run at the epoch of its least validation error."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    generator = np.random.default_rng([seed, 1])
    first = torch.nn.Sequential(torch.nn.Linear(5, 128), torch.nn.LeakyReLU(0.1))
    rest = torch.nn.Sequential(
        torch.nn.Linear(128, 128), torch.nn.LeakyReLU(0.1), torch.nn.Linear(128, 1)
    )
    weights = [*first.parameters(), *rest.parameters()]
    optimizer = torch.optim.Adam(weights, recipe["learning_rate"])
    parts = {name: [*map(torch.tensor, both)] for name, both in parts.items()}
    x, y = parts["train"]
    law = partners_law(y[:, 0].double().numpy(), method, recipe["bandwidth"])
    size, errors = recipe["batch_size"], []
    for _ in range(recipe["epochs"]):
        order = generator.permutation(len(x))
        for start in range(0, len(x) - size + 1, size):
            own = order[start : start + size]
            hidden, target = first(x[own]), y[own]
            if method != "ERM":
                lam = generator.beta(recipe["alpha"], recipe["alpha"])
                other = [generator.choice(len(x), p=law[index]) for index in own]
                hidden = lam * hidden + (1 - lam) * first(x[other])
                target = lam * target + (1 - lam) * y[other]
            loss = torch.mean((rest(hidden) - target) ** 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            found = (
                torch.mean((rest(first(x_of)) - y_of) ** 2).item()
                for x_of, y_of in (parts["valid"], parts["test"])
            )
            errors.append(tuple(found))
    return min(errors)[1] ** 0.5


def partners_law(targets, method, bandwidth):
    """`P(j | i)` of all pairs of training examples: by the kernel, or uniform."""
    distance = (targets[:, np.newaxis] - targets) / bandwidth
    weights = np.exp(-(distance**2) / 2) if "C-Mixup" in method else distance * 0 + 1
    return weights / weights.sum(axis=1, keepdims=True)


def table(result):
    """The Markdown table of a result."""
    rows = []
    for name in METHODS:
        cell = result_file.cell_name("airfoil", name, "rmse")
        paired = result["paired"].get(cell)
        rows.append(
            [
                name,
                tables.mean(result["summary"][cell], 3),
                tables.difference(paired, 3) if paired else "",
            ]
        )
    return tables.markdown(["Airfoil, in PyTorch", "Test RMSE", "Less ERM's"], rows)


if __name__ == "__main__":
    main()
