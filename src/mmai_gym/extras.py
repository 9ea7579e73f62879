"""The one place that says which `pip install` line brings an optional library.

The core of the gym imports without torch, transformers or scikit-learn. A room that needs one of them calls
`require` before its first heavy import, so that a stranger reads the fix and not a bare traceback.
"""

from __future__ import annotations

from importlib.util import find_spec

from mmai_gym.contracts import MissingExtra


def require(*modules: str, extra: str = "train") -> None:
    """Check that top-level `modules` can be imported, without importing them.

    Args:
        modules: import names, such as `"torch"` or `"sklearn"`.
        extra: the extra of this project that installs them.

    Raises:
        MissingExtra: at least one of them is absent; the message names all of those and the install line.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise MissingExtra(
            f"{' and '.join(missing)} {verb} not installed; run: pip install 'mmai-gym[{extra}]'",
            name=missing[0],
        )
