"""Picture files, good and bad: whatever is wrong with one is said in a sentence that names it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

import tiny
from bothways.core.errors import DataError
from bothways.data.pixels import FilePicture, open_picture

RED = np.full((20, 30, 3), (200, 10, 20), np.uint8)


def saved(path: Path, mode: str = "RGB", **options) -> Path:
    Pil.fromarray(tiny.picture(0).array).convert(mode).save(path, **options)
    return path


def header_of_png(width: int, height: int) -> bytes:
    """A PNG that states its size and holds no pixel."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 4096) + b"IDAT"


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.webp", "a.gif", "a.tiff", "a.ppm"])
def test_common_formats_are_read(tmp_path: Path, name: str):
    path = saved(tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
    found = open_picture(path)
    assert found.shape == (48, 48, 3) and found.dtype == np.uint8
    assert np.abs(found.astype(int) - tiny.picture(0).array).max() <= (0 if name != "a.gif" else 60)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "LA", "RGBA"])
def test_every_mode_becomes_red_green_blue(tmp_path: Path, mode: str):
    path = saved(tmp_path / ("a.tiff" if mode == "CMYK" else "a.png"), mode)
    assert open_picture(path).shape == (48, 48, 3)


def test_sixteen_bits_of_grey_become_eight(tmp_path: Path):
    grey = np.linspace(0, 65535, 48 * 48).reshape(48, 48).astype(np.uint16)
    Pil.fromarray(grey).save(tmp_path / "a.png")
    found = open_picture(tmp_path / "a.png")
    assert np.abs(found.astype(int) - (grey // 257)[:, :, None]).max() <= 1


def test_what_is_transparent_lies_on_white(tmp_path: Path):
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:, :4] = (255, 0, 0, 255)
    Pil.fromarray(clear).save(tmp_path / "a.png")
    found = open_picture(tmp_path / "a.png")
    assert (found[:, :4] == (255, 0, 0)).all() and (found[:, 4:] == 255).all()


def test_a_file_gives_the_size_that_is_asked_for(tmp_path: Path):
    Pil.fromarray(RED).save(tmp_path / "a.png")
    picture = FilePicture(tmp_path / "a.png")
    for size in (16, 64):
        assert picture.pixels(size).shape == (size, size, 3) and (picture.pixels(size) == RED[0, 0]).all()


def test_a_changed_file_has_another_key_and_an_equal_path_the_same(tmp_path: Path):
    path = saved(tmp_path / "a.png")
    before = FilePicture(path).key
    assert FilePicture(tmp_path / "." / "a.png").key == before
    Pil.fromarray(RED).save(path)
    assert FilePicture(path).key != before


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("absent.png", None, "There is no picture"),
        ("text.png", b"I am not a picture", "not a picture"),
        ("empty.png", b"", "not a picture"),
        ("header.png", header_of_png(48, 48), "damaged or cut short"),
    ],
)
def test_a_file_that_is_no_picture_is_refused_by_name(tmp_path: Path, name: str, content: bytes | None, sentence: str):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=sentence) as caught:
        open_picture(path)
    assert str(path) in str(caught.value)
    with pytest.raises(DataError, match="picture"):
        FilePicture(path).pixels(64)


def test_a_missing_file_has_no_key(tmp_path: Path):
    with pytest.raises(DataError, match="There is no picture"):
        _ = FilePicture(tmp_path / "absent.png").key


def test_a_folder_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="is a folder"):
        open_picture(tmp_path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif", "a.bmp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_picture_that_was_cut_short_is_refused_wherever_the_cut_is(tmp_path: Path, name: str, share: float):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / name
    Pil.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match=r"damaged or cut short|not a picture"):
        open_picture(path)


def test_a_hundred_megapixels_are_refused_before_anything_is_decoded(tmp_path: Path):
    # The file holds no pixels: decoding would fail with another sentence.
    (tmp_path / "huge.png").write_bytes(header_of_png(10_000, 10_000))
    with pytest.raises(DataError, match=r"10000 x 10000 = 100 megapixels; at most 50"):
        open_picture(tmp_path / "huge.png")
    (tmp_path / "absurd.png").write_bytes(header_of_png(2_000_000_000, 2_000_000_000))
    with pytest.raises(DataError, match="megapixels"):
        open_picture(tmp_path / "absurd.png")
