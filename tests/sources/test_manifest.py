"""The manifest pins every file, and no key of it can be misspelt."""

from __future__ import annotations

import pytest

from mmai_gym import sources
from mmai_gym.contracts import DataError
from mmai_gym.sources import manifest, uspto50k
from mmai_gym.sources.tdc import ENDPOINTS

HEAD = '[dataset.toy]\ntitle = "t"\ncitation = "c"\nterms = "t"\n'
ENTRY = f"""
[[file]]
dataset = "toy"
key = "k"
repository = "owner/repo"
commit = "{"a" * 40}"
path = "a/b.csv"
sha256 = "{"b" * 64}"
bytes = 3
rows = 1
licence = "MIT"
"""


def test_a_manifest_is_read_into_types() -> None:
    toy = manifest.read_manifest(HEAD + ENTRY)["toy"]
    assert toy.file("k").relative == f"owner/repo/{'a' * 40}/a/b.csv"
    with pytest.raises(DataError, match="no file 'other'"):
        toy.file("other")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (HEAD + ENTRY + 'sha265 = "x"\n', "sha265"),
        (HEAD.replace("terms", "term") + ENTRY, "term"),
        ('sha256 = "x"\n' + HEAD + ENTRY, "sha256"),
        (HEAD + ENTRY.replace("bytes = 3", ""), "bytes"),
        (HEAD + ENTRY.replace("bytes = 3", 'bytes = "3"'), "bytes"),
        (HEAD + ENTRY.replace("b" * 64, "B" * 64), "sha256"),
        (HEAD + ENTRY.replace("a/b.csv", "a/../../b.csv"), "path"),
        (HEAD + ENTRY.replace("a/b.csv", "/etc/passwd"), "path"),
        (HEAD + ENTRY.replace('"toy"', '"other"'), "other"),
        (HEAD + "[[file]", "cannot be read"),
    ],
)
def test_a_wrong_manifest_is_refused(text: str, named: str) -> None:
    with pytest.raises(DataError, match=named):
        manifest.read_manifest(text)


def test_the_shipped_manifest_describes_every_data_set() -> None:
    assert {"uspto-50k", "tdc-admet"} <= set(sources.list_datasets())
    for name in sources.list_datasets():
        row = sources.describe(name)
        assert row["citation"] and row["licence"] and row["bytes"]
        assert set(sources.checksums(name)) == {file.relative for file in sources.dataset(name).files}


def test_the_held_out_reactions_have_their_published_numbers() -> None:
    uspto = sources.dataset("uspto-50k")
    for split in ("valid", "test"):
        assert uspto.file(f"dai-{split}").rows == uspto50k.SIZES[split]


def test_every_endpoint_has_its_two_tables_in_the_manifest() -> None:
    group = sources.dataset("tdc-admet").file("group")
    assert len(group.members) == 44
    assert group.rows == sum(member.rows for member in group.members) == 81_809
    for name, endpoint in ENDPOINTS.items():
        assert group.member(f"admet_group/{name}/train_val.csv").rows == endpoint.train_val
        assert group.member(f"admet_group/{name}/test.csv").rows == endpoint.test
    with pytest.raises(DataError, match="no member"):
        group.member("admet_group/.DS_Store")
