"""Running statistics of moving vectors: means, covariances and the linear map that reads something out of them."""

from __future__ import annotations

import pytest
import torch

from bothways.model.moments import Moments
from bothways.vision.ridge import Ridge

DRAW = torch.Generator().manual_seed(0)
X = torch.randn(400, 6, generator=DRAW) @ torch.randn(6, 6, generator=DRAW) + torch.randn(6, generator=DRAW)
Y = X @ torch.randn(6, 3, generator=DRAW) + 0.3 * torch.randn(400, 3, generator=DRAW) + 2.0


def seen(*pieces: slice, others: int = 0) -> Moments:
    moments = Moments(6 - others, others, 3)
    for piece in pieces:
        moments.add(X[piece], Y[piece])
    return moments


def test_mean_and_covariance_are_those_of_all_that_was_seen_in_whatever_pieces():
    whole, parts = seen(slice(None)), seen(slice(0, 100), slice(100, 117), slice(117, 400))
    for moments in (whole, parts):
        assert moments.count == 400
        torch.testing.assert_close(moments.mean, X.mean(0), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(moments.covariance.float(), X.T.cov(correction=0), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(moments.variance, X.var(0, correction=0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("others", [0, 2])
def test_the_read_out_is_the_ridge_regression_on_all_channels_and_says_what_it_explains(others: int):
    moments = seen(slice(0, 200), slice(200, 400), others=others)
    found, expected = moments.read_out(), Ridge(X).fit(Y, penalties=(1e-4,))
    torch.testing.assert_close(found(X), expected(X), rtol=1e-3, atol=1e-3)
    explained = 1 - (found(X) - Y).square().sum() / (Y - Y.mean(0)).square().sum()
    assert found.explained == pytest.approx(float(explained), abs=1e-4) and 0.9 < found.explained < 1
    assert moments.mean.shape == (6 - others,)


def test_what_was_seen_long_ago_is_forgotten():
    moments = Moments(6, 0, 3)
    moments.add(X + 100, Y - 100)
    for _ in range(30):
        moments.forget(0.5)
        moments.add(X, Y)
    torch.testing.assert_close(moments.mean, X.mean(0), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(moments.read_out()(X), seen(slice(None)).read_out()(X), rtol=1e-2, atol=1e-2)


def test_a_read_out_is_fitted_anew_when_more_was_seen_or_loaded():
    moments, other = seen(slice(0, 200)), seen(slice(200, 400))
    before = moments.read_out()
    assert moments.read_out() is before
    moments.load_state_dict(other.state_dict())
    torch.testing.assert_close(moments.read_out()(X), other.read_out()(X))
    moments.add(X, Y)
    assert moments.read_out() is not before


def test_before_anything_was_seen_it_reads_zeros():
    assert Moments(6, 0, 3).read_out()(X).abs().max() == 0
