"""How often to save: the rule of the checkpoint guide ("Recommendations for save_every")."""

from __future__ import annotations

SHORT_RUN = 20
LONG_RUN = 100


def advised_save_every(total_steps: int) -> int:
    """Steps between two checkpoints that the guide advises for a run of `total_steps` steps."""
    if total_steps < SHORT_RUN:
        return 5
    return 10 if total_steps <= LONG_RUN else 20
