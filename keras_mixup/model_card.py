"""The model card beside an exported model (Mitchell et al., 2019)."""

import keras
import tensorflow as tf

_UNKNOWN = "not stated"


def write_model_card(path, network, inputs, labels, date, card):
    """Writes `model_card.md`.

    Args:
        path: The file.
        network: The exported `keras.Model`.
        inputs: One line on dtype and shape of the inputs.
        labels: Names of the classes.
        date: ISO date.
        card: Dict with any of "description", "data", "numbers" (a dict of names
            to values) and "licence".

    Raises:
        ValueError: for an entry of `card` that has no place.
    """
    unknown = sorted(set(card) - {"description", "data", "numbers", "licence"})
    if unknown:
        raise ValueError(
            "Unknown entry received for argument `card`. Expected description, data, "
            f"numbers or licence. Received: {unknown}"
        )
    shown = labels if len(labels) <= 20 else [*labels[:20], "..."]
    numbers = card.get("numbers") or {}
    lines = [
        f"# Model card: {network.name}",
        "",
        card.get("description", "A classifier exported by keras_mixup."),
        "",
        f"- Date: {date}",
        f"- Data: {card.get('data', _UNKNOWN)}",
        f"- Licence: {card.get('licence', _UNKNOWN)}",
        f"- Parameters: {network.count_params():,}",
        f"- Inputs: {inputs}",
        f"- Classes ({len(labels)}): {', '.join(shown)}",
        f"- Written with: TensorFlow {tf.__version__}, Keras {keras.__version__}",
        "",
        "## Numbers",
        "",
    ]
    if numbers:
        lines += ["| measure | value |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in numbers.items()]
    else:
        lines.append(_UNKNOWN)
    lines += [
        "",
        "## Use",
        "",
        "Inference only: the graph holds no mixing and draws no random numbers.",
        "Probabilities are as the network gives them; their calibration is not stated.",
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
