"""A model with a little practice, for checkpoints that are made without a trainer: their samples read as words."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from stealthrl_tui.sandbox.corpus import SENTENCES, lesson
from stealthrl_tui.sandbox.model import LoraConfig
from stealthrl_tui.sandbox.training import AdamParams, Datum, TrainingModel

_STEPS, _BATCH = 48, 4


@lru_cache(maxsize=8)
def _practised(rank: int) -> TrainingModel:
    model = TrainingModel(LoraConfig(rank))
    for step in range(_STEPS):
        texts = [SENTENCES[(step * _BATCH + index) % len(SENTENCES)] for index in range(_BATCH)]
        model.forward_backward([_datum(text) for text in texts], "cross_entropy", {}, backward=True)
        model.optim_step(AdamParams(learning_rate=0.02))
    return model


def _datum(sentence: str) -> Datum:
    tokens, answer = lesson(sentence)
    ids = np.array(tokens[-answer - 8 :], dtype=np.int64)
    weights = np.zeros(len(ids) - 1, dtype=np.float32)
    weights[-answer:] = 1.0
    return Datum(ids[:-1], {"target_tokens": ids[1:], "weights": weights})


def practised_model(rank: int, key: str) -> TrainingModel:
    """A model of that LoRA rank: the same for the same `key`, and another for every other."""
    model = TrainingModel(LoraConfig(rank))
    model.load(_practised(rank).state_arrays(), optimizer=True)
    model.scatter(key)
    return model
