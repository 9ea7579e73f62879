"""A chat template that does not know what day it is.

Templates of released models write today's date into the prompt (LFM2.5's calls `strftime_now`), so that the same
question is another text tomorrow: a corpus built on two days differs, a benchmark asks what training never showed.
The template cannot be handed another clock, since transformers makes plain data of everything that it passes to one,
functions included. So the clock is put into the template's own text: a macro, which hides the global of that name.
"""

from __future__ import annotations

import json
from datetime import date as Date
from datetime import datetime

DEFAULT_DATE = "2026-01-01"
"""What a template takes for today where nobody says otherwise; any fixed day will do."""

_CLOCK = "strftime_now"
_DIRECTIVES = "aAbBcdDeFGHIjmMpSTuUVwWxXyY"  # of strftime


def pinned(template: str, date: str) -> str:
    """The template with its clock stopped at the midnight that opens `date` (YYYY-MM-DD).

    A template without a clock is given back as it is.

    Raises:
        ValueError: `date` is not a date.
    """
    day = datetime.combine(Date.fromisoformat(date), datetime.min.time())
    if _CLOCK not in template:
        return template
    codes = [f"%{flag}{letter}" for flag in ("", "-") for letter in _DIRECTIVES]
    steps = "".join(f"|replace({json.dumps(code)},{json.dumps(day.strftime(code))})" for code in codes)
    # The newline is taken by `trim_blocks`, so that what follows stands at the start of a line as it did.
    return f"{{%- macro {_CLOCK}(format) -%}}{{{{- format{steps} -}}}}{{%- endmacro %}}\n{template}"
