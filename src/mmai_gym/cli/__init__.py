"""The command line: `mmai-gym COMMAND`.

What a command found goes to stdout, everything else (progress, notes, errors) to stderr, so that `--json` can be piped.
Exit codes: 0 done, 1 the work failed, 2 bad usage. Every command imports its room when it runs, which keeps `--help`
quick and free of torch.
"""

# Commands are listed in the order in which their modules are imported.
from mmai_gym.cli import tasks  # isort: split

from mmai_gym.cli import runs  # isort: split

from mmai_gym.cli import consulting  # isort: split

from mmai_gym.cli import data
from mmai_gym.cli.plumbing import main

__all__ = ["consulting", "data", "main", "runs", "tasks"]
