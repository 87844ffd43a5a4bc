"""For all tests: property tests are the same every time, and a busy machine fails none of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from stealthrl_tui.sandbox.process import Sandbox, running_sandbox

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A Tinker service for the tests of one file."""
    with running_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def good(sandbox: Sandbox) -> Sandbox:
    """The service with the sampler weights `good`."""
    sandbox.save_sampler("good")
    return sandbox


@pytest.fixture
def calm(sandbox: Sandbox) -> Iterator[None]:
    """The service is well again after each test."""
    yield
    sandbox.clear_faults()
