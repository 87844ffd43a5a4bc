"""stealthrl-tui: the checkpoints of Tinker training runs, in a terminal."""

__version__ = "0.1.0"
