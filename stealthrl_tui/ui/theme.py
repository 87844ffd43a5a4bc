"""The two palettes (DESIGN.md, "What it looks like"), as Textual themes whose variables name colours by role."""

from __future__ import annotations

from collections.abc import Mapping

from textual.theme import Theme

_DARK = {
    "background": "#0e1116",
    "panel": "#12161d",
    "line": "#262d38",
    "foreground": "#d5dbe3",
    "text-muted": "#6b7686",
    "alive": "#5fd38d",
    "done": "#7aa2c9",
    "warning": "#e5b567",
    "error": "#ef6b73",
    "best": "#ffcf5c",
    "state": "#b49cf2",
    "sampler": "#5ec8d8",
    "tint": "#1c2631",
    "tint-blurred": "#151b23",
}
_LIGHT = {
    "background": "#f8f9fb",
    "panel": "#eef1f5",
    "line": "#ccd3dc",
    "foreground": "#1c232c",
    "text-muted": "#636e7d",
    "alive": "#157a3d",
    "done": "#2c648f",
    "warning": "#8d5a00",
    "error": "#bd2c38",
    "best": "#8f6500",
    "state": "#6a45c0",
    "sampler": "#0b6f85",
    "tint": "#d9e4ee",
    "tint-blurred": "#e8edf3",
}


def _theme(name: str, palette: Mapping[str, str], dark: bool) -> Theme:
    return Theme(
        name=name,
        primary=palette["alive"],
        secondary=palette["done"],
        accent=palette["alive"],
        warning=palette["warning"],
        error=palette["error"],
        success=palette["alive"],
        foreground=palette["foreground"],
        background=palette["background"],
        surface=palette["background"],
        panel=palette["panel"],
        dark=dark,
        variables={
            **palette,
            "border": palette["line"],
            "border-blurred": palette["line"],
            "scrollbar": palette["line"],
            "scrollbar-hover": palette["text-muted"],
            "scrollbar-active": palette["text-muted"],
            "scrollbar-background": palette["background"],
            "scrollbar-background-hover": palette["background"],
            "scrollbar-background-active": palette["background"],
            "scrollbar-corner-color": palette["background"],
            "block-cursor-background": palette["tint"],
            "block-cursor-foreground": palette["foreground"],
            "block-cursor-blurred-background": palette["tint-blurred"],
            "footer-background": palette["panel"],
            "footer-key-foreground": palette["best"],
            "footer-description-foreground": palette["text-muted"],
            "input-selection-background": palette["tint"],
        },
    )


DARK = _theme("stealthrl-dark", _DARK, dark=True)
LIGHT = _theme("stealthrl-light", _LIGHT, dark=False)
THEMES = (DARK, LIGHT)


def variable_defaults(dark: bool) -> dict[str, str]:
    """The role colours for a theme that does not define them, for `App.get_theme_variable_defaults`."""
    return dict(_DARK if dark else _LIGHT)
