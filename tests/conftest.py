"""Shared fixtures: a cache folder of the session's own, and the rule for tests that need public data.

A test marked `data` is skipped, with a reason, where MMAI_GYM_MIRROR is not set. Where it is set, a skipped data test is
a failure: otherwise a broken mirror would turn the suite green by emptying it.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("suite", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Point the gym's cache at a folder of this test session, so that the user's own is neither read nor filled.

    Processes of one session share it: what is derived from the data files is derived once.
    """
    session = tmp_path_factory.getbasetemp()
    folder = (session.parent if "PYTEST_XDIST_WORKER" in os.environ else session) / "cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMAI_GYM_CACHE", str(folder))
        patch.setenv("MMAI_GYM_OFFLINE", "1")
        yield folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Threads cost more than they give on matrices this small, and much more on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not os.environ.get("MMAI_GYM_MIRROR"):
        skip = pytest.mark.skip(reason="needs the public data files: set MMAI_GYM_MIRROR to a mirror folder")
        for item in items:
            if item.get_closest_marker("data"):
                item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.get_closest_marker("data") and os.environ.get("MMAI_GYM_MIRROR"):
        report.outcome = "failed"
        report.longrepr = f"a data test was skipped although MMAI_GYM_MIRROR is set: {report.longrepr}"
    return report
