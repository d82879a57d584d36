"""A set of runs: what is done is not done again, and what is new is published.

Each run has a folder below `run_dir/<experiment>/<preset>`, with the settings that
it depends on, its logs, its checkpoints while it lasts, and the trained network and
its record when it is done. The same command goes on where the one before was stopped, and another seed or
method is added to what is there.
"""

import dataclasses
import json
import pathlib
import re
import shutil

from experiments.configuration import LEGEND, Refusal
from experiments.data.sources import Places
from experiments.engine import checkpoint_files, distribution, run_lock
from experiments.report import result_file
from keras_mixup.whole_file import whole_file

# What a run's numbers do not depend on: where things are, and which other runs
# there are.
_NOT_OF_A_RUN = {
    *("preset", "seeds", "methods", "alphas", "run_dir", "publish", "data_dir"),
    *("prepared_dir", "download", "checkpoint_every", "tensorboard"),
    *("progress", "checkpoint_steps", "data_service", "data_service_timeout"),
}


class OtherSettings(Refusal, ValueError):
    """A run folder that another configuration has begun."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a set: a row of the table, with one seed.

    Attributes:
        group: Data set or network or both, as the table says it.
        method: "ERM", or "mixup" with its alpha.
        seed: Integer.
        settings: Dict of what sets this run apart; holds "alpha".
        examples: Dict of the number of examples by split: other data are seen by it.
    """

    group: str
    method: str
    seed: int
    settings: dict
    examples: dict = dataclasses.field(default_factory=dict)

    @property
    def folder_name(self):
        """A name for the run's folder."""
        text = f"{self.group} {self.method} seed {self.seed}".lower()
        return re.sub("[^a-z0-9.]+", "_", text).strip("_")


def run_all(experiment, settings, runs, train, plan_fields=()):
    """Does the runs that are not done yet; gives the records of all.

    Args:
        experiment: Name of the experiment.
        settings: Its settings.
        runs: List of `Run`.
        train: Function of (run, folder) that gives the record of the epochs and the
            number of training examples seen.
        plan_fields: Names of settings that only say which runs there are.

    Raises:
        OtherSettings: where a run's folder belongs to other settings.
    """
    root = pathlib.Path(settings.run_dir) / experiment / settings.preset
    shared = {
        name: value
        for name, value in dataclasses.asdict(settings).items()
        if name not in _NOT_OF_A_RUN and name not in plan_fields
    }
    folders = [root / run.folder_name for run in runs]
    twice = {folder.name for folder in folders if folders.count(folder) > 1}
    if twice:
        raise Refusal(
            "Runs whose names differ in case or punctuation alone would share a folder. "
            f"Expected others. Received: {sorted(twice)}"
        )
    if settings.strategy != "one":
        replicas = distribution.strategy_of(settings).num_replicas_in_sync
        shared["replicas"] = replicas
    claims = [
        {**shared, **run.settings, "seed": run.seed, "counts": run.examples}
        for run in runs
    ]
    for folder, claim in zip(folders, claims, strict=True):
        _compare(folder, claim)
    done = distribution.agreed(
        settings, [(folder / "record.json").exists() for folder in folders]
    )
    chief, records = distribution.is_chief(settings), []
    for number, run in enumerate(runs):
        title = f"[{number + 1}/{len(runs)}] {run.group}, {run.method}, seed {run.seed}"
        folder = folders[number]
        if done[number]:
            print(f"{title}: done before", flush=True)
            if chief:
                # They are still there where a kill came before they were gone.
                _remove_checkpoints(folder)
            records.append(result_file.read(folder / "record.json"))
            continue
        print(title, flush=True)
        if chief:
            with run_lock.held(folder):
                records.append(_do(run, folder, claims[number], train))
        else:
            records.append(json.loads(json.dumps(_train(run, folder, train))))
    return records


def _do(run, folder, claim, train):
    """Trains one run in a folder that is ours, and leaves its record there."""
    record = folder / "record.json"
    # A process that held the folder before may have begun or done it meanwhile.
    _compare(folder, claim)
    if not record.exists():
        result_file.write(folder / "settings.json", claim)
        result_file.write(record, _train(run, folder, train))
    _remove_checkpoints(folder)
    return result_file.read(record)


def _remove_checkpoints(folder):
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def _train(run, folder, train):
    epochs, images_seen = train(run, folder)
    return {
        "group": run.group,
        "method": run.method,
        "seed": run.seed,
        "settings": run.settings,
        "epochs": epochs,
        "images_seen": images_seen,
        "seconds": epochs[-1]["seconds"],
        "revision": result_file.revision(),
    }


def _compare(folder, claim):
    """Raises where a folder that holds something belongs to other settings."""
    place = folder / "settings.json"
    begun = (folder / "record.json").exists() or checkpoint_files.finished(
        folder / "checkpoints"
    )
    if not (begun and place.exists()):
        return
    there, claim = result_file.read(place), json.loads(json.dumps(claim))
    differences = [
        f"{name}: {there.get(name, 'nothing')!r} there, {claim.get(name, 'nothing')!r} now"
        for name in sorted({*there, *claim})
        if there.get(name, "nothing") != claim.get(name, "nothing")
    ]
    if differences:
        raise OtherSettings(
            f"The run folder {folder} belongs to other settings "
            f"({'; '.join(differences)}). Give another --run_dir, or remove the folder."
        )


def places_of(settings):
    """Where the data of these settings are looked for."""
    return Places(
        settings.data_dir,
        settings.prepared_dir,
        settings.download,
        settings.skip_corrupt,
    )


def conclude(experiment, settings, records, legend=LEGEND, paper=None):
    """Makes the result, prints its tables, draws its pictures and publishes them.

    Args:
        experiment: The experiment's module: its `ITEM`, `paper`, `final`, `tables` and
            `draw`, a function of (result, folder) that gives the pictures' paths.
        settings: Its settings.
        records: List of records of its runs.
        legend: What the tables' cells are.
        paper: The paper's value by cell, where it is not the module's `paper()`.
    """
    name = experiment.__name__.rpartition(".")[2]
    paper = experiment.paper() if paper is None else paper
    runs = [{k: v for k, v in run.items() if k != "folder"} for run in records]
    result = result_file.make_result(
        name,
        experiment.ITEM,
        dataclasses.asdict(settings),
        paper,
        runs,
        experiment.final,
    )
    # As it will be read: pictures are made from the file alone.
    result = json.loads(json.dumps(result))
    if not distribution.is_chief(settings):
        return result
    print("", *experiment.tables(result), legend, sep="\n\n")
    folder = pathlib.Path(settings.run_dir) / name
    folder.mkdir(parents=True, exist_ok=True)
    publish(result, settings, experiment.draw(result, folder))
    return result


def publish(result, settings, pictures=()):
    """Writes the result file, and copies it where the settings ask for it."""
    folder = pathlib.Path(settings.run_dir) / result["experiment"]
    written = folder / f"{settings.preset}.json"
    result_file.write(written, result)
    print(f"Wrote {written}")
    if settings.publish:
        copy_to_results(result, written.name, pictures)


def copy_to_results(result, name, pictures):
    """Puts a result file and its pictures below `experiments/results`, each whole."""
    place = result_file.RESULTS / result["experiment"]
    result_file.write(place / name, result)
    for picture in pictures:
        with whole_file(place / picture.name) as scratch:
            shutil.copyfile(picture, scratch)
    print(f"Published to {place}")
