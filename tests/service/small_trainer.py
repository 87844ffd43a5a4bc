"""A small trainer in the shape of a cookbook recipe for reinforcement learning: `batch` is the next batch to run.

python small_trainer.py log_path=DIR steps=N save_every=K [behavior_if_log_dir_exists=resume]

It waits $DELAY seconds after each batch.
"""

import json
import logging
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import tinker

SECONDS = 60.0


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def append(path: Path, row: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def datum(batch: int) -> tinker.Datum:
    tokens = [(7 * batch + 3 * index) % 200 for index in range(12)]
    inputs = {
        "target_tokens": tinker.TensorData.from_numpy(np.array(tokens[1:], dtype=np.int64)),
        "weights": tinker.TensorData.from_numpy(np.ones(len(tokens) - 1, dtype=np.float32)),
    }
    return tinker.Datum(model_input=tinker.ModelInput.from_ints(tokens[:-1]), loss_fn_inputs=inputs)


def train_batch(client: tinker.TrainingClient, batch: int) -> float:
    trained = client.forward_backward([datum(batch)], "cross_entropy")
    stepped = client.optim_step(tinker.AdamParams(learning_rate=0.01))
    stepped.result(timeout=SECONDS)
    return float(trained.result(timeout=SECONDS).metrics["loss:sum"])


def save(client: tinker.TrainingClient, folder: Path, name: str, batch: int) -> None:
    paths = {
        "state_path": client.save_state(name, overwrite=True).result(timeout=SECONDS).path,
        "sampler_path": client.save_weights_for_sampler(name).result(timeout=SECONDS).path,
    }
    append(folder / "checkpoints.jsonl", {"name": name, "batch": batch, **paths})


def main() -> None:
    given = dict(word.split("=", 1) for word in sys.argv[1:])
    folder, steps = Path(given["log_path"]), int(given["steps"])
    resume = given.get("behavior_if_log_dir_exists") == "resume"
    if folder.exists() and not resume:
        sys.exit(f"{folder} already exists")
    folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=folder / "logs.log", format="%(name)s:%(lineno)d [%(levelname)s] %(message)s")
    logging.getLogger().setLevel(logging.INFO)
    logging.info("Command line invocation: %s", shlex.join(sys.argv))
    last = rows(folder / "checkpoints.jsonl")[-1:] if resume else []
    with tinker.ServiceClient() as service:
        if last:
            client = service.create_training_client_from_state_with_optimizer(last[0]["state_path"]).result(SECONDS)
        else:
            model = tinker.RestClient().get_server_capabilities().result(SECONDS).supported_models[0].model_name
            client = service.create_lora_training_client(base_model=str(model), rank=8, seed=1).result(SECONDS)
        train(client, folder, int(last[0]["batch"]) if last else 0, steps, given)


def train(client: tinker.TrainingClient, folder: Path, start: int, steps: int, given: dict[str, str]) -> None:
    info = client.get_info()
    config = {"model_name": info.model_data.model_name, "lora_rank": 8, "group_size": 1, "log_path": str(folder)}
    (folder / "config.json").write_text(json.dumps(config))
    kept = [row for row in rows(folder / "metrics.jsonl") if row["step"] < start]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    for batch in range(start, steps):
        if batch > start and batch % int(given["save_every"]) == 0:
            save(client, folder, f"{batch:06d}", batch)
        row = {"step": batch, "progress/batch": batch, "progress/done_frac": (batch + 1) / steps}
        append(folder / "metrics.jsonl", {**row, "env/all/reward/total": -train_batch(client, batch)})
        time.sleep(float(os.environ.get("DELAY", "0")))
    save(client, folder, "final", steps)


if __name__ == "__main__":
    main()
