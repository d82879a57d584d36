"""C-Mixup on Airfoil by a plain loop of PyTorch, on the splits of `cmixup_regression`.

The gain that the authors report does not come out of that experiment. This loop shares
no code of training with it: network, batches, partners (by the kernel of all pairs of
targets), lam (one a batch), Adam, and the choice of the epoch by the validation error
are written anew. Initial values and draws differ from those of our runs.

    python -m benchmarks.torch_regression --data_dir DATA
"""

import numpy as np

from benchmarks import command, report
from experiments.beyond.cmixup_regression import RECIPES
from experiments.data import regression as data_of
from experiments.report import result_file, tables

RECIPE = RECIPES["airfoil"]
METHODS = ("ERM", "mixup, hidden", "C-Mixup, hidden")


def main(arguments=None):
    """Trains, prints the table, writes the result."""
    parser = command.parser_of("torch_regression", __doc__, 10)
    parser.add_argument("--data_dir", required=True, help="has regression/airfoil")
    flags = parser.parse_args(arguments)
    rows = data_of.load_table("airfoil", vars(flags).pop("data_dir"))
    command.conclude(
        "torch_regression", flags, lambda flags: measured(rows, flags.rounds), table
    )


def measured(rows, rounds):
    """The test error of each method on as many splits as there are rounds."""
    runs = [
        {
            "group": "airfoil",
            "method": name,
            "seed": seed,
            "final": {"rmse": trained(data_of.split(rows, seed), name, seed)},
        }
        for seed in range(rounds)
        for name in METHODS
    ]
    return {
        "runs": runs,
        "summary": result_file.summarize(runs, {}),
        "paired": result_file.pair(runs),
        "torch": report.version("torch"),
    }


def trained(parts, method, seed):
    """The test error of one run at the epoch of its least validation error."""
    import torch

    torch.manual_seed(seed)
    generator = np.random.default_rng([seed, 1])
    first = torch.nn.Sequential(torch.nn.Linear(5, 128), torch.nn.LeakyReLU(0.1))
    rest = torch.nn.Sequential(
        torch.nn.Linear(128, 128), torch.nn.LeakyReLU(0.1), torch.nn.Linear(128, 1)
    )
    optimizer = torch.optim.Adam(
        [*first.parameters(), *rest.parameters()], RECIPE.learning_rate
    )
    x, y = (torch.tensor(part) for part in (parts["train"].x, parts["train"].y))
    law = partners_law(parts["train"].y[:, 0], method)
    errors = []
    for _ in range(RECIPE.epochs):
        order = generator.permutation(len(x))
        for step in range(len(x) // RECIPE.batch_size):
            own = order[step * RECIPE.batch_size :][: RECIPE.batch_size]
            hidden, target = first(x[own]), y[own]
            if method != "ERM":
                lam = generator.beta(RECIPE.alpha, RECIPE.alpha)
                other = [generator.choice(len(x), p=law[index]) for index in own]
                hidden = lam * hidden + (1 - lam) * first(x[other])
                target = lam * target + (1 - lam) * y[other]
            loss = torch.mean((rest(hidden) - target) ** 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            errors.append(
                [
                    float(
                        np.mean(
                            (rest(first(torch.tensor(part.x))).numpy() - part.y) ** 2
                        )
                    )
                    for part in (parts["valid"], parts["test"])
                ]
            )
    return min(errors)[1] ** 0.5


def partners_law(targets, method):
    """`P(j | i)` of all pairs of training examples: by the kernel, or uniform."""
    targets = targets.astype("float64")
    distance = (targets[:, np.newaxis] - targets) / RECIPE.bandwidth
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
