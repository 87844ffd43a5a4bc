"""In the place of StealthRL's trainer: the same arguments, files and calls, around the training functions."""

import argparse
import asyncio
import json
import logging
from datetime import datetime
from pathlib import Path

import tinker
from tinker_cookbook.rl import train as rl_train

logger = logging.getLogger(__name__)
FUNCTIONS = {
    "sync": "do_sync_training",
    "stream_minibatch": "do_sync_training_with_stream_minibatch",
    "async": "do_async_training",
}


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config")
    parser.add_argument("--output-dir", default="outputs/runs")
    parser.add_argument("--run-name")
    parser.add_argument("--num-epochs", type=int, default=3)
    parser.add_argument("--save-every", type=int, default=10)
    parser.add_argument("--training-mode", default="sync")
    parser.add_argument("--async-groups-per-batch", type=int)
    args = parser.parse_args()
    settings = json.loads(Path(args.config).read_text())
    folder = Path(args.output_dir) / args.run_name
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "run_info": {
            "run_name": args.run_name,
            "start_time": datetime.now().isoformat(),
            "config_file": args.config,
            "command_line_args": vars(args),
        },
        "model": {"base_model": settings["model"], "renderer": "qwen3"},
        "lora": {"rank": settings["rank"]},
        "training": {"save_every": args.save_every, "training_mode": args.training_mode},
        "dataset": {"path": args.config},
    }
    (folder / "training_config.json").write_text(json.dumps(config))
    service = tinker.ServiceClient()
    client = await service.create_lora_training_client_async(
        base_model=settings["model"], rank=settings["rank"], seed=settings["seed"]
    )
    total = settings["batches"] * args.num_epochs
    train = getattr(rl_train, FUNCTIONS[args.training_mode])
    await train(
        start_batch=0,
        end_batch=total,
        num_batches=total,
        cfg={"log_path": str(folder), "save_every": args.save_every},
        training_client=client,
        service_client=service,
        evaluators=[],
        dataset=None,
        ml_logger=None,
        tokenizer=None,
    )
    (folder / "run_metadata.json").write_text(json.dumps({"run_name": args.run_name, "status": "completed"}))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        logger.info("Training interrupted by user")
    except Exception as error:
        logger.error("Training failed: %s", error)
        raise
