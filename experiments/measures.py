"""The measures of a run, from the numbers of its epochs: what the tables hold."""

import statistics

import numpy as np

from keras_mixup import evaluation


def errors_at_the_end(epochs, name="error", part="test"):
    """Median of the last ten epochs, last, and best: the least, an oracle's choice."""
    errors = [epoch[part][name] for epoch in epochs]
    return {
        f"median_{name}": statistics.median(errors[-10:]),
        f"last_{name}": errors[-1],
        f"best_{name}": min(errors),
    }


def calibration_at_the_end(epochs, part="test"):
    """The calibration error (%) on a set after the last epoch, if it was measured."""
    reliability = epochs[-1].get("end", {}).get("reliability", {})
    if part not in reliability:
        return {}
    error = evaluation.calibration_error(reliability[part])
    return {"calibration_error": 100 * error}


def of_classifier(epochs):
    """The measures of a run of a classifier whose training errors were measured.

    Test errors (%): the median of the last ten epochs (Table 5's), the last, and the
    best, which is chosen on the test set, an oracle. Training errors (%): of the
    network in inference mode on clean images, against real labels and against replaced
    ones. The calibration error (%) is on the test set, after the last epoch.
    """
    return {**errors_at_the_end(epochs), **at_the_end(epochs)}


def at_the_end(epochs):
    """The training errors on clean examples and the calibration error, if measured."""
    found = epochs[-1].get("end", {}).get("train", {})
    training = {name: value for name, value in found.items() if value is not None}
    return {**training, **calibration_at_the_end(epochs)}


def of_regression(part, predicted):
    """Root mean squared error and mean absolute percentage error, and of the worst.

    "loss" is the mean squared error. Where a part has groups, the worst has the
    greatest error of all. The percentage is of the targets that are not 0.
    """
    y, predicted = (np.asarray(one, "float64") for one in (part.y, predicted))
    squares = np.square(predicted - y).mean(axis=-1)
    found = {"loss": squares.mean(), "rmse": np.sqrt(squares.mean())}
    shares = np.full(y.shape, np.nan)
    np.divide(100 * np.abs(predicted - y), np.abs(y), out=shares, where=y != 0)
    found["mape"] = np.nanmean(shares)
    if part.groups is not None:
        members = [part.groups == name for name in np.unique(part.groups)]
        found["worst_rmse"] = max(np.sqrt(squares[own].mean()) for own in members)
        found["worst_mape"] = max(np.nanmean(shares[own]) for own in members)
    return {name: float(value) for name, value in found.items()}


def best_epoch(epochs):
    """The epoch of the least validation error, the first of them."""
    return min(epochs, key=lambda epoch: epoch["valid"]["loss"])


def at_the_best_epoch(epochs):
    """The test errors at the epoch of the least validation error."""
    test = best_epoch(epochs)["test"]
    return {name: value for name, value in test.items() if name != "loss"}


def thinned(records, data, settings):
    """The records with every tenth epoch, the best and the last: all would be 19 MB."""
    for record in records:
        epochs = record["epochs"]
        chosen = (best_epoch(epochs)["epoch"], epochs[-1]["epoch"])
        record["epochs"] = [
            epoch
            for epoch in epochs
            if epoch["epoch"] % 10 == 0 or epoch["epoch"] in chosen
        ]
    return records


def cells(rows, measures, methods=None):
    """The paper's values by cell, "row/measure", without those that it does not have.

    Args:
        rows: Dict from rows, "group/method" or "method", to their values. With
            `methods`, from groups to one value a method, of the one measure.
        measures: Names of the measures, in the order of the values.
        methods: Names of the methods, or None.
    """
    if methods:
        (measure,) = measures
        return {
            f"{group}/{method}/{measure}": value
            for group, values in rows.items()
            for method, value in zip(methods, values, strict=True)
        }
    return {
        f"{row}/{measure}": value
        for row, values in rows.items()
        for measure, value in zip(measures, values, strict=False)
        if value is not None
    }
