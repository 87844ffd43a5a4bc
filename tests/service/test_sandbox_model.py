"""The tiny model by itself: tokens, gradients, the optimizer, sampling."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from stealthrl_tui.sandbox.corpus import SENTENCES
from stealthrl_tui.sandbox.errors import ServiceError
from stealthrl_tui.sandbox.model import LoraConfig
from stealthrl_tui.sandbox.practice import practised_model
from stealthrl_tui.sandbox.sampling import SamplingParams, draw
from stealthrl_tui.sandbox.tokenizer import (
    END_OF_TEXT,
    TURN_END,
    TURN_START,
    VOCABULARY,
    decode,
    encode,
    render_chat,
    token_bytes,
    write_tokenizer,
)
from stealthrl_tui.sandbox.training import AdamParams, Datum, TrainingModel

TEXTS = ["plain", "two\nlines\tand a tab", "wörld — 漢字 🙂", "a<|im_end|>b<|endoftext|>", "\x00\x7f\x1b[0m", ""]
PROMPT = encode("The boat")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tokenizer") / "models" / "tiny"
    write_tokenizer(made)
    return made


@pytest.mark.parametrize("text", TEXTS)
def test_the_folder_and_the_functions_are_one_tokenizer(folder: Path, text: str) -> None:
    loaded = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert loaded.encode(text).ids == encode(text)
    assert loaded.decode(encode(text), skip_special_tokens=True) == decode(encode(text))
    assert loaded.get_vocab_size() == VOCABULARY


def test_marks_are_single_tokens() -> None:
    assert encode("<|im_start|><|im_end|><|endoftext|>") == [TURN_START, TURN_END, END_OF_TEXT]
    assert b"".join(map(token_bytes, encode("a<|im_end|>"))) == b"a<|im_end|>"


def test_broken_bytes_decode_to_replacement_characters() -> None:
    assert decode([0xFF, ord("a")]) == "\N{REPLACEMENT CHARACTER}a"


def test_writing_the_folder_again_leaves_it_alone(folder: Path) -> None:
    (folder / "note").write_text("mine")
    write_tokenizer(folder)
    assert (folder / "note").read_text() == "mine"
    (folder / "note").unlink()


def test_transformers_loads_the_folder_and_its_chat_template(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(str(folder))
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi — you?"}]
    rendered = loaded.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert loaded.encode(rendered) == render_chat(messages)
    assert loaded.eos_token_id == TURN_END


def datum(text: str = "The ferry comes.", **inputs: float) -> Datum:
    tokens = np.array(encode(text), dtype=np.int64)
    columns: dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]] = {
        name: np.linspace(0.5, 1.0, len(tokens) - 1, dtype=np.float32) * np.float32(value)
        for name, value in inputs.items()
    }
    return Datum(tokens[:-1], {"target_tokens": tokens[1:], **columns})


LOSSES: list[tuple[str, Mapping[str, float], Mapping[str, float]]] = [
    ("cross_entropy", {"weights": 1.0}, {}),
    ("importance_sampling", {"advantages": 1.0, "logprobs": -3.0}, {}),
    ("ppo", {"advantages": -1.0, "logprobs": -3.0}, {"clip_low_threshold": 0.5, "clip_high_threshold": 3.0}),
]


@pytest.mark.parametrize(("loss_fn", "inputs", "settings"), LOSSES, ids=[loss[0] for loss in LOSSES])
def test_a_step_down_the_gradient_lowers_every_loss(
    loss_fn: str, inputs: Mapping[str, float], settings: Mapping[str, float]
) -> None:
    model = TrainingModel(LoraConfig(rank=4))
    data = [datum("The ferry comes.", **inputs), datum("The rain.", **inputs)]
    losses = []
    for _ in range(5):
        losses.append(model.forward_backward(data, loss_fn, settings, backward=True)[0])
        model.optim_step(AdamParams(learning_rate=0.003))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["attn.a", "attn.b", "mlp.a", "mlp.b", "unembed.a", "unembed.b"])
def test_the_gradient_is_the_slope_of_the_loss(name: str) -> None:
    model = practised_model(4, "slope")
    data = [datum(weights=1.0)]
    model.forward_backward(data, "cross_entropy", {}, backward=True)
    slope = model.pending_gradient()[name]
    predicted = float(np.linalg.norm(slope))
    direction = slope / np.float32(predicted)

    def loss_at(distance: float) -> float:
        moved = practised_model(4, "slope")
        moved.adapter[name] = moved.adapter[name] + np.float32(distance) * direction
        return moved.forward_backward(data, "cross_entropy", {}, backward=False)[0]

    measured = (loss_at(5e-3) - loss_at(-5e-3)) / 1e-2
    assert measured == pytest.approx(predicted, rel=0.02)


def test_gradients_add_up_until_the_step() -> None:
    apart, together = TrainingModel(LoraConfig(rank=4)), TrainingModel(LoraConfig(rank=4))
    first, second = datum(), datum("The rain.")
    apart.forward_backward([first], "cross_entropy", {}, backward=True)
    apart.forward_backward([second], "cross_entropy", {}, backward=True)
    together.forward_backward([first, second], "cross_entropy", {}, backward=True)
    for name, value in together.pending_gradient().items():
        np.testing.assert_allclose(apart.pending_gradient()[name], value, rtol=1e-3, atol=1e-4)
    apart.optim_step(AdamParams())
    assert apart.pending_gradient() == {}


def test_a_forward_pass_leaves_no_gradient() -> None:
    model = TrainingModel(LoraConfig(rank=4))
    loss, logprobs = model.forward_backward([datum()], "cross_entropy", {}, backward=False)
    assert model.pending_gradient() == {}
    assert loss == pytest.approx(-float(logprobs[0].sum()), rel=1e-5)


def test_only_the_chosen_matrices_learn() -> None:
    model = TrainingModel(LoraConfig(rank=4, train_attn=False, train_mlp=False))
    before = {name: value.copy() for name, value in model.adapter.items()}
    model.forward_backward([datum()], "cross_entropy", {}, backward=True)
    model.optim_step(AdamParams(learning_rate=0.1))
    changed = {name for name, value in model.adapter.items() if not np.array_equal(value, before[name])}
    assert changed == {"unembed.b"}


def test_clipping_bounds_the_gradient_and_decay_shrinks_the_weights() -> None:
    plain, decayed = practised_model(4, "x"), practised_model(4, "x")
    plain.optim_step(AdamParams(learning_rate=0.1))
    decayed.optim_step(AdamParams(learning_rate=0.1, weight_decay=0.5))
    assert np.abs(decayed.adapter["mlp.a"]).sum() < np.abs(plain.adapter["mlp.a"]).sum()
    free, clipped = TrainingModel(LoraConfig(rank=4)), TrainingModel(LoraConfig(rank=4))
    for model in (free, clipped):
        model.forward_backward([datum()], "cross_entropy", {}, backward=True)
    # With this epsilon the step is nearly proportional to the gradient.
    norm = free.optim_step(AdamParams(learning_rate=1.0, eps=1e4))["grad_norm"]
    assert clipped.optim_step(AdamParams(learning_rate=1.0, eps=1e4, grad_clip_norm=norm / 10))["grad_norm"] == norm
    assert np.abs(clipped.adapter["unembed.b"]).max() < 0.2 * np.abs(free.adapter["unembed.b"]).max()


@pytest.mark.parametrize(
    ("broken", "loss_fn"),
    [
        (datum(), "gspo"),
        (datum(), "ppo"),
        (Datum(np.array([1, 2]), {"target_tokens": np.array([1])}), "cross_entropy"),
        (Datum(np.array([1, 2]), {}), "cross_entropy"),
        (Datum(np.array([1]), {"target_tokens": np.array([1]), "weights": np.array([1, 2])}), "cross_entropy"),
    ],
)
def test_data_that_fits_no_loss_is_refused(broken: Datum, loss_fn: str) -> None:
    with pytest.raises(ServiceError):
        TrainingModel(LoraConfig(rank=4)).forward_backward([broken], loss_fn, {}, backward=True)


def test_equal_seeds_draw_equal_samples_and_others_do_not() -> None:
    network = practised_model(8, "a").network()
    params = SamplingParams(max_tokens=30, stop_tokens=frozenset())
    assert draw(network, PROMPT, params, 1) == draw(network, PROMPT, params, 1)
    assert draw(network, PROMPT, params, 1).tokens != draw(network, PROMPT, params, 2).tokens


def test_every_made_checkpoint_is_another_model() -> None:
    greedy = SamplingParams(max_tokens=40, temperature=0.0, stop_tokens=frozenset())
    texts = {decode(draw(practised_model(8, key).network(), PROMPT, greedy, 0).tokens) for key in "abcd"}
    assert len(texts) == 4


def test_temperature_top_k_and_nucleus_narrow_the_draw() -> None:
    network = practised_model(8, "a").network()
    greedy = draw(network, PROMPT, SamplingParams(max_tokens=20, temperature=0.0), 0)
    for narrow in (SamplingParams(max_tokens=20, top_k=1), SamplingParams(max_tokens=20, top_p=1e-6)):
        assert [draw(network, PROMPT, narrow, seed).tokens for seed in range(3)] == [greedy.tokens] * 3
    assert greedy.logprobs == [pytest.approx(value) for value in greedy.logprobs if value <= 0]


def test_stops_end_a_sample_and_none_goes_on_to_the_limit() -> None:
    network = practised_model(8, "a").network()
    never = draw(network, PROMPT, SamplingParams(max_tokens=120, stop_tokens=frozenset()), 5)
    assert (len(never.tokens), never.stopped) == (120, False)
    text = bytes(token for token in never.tokens[:60] if token < END_OF_TEXT)
    word = text[20:24]
    stopped = draw(network, PROMPT, SamplingParams(max_tokens=120, stop_texts=(word,), stop_tokens=frozenset()), 5)
    assert stopped.stopped
    assert b"".join(map(token_bytes, stopped.tokens)).endswith(word)
    token = never.tokens[7]
    by_token = draw(network, PROMPT, SamplingParams(max_tokens=120, stop_tokens=frozenset((token,))), 5)
    assert by_token.tokens == never.tokens[: never.tokens.index(token) + 1]


def test_the_sentences_are_learnt_as_text_that_ends() -> None:
    network = practised_model(16, "a").network()
    sample = draw(network, render_chat([{"role": "user", "content": "Hi"}]), SamplingParams(temperature=0.5), 3)
    assert decode(sample.tokens).startswith("The")
    assert len(SENTENCES) > 30
