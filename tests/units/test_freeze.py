"""Parts named in `model.frozen` keep their weights, all others are trained, and a name that fits nothing is refused."""

import pytest

import tiny
from bothways.core.errors import ConfigError
from bothways.model.freeze import counts
from bothways.train.config import TrainConfig
from bothways.train.optim import build_optimizer


def frozen_names(*frozen: str, **changes) -> set[str]:
    """Names of the weights that are not trained."""
    made = tiny.model(frozen=list(frozen), **changes)
    return {name for name, weight in made.named_parameters() if not weight.requires_grad}


def all_names() -> set[str]:
    return {name for name, _ in tiny.model().named_parameters()}


def beginning(*prefixes: str) -> set[str]:
    return {name for name in all_names() if name.startswith(prefixes)}


def test_nothing_is_frozen_unless_named():
    assert frozen_names() == set()


@pytest.mark.parametrize(
    ("names", "prefixes"),
    [
        (["backbone"], ["backbone."]),
        (["given_projector", "head"], ["given_projector.", "head."]),
        (["nothing_text"], ["nothing_text"]),
        (["backbone.layers.0-1"], ["backbone.lm.model.layers."]),
        (["backbone.layers.0"], ["backbone.lm.model.layers.0."]),
        (["backbone.lm.model.layers.1.mlp"], ["backbone.lm.model.layers.1.mlp."]),
        (["backbone.embed_tokens", "backbone.lm_head"], ["backbone.lm.model.embed_tokens", "backbone.lm.lm_head"]),
    ],
)
def test_a_name_freezes_exactly_the_weights_below_it(names: list[str], prefixes: list[str]):
    assert frozen_names(*names) == beginning(*prefixes) != set()


def test_a_minus_takes_a_part_out_again_and_the_last_name_decides():
    assert frozen_names("all", "-head") == all_names() - beginning("head.")
    assert frozen_names("backbone", "-backbone.layers.1") == beginning("backbone.") - beginning("backbone.lm.model.layers.1.")
    assert frozen_names("-head", "all", "-nothing_text") == all_names() - {"nothing_text"}


def test_both_sides_of_a_branch_have_names():
    branch = {"backbone": tiny.BACKBONE | {"drawing_layers": 1}}
    copies = frozen_names("backbone.drawing_layers", **branch)
    assert copies == frozen_names("backbone.drawing_layers.1", **branch) and all(".drawing." in name for name in copies)
    shared = frozen_names("backbone.layers.1", **branch)
    assert {name.replace(".shared.", ".drawing.") for name in shared} == copies
    assert frozen_names("backbone.lm.model.layers.1", **branch) == copies | shared
    assert frozen_names("backbone", "-backbone.drawing_layers", **branch) == frozen_names("backbone", **branch) - copies
    with pytest.raises(ConfigError, match=r"backbone\.drawing_layers"):
        frozen_names("backbone.drawing_layers")


def test_a_shared_projector_goes_by_both_names_and_separate_ones_by_their_own():
    assert frozen_names("learned_projector") == frozen_names("given_projector") == beginning("given_projector.")
    separate = frozen_names("learned_projector", **tiny.SEPARATE)
    assert separate and all(name.startswith("learned_projector.") for name in separate)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["backbones"], "Did you mean `backbone`"),
        (["given_projecter"], "given_projector"),
        (["backbone.layers.1-2"], r"backbone\.layers\.2.*backbone\.layers\.1"),
        (["backbone.layers.1-0"], "smaller number first"),
        (["given"], "given_projector"),
        (["all"], "nothing to train"),
        ([""], "Unknown part"),
        (["backbone.layers.0-99999999999"], "Known: backbone.layers.0, backbone.layers.1."),
    ],
)
def test_a_name_that_fits_nothing_is_refused_with_the_nearest_ones(names: list[str], sentence: str):
    with pytest.raises(ConfigError, match=sentence):
        frozen_names(*names)


def test_freezing_changes_no_initial_weight_and_the_optimizer_sees_only_what_is_trained():
    whole, part = tiny.model(), tiny.model(frozen=["backbone"])
    for (name, one), (_, other) in zip(whole.named_parameters(), part.named_parameters(), strict=True):
        assert one.equal(other), name
    held = [p for group in build_optimizer(part, TrainConfig()).param_groups for p in group["params"]]
    assert held and not {id(p) for p in held} & {id(p) for p in part.backbone.parameters()}


def test_weights_are_counted_by_part_as_all_and_as_trained():
    made = tiny.model(frozen=["backbone", "-backbone.layers.0"])
    found = counts(made)
    assert found["all"]["total"] == sum(p.numel() for p in made.parameters())
    assert found["all"]["total"] == sum(part["total"] for name, part in found.items() if name != "all")
    assert found["all"]["trained"] == sum(p.numel() for p in made.parameters() if p.requires_grad)
    assert 0 < found["backbone"]["trained"] < found["backbone"]["total"]
