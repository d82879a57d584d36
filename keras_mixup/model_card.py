"""The model card beside an exported model (Mitchell et al., 2019)."""

import keras
import tensorflow as tf

_UNKNOWN = "not stated"


def write_model_card(path, network, kind, facts, use, date, card):
    """Writes `model_card.md`.

    Args:
        path: The file.
        network: The exported `keras.Model`.
        kind: What it is in a word, such as "classifier".
        facts: Dict of further facts by name, such as of its inputs.
        use: List of lines on its use.
        date: ISO date.
        card: Dict with any of "description", "inputs" (the range and meaning of their
            values), "data", "numbers" (a dict of names to values) and "license".

    Raises:
        ValueError: for an entry of `card` that has no place.
    """
    known = {"description", "inputs", "data", "numbers", "license"}
    unknown = sorted(set(card) - known)
    if unknown:
        raise ValueError(
            "Unknown entry received for argument `card`. Expected description, "
            f"inputs, data, numbers or license. Received: {unknown}"
        )
    numbers = card.get("numbers") or {}
    lines = [
        f"# Model card: {network.name}",
        "",
        card.get("description", f"A {kind} exported by keras_mixup."),
        "",
        f"- Date: {date}",
        f"- Data: {card.get('data', _UNKNOWN)}",
        f"- License: {card.get('license', _UNKNOWN)}",
        f"- Parameters: {network.count_params():,}",
        *(f"- {name}: {text}" for name, text in facts.items()),
        f"- Values of the inputs: {card.get('inputs') or _UNKNOWN}",
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
        *use,
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
