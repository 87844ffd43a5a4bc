"""The binary messages: the SDK's own protobuf classes, and the conversions a server needs.

Importing `tinker` costs about a second; its generated message module needs nothing of it but protobuf, so that one
file is loaded by itself. The conversions mirror `tinker.proto.request_conv` and `response_conv`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealthrl_tui.sandbox.errors import ServiceError
from stealthrl_tui.sandbox.model import Floats
from stealthrl_tui.sandbox.sampling import Sequence as Sample
from stealthrl_tui.sandbox.tokenizer import VOCABULARY
from stealthrl_tui.sandbox.training import Datum

CONTENT_TYPE = "application/x-protobuf"


def _load_messages() -> Any:
    found = importlib.util.find_spec("tinker")
    if found is None or found.origin is None:
        raise ImportError("the tinker SDK is not installed")
    file = Path(found.origin).parent / "proto" / "tinker_public_pb2.py"
    spec = importlib.util.spec_from_file_location("stealthrl_tui.sandbox._tinker_public_pb2", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} can't be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


messages: Any = _load_messages()

_DTYPES: dict[int, np.dtype[Any]] = {
    messages.DTYPE_FLOAT32: np.dtype(np.float32),
    messages.DTYPE_INT64: np.dtype(np.int64),
    messages.DTYPE_INT32: np.dtype(np.int32),
}


@dataclass(frozen=True)
class ForwardBackward:
    """A decoded training request; `settings` are the loss function's numbers."""

    model_id: str
    seq_id: int
    data: list[Datum]
    loss_fn: str
    settings: dict[str, float]
    forward_only: bool


def decode_forward_backward(body: bytes) -> ForwardBackward:
    """A ForwardBackwardRequest, or 400."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types

    request = messages.ForwardBackwardRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise ServiceError(400, "the body is no ForwardBackwardRequest") from error
    return ForwardBackward(
        request.model_id,
        request.seq_id,
        [_datum(datum) for datum in request.data],
        request.loss_fn,
        dict(request.loss_fn_config),
        request.forward_only,
    )


def _datum(message: Any) -> Datum:
    chunks = [chunk.encoded_text.tokens for chunk in message.model_input if chunk.HasField("encoded_text")]
    if len(chunks) != len(message.model_input):
        raise ServiceError(400, "the sandbox's model reads text only")
    tokens = _array(b"".join(chunks), np.dtype(np.int32)).astype(np.int64)
    inputs = {name: _tensor(name, tensor) for name, tensor in message.loss_fn_inputs.items()}
    for ids in (tokens, inputs.get("target_tokens", tokens)):
        if ids.size == 0 or ids.min() < 0 or ids.max() >= VOCABULARY:
            raise ServiceError(400, f"a training text needs tokens, each from 0 to {VOCABULARY - 1}")
    return Datum(tokens, inputs)


def _tensor(name: str, message: Any) -> NDArray[Any]:
    dtype = _DTYPES.get(message.dtype)
    if dtype is None or message.HasField("sparse_csr") or len(message.shape) > 1:
        raise ServiceError(400, f"{name!r} must be a dense tensor of one dimension")
    return _array(message.dense, dtype)


def _array(data: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    if len(data) % dtype.itemsize:
        raise ServiceError(400, "tensor data is cut short")
    return np.frombuffer(data, dtype=dtype)


def encode_forward_backward(loss: float, logprobs: Sequence[Floats]) -> bytes:
    """A ForwardBackwardOutput: the metric `loss:sum`, and each text's `logprobs`."""
    output = messages.ForwardBackwardOutput(loss_fn_output_type="ArrayRecord", metrics={"loss:sum": loss})
    record = output.loss_fn_outputs.add(num_datums=len(logprobs))
    offsets = np.cumsum([0, *(part.nbytes for part in logprobs)], dtype=np.int64)
    column = record.fields["logprobs"]
    column.dtype = messages.DTYPE_FLOAT32
    column.data = b"".join(part.astype(np.float32).tobytes() for part in logprobs)
    column.offsets = offsets.tobytes()
    return bytes(output.SerializeToString())


def encode_samples(samples: Sequence[Sample], prompt_logprobs: Floats | None) -> bytes:
    """A SampleResponse; NaN stands for a prompt token that was not scored."""
    response = messages.SampleResponse()
    for sample in samples:
        response.sequences.add(
            stop_reason=messages.STOP_REASON_STOP if sample.stopped else messages.STOP_REASON_LENGTH,
            tokens=np.array(sample.tokens, dtype=np.int32).tobytes(),
            logprobs=np.array(sample.logprobs, dtype=np.float32).tobytes(),
        )
    if prompt_logprobs is not None:
        response.prompt_logprobs = prompt_logprobs.astype(np.float32).tobytes()
    return bytes(response.SerializeToString())
