"""Escaping is the default, and a drawing brings nothing but shapes."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_gym.contracts import DataError
from mmai_gym.report.markup import Markup, clip, element, inline_svg, join, text


@given(st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))))
def test_text_says_the_same_and_holds_no_markup(value: str) -> None:
    escaped = text(value)
    assert html.unescape(escaped) == value
    assert not set(escaped) & set("<>\"'")


@pytest.mark.parametrize("hidden", ["\x00", "\x1b", "\x0b", "\u202e", "\u2066", "\ud800", "\x85"])
def test_what_cannot_be_seen_is_shown_as_a_replacement_character(hidden: str) -> None:
    assert text(f"a{hidden}b") == "a\ufffdb"
    text(hidden).encode("utf-8")


def test_children_and_attributes_are_escaped_unless_they_are_markup() -> None:
    written = element("p", "<b>", element("i", "x"), title='"><b>', class_="note", hidden=None)
    assert written == '<p title="&quot;&gt;&lt;b&gt;" class="note">&lt;b&gt;<i>x</i></p>'


def test_markup_does_not_break_out_of_an_attribute() -> None:
    assert element("p", title=Markup('"><script>')) == '<p title="&quot;&gt;&lt;script&gt;"></p>'


def test_joining_escapes_the_plain_parts_and_the_gaps() -> None:
    assert join(["<", None, element("i", "x")], between="&") == "&lt;&amp;<i>x</i>"


def test_clipping_says_how_much_is_missing() -> None:
    assert clip("abc", 3) == "abc"
    assert clip("x" * 2000, 10) == "x" * 10 + " … (1,990 more characters)"


HOSTILE_SVG = """<?xml version='1.0'?><!DOCTYPE svg>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="30pt" height="20px" onload="x()">
<script>alert(1)</script><style>* { display: none }</style><metadata>http://purl.org</metadata>
<foreignObject><body onload="x()"/></foreignObject><a href="javascript:x()"><path d="M 9 9"/></a>
<defs><path id="mark" d="M 0 0" style="fill:#FF0000"/></defs>
<use xlink:href="#mark" onclick="x()" fill="#00ff00"/><use href="https://example.org/a.svg#b"/>
<rect style="fill:url(https://example.org/p)" width="1"/><g clip-path="url(#mark)"><text>a &lt; b</text></g>
</svg>"""


def test_an_inlined_drawing_keeps_shapes_and_local_references_only() -> None:
    drawn = inline_svg(HOSTILE_SVG, "m1", 'two "marks"', {"#ff0000": "var(--ink)"})
    for gone in (
        "script",
        "onload",
        "onclick",
        "http",
        "javascript",
        "foreignObject",
        "metadata",
        "display",
        "M 9 9",
    ):
        assert gone not in drawn
    assert 'id="m1-mark"' in drawn and 'href="#m1-mark"' in drawn and 'clip-path="url(#m1-mark)"' in drawn
    assert "fill:var(--ink)" in drawn and 'fill="#00ff00"' in drawn
    assert "<text>a &lt; b</text>" in drawn
    assert drawn.startswith(
        '<svg role="img" aria-label="two &quot;marks&quot;" style="max-width:40px" viewBox="0 0 40 20">'
    )
    assert drawn.count("<svg") == drawn.count("</svg>") == 1


def test_a_drawing_that_is_not_svg_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="benzene"):
        inline_svg("<svg><path></svg>", "m1", "benzene", {})
