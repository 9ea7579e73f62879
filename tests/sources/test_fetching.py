"""A data file is right, or it is not used: every place it can come from, every way it can be wrong."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mmai_gym.contracts import DataError, UsageError
from mmai_gym.sources import fetching, files
from mmai_gym.sources.manifest import Dataset, File

DATA = b"smiles,label\nCCO,1\n" * 40
HTML = b"\n<!DOCTYPE html><html><body>Sign in</body></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 5678\n"
FILE = File(
    dataset="toy",
    key="table",
    repository="owner/repo",
    commit="0" * 40,
    path="data/table.csv",
    sha256=hashlib.sha256(DATA).hexdigest(),
    bytes=len(DATA),
    rows=40,
    licence="MIT",
)
TOY = Dataset(name="toy", title="t", citation="c", terms="t", files=(FILE,))


class Host:
    """A server on 127.0.0.1 that gives the answers of `script` in turn, the last one for ever."""

    def __init__(self) -> None:
        self.script: list[tuple[int, bytes]] = [(200, DATA)]
        self.requests: list[tuple[str, str]] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.requests.append((self.path, self.headers["User-Agent"]))
                status, body = host.script.pop(0) if len(host.script) > 1 else host.script[0]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    host = Host()
    thread = threading.Thread(target=host.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(fetching, "BASE_URL", host.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield host
    host.server.shutdown()
    host.server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no mirror, the network allowed, and no pause between attempts."""
    monkeypatch.setenv("MMAI_GYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MMAI_GYM_MIRROR", raising=False)
    monkeypatch.delenv("MMAI_GYM_OFFLINE", raising=False)
    monkeypatch.setattr(fetching, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(fetching, "dataset", lambda name: TOY)
    return tmp_path / "cache"


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror folder with a good copy; the path of that copy."""
    monkeypatch.setenv("MMAI_GYM_MIRROR", str(tmp_path / "mirror"))
    copy = tmp_path / "mirror" / FILE.relative
    copy.parent.mkdir(parents=True)
    copy.write_bytes(DATA)
    return copy


def stored(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_download_is_verified_cached_and_not_repeated(host: Host, cache: Path) -> None:
    path = fetching.path_of(FILE)
    assert path == cache / "owner/repo" / ("0" * 40) / "data/table.csv"
    assert path.read_bytes() == DATA
    assert fetching.path_of(FILE) == path
    assert len(host.requests) == 1
    address, agent = host.requests[0]
    assert address == f"/{FILE.relative}"
    assert agent.startswith("mmai-gym/")
    assert stored(cache) == [path]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (HTML, "is an HTML page, not data"),
        (HTML + b" " * len(DATA), "is an HTML page, not data"),
        (POINTER, "is a git-LFS pointer, not data"),
        (b"", "is empty"),
        (DATA[:100], f"is truncated: 100 of {len(DATA)} bytes"),
        (DATA + b"x", f"is longer than the {len(DATA)} bytes"),
        (DATA[:-2] + b"9\n", "other content: sha256"),
    ],
)
def test_a_wrong_body_is_named_for_what_it_is_and_leaves_no_file(
    host: Host, cache: Path, body: bytes, fault: str
) -> None:
    host.script = [(200, body)]
    with pytest.raises(DataError) as caught:
        fetching.path_of(FILE)
    message = str(caught.value)
    assert fault in message
    for part in (f"{host.url}/{FILE.relative}", "MMAI_GYM_MIRROR", str(cache / FILE.relative)):
        assert part in message
    assert stored(cache) == []


def test_an_absent_file_is_not_asked_for_twice(host: Host, cache: Path) -> None:
    host.script = [(404, b"no")]
    with pytest.raises(DataError, match="answers 404"):
        fetching.path_of(FILE)
    assert len(host.requests) == 1
    assert stored(cache) == []


@pytest.mark.parametrize("trouble", [(503, b"busy"), (429, b"slow down"), (200, DATA[:7])])
def test_passing_trouble_is_waited_out(host: Host, trouble: tuple[int, bytes]) -> None:
    host.script = [trouble, trouble, (200, DATA)]
    assert fetching.path_of(FILE).read_bytes() == DATA
    assert len(host.requests) == 3


def test_without_a_server_the_message_names_the_address_and_three_ways_out(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9/owner/repo.*tried 4 times.*MMAI_GYM_MIRROR.*by hand"):
        fetching.path_of(FILE)


def test_offline_means_no_request(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAI_GYM_OFFLINE", "1")
    with pytest.raises(DataError, match="MMAI_GYM_OFFLINE forbids the network"):
        fetching.path_of(FILE)
    assert host.requests == []


def test_the_mirror_is_asked_before_the_network_and_copied(host: Host, cache: Path, mirror: Path) -> None:
    path = fetching.path_of(FILE)
    assert path.is_relative_to(cache)
    assert path.read_bytes() == DATA
    assert host.requests == []


def test_what_the_mirror_lacks_is_downloaded(host: Host, mirror: Path) -> None:
    mirror.unlink()
    assert fetching.path_of(FILE).read_bytes() == DATA
    assert len(host.requests) == 1


def test_a_rotten_mirror_file_is_reported_and_not_replaced_by_a_download(
    host: Host, cache: Path, mirror: Path
) -> None:
    mirror.write_bytes(POINTER)
    with pytest.raises(DataError, match=r"mirror file .* is a git-LFS pointer, not data") as caught:
        fetching.path_of(FILE)
    assert str(mirror) in str(caught.value)
    assert host.requests == []
    assert stored(cache) == []


def test_a_mirror_that_is_no_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAI_GYM_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="not a folder"):
        fetching.path_of(FILE)


@pytest.mark.parametrize(
    ("body", "fault"), [(DATA[:9], "is truncated"), (HTML, "is an HTML page"), (DATA[::-1], "other content")]
)
def test_a_corrupt_cache_is_named_with_its_fix_and_force_mends_it(
    host: Host, cache: Path, body: bytes, fault: str
) -> None:
    path = cache / FILE.relative
    path.parent.mkdir(parents=True)
    path.write_bytes(body)
    with pytest.raises(DataError, match=f"{fault}.*mmai-gym data fetch toy --force"):
        fetching.path_of(FILE)
    with pytest.raises(DataError, match="--force"):
        fetching.fetch("toy")
    assert host.requests == []
    assert fetching.fetch("toy", force=True) == cache
    assert fetching.path_of(FILE).read_bytes() == DATA


def test_a_cached_file_that_changes_after_its_check_is_noticed(host: Host, cache: Path) -> None:
    path = fetching.path_of(FILE)
    path.write_bytes(DATA[:50])
    with pytest.raises(DataError, match="is truncated: 50 of"):
        fetching.path_of(FILE)


def test_a_file_put_into_the_cache_by_hand_is_used(host: Host, cache: Path) -> None:
    path = cache / FILE.relative
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    assert fetching.path_of(FILE) == path
    assert host.requests == []


def test_fetch_reports_its_progress_in_bytes(host: Host) -> None:
    calls: list[tuple[int, int, str]] = []
    fetching.fetch("toy", progress=lambda *call: calls.append(call))
    assert calls == [(0, len(DATA), "data/table.csv"), (len(DATA), len(DATA), "toy")]


def test_verify_tells_good_bad_and_absent_apart(cache: Path, mirror: Path) -> None:
    (good,) = fetching.verify("toy")
    assert good.ok
    assert good.path == str(mirror)

    mirror.write_bytes(HTML)
    (bad,) = fetching.verify("toy")
    assert not bad.ok
    assert bad.detail == "is an HTML page, not data"

    mirror.unlink()
    (absent,) = fetching.verify("toy")
    assert not absent.ok
    assert "mmai-gym data fetch toy" in absent.detail
    assert absent.as_dict()["path"] == str(cache / FILE.relative)


def test_a_write_that_is_cut_short_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "table"
    files.write_atomically(path, b"old")

    def breaking() -> Iterator[bytes]:
        yield b"ne"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(path, breaking())
    assert path.read_bytes() == b"old"
    assert stored(tmp_path) == [path]


def test_a_cache_that_cannot_be_written_names_the_variable(host: Host, cache: Path) -> None:
    cache.write_bytes(b"a file where the folder should be")
    with pytest.raises(DataError, match="MMAI_GYM_CACHE"):
        fetching.path_of(FILE)


def test_an_unknown_data_set_lists_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(UsageError, match="did you mean 'uspto-50k'"):
        fetching.fetch("uspto50k")
