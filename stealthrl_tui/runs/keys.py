"""Which metric keys a person watches, what they are called, and which way is better.

The lists are FORMATS.md's (metrics.jsonl): the keys that matter for each kind of run, the most telling first.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum


class Kind(StrEnum):
    """Which training loop wrote the run; it decides what `batch` means and which keys matter."""

    STEALTHRL = "stealthrl"
    RL = "rl"
    SL = "sl"
    DPO = "dpo"
    UNKNOWN = "unknown"


_RL = (
    "env/all/reward/total",
    "test/env/all/reward/total",
    "test/test/env/all/reward/total",
    "optim/kl_sample_train_v1",
    "optim/entropy",
    "env/all/ac_tokens_per_turn",
    "env/all/by_group/frac_mixed",
    "optim/lr",
    "time/total",
)
_STEALTHRL = (
    "env/all/reward/total",
    "test/env/all/reward/total",
    "test/test/env/all/reward/total",
    "env/all/detector_prob",
    "env/all/semantic_sim",
    "kl_policy_base",
    "optim/entropy",
    "env/all/by_group/frac_mixed",
    "time/total",
)
_SL = ("train_mean_nll", "test/nll", "learning_rate", "num_tokens", "time/total", "time/step")
_DPO = ("dpo_loss", "accuracy", "margin", "test/nll", "learning_rate", "time/total")
_COST = ("cost/step_usd", "cost/cumulative_usd")
WATCHED: dict[Kind, tuple[str, ...]] = {
    Kind.STEALTHRL: _STEALTHRL + _COST,
    Kind.RL: _RL + _COST,
    Kind.SL: _SL + _COST,
    Kind.DPO: _DPO + _COST,
    Kind.UNKNOWN: tuple(dict.fromkeys((*_STEALTHRL, *_RL, *_SL, *_DPO, "reward", "loss", *_COST))),
}

# What a person calls the long keys; anything else is its last parts.
_LABELS = {
    "env/all/reward/total": "reward",
    "test/env/all/reward/total": "test reward",
    "test/test/env/all/reward/total": "test reward",
    "env/all/detector_prob": "detector",
    "env/all/semantic_sim": "similarity",
    "kl_policy_base": "KL to base",
    "optim/kl_sample_train_v1": "KL",
    "optim/entropy": "entropy",
    "env/all/by_group/frac_mixed": "mixed groups",
    "env/all/ac_tokens_per_turn": "tokens/turn",
    "optim/lr": "learning rate",
    "learning_rate": "learning rate",
    "train_mean_nll": "nll",
    "test/nll": "test nll",
    "dpo_loss": "DPO loss",
    "num_tokens": "tokens",
    "time/total": "step time",
    "time/step": "step time",
    "cost/step_usd": "$/step",
    "cost/cumulative_usd": "$ so far",
}
_LOWER_WORDS = "nll|loss|bpb|kl|perplexity|ppl|detector_prob|error|errors|time|cost|frac_all_bad|grad_norm"
_HIGHER_WORDS = (
    "reward|rewards|accuracy|acc|correct|semantic_sim|similarity|margin|score|parse_success|format|pass|frac_all_good"
)
_LOWER = re.compile(rf"(^|[/_.])({_LOWER_WORDS})([/_.:]|$)")
_HIGHER = re.compile(rf"(^|[/_.])({_HIGHER_WORDS})([/_.:]|$)")


def watched(kind: Kind, available: Collection[str]) -> tuple[str, ...]:
    """The keys of `available` worth a curve for this kind of run, the most telling first."""
    return tuple(key for key in WATCHED[kind] if key in available)


def main_metric(kind: Kind, available: Collection[str]) -> str | None:
    """The key that says how good a checkpoint is, unless the user chose another; None when there is none."""
    for key in WATCHED[kind]:
        if key in available and higher_is_better(key) is not None and not key.startswith(("time/", "cost/")):
            return key
    ranked = [key for key in available if higher_is_better(key) is not None and not key.startswith(("time/", "cost/"))]
    return min(ranked, default=None)


def higher_is_better(key: str) -> bool | None:
    """True or False by what the metric is; None where neither direction is better (a learning rate, a count)."""
    lowered = key.lower()
    if "/time/" in lowered or lowered.startswith("time/"):
        return False
    if _LOWER.search(lowered) or lowered.startswith("optim/kl"):
        return False
    if _HIGHER.search(lowered):
        return True
    return None


def label(key: str) -> str:
    """What a person calls `key`: `reward` for `env/all/reward/total`; the key itself when it is short."""
    known = _LABELS.get(key)
    if known is not None:
        return known
    return key.removeprefix("env/all/") if key.startswith("env/all/") else key
