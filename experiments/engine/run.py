"""Carries out an experiment: what is done is not done again.

The same command goes on where the one before was stopped, and another seed or method
is added to what is there.
"""

import dataclasses
import functools
import json
import pathlib
import shutil

import keras
import tensorflow as tf

from experiments import catalog
from experiments import settings as of_settings
from experiments.engine import distribution, processes, run_folder
from experiments.report import result_file
from experiments.settings import Refusal
from keras_mixup.whole_file import whole_file


def run(experiment, settings):
    """Loads, trains, analyzes, prints the tables and publishes; gives the result."""
    data = experiment.load(settings)
    runs = experiment.runs(settings, data)
    trained = train_all(experiment, settings, runs, data)
    return conclude(experiment, settings, experiment.analyze(trained, data, settings))


def train_all(experiment, settings, runs, data):
    """Does what is not done yet; gives the records, each with its "folder"."""
    # Each network is traced for itself, which TensorFlow would take for a mistake.
    tf.get_logger().setLevel("ERROR")
    root = pathlib.Path(settings.run_dir, experiment.pool or experiment.name)
    root /= settings.preset
    claims = claims_of(settings, runs)
    once = {}
    for run in runs:
        # Of rows that are one training the first names it.
        once.setdefault(run.folder_name, run)
    folders = [root / name for name in once]
    for folder in folders:
        run_folder.compare(folder, claims[folder.name])
    if settings.processes > 1:
        missing = [name for name in once if not run_folder.is_done(root / name)]
        tasks = [(experiment.name, settings, name) for name in missing]
        processes.do(settings.processes, train_one, tasks)
    # All workers go by what the chief found.
    done = distribution.agreed(settings, list(map(run_folder.is_done, folders)))
    records = {}
    for number, (folder, is_done) in enumerate(zip(folders, done, strict=True), 1):
        one = once[folder.name]
        title = f"[{number}/{len(once)}] {one.full_title}"
        print(f"{title}: done before" if is_done else title, flush=True)
        records[folder.name] = _record(
            experiment, settings, one, folder, claims[folder.name], data, is_done
        )
    return [
        {
            **records[run.folder_name],
            "group": run.group,
            "method": run.method,
            "folder": str(root / run.folder_name),
        }
        for run in runs
    ]


def train_one(name, settings, folder_name):
    """Does one run of an experiment of the catalog, in a process of its own."""
    experiment, data, runs = _loaded(name, settings)
    own = [run for run in runs if run.folder_name == folder_name]
    train_all(experiment, dataclasses.replace(settings, processes=1), own, data)


@functools.cache
def _loaded(name, settings):
    """An experiment with its data and its plan, loaded once a process."""
    experiment = catalog.load(name)
    data = experiment.load(settings)
    return experiment, data, experiment.runs(settings, data)


def claims_of(settings, runs):
    """What each run depends on, by the name of its folder."""
    own = of_settings.names(type(settings), "setting", "compute")
    shared = {name: getattr(settings, name) for name in own}
    if settings.strategy != "one":
        strategy = distribution.strategy_of(settings)
        shared["replicas"] = strategy.num_replicas_in_sync
    claims = {}
    for run in runs:
        claim = {**shared, **run.settings, "seed": run.seed, "counts": run.examples}
        if claims.setdefault(run.folder_name, claim) != claim:
            raise Refusal(
                "Runs whose names differ in case or punctuation alone would share a "
                f"folder. Expected others. Received: {run.folder_name!r} twice"
            )
    return claims


def _record(experiment, settings, run, folder, claim, data, is_done):
    """The record of a run, which is done here unless it is done."""

    def train():
        # What former runs left behind; a set may have many.
        keras.backend.clear_session()
        keras.utils.set_random_seed(run.seed)
        epochs, seen = experiment.train(run, data, settings, folder)
        return {
            "group": run.group,
            "method": run.method,
            "seed": run.seed,
            "settings": run.settings,
            "epochs": epochs,
            "images_seen": seen,
            "seconds": epochs[-1]["seconds"],
            "revision": result_file.revision(),
        }

    if not distribution.is_chief(settings):
        return run_folder.record(folder) if is_done else json.loads(json.dumps(train()))
    if is_done:
        # They are still there where a kill came before they were gone.
        run_folder.remove_checkpoints(folder)
    else:
        run_folder.do(folder, claim, train)
    return run_folder.record(folder)


def conclude(experiment, settings, records):
    """Makes the result, prints its tables, draws its pictures and publishes them."""
    runs = [{k: v for k, v in run.items() if k != "folder"} for run in records]
    result = result_file.make_result(
        *(experiment.name, experiment.item, dataclasses.asdict(settings)),
        *(experiment.paper(settings), runs, experiment.final),
    )
    # As it will be read: pictures are made from the file alone.
    result = json.loads(json.dumps(result))
    if not distribution.is_chief(settings):
        return result
    print("", *experiment.tables(result), experiment.legend, sep="\n\n")
    folder = pathlib.Path(settings.run_dir, experiment.name)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = experiment.draw(result, folder)
    written = folder / f"{settings.preset}.json"
    result_file.write(written, result)
    print(f"Wrote {written}")
    if settings.publish:
        place = result_file.RESULTS / experiment.name
        result_file.write(place / written.name, result)
        fullest = result_file.presets(place)[0]
        if settings.preset != fullest:
            print(f"Published to {place}, whose pictures stay those of {fullest}.json")
            return result
        for picture in pictures:
            with whole_file(place / picture.name) as scratch:
                shutil.copyfile(picture, scratch)
        print(f"Published to {place}")
    return result
