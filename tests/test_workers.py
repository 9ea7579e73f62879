"""A hanging, greedy, crashing or failing item costs its own outcome and nothing else."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmai_gym.contracts import GymError, UsageError
from mmai_gym.workers import MAX_WINDOW, Outcome, WorkerPool, cores
from mmai_gym.workers.pool import _Run

# ------------------------------------------------------------------ what the children run


def behave(item: object) -> object:
    """Do what the item says."""
    match item:
        case "hang":
            while True:
                pass
        case "hang in native code":
            # PyDLL keeps the interpreter lock, as a C++ extension does.
            ctypes.PyDLL(None).sleep(3600)
        case "greedy":
            return len(bytearray(1 << 40))
        case "swallow":
            # As toolkits do: allocate until it fails, then call the input invalid. `bytes` leaves its pages untouched.
            kept = []
            time.sleep(0.01)
            try:
                while True:
                    kept.append(bytes(1 << 26))
            except MemoryError:
                return None
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "leave":
            os._exit(3)
        case "raise":
            raise ValueError("a bad item")
        case "lambda":
            return lambda: None
        case "cores":
            return cores()
        case "pid":
            return os.getpid()
        case "modules":
            return set(sys.modules)
        case ("note", str(path), value):
            with Path(path).open("a") as file:
                file.write(f"{value}\n")
            return value
        case ("sleep", float(seconds), value):
            time.sleep(seconds)
            return value
        case bytes(data):
            return data[::-1]
    return ("ok", item)


starts: list[int] = []


def note_start() -> None:
    starts.append(os.getpid())


def report_starts(item: object) -> tuple[list[int], int]:
    if item == "die":
        os._exit(1)
    return starts, os.getpid()


class Dozing:
    """Sleeps when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[float], None], tuple[float]]:
        return time.sleep, (3600.0,)


prepared: set[object] = set()


def prepare_slowly(item: object) -> None:
    if item == "unprepared":
        raise ValueError("not this one")
    if item not in prepared:
        time.sleep(0.8)
        prepared.add(item)


def is_prepared(item: object) -> bool:
    return item in prepared


def fail_to_start() -> None:
    raise RuntimeError("no licence file")


def die_at_start() -> None:
    os._exit(1)


