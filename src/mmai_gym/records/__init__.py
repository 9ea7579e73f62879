"""The run record: one file that says what was run and what came out, written as it comes.

Line one is the header (configuration, task versions, checksums of data, hashes of prompts, library versions,
seeds); every further line is one model's answer to one example with its verdicts. A record is enough to recompute
every metric and the report without a model, and to go on after a kill: a result is one complete line or it is
absent, a line cut short is dropped on opening, and a header that no longer fits is refused, so that two different
runs can never share a file. Inputs and gold answers are not stored; `RunRecord.results` joins them from the source
by id, which keeps a record small and free of data that it has no right to republish.
"""

from mmai_gym.records.credentials import refuse_secrets
from mmai_gym.records.header import RECORD_VERSION, RunHeader, file_sha256, library_versions
from mmai_gym.records.record import Joined, RunRecord, lock
from mmai_gym.records.rows import Key, Row

__all__ = [
    "RECORD_VERSION",
    "Joined",
    "Key",
    "Row",
    "RunHeader",
    "RunRecord",
    "file_sha256",
    "library_versions",
    "lock",
    "refuse_secrets",
]
