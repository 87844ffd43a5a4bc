"""The training functions that the launcher replaces, with the signatures of tinker-cookbook 0.1.0."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import tinker


def datum(batch: int) -> tinker.Datum:
    tokens = [(7 * batch + 3 * index) % 200 for index in range(12)]
    inputs = {
        "target_tokens": tinker.TensorData.from_numpy(np.array(tokens[1:], dtype=np.int64)),
        "weights": tinker.TensorData.from_numpy(np.ones(len(tokens) - 1, dtype=np.float32)),
    }
    return tinker.Datum(model_input=tinker.ModelInput.from_ints(tokens[:-1]), loss_fn_inputs=inputs)


async def do_sync_training(
    start_batch: int,
    end_batch: int,
    num_batches: int,
    cfg: dict[str, Any],
    training_client: Any,
    service_client: Any,
    evaluators: list[Any],
    dataset: Any,
    ml_logger: Any,
    tokenizer: Any,
) -> None:
    folder = Path(cfg["log_path"])
    for batch in range(start_batch, end_batch):
        if batch > start_batch and batch % cfg["save_every"] == 0:
            saved = await training_client.save_state(f"{batch:06d}", overwrite=True)
            with (folder / "checkpoints.jsonl").open("a") as file:
                file.write(json.dumps({"name": f"{batch:06d}", "batch": batch, "state_path": saved.path}) + "\n")
        trained = training_client.forward_backward([datum(batch)], "cross_entropy")
        stepped = training_client.optim_step(tinker.AdamParams(learning_rate=0.01))
        loss = (await trained).metrics["loss:sum"]
        await stepped
        row = {"step": batch, "progress/batch": batch, "progress/done_frac": (batch + 1) / num_batches}
        with (folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({**row, "env/all/reward/total": -loss}) + "\n")
        await asyncio.sleep(float(os.environ.get("STAND_IN_DELAY", "0")))


async def do_sync_training_with_stream_minibatch(
    start_batch: int,
    end_batch: int,
    num_batches: int,
    cfg: dict[str, Any],
    training_client: Any,
    service_client: Any,
    evaluators: list[Any],
    dataset: Any,
    ml_logger: Any,
    tokenizer: Any,
) -> None:
    await do_sync_training(
        start_batch, end_batch, num_batches, cfg, training_client, service_client, evaluators, dataset, ml_logger, None
    )


async def do_async_training(
    start_batch: int,
    end_batch: int,
    num_batches: int,
    cfg: dict[str, Any],
    training_client: Any,
    service_client: Any,
    evaluators: list[Any],
    dataset: Any,
    ml_logger: Any,
    tokenizer: Any,
) -> None:
    await do_sync_training(
        start_batch, end_batch, num_batches, cfg, training_client, service_client, evaluators, dataset, ml_logger, None
    )
