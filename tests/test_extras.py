from __future__ import annotations

import subprocess
import sys

import pytest

from mmai_gym.contracts import MissingExtra
from mmai_gym.extras import require


def test_installed_modules_pass_and_are_not_imported() -> None:
    require("json", "email")
    code = "import sys; from mmai_gym.extras import require; require('sqlite3'); print('sqlite3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_every_missing_module_and_the_install_line_are_named() -> None:
    with pytest.raises(MissingExtra, match=r"absent_one and absent_two are not installed.*'mmai-gym\[bench\]'"):
        require("json", "absent_one", "absent_two", extra="bench")


def test_naming_the_network_package_and_its_light_modules_imports_no_torch() -> None:
    code = "import sys, mmai_gym.lfm, mmai_gym.lfm.presets, mmai_gym.lfm.checkpoint; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