class ReturnError(Exception):
    """Pickles, but needs two arguments to come back."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


def return_exception(item: object) -> object:
    return ReturnError("a", "b")


# ------------------------------------------------------------------ tests


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(behave, workers=2, seconds=1.5, memory_mb=512) as pool:
        yield pool


def test_values_come_in_order_over_many_items(pool: WorkerPool) -> None:
    outcomes = list(pool.map(range(3000)))
    assert [o.value for o in outcomes] == [("ok", i) for i in range(3000)]
    assert {o.error for o in outcomes} == {None}


@pytest.mark.parametrize(
    ("item", "error", "detail"),
    [
        ("hang", "timeout", "1.5 s"),
        ("hang in native code", "timeout", "1.5 s"),
        ("greedy", "memory", "MemoryError"),
        ("swallow", "memory", "half of the memory limit"),
        ("segfault", "crash", "SIGSEGV"),
        ("leave", "crash", "exit status 3"),
        ("raise", "error", "ValueError: a bad item"),
        ("lambda", "error", "pickle"),
    ],
)
def test_a_bad_item_is_named_and_its_neighbours_are_unharmed(
    pool: WorkerPool, item: str, error: str, detail: str
) -> None:
    items: list[object] = [*range(40), item, *range(40, 80), item, *range(80, 90)]
    outcomes = list(pool.map(items))
    assert [o.value for o in outcomes] == [("ok", i) if isinstance(i, int) else None for i in items]
    for position, outcome in enumerate(outcomes):
        assert outcome.error == (error if items[position] == item else None)
    assert detail in outcomes[40].detail


def test_what_a_dying_worker_had_not_reported_is_computed_again(tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    with WorkerPool(behave, workers=1) as pool:
        list(pool.map(range(200)))  # from now on the worker is known to be quick and gets many items ahead
        outcomes = list(pool.map([*(("note", path, i) for i in range(30)), "segfault", ("note", path, 30)]))
    assert [o.value for o in outcomes] == [*range(30), None, 30]
    assert [o.error for o in outcomes] == [*[None] * 30, "crash", None]
    notes = [int(line) for line in Path(path).read_text().split()]
    assert set(notes) == set(range(31))
    assert notes.count(30) == 1


def test_quick_items_share_their_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = 0
    wait = _Run.wait

    def counted(run: _Run) -> None:
        nonlocal waits
        waits += 1
        wait(run)

    with WorkerPool(behave, workers=1) as pool:
        list(pool.map(range(200)))
        monkeypatch.setattr(_Run, "wait", counted)
        assert len(list(pool.map(range(4000)))) == 4000
    assert waits < 1000


def test_a_slow_item_is_reported_before_the_next_one_ends(pool: WorkerPool) -> None:
    list(pool.map(range(200)))
    outcomes = pool.map([("sleep", 0.1, 0), ("sleep", 0.1, 1), ("sleep", 1.2, 2), ("sleep", 1.2, 3)])
    started = time.monotonic()
    assert [next(outcomes).value, next(outcomes).value] == [0, 1]
    assert time.monotonic() - started < 1.0
    assert [o.value for o in outcomes] == [2, 3]


def test_only_a_broken_worker_is_replaced() -> None:
    with WorkerPool(behave, workers=1) as pool:
        first, _, second, _, third = pool.map(["pid", "raise", "pid", "segfault", "pid"])
    assert first.value == second.value
    assert second.value != third.value


def test_items_that_cannot_be_pickled_fail_alone(pool: WorkerPool) -> None:
    outcomes = list(pool.map([1, threading.Lock(), 2]))
    assert [o.error for o in outcomes] == [None, "error", None]
    assert "pickle" in outcomes[1].detail


def test_values_that_do_not_unpickle_fail_alone() -> None:
    with WorkerPool(return_exception, workers=1) as pool:
        (outcome,) = pool.map([0])
    assert outcome.error == "error"
    assert "unpickled" in outcome.detail


def test_messages_larger_than_any_socket_buffer(pool: WorkerPool) -> None:
    data = [bytes([i]) * 3_000_000 + b"!" for i in range(12)]
    assert [o.value for o in pool.map(data)] == [d[::-1] for d in data]


def test_taking_items_is_bounded_by_the_consumer(pool: WorkerPool) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    outcomes = pool.map(items())
    for _ in range(10):
        next(outcomes)
    assert taken <= 10 + 2 * MAX_WINDOW * 2 + 1
    outcomes.close()  # type: ignore[attr-defined]


def test_while_one_worker_hangs_the_others_go_on_as_far_ahead_as_they_may(pool: WorkerPool) -> None:
    taken: list[object] = []

    def items() -> Iterator[object]:
        for item in ("hang", *range(3000)):
            taken.append(item)
            yield item

    for ahead, least, most in ((None, 500, 1500), (5000, 3001, 3001)):
        taken.clear()
        outcomes = pool.map(items(), ahead)
        assert next(outcomes).error == "timeout"
        assert least <= len(taken) <= most
        assert [o.value for o in outcomes] == [("ok", i) for i in range(3000)]


def test_a_slow_consumer_causes_no_timeouts(pool: WorkerPool) -> None:
    outcomes = pool.map([("sleep", 0.05, i) for i in range(8)])
    results = [next(outcomes)]
    time.sleep(3.0)
    results += outcomes
    assert [(o.value, o.error) for o in results] == [(i, None) for i in range(8)]


def test_leaving_early_leaves_nothing_behind(pool: WorkerPool) -> None:
    outcomes = pool.map([1, "hang", 2])
    assert next(outcomes) == Outcome(("ok", 1), seconds=pytest.approx(0, abs=1))
    outcomes.close()  # type: ignore[attr-defined]
    assert [o.value for o in pool.map([5])] == [("ok", 5)]


def test_an_exception_of_the_item_source_reaches_the_caller(pool: WorkerPool) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("source")

    with pytest.raises(KeyError, match="source"):
        list(pool.map(items()))
    assert [o.value for o in pool.map([5])] == [("ok", 5)]


def test_a_second_map_at_the_same_time_is_refused(pool: WorkerPool) -> None:
    outcomes = pool.map([1, 2])
    next(outcomes)
    with pytest.raises(UsageError, match="already mapping"):
        next(pool.map([3]))
    assert len(list(outcomes)) == 1


def test_works_from_a_thread_that_is_not_the_main_one(pool: WorkerPool) -> None:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.extend(o.error for o in pool.map([1, "hang", 2])))
    thread.start()
    thread.join(30)
    assert found == [None, "timeout", None]


def test_no_item_is_lost_when_an_idle_worker_dies(pool: WorkerPool) -> None:
    (outcome,) = pool.map(["pid"])
    for worker in pool._alive:
        os.kill(worker.pid, signal.SIGKILL)
        assert eventually(worker.is_gone)
    assert next(iter(pool.map(["pid"]))).value != outcome.value


def test_children_load_no_heavy_library_of_their_own(pool: WorkerPool) -> None:
    (outcome,) = pool.map(["modules"])
    assert "mmai_gym.workers" in outcome.value
    assert not outcome.value & {"torch", "numpy", "rdkit", "transformers"}


def test_the_initializer_runs_once_for_all_workers() -> None:
    with WorkerPool(report_starts, initializer=note_start, workers=2) as pool:
        found = [o.value for o in pool.map(["a", "die", *map(str, range(40)), "die", "b"])]
    seen, pids = zip(*(value for value in found if value is not None), strict=True)
    assert len(found) - len(seen) == 2
    assert {tuple(one) for one in seen} == {tuple(seen[0])}
    assert len(seen[0]) == 1
    assert len(set(pids)) > 1
    assert seen[0][0] not in {os.getpid(), *pids}


def test_unpickling_an_item_is_within_the_time_limit() -> None:
    for prepare in (None, prepare_slowly):
        with WorkerPool(behave, workers=1, seconds=0.5, prepare=prepare) as pool:
            first, dozing, last = pool.map([1, Dozing(), 1])
        assert (dozing.error, first.value, last.value) == ("timeout", ("ok", 1), ("ok", 1))


def test_workers_whose_server_was_killed_are_replaced() -> None:
    with WorkerPool(behave, workers=3, seconds=1.5) as pool:
        first = {o.value for o in pool.map(["pid", *[("sleep", 0.1, 0)] * 3] * 3) if o.value}
        assert pool._server is not None
        pool._server._process.kill()
        pool._server._process.wait()
        outcomes = list(pool.map([*range(20), "segfault", *["pid"] * 200]))
        assert outcomes[20].error == "crash"
        assert "forked from" in outcomes[20].detail
        assert {o.error for o in outcomes[:20] + outcomes[21:]} == {None}
        assert {w.server for w in pool._alive} == {pool._server}
        assert [o.error for o in pool.map(["hang", "pid", "segfault"])] == ["timeout", None, "crash"]
        assert eventually(lambda: all(map(gone, first)))


def test_preparing_is_outside_the_time_limit() -> None:
    with WorkerPool(is_prepared, workers=1, seconds=0.3, prepare=prepare_slowly) as pool:
        outcomes = list(pool.map(["a", "unprepared", "b", "a"]))
    assert [(o.value, o.error) for o in outcomes] == [(True, None), (False, None), (True, None), (True, None)]


def test_a_failing_initializer_is_reported_with_its_text() -> None:
    with WorkerPool(behave, initializer=fail_to_start) as pool, pytest.raises(GymError, match="no licence file"):
        list(pool.map([1]))


def test_workers_that_die_at_the_start_do_not_loop_for_ever() -> None:
    with WorkerPool(behave, initializer=die_at_start) as pool, pytest.raises(GymError, match="while starting"):
        list(pool.map([1]))


@pytest.mark.parametrize("options", [{"workers": 0}, {"seconds": 0.0}, {"memory_mb": 0}])
def test_limits_must_be_positive(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="positive"):
        WorkerPool(behave, **options)  # type: ignore[arg-type]


def test_a_function_that_no_child_can_import_is_refused() -> None:
    def local(item: object) -> object:
        return item

    for function in (local, lambda item: item):
        with pytest.raises(UsageError, match="top of a module"):
            WorkerPool(function)


def run_script(folder: Path, text: str) -> subprocess.Popen[str]:
    """Start a script that can import the functions of this file."""
    (folder / "script.py").write_text(text)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


SCRIPT = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job that a shell put in the background ignores it
from {module} import behave
from mmai_gym.workers import WorkerPool
pool = WorkerPool(behave, workers=2, seconds={seconds})
print([o.value for o in pool.map(["pid", ("sleep", 0.2, 1), "pid"])], flush=True)
{then}
"""


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A zombie whose parent has not waited for it runs no more.
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    script = run_script(tmp_path, SCRIPT.format(module=__name__.rsplit(".", 1)[-1], seconds=5, then=""))
    out, err = script.communicate(timeout=60)
    assert (script.returncode, err) == (0, "")
    assert out.count("\n") == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_orphan_survives_the_parent(tmp_path: Path, how: signal.Signals) -> None:
    then = "list(pool.map(['hang in native code'] * 2))"
    script = run_script(tmp_path, SCRIPT.format(module=__name__.rsplit(".", 1)[-1], seconds=2, then=then))
    assert script.stdout is not None
    pids = [int(word) for word in script.stdout.readline().strip("[]\n").split(", ") if len(word) > 1]
    assert len(pids) == 2
    time.sleep(0.3)
    os.killpg(script.pid, how)  # as a terminal does, to the whole foreground group
    _, err = script.communicate(timeout=30)
    assert err.count("Traceback") == (1 if how == signal.SIGINT else 0)
    assert eventually(lambda: all(map(gone, pids)))


def test_a_worker_has_one_core() -> None:
    with WorkerPool(behave) as pool:
        assert next(pool.map(["cores"])).value == 1


def test_a_job_counts_the_cores_it_was_given_not_those_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    assert cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert cores() == 8
