"""Where replicas are: this device, this machine, or several machines."""

import dataclasses
import json

import pytest
import tensorflow as tf

from experiments.__main__ import main
from experiments.engine import distribution
from experiments.report import result_file
from tests.training.test_several_workers import ended, start_workers


@dataclasses.dataclass
class Settings:
    strategy: str


def test_one_process_is_the_chief_and_agrees_with_itself():
    for strategy in ("one", "mirrored"):
        assert distribution.is_chief(Settings(strategy))
        assert distribution.agreed(Settings(strategy), [True, 3]) == [True, 3]
    assert distribution.strategy_of(Settings("one")) is tf.distribute.get_strategy()


GOOD = {
    "cluster": {"worker": ["host0:1", "host1:1"]},
    "task": {"type": "worker", "index": 1},
}


@pytest.mark.parametrize(
    "config",
    [
        None,
        "",
        "{",
        "[]",
        json.dumps({**GOOD, "cluster": {}}),
        json.dumps({**GOOD, "task": {"type": "worker", "index": 2}}),
        json.dumps({**GOOD, "task": {"type": "evaluator", "index": 0}}),
    ],
)
def test_without_workers_the_error_shows_how_to_name_them(monkeypatch, config, capsys):
    monkeypatch.delenv(distribution.SLURM, raising=False)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    assert main(["table4_tabular", "--strategy", "multi_worker"]) == 2
    error = capsys.readouterr().err
    assert '{"cluster": {"worker": ["host0:2222", "host1:2222"]}' in error
    assert f"Received: TF_CONFIG={config!r}" in error


def test_workers_are_found_by_tf_config_or_by_slurm(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(GOOD))
    resolver = distribution._resolver()
    assert (resolver.task_type, resolver.task_id) == ("worker", 1)
    assert resolver.cluster_spec().as_dict() == GOOD["cluster"]
    monkeypatch.delenv("TF_CONFIG")
    slurm = {
        "SLURM_PROCID": "1",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NODELIST": "node[3-4]",
        "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
        "CUDA_VISIBLE_DEVICES": "0",
    }
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    cluster = distribution._resolver().cluster_spec().as_dict()
    assert [host.partition(":")[0] for host in cluster["worker"]] == ["node3", "node4"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["table4_tabular", "--preset", "smoke"],
        ["figure3_cifar", "--preset", "smoke", "--mix_in", "pipeline"],
        ["figure5_gan", "--preset", "smoke", "--jit_compile", "false"],
    ],
)
def test_an_experiment_runs_on_two_workers_and_the_chief_publishes(tmp_path, command):
    flags = ["--strategy", "multi_worker", "--run_dir", tmp_path, "--seeds", "0"]
    texts = ended(start_workers(["experiments", *command, *flags], 2))
    assert [f"Wrote {tmp_path}" in text for text in texts] == [True, False]
    stored = result_file.read(tmp_path / command[0] / "smoke.json")
    assert stored["settings"]["strategy"] == "multi_worker"
    assert stored["runs"]
    # What is done is not done again, on any worker.
    texts = ended(start_workers(["experiments", *command, *flags], 2))
    for text in texts:
        assert text.count("done before") == len(stored["runs"])
    assert (
        result_file.read(tmp_path / command[0] / "smoke.json")["runs"] == stored["runs"]
    )
