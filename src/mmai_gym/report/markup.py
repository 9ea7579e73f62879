"""HTML in which escaping is the default and trust is a type.

A report shows strings that nobody of ours wrote: completions, task names out of a file, error messages. So no HTML
is glued together from plain strings here: `element` escapes every child and attribute that is not already
`Markup`, and `Markup` comes from this module only. Drawings that a library made (SVG text) enter through
`inline_svg`, which parses them and keeps known shapes and attributes alone: no scripts, no links, no style sheets,
no metadata. It also swaps the drawing's fixed colours for the page's own, so that one drawing suits the light and
the dark page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from unicodedata import category
from xml.etree import ElementTree

from mmai_gym.contracts import DataError


class Markup(str):
    """Text that is HTML already. Everything else is escaped where it meets a page."""

    __slots__ = ()


Child = Markup | str | int | None
"""What `element` takes as a child; None vanishes, so that an optional part needs no special case."""

_VOID = frozenset({"circle", "col", "line"})


def text(value: object) -> Markup:
    """`value` as escaped text. What has no glyph becomes U+FFFD: control characters, text-direction overrides that
    could make an answer read as another one, and lone surrogates, which UTF-8 cannot hold."""
    if isinstance(value, Markup):
        return value
    visible = "".join(c if c.isprintable() or c in "\n\t" or category(c) == "Zs" else "\ufffd" for c in str(value))
    return Markup(html.escape(visible, quote=True))


def element(name: str, /, *children: Child, **attributes: object) -> Markup:
    """`<name ...>children</name>`; attributes whose value is None vanish, `class_` is class, `_` becomes `-`.

    An attribute is escaped even if it is Markup: tags have no place in one.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[Child], between: str = "") -> Markup:
    """The children one after another, with `between` (escaped as well) in the gaps."""
    return Markup(text(between).join(text(child) for child in children if child is not None))


def clip(value: str, limit: int) -> str:
    """The first `limit` characters and how many were left out; a megabyte of brackets must not reach the page."""
    return value if len(value) <= limit else f"{value[:limit]} … ({len(value) - limit:,} more characters)"


# --------------------------------------------------------------------------------------------------- drawings

_SHAPES = frozenset(
    {"svg", "g", "defs", "clipPath", "path", "rect", "circle", "ellipse", "line", "polygon", "polyline", "use"}
    | {"text", "tspan", "title"}
)
_ATTRIBUTES = frozenset(
    {"id", "style", "d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "ry", "dx", "dy"}
    | {"width", "height", "points", "transform", "viewBox", "clip-path", "href", "fill", "stroke", "opacity"}
    | {"fill-opacity", "fill-rule", "stroke-width", "stroke-linecap", "stroke-linejoin", "stroke-dasharray"}
    | {"stroke-opacity", "font-size", "font-family", "font-weight", "text-anchor", "clip-rule"}
)
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_LOCAL = re.compile(r"url\(#([\w.-]+)\)")
_OUTSIDE = re.compile(r"url\((?!#)|expression|import|@", re.IGNORECASE)


def inline_svg(svg: str, prefix: str, label: str, colours: Mapping[str, str]) -> Markup:
    """A library's SVG as an element of the page.

    Args:
        svg: the text of one SVG document.
        prefix: put before every id, so that two drawings of one page do not share one.
        label: what the drawing shows, for readers who cannot see it.
        colours: lower-case `#rrggbb` to what stands in its place, e.g. `var(--ink)`.

    Raises:
        DataError: the text is not an SVG document.
    """
    try:
        root = ElementTree.fromstring(svg[svg.find("<svg") :])
    except ElementTree.ParseError as error:
        raise DataError(f"the drawing of {clip(label, 80)} is not well-formed SVG: {error}") from error
    width, height = (_pixels(root.get(side, "")) for side in ("width", "height"))
    root.attrib.setdefault("viewBox", f"0 0 {width:g} {height:g}")
    for side in ("width", "height"):
        root.attrib.pop(side, None)
    body = _shape(root, prefix, colours)
    opening = element(
        "svg", role="img", aria_label=label, style=f"max-width:{width:g}px", viewBox=root.attrib["viewBox"]
    )
    inside = body[body.index(">") + 1 :]
    return Markup(opening.removesuffix("</svg>") + inside)


def _shape(node: ElementTree.Element, prefix: str, colours: Mapping[str, str]) -> str:
    name = _local(node.tag)
    kept: dict[str, object] = {}
    for key, value in node.attrib.items():
        attribute = _local(key)
        if attribute not in _ATTRIBUTES or (attribute == "href" and not value.startswith("#")):
            continue
        if _OUTSIDE.search(value):
            continue
        if attribute == "id":
            value = f"{prefix}-{value}"
        if attribute == "href":
            value = f"#{prefix}-{value[1:]}"
        value = _LOCAL.sub(lambda match: f"url(#{prefix}-{match.group(1)})", value)
        kept[attribute] = _COLOUR.sub(lambda match: colours.get(match.group().lower(), match.group()), value)
    children = [Markup(_shape(child, prefix, colours)) + text(child.tail or "") for child in node if _known(child)]
    inner = text((node.text or "").strip()) + "".join(children)
    written = "".join(f' {key}="{text(value)}"' for key, value in kept.items())
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def _known(node: ElementTree.Element) -> bool:
    return isinstance(node.tag, str) and _local(node.tag) in _SHAPES


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _pixels(length: str) -> float:
    """A CSS length in pixels; matplotlib writes points (1 pt = 4/3 px), RDKit writes pixels."""
    match = re.fullmatch(r"\s*([\d.]+)\s*(pt|px|)\s*", length)
    if match is None:
        return 0.0
    return float(match.group(1)) * (4 / 3 if match.group(2) == "pt" else 1.0)
