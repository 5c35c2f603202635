"""The alignment dials: a rotation that is one all along the dial, tokens that stay, and what a projector of its own undoes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tiny
from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.model.encodings import encodings_for
from bothways.vision.tokenizer import to_unit
from bothways.vision.warp import Rotation
from bothways.vision.warp_config import WarpedConfig

DIALS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def warped(**dials) -> dict:
    return {"kind": "warped", "of": tiny.VQ, **dials}


@pytest.mark.parametrize("dim", [1, 2, 7, 8, 96])
def test_the_map_is_a_rotation_at_every_setting_and_the_identity_at_0(dim: int):
    way = Rotation(dim, seed=3)
    for share in DIALS:
        matrix = way.at(share)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(dim), atol=1e-10)
        assert np.linalg.det(matrix) == pytest.approx(1.0)
    np.testing.assert_array_equal(way.at(0.0), np.eye(dim))


def test_two_halves_of_the_way_make_the_whole_and_seeds_go_different_ways():
    way = Rotation(16, seed=0)
    np.testing.assert_allclose(way.at(0.5) @ way.at(0.5), way.at(1.0), atol=1e-10)
    np.testing.assert_allclose(way.at(0.25) @ way.at(0.5), way.at(0.75), atol=1e-10)
    assert np.abs(Rotation(16, seed=1).at(1.0) - way.at(1.0)).max() > 0.1
    np.testing.assert_array_equal(Rotation(16, seed=0).at(1.0), way.at(1.0))


@pytest.mark.parametrize("dim", [8, 96])
def test_angles_grow_in_proportion_to_the_dial_and_the_cosine_falls_to_nothing(dim: int):
    ways = [Rotation(dim, seed) for seed in range(400 if dim == 8 else 6)]
    assert np.mean([way.angles.mean() for way in ways]) == pytest.approx(90, abs=4)
    for share in DIALS[1:]:
        turned = np.mean([np.trace(way.at(share)) / dim for way in ways])  # mean cosine of a vector with its image
        assert turned == pytest.approx(np.sinc(share), abs=0.04 if dim == 96 else 0.15)
        plane = ways[0].at(share) @ ways[0]._basis[:, :2]
        cosine = float((plane[:, 0] * ways[0]._basis[:, 0]).sum())
        assert cosine == pytest.approx(np.cos(share * ways[0]._logarithm[1, 0]))


def test_a_warp_changes_vectors_and_neither_tokens_nor_pictures_nor_spec():
    plain = WarpedConfig.parse(warped()).build()
    turned = WarpedConfig.parse(warped(rotation=0.5)).build()
    pixels = to_unit(rng(0, "pixels").integers(0, 256, (2, 48, 48, 3), dtype=np.uint8))
    tokens = plain.of.encode(pixels)
    assert torch.equal(turned.encode(pixels), tokens) and turned.spec == plain.of.spec
    assert torch.equal(turned.decode(tokens), plain.of.decode(tokens))
    torch.testing.assert_close(plain.vectors(tokens), plain.of.vectors(tokens))
    before, after = plain.vectors(tokens).flatten(0, 1), turned.vectors(tokens).flatten(0, 1)
    torch.testing.assert_close(after @ after.T, before @ before.T)  # lengths and angles among them
    assert (after - before).abs().max() > 0.05


def test_p1s_map_is_a_whole_rotation_with_channels_scaled_and_moved_by_its_strength():
    strength = 0.3
    tokenizer = WarpedConfig.parse(warped(rotation=1, scale=strength, offset=strength, seed=5)).build()
    lengths = tokenizer.matrix.norm(dim=0)  # a rotation's columns have length 1, so these are the channels' factors
    assert (lengths - 1).abs().max() <= strength and lengths.std() > 0.05
    assert tokenizer.offset.abs().max() <= strength and tokenizer.offset.std() > 0.05
    rotation = tokenizer.matrix / lengths
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(len(lengths)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("rotation", [-0.1, 1.5])
def test_a_dial_outside_0_to_1_is_refused_in_a_sentence(rotation: float):
    with pytest.raises(ConfigError, match=r"the dial goes from 0 .* to 1 .* lies outside") as caught:
        WarpedConfig.parse(warped(rotation=rotation))
    assert str(caught.value).count(". ") == 0 and "\n" not in str(caught.value)


def test_the_size_is_the_wrapped_tokenizers_and_cannot_contradict_it():
    config = WarpedConfig.parse(warped(rotation=0.5))
    assert config.size_px == 48 and "size_px" not in config.to_dict()
    with pytest.raises(ConfigError, match=r"set of\.size_px alone"):
        WarpedConfig.parse(warped(size_px=64))


def test_a_shared_projector_takes_warped_tokens_of_the_same_tokenizer_and_they_are_encoded_once():
    config = tiny.config(given=warped(rotation=0.7), learned=tiny.VQ)
    encodings = encodings_for(config)
    pictures = [tiny.picture(0), tiny.picture(1)]
    model = tiny.model(given=warped(rotation=0.7), learned=tiny.VQ)
    assert model.given_projector is model.learned_projector
    tokens = encodings.given.tokens(pictures)
    spent = dict(encodings.learned.seconds)
    assert torch.equal(encodings.learned.tokens(pictures), tokens)
    assert encodings.learned.seconds == spent and spent["encode"] > 0
    assert encodings.given.tokenizer is not encodings.learned.tokenizer


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_a_trainable_projector_of_its_own_absorbs_the_rotation_so_separate_projectors_are_the_negative_control(kind: str):
    projector = {"projector": {"kind": kind, "shared": False}}
    plain = tiny.model(given=tiny.VQ, learned=tiny.VQ, **projector).eval()
    turned = tiny.model(given=warped(rotation=1.0), learned=tiny.VQ, **projector).eval()
    turned.load_state_dict(plain.state_dict())
    samples = [tiny.sample("reading"), tiny.sample("editing")]
    with torch.no_grad():
        expected = plain.hidden(tiny.batch_of(plain, samples))
        moved = turned.hidden(tiny.batch_of(turned, samples))
        assert (moved - expected).abs().max() > 0.05
        first = turned.given_projector.content if kind == "linear" else turned.given_projector.content[0]
        first.weight.copy_(first.weight @ turned.given.matrix)  # counter-rotated
        torch.testing.assert_close(turned.hidden(tiny.batch_of(turned, samples)), expected, rtol=0, atol=1e-5)


def test_with_a_shared_projector_no_counter_rotation_serves_both_sides():
    turned = tiny.model(given=warped(rotation=1.0), learned=tiny.VQ).eval()
    codes = torch.arange(8)[None]
    given, learned = turned.given.vectors(codes)[0], turned.learned.vectors(codes)[0]
    first = turned.given_projector.content[0]
    assert (first(given) - first(learned)).abs().max() > 0.05
    assert turned.given_projector.content[0] is turned.learned_projector.content[0]
