import numpy as np
import torch

from helios_world.lands.captions import caption_batch
from helios_world.text import TextConfig, TextEncoder
from helios_world.train.words import Words, embed, put_together, take_apart

CONFIG = TextConfig()


def _words(prompts: list[str]) -> Words:
    return put_together([take_apart(prompt, CONFIG) for prompt in prompts], CONFIG, torch.device("cpu"))


def _encoder() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(CONFIG).eval()


def test_words_taken_apart_are_embedded_as_the_encoder_embeds_strings() -> None:
    prompts = [*caption_batch(np.random.default_rng(1), 12)[0], "", "ice", "?!"]
    encoder = _encoder()
    with torch.no_grad():
        assert torch.allclose(embed(encoder, _words(prompts)), encoder(prompts), atol=1e-5)


def test_the_gradients_are_the_encoders_too() -> None:
    prompts = ["a brick garden at noon", "", "a neon city"]
    gradients = []
    for compute in (lambda e: embed(e, _words(prompts)), lambda e: e(prompts)):
        encoder = _encoder()
        compute(encoder).square().mul(torch.arange(96)).sum().backward()
        gradients.append({name: p.grad for name, p in encoder.named_parameters()})
    for name, gradient in gradients[1].items():
        assert torch.allclose(gradients[0][name], gradient, rtol=1e-3, atol=1e-3 * gradient.abs().max()), name


def test_a_batch_without_any_word_is_embedded() -> None:
    encoder = _encoder()
    with torch.no_grad():
        assert torch.allclose(embed(encoder, _words(["", "…"])), encoder(["", "…"]), atol=1e-6)


def test_in_training_pieces_drop_out() -> None:
    encoder, words = _encoder().train(), _words(["a brick garden at noon"])
    with torch.no_grad():
        assert not torch.equal(embed(encoder, words), embed(encoder, words))
