"""How hostile input is made of good input, and how many are tried."""

import contextlib
import time

import hypothesis
import pytest
from hypothesis import strategies as st

from experiments.settings import Refusal

FEW = 20
FULL = {
    "flags": 1500,
    "results": 2500,
    "neighbors": 1000,
    "wav": 2500,
    "images": 1500,
    "uci": 1500,
    "archive": 800,
    "keras": 500,
    "labels": 1500,
}


def tried(kind):
    """Runs a test on few inputs, and under the mark `slow` on all."""

    def decorate(function):
        few, full = (
            hypothesis.settings(
                max_examples=count,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            for count in (FEW, FULL[kind])
        )
        strategy = hypothesis.given(st.data())

        @pytest.mark.parametrize(
            "profile",
            [few, pytest.param(full, marks=pytest.mark.slow)],
            ids=["few", "full"],
        )
        def test(profile, tmp_path):
            count = []

            def counted(data):
                count.append(1)
                begin = time.process_time()
                function(data, tmp_path)
                # The first imports and traces what all share.
                assert len(count) == 1 or time.process_time() - begin < 1

            profile(strategy(counted))()
            print(f"{kind}: {len(count)} inputs")
            # Fewer only where there are no more that differ.
            assert len(count) >= profile.max_examples

        test.__doc__ = function.__doc__
        return test

    return decorate


@st.composite
def changed(draw, corpus):
    """One of the corpus with a few changes, or bytes that are nothing at all."""
    content = bytearray(draw(st.sampled_from(corpus)))
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(
            st.sampled_from(["byte", "cut", "insert", "repeat", "number", "noise"])
        )
        place = draw(st.integers(0, max(0, len(content) - 1)))
        if kind == "byte" and content:
            content[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del content[place : place + draw(st.integers(1, 200))]
        elif kind == "insert":
            content[place:place] = draw(st.binary(max_size=20))
        elif kind == "repeat":
            content[place:place] = content[place : place + 50] * draw(
                st.integers(1, 30)
            )
        elif kind == "number":
            # Lengths and sizes are where readers trust a file.
            number = draw(
                st.sampled_from([0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1])
            )
            order = draw(st.sampled_from(["little", "big"]))
            content[place : place + 4] = number.to_bytes(4, order)
        elif kind == "noise":
            content = bytearray(draw(st.binary(max_size=60)))
    return bytes(content)


def refusing(*further):
    """Lets an error of ours pass; any other fails the test."""
    return contextlib.suppress(Refusal, *further)
