"""The model card that lies beside an exported model, read line by line."""

import datetime

import keras
import pytest
import tensorflow as tf

from keras_mixup import export_saved_model
from keras_mixup.model_card import write_model_card
from tests.served_models import NAMES, linear_network


def stated(text):
    """The lines `- name: value` as a dict."""
    lines = [line[2:] for line in text.splitlines() if line.startswith("- ")]
    return dict(line.split(": ", 1) for line in lines)


def test_the_card_of_an_export_says_what_was_exported(tmp_path):
    days = {datetime.date.today().isoformat()}
    card = {"data": "1,200 photographs", "license": "CC BY 4.0"}
    path = export_saved_model(
        linear_network("softmax"),
        tmp_path / "1",
        labels=NAMES,
        input_dtype="uint8",
        card=card,
    )
    days.add(datetime.date.today().isoformat())
    entries = stated((path / "model_card.md").read_text(encoding="utf-8"))
    assert entries.pop("Date") in days
    assert entries == {
        "Data": "1,200 photographs",
        "License": "CC BY 4.0",
        "Parameters": str(4 * 4 * 3 * 3 + 3),
        "Inputs": "uint8 (None, 4, 4, 3)",
        "Values of the inputs": "whole numbers in [0, 255]",
        "Classes (3)": "cat, dog, bird",
        "Signatures": "`serving_default`, `numeric` (the same without strings), "
        "`encoded_images` (image files)",
        "Written with": f"TensorFlow {tf.__version__}, Keras {keras.__version__}",
    }


def test_pixels_of_a_network_without_a_preprocessing_are_named(tmp_path):
    line = "`encoded_images` gives the network pixels in [0, 255]"
    for name, preprocess in (("plain", None), ("scaled", lambda x: x / 255)):
        path = export_saved_model(
            linear_network("softmax"), tmp_path / name, preprocess=preprocess
        )
        text = (path / "model_card.md").read_text(encoding="utf-8")
        assert (line in text) == (preprocess is None)
        values = "whole numbers in [0, 255]" if preprocess else "not stated"
        assert stated(text)["Values of the inputs"] == values


def written(tmp_path, **card):
    file = tmp_path / "model_card.md"
    inputs = keras.Input((1000,))
    network = keras.Model(inputs, keras.layers.Dense(2)(inputs), name="pets")
    facts = {"Inputs": "float32 (None, 1000)"}
    write_model_card(
        file, network, "classifier", facts, ["For pets."], "2026-01-02", card
    )
    return file.read_text(encoding="utf-8")


def test_numbers_stand_in_a_table_below_the_description(tmp_path):
    numbers = {"test error (%)": "3.1", "images": 597}
    text = written(tmp_path, description="Tells pets ☃ apart.", numbers=numbers)
    assert text.startswith(
        "# Model card: pets\n\nTells pets ☃ apart.\n\n- Date: 2026-01-02"
    )
    assert stated(text)["Parameters"] == "2,002"
    rows = (
        "| measure | value |\n|---|---|\n| test error (%) | 3.1 |\n| images | 597 |\n"
    )
    assert f"\n## Numbers\n\n{rows}\n" in text


def test_what_is_not_given_is_said_to_be_not_stated(tmp_path):
    text = written(tmp_path)
    assert stated(text)["Data"] == stated(text)["License"] == "not stated"
    assert stated(text)["Values of the inputs"] == "not stated"
    assert "\n## Numbers\n\nnot stated\n" in text
    assert "|" not in text


def test_the_meaning_of_the_inputs_is_said_where_it_is_given(tmp_path):
    text = written(tmp_path, inputs="decibels, from -80 to 0")
    assert stated(text)["Values of the inputs"] == "decibels, from -80 to 0"


def test_kind_facts_and_use_stand_in_the_card(tmp_path):
    text = written(tmp_path)
    assert "\nA classifier exported by keras_mixup.\n" in text
    assert stated(text)["Inputs"] == "float32 (None, 1000)"
    assert text.endswith("\n## Use\n\nFor pets.\n")


def test_more_than_twenty_labels_are_cut(tmp_path):
    inputs = keras.Input((2,))
    for count in (20, 21):
        network = keras.Model(inputs, keras.layers.Dense(count, "softmax")(inputs))
        labels = [f"class {index}" for index in range(count)]
        path = export_saved_model(network, tmp_path / str(count), labels=labels)
        entries = stated((path / "model_card.md").read_text(encoding="utf-8"))
        cut = ", ..." if count > 20 else ""
        assert entries[f"Classes ({count})"] == ", ".join(labels[:20]) + cut


def test_an_entry_without_a_place_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"numbers or license. Received: \['author'\]"):
        written(tmp_path, author="a", data="d")
    assert not list(tmp_path.iterdir())
