"""A program that mypy checks (`make types`): all that it names is public."""

import keras

import keras_mixup

policies = [keras_mixup.MixUp(0.2), keras_mixup.CutMix(1.0), keras_mixup.FMix(1.0)]
policies += [keras_mixup.ResizeMix(), keras_mixup.RandomChoice(policies)]
schedule = keras_mixup.AlphaSchedule(0.2, steps_per_epoch=10)
accuracy = keras_mixup.metrics.MixedAccuracy()
layer = keras_mixup.layers.MixUp(0.2)


def model(network: keras.Model) -> keras.Model:
    return keras_mixup.MixUpModel(network, keras_mixup.MixUp(schedule))


def errors(network: keras.Model, x: object, y: object) -> object:
    return keras_mixup.evaluation.fgsm(network, x, y, 4.0)
