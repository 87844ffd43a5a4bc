"""Colours by role: what a piece of text is, resolved to a style of the theme in use.

A role is a word of `ROLES`, optionally followed by `bold`, `underline`, `italic`, `reverse` or `faint`
(half way to the background): "alive", "text bold", "alive faint".
"""

from __future__ import annotations

from rich.style import Style
from textual.color import Color
from textual.widget import Widget

from stealthrl_tui.ui.theme import variable_defaults

# The theme variable behind each role.
ROLES = {
    "text": "foreground",
    "dim": "text-muted",
    "alive": "alive",
    "done": "done",
    "warning": "warning",
    "bad": "error",
    "best": "best",
    "state": "state",
    "sampler": "sampler",
    "line": "line",
    "panel": "panel",
    "ground": "background",
    "tint": "tint",
    "tint-blurred": "tint-blurred",
}
_FAINT = 0.45


class RoleStyles(Widget):
    """A widget that asks for styles by role; they are resolved once for each theme.

    Listed after the widget it is mixed into (`class X(ScrollView, RoleStyles)`), so that the other's CSS applies.
    """

    _role_styles: dict[str, Style] | None = None

    def role(self, name: str) -> Style:
        """The foreground style of a role with its modifiers; KeyError for a word that is no role."""
        return self._cached(name, foreground=True)

    def on_role(self, name: str) -> Style:
        """The style whose background is the colour of a role."""
        return self._cached("on " + name, foreground=False)

    def notify_style_update(self) -> None:
        """Forget what was resolved: the theme may be another."""
        self._role_styles = None
        super().notify_style_update()

    def _cached(self, name: str, foreground: bool) -> Style:
        if self._role_styles is None:
            self._role_styles = {}
        style = self._role_styles.get(name)
        if style is None:
            word, *modifiers = name.split() if foreground else name.split()[1:]
            style = self._resolve(word, modifiers) if foreground else Style(bgcolor=self._colour(word).rich_color)
            self._role_styles[name] = style
        return style

    def _resolve(self, word: str, modifiers: list[str]) -> Style:
        colour = self._colour(word)
        if "faint" in modifiers:
            colour = self._colour("ground").blend(colour, _FAINT)
        attributes = " ".join(modifier for modifier in modifiers if modifier != "faint")
        return Style(color=colour.rich_color) + Style.parse(attributes)

    def _colour(self, word: str) -> Color:
        variable = ROLES[word]
        value = self.app.theme_variables.get(variable) or variable_defaults(self.app.current_theme.dark)[variable]
        if not value.startswith("auto"):
            return Color.parse(value)
        # Textual's own themes give muted text as a share of the contrast, "auto 60%", which is no colour by itself.
        share = float(value.removeprefix("auto").strip(" %") or 100) / 100
        return self._colour("ground").blend(self._colour("text"), share)
