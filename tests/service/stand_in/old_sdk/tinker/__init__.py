"""The calls of the tinker SDK 0.25 that the launcher touches: there the client of a state is made by way of
`create_lora_training_client_async` itself, and creations are awaited for the client."""

import json
import os
from types import SimpleNamespace
from typing import Any


class TrainingClient:
    """Remembers how it was made."""

    def __init__(self, base_model: str, rank: int) -> None:
        self.made = {"base_model": base_model, "rank": rank, "state": None}

    async def load_state_with_optimizer(self, path: str) -> None:
        self.made["state"] = path

    async def get_info_async(self) -> SimpleNamespace:
        data = SimpleNamespace(model_name=os.environ.get("STATE_MODEL", self.made["base_model"]), lora_rank=None)
        return SimpleNamespace(model_data=data, lora_rank=self.made["rank"])


class ServiceClient:
    """Makes clients."""

    async def create_lora_training_client_async(
        self,
        base_model: str,
        rank: int = 32,
        seed: int | None = None,
        train_mlp: bool = True,
        train_attn: bool = True,
        train_unembed: bool = True,
        user_metadata: dict[str, str] | None = None,
    ) -> TrainingClient:
        return TrainingClient(base_model, rank)

    async def create_training_client_from_state_with_optimizer_async(
        self, path: str, user_metadata: dict[str, str] | None = None
    ) -> TrainingClient:
        client = await self.create_lora_training_client_async(base_model="m/base", rank=8, user_metadata=user_metadata)
        await client.load_state_with_optimizer(path)
        return client


def tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)
