"""Every part in a catalogue keeps the contract of its room; a new catalogue line is tested here without another line.

The tokenizers' contract runs over a modality with one axis too, which lives outside the package.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import waves
from bothways.backbones import BACKBONES
from bothways.backbones.backbone import Reads
from bothways.core.catalogue import Catalogue
from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.core.spec import CannotDraw, Continuous, Discrete, VisualSpec
from bothways.heads import HEADS
from bothways.heads.choose import How
from bothways.heads.draws import Draws
from bothways.heads.head import AbstractHead
from bothways.layout.order import Drawing
from bothways.vision import PAINTERS, TOKENIZERS
from bothways.vision.configs import SemanticConfig
from bothways.vision.painter import load_painter, save_painter
from bothways.vision.tokenizer import AbstractTokenizer, to_unit
from bothways.worlds import WORLDS
from bothways.worlds.world import AbstractWorld

SPLITS = ("train", "validation", "test", "composition")
CATALOGUES = {"tokenizer": TOKENIZERS, "painter": PAINTERS, "head": HEADS, "backbone": BACKBONES, "world": WORLDS}
ENTRIES = [(room, kind) for room, catalogue in CATALOGUES.items() for kind in catalogue]
WAVES = "waves:WaveConfig"
LAID_OUT = {kind: HEADS.load(kind)().laid_out(Drawing()) for kind in HEADS}
IN_PLACE = [kind for kind, drawing in LAID_OUT.items() if drawing.in_place]
ONE_BY_ONE = [kind for kind, drawing in LAID_OUT.items() if not drawing.noised]  # a head for noise needs all of a picture


@pytest.mark.parametrize(("room", "kind"), [*ENTRIES, ("tokenizer", WAVES)])
def test_a_config_is_found_by_its_kind_and_survives_the_way_to_yaml_and_back(room: str, kind: str):
    catalogue: Catalogue = CATALOGUES[room]
    config = catalogue.load(kind)()
    assert config.kind == kind
    again = type(config).parse(json.loads(json.dumps(config.to_dict())))
    assert again == config and again.digest() == config.digest()
    with pytest.raises(ConfigError, match="kindd"):
        type(config).parse({"kindd": kind})


def tokenizer_and_pixels(kind: str, num: int = 3) -> tuple[AbstractTokenizer, torch.Tensor]:
    tokenizer = TOKENIZERS.load(kind)().build()
    size, axes = tokenizer.spec.size_px, len(tokenizer.spec.grid)
    if axes == 2:
        shape = (num, size // 4, size // 4, 3)
        raw = rng(0, "pixels").integers(0, 256, shape, dtype=np.uint8).repeat(4, 1).repeat(4, 2)
    else:
        assert kind == WAVES, "a new number of axes needs an example here"
        raw = np.stack([waves.Wave(cycles).pixels(size) for cycles in range(1, num + 1)])
    return tokenizer, to_unit(raw)


@pytest.mark.parametrize("kind", [*TOKENIZERS, WAVES])
def test_a_tokenizer_makes_the_tokens_that_its_spec_declares(kind: str):
    tokenizer, pixels = tokenizer_and_pixels(kind)
    spec, tokens = tokenizer.spec, tokenizer.encode(pixels)
    assert spec.size_px == tokenizer.config.size_px and spec.num_tokens == np.prod(spec.grid)
    assert tokens.shape[:2] == (3, spec.num_tokens)
    if isinstance(spec.tokens, Discrete):
        assert tokens.shape == (3, spec.num_tokens) and tokens.dtype == torch.long
        assert tokens.min() >= 0 and tokens.max() < spec.tokens.vocab
    else:
        assert tokens.shape == (3, spec.num_tokens, spec.dim) and tokens.dtype == torch.float32
    vectors = tokenizer.vectors(tokens)
    assert vectors.shape == (3, spec.num_tokens, spec.dim) and vectors.isfinite().all()
    assert (tokens[0] != tokens[1]).any(), "two pictures, the same tokens"


@pytest.mark.parametrize("kind", [*TOKENIZERS, WAVES])
def test_a_tokenizer_draws_in_range_or_says_that_it_cannot(kind: str):
    tokenizer, pixels = tokenizer_and_pixels(kind)
    tokens = tokenizer.encode(pixels)
    if not tokenizer.spec.can_draw:
        with pytest.raises(CannotDraw):
            tokenizer.decode(tokens)
        return
    drawn = tokenizer.decode(tokens)
    assert drawn.shape == pixels.shape and drawn.dtype == torch.float32
    assert drawn.abs().max() <= 1 + 1e-5


@pytest.mark.parametrize("kind", [*TOKENIZERS, WAVES])
def test_a_tokenizer_is_frozen_and_treats_each_picture_alone(kind: str):
    tokenizer, pixels = tokenizer_and_pixels(kind)
    assert not tokenizer.training and not any(p.requires_grad for p in tokenizer.parameters())
    together = tokenizer.encode(pixels)
    for row in range(3):
        torch.testing.assert_close(tokenizer.encode(pixels[row : row + 1])[0], together[row], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", PAINTERS)
def test_a_painter_paints_each_picture_alone_and_comes_back_from_its_file(kind: str, tmp_path: Path):
    tower = SemanticConfig(patch_px=16, width=12, num_layers=2, num_heads=2)
    made, tokenizer = PAINTERS.load(kind)().build(tower.spec).eval(), tower.build()
    told = torch.from_numpy(rng(0, "told").standard_normal((2, 16, 12), dtype="float32"))
    pixels = made(told)
    assert pixels.shape == (2, 3, 64, 64) and pixels.isfinite().all()
    torch.testing.assert_close(made(told[1:])[0], pixels[1], rtol=0, atol=1e-4)
    save_painter(made, tmp_path / "painter.safetensors", tokenizer)
    again = load_painter(tmp_path / "painter.safetensors", tokenizer)
    assert again.config == made.config
    torch.testing.assert_close(again(told), pixels, rtol=0, atol=0.05)  # a file holds half precision
    with pytest.raises(ConfigError, match="was made for a tokenizer with other weights"):
        load_painter(tmp_path / "painter.safetensors", tower.with_changes({"seed": 1}).build())


WIDTH, NUM = 16, 7
DISCRETE = VisualSpec("example", Discrete(20, 4), (3, 3), 48, True)
CONTINUOUS = VisualSpec("example", Continuous(6), (3, 3), 48, True)


def head_and_target(kind: str) -> tuple[AbstractHead, VisualSpec, torch.Tensor]:
    config = HEADS.load(kind)()
    spec = next(spec for spec in (DISCRETE, CONTINUOUS) if isinstance(spec.tokens, config.accepts))
    torch.manual_seed(0)
    # Continuous targets of one length: a head that trains directions alone makes up the length from the mean.
    even = torch.nn.functional.normalize(torch.randn(NUM, spec.dim), dim=-1) * spec.dim**0.5
    target = torch.randint(0, 20, (NUM,)) if spec is DISCRETE else even
    head = config.build(spec, WIDTH)
    for weight in head.parameters():  # what is zero at first lets nothing through
        weight.data.add_(0.02 * torch.randn_like(weight))
    return head, spec, target


def draws(step: int = 0, rows: slice = slice(None)) -> Draws:
    """Of a picture of its own for each row."""
    return Draws(0, [("head", step, row) for row in range(NUM)], torch.arange(NUM)[rows], PLACE[rows], NUM)


def rngs() -> list[np.random.Generator]:
    return [rng(0, "head", row) for row in range(NUM)]


def draws_at(head: AbstractHead, temperature: float) -> bool:
    try:
        head.config.check_how(How(temperature=temperature))
    except ConfigError:
        return temperature == 0
    return True


HIDDEN = torch.from_numpy(rng(0, "hidden").standard_normal((NUM, WIDTH)).astype("float32"))
PLACE = torch.arange(NUM)
REVEALED = (PLACE + 1) / NUM


@pytest.mark.parametrize("kind", HEADS)
def test_a_heads_loss_is_unreduced_and_reaches_the_hidden_states_and_every_weight(kind: str):
    head, _, target = head_and_target(kind)
    hidden = HIDDEN.clone().requires_grad_()
    losses = head.loss(hidden, target, PLACE, draws())
    assert losses.shape == (NUM,) and losses.isfinite().all() and losses.std() > 0
    losses[2].backward()
    assert hidden.grad[2].abs().max() > 0, "the loss of a position hangs on its hidden state"
    others = torch.arange(NUM) != 2
    assert hidden.grad[others].abs().max() == 0, "and on no other"
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in head.parameters())
    head.observe(target)  # a loss hangs on nothing that training has left behind
    row = slice(2, 3)
    alone = head.loss(HIDDEN[row], target[row], PLACE[row], draws(rows=row))
    torch.testing.assert_close(alone[0], losses[2].detach())


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_says_what_its_loss_measures_and_where_that_is_no_likelihood_how_well_a_constant_does(kind: str):
    head, _, target = head_and_target(kind)
    if head.unit == "nats":
        return
    pictures = torch.stack([target, target, target.flip(0)])
    errors = head.blind(pictures)
    assert errors.shape == (3,) and (errors > 0).all() and errors[2] > errors[0], "the constant leans to the majority"
    assert head.blind(target[None])[0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("kind", ONE_BY_ONE)
def test_a_head_learns_its_target_and_then_draws_it(kind: str):
    head, spec, target = head_and_target(kind)
    optimizer = torch.optim.Adam(head.parameters(), 0.01)
    for step in range(600):
        optimizer.zero_grad()
        head.observe(target)
        head.loss(HIDDEN, target, PLACE, draws(step)).mean().backward()
        optimizer.step()
    tokens, _ = head.sample(HIDDEN, None, PLACE, REVEALED, How(), rngs())
    if isinstance(spec.tokens, Discrete):
        assert tokens.tolist() == target.tolist()
    else:
        torch.testing.assert_close(tokens, target, rtol=0, atol=0.3)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("kind", ONE_BY_ONE)
def test_a_heads_tokens_are_valid_and_its_confidence_a_probability(kind: str, temperature: float, guidance: float):
    head, spec, _ = head_and_target(kind)
    how = How(temperature=temperature, guidance=guidance, guidance_ramp="linear")
    unguided = None if guidance == 1.0 else HIDDEN.flip(0)
    if not draws_at(head, temperature):
        with pytest.raises(ConfigError, match="temperature"):
            head.sample(HIDDEN, unguided, PLACE, REVEALED, how, rngs())
        return
    tokens, confidence = head.sample(HIDDEN, unguided, PLACE, REVEALED, how, rngs())
    if isinstance(spec.tokens, Discrete):
        assert tokens.shape == (NUM,) and tokens.dtype == torch.long
        assert tokens.min() >= 0 and tokens.max() < spec.tokens.vocab
    else:
        assert tokens.shape == (NUM, spec.dim) and tokens.isfinite().all()
    assert confidence.shape == (NUM,) and confidence.min() >= 0 and confidence.max() <= 1
    row = slice(3, 4)
    apart = None if unguided is None else unguided[row]
    again, _ = head.sample(HIDDEN[row], apart, PLACE[row], REVEALED[row], how, rngs()[row])
    torch.testing.assert_close(again[0], tokens[3])  # the same draw alone


def look(values: torch.Tensor, cover: torch.Tensor | float) -> tuple[torch.Tensor, torch.Tensor]:
    """Stands for the backbone: states of R pictures that hang on values and cover, and unguided ones."""
    told = values.float().view(*values.shape[:2], -1).mean(-1) + (cover.float() if torch.is_tensor(cover) else cover / 1000)
    states = HIDDEN[None] * (1 + 0.1 * told[..., None])
    return states, states.flip(1)


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("kind", IN_PLACE)
def test_a_head_that_predicts_in_place_draws_each_picture_as_alone_and_keeps_what_is_known(kind, temperature, guided):
    head, spec, target = head_and_target(kind)
    how = How(temperature=temperature, guidance=3.0 if guided else 1.0, guidance_ramp="linear")
    kept, known = torch.stack([target, target.flip(0), target]), torch.zeros(3, NUM, dtype=torch.bool)
    known[1, :3] = known[2, 2:] = True

    def draw(rows: list[int]) -> torch.Tensor:
        see = look if guided else lambda *seen: (look(*seen)[0], None)
        return head.draw(see, kept[rows], known[rows], how, [rng(0, "head", row) for row in rows])

    tokens = draw([0, 1, 2])
    assert tokens.shape == kept.shape and tokens.dtype == kept.dtype
    assert torch.equal(tokens[known], kept[known]) and (tokens[~known] != kept[~known]).any()
    if isinstance(spec.tokens, Discrete):
        assert tokens.min() >= 0 and tokens.max() < spec.tokens.vocab
    assert tokens.isfinite().all()
    for row in range(3):
        torch.testing.assert_close(draw([row])[0], tokens[row])
    assert len(head.shares) > 1 and all(0 < share < 1 for share in head.shares)


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_refuses_tokens_that_it_cannot_make_and_names_those_that_can(kind: str):
    config = HEADS.load(kind)()
    misfit = CONTINUOUS if config.accepts is Discrete else DISCRETE
    with pytest.raises(ConfigError, match=f"`{kind}` needs .* `example` makes") as caught:
        config.build(misfit, WIDTH)
    fitting = [name for name in HEADS if isinstance(misfit.tokens, HEADS.load(name).accepts)]
    assert all(name in str(caught.value) for name in fitting)


@pytest.mark.parametrize("drawing_layers", [0, 1])
@pytest.mark.parametrize("kind", BACKBONES)
def test_a_backbone_turns_embeddings_into_hidden_states_and_those_into_logits(kind: str, drawing_layers: int):
    config = BACKBONES.load(kind)(drawing_layers=drawing_layers)
    backbone = config.build(vocab_size=50)
    config.split(backbone)
    ids = torch.randint(0, 50, (2, 6), generator=torch.Generator().manual_seed(0))
    x = backbone.embed(ids)
    assert x.shape == (2, 6, backbone.width)
    rows = torch.arange(6).repeat(2, 1)
    reads = Reads.within(torch.zeros_like(rows), rows, torch.zeros_like(rows, dtype=torch.bool), rows % 3 == 1)
    hidden = backbone.run(x, reads, rows)
    assert hidden.shape == x.shape and hidden.dtype == torch.float32 and hidden.isfinite().all()
    logits = backbone.text_logits(hidden)
    assert logits.shape == (2, 6, 50)
    logits.logsumexp(-1).sum().backward()
    idle = [name for name, p in backbone.named_parameters() if p.grad is None]
    assert idle == []
    cache = backbone.new_cache(2)
    parts = [
        backbone.run(x[:, i : i + 1], Reads(rows[:, :1] * 0, rows[:, i : i + 1], rows[:, : i + 1] * 0, rows[:, : i + 1],
                                            torch.zeros(2, i + 1, dtype=torch.bool), rows[:, i : i + 1] % 3 == 1),
                     rows[:, i : i + 1], cache)
        for i in range(6)
    ]  # fmt: skip
    torch.testing.assert_close(torch.cat(parts, 1), hidden, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest) -> AbstractWorld:
    return WORLDS.load(request.param)().build()


def scenes_of(world: AbstractWorld, split: str, num: int) -> list[str]:
    return [json.dumps(world.facts(world.scene(split, index))) for index in range(num)]


@pytest.mark.parametrize("world", WORLDS, indirect=True)
def test_a_worlds_scenes_are_functions_of_split_and_index_and_no_split_has_anothers(world: AbstractWorld):
    again = world.config.build()
    assert [again.scene("test", index) for index in (5, 3)] == [world.scene("test", index) for index in (5, 3)]
    found = {split: set(scenes_of(world, split, 300)) for split in SPLITS}
    for split in SPLITS:
        assert len(found[split]) > 290, "scenes vary"
        for other in SPLITS:
            assert split == other or not found[split] & found[other]


@pytest.mark.parametrize("world", WORLDS, indirect=True)
def test_a_world_renders_the_same_bytes_each_time_and_promises_pictures_by_key(world: AbstractWorld):
    picture = world.picture("test", 0)
    pixels = world.render(world.scene("test", 0), 64)
    assert pixels.shape == (64, 64, 3) and pixels.dtype == np.uint8
    assert (picture.pixels(64) == pixels).all()
    assert (world.config.build().render(world.scene("test", 0), 64) == pixels).all()
    keys = {world.picture(split, index).key for split in SPLITS for index in range(5)}
    assert len(keys) == 20
    assert (world.picture("test", 1).pixels(64) != pixels).any()
    with pytest.raises(ConfigError):
        world.render(world.scene("test", 0), 8)


@pytest.mark.parametrize("world", WORLDS, indirect=True)
def test_a_world_reads_its_own_renderings(world: AbstractWorld):
    for index in range(12):
        scene = world.scene("validation", index)
        facts, reading = world.facts(scene), world.read(world.render(scene, 64))
        assert set(reading) >= set(world.attributes)
        for attribute in world.attributes:
            assert 0 <= reading[attribute].confidence <= 1
            read, truth = reading[attribute].value, facts[attribute]
            close = isinstance(truth, int) and attribute == "battery" and read is not None and abs(read - truth) <= 5
            assert read == truth or close, (index, attribute)


@pytest.mark.parametrize("world", WORLDS, indirect=True)
def test_a_worlds_edits_stay_in_their_split_and_it_knows_one_that_is_done_from_one_that_is_not(world: AbstractWorld):
    kinds = set()
    for index in range(20):
        before = world.scene("train", index)
        for edit in world.say(before, "editing", rng(0, "contract", index)).edits:
            facts, wanted = world.facts(before), world.facts(edit.scene)
            done, undone = (world.read(world.render(scene, 64)).to_json() for scene in (edit.scene, before))
            marks = world.edit_marks(facts, wanted, done)
            assert {"asked", "kept"} <= set(marks) and set(marks.values()) <= {0.0, 1.0}
            # A battery is read to a few percent at this size.
            close = any(isinstance(wanted.get(n), int) and wanted[n] != facts[n] and n in ("battery", "second") for n in wanted)
            assert marks["kept"] == 1.0 and (marks["asked"] == 1.0 or close), edit
            assert world.edit_marks(facts, wanted, undone)["asked"] == 0.0 == world.edit_marks(facts, wanted, facts)["asked"]
            assert world.edit_marks(facts, wanted, facts)["kept"] == world.edit_marks(facts, wanted, wanted)["kept"] == 1.0
            nothing = dict.fromkeys(done)
            assert set(world.edit_marks(facts, wanted, nothing).values()) == {0.0}
            assert world.picture_of(edit.scene).key != world.picture("train", index).key
            assert (world.picture_of(edit.scene).pixels(64) == world.render(edit.scene, 64)).all()
            kinds.add(edit.kind)
    assert len(kinds) >= 3


@pytest.mark.parametrize("world", WORLDS, indirect=True)
def test_a_world_understands_its_own_answers_and_grades_them_right(world: AbstractWorld):
    for index in range(10):
        scene = world.scene("test", index)
        said = world.say(scene, "exam", rng(0, "contract", index))
        assert said.questions and said.captions and said.requests
        for ask in said.questions:
            assert world.grade(ask.attribute, ask.answer, scene) == 1.0
            assert world.understand(ask.attribute, ask.answer) is not None
            assert world.understand(ask.attribute, "no idea") is None
            assert world.grade(ask.attribute, "no idea", scene) == 0.0
        for caption in said.captions:
            assert world.hear(caption.text) == caption.states
