"""OpenVINO tells its makers of each conversion, but not where this says CI."""

import pytest


@pytest.fixture(autouse=True)
def _untold(monkeypatch):
    monkeypatch.setenv("CI", "true")
