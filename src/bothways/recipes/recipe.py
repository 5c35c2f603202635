"""What a recipe holds, and how one is found by name or path. No torch here."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from bothways.core.config import Config, Dtype, merge, part, unflatten
from bothways.core.errors import ConfigError
from bothways.data.configs import MixtureConfig
from bothways.data.folder import FolderConfig
from bothways.layout.order import Order, check_draw_steps
from bothways.model.config import ModelConfig, is_closed
from bothways.recipes.faithful import P1, with_p1
from bothways.recipes.read import path_of, read_recipe
from bothways.recipes.reader_recipe import ReaderRecipe
from bothways.train.config import TrainConfig
from bothways.vision.configs import AnyTokenizerConfig, VQConfig
from bothways.vision.training_configs import AnyObjectiveConfig, VQTrainingConfig
from bothways.worlds import WORLDS
from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.world import WorldConfig

AnyWorldConfig = part(WorldConfig, WORLDS)


class ExamConfig(Config):
    """What a finished run is asked."""

    num_pictures: int = Field(500, gt=0)  # scenes of the exam; every attribute is asked about each, and each is captioned
    num_drawings: int = Field(200, ge=0)  # requests that are drawn, of the first scenes
    num_open_drawings: int = Field(0, ge=0)  # requests that leave something open, scored on what they name, of the first scenes
    num_edits: int = Field(0, ge=0)  # edits, one a scene and as many of each kind, of the first scenes that allow them
    num_pictures_between: int = Field(100, gt=0)  # scenes of the exam at checkpoints during training
    num_drawings_between: int = Field(0, ge=0)  # requests that are drawn there, of its first scenes; 0 = likelihoods alone
    guidance: float = Field(1.0, ge=0)  # of the drawings
    guidance_ramp: Literal["constant", "linear"] = "constant"  # over a picture; linear grows from 1 to `guidance` (MAR)
    temperature: float = Field(0.0, ge=0)  # of the drawings; text is always greedy
    sampler: str | None = None  # of the drawings, where the head draws in steps; null: the head's usual one
    sampling_steps: int | None = Field(None, gt=0)  # a token, where the head draws in steps; null: the sampler's usual number
    eta: float = Field(0.0, ge=0, le=1)  # fresh noise of the sampler ddim: 0 none, 1 as much as ancestral
    order: Order | None = None  # of a drawing's tokens: raster or random; null: as trained, random where that was mixed
    draw_steps: int = Field(0, ge=0)  # of a drawing, each drawing several tokens at once; 0 = one token a step
    dtype: Dtype = "float32"  # of the drawings' products in the backbone; bfloat16 is faster and may choose other tokens
    max_text_tokens: int = Field(64, gt=0)  # longest answer or caption
    batch_size: int = Field(100, gt=0)  # rows generated at once
    seed: int = 0  # names wordings and draws


class Recipe(Config):
    """A unified model, what it is trained on, and how it is examined."""

    kind: Literal["model"] = "model"
    name: str = "unnamed"
    about: str = ""  # one line for `bothways recipes`
    world: AnyWorldConfig = WatchConfig()
    model: ModelConfig = ModelConfig()
    data: MixtureConfig = MixtureConfig()
    train: TrainConfig = TrainConfig()
    exam: ExamConfig = ExamConfig()
    faithful_to_p1: bool = False  # P1's choices in place of the house's: see recipes/faithful.py

    @model_validator(mode="after")
    def _can_be_examined(self) -> Recipe:
        self.model.head.check(self.model.learned.spec)  # a misfit explains what the next line would find
        self.model.head.check_how(self.exam)  # an hour of training would be a bad moment to hear of it
        self.model.drawn_in(self.exam.order)
        if self.exam.draw_steps:
            check_draw_steps(self.exam.draw_steps, self.model.learned.spec.num_tokens, self.model.drawing)
        return self

    @model_validator(mode="after")
    def _painter_stays_outside(self) -> Recipe:
        painter, train = self.model.painter, self.train
        if painter and is_closed(painter.gate) and train.clip and "painter" not in train.clip_apart:
            raise ConfigError(
                "The gate of model.painter is closed, and clipped together with all other gradients the painter's would still "
                f"shorten those of the backbone; set train.clip_apart to [{', '.join((*train.clip_apart, 'painter'))}], or "
                "train.clip to 0."
            )
        return self

    @model_validator(mode="after")
    def _is_faithful(self) -> Recipe:
        values = self.to_dict() if self.faithful_to_p1 else {}
        for key, chosen in P1.items() if values else ():
            room, name = key.split(".")
            if values[room][name] != chosen:
                raise ConfigError(
                    f"Found faithful_to_p1 with {key} {values[room][name]}, which P1 has as {chosen}; leave one of them out."
                )
        return self


class TokenizerRecipe(Config):
    """A visual tokenizer, how it is trained and on which pictures. None sees a label; `caption` alone sees texts."""

    kind: Literal["tokenizer"] = "tokenizer"
    name: str = "unnamed"
    about: str = ""  # one line for `bothways recipes`
    worlds: dict[str, AnyWorldConfig] = {"all": WatchConfig()}  # pictures come from the train split of these
    folders: dict[str, FolderConfig] = {}  # and from one's own picture files
    shares: dict[str, float] = {"all": 1.0}  # share of each world and folder in every step
    tokenizer: AnyTokenizerConfig = VQConfig()
    training: AnyObjectiveConfig = VQTrainingConfig()
    samples_per_step: int = Field(16, gt=0)  # pictures in a step, all of them fresh
    train: TrainConfig | None = TrainConfig()  # null where the objective takes no steps but looks at all its pictures at once
    num_held_out: int = Field(500, gt=0)  # pictures of the validation split on which the finished tokenizer is scored

    @model_validator(mode="after")
    def _can_be_trained(self) -> TokenizerRecipe:
        if self.tokenizer.kind not in self.training.trains:
            raise ConfigError(
                f"The objective `{self.training.kind}` trains {' and '.join(self.training.trains)} tokenizers and the recipe's "
                f"is `{self.tokenizer.kind}`; change training.kind or tokenizer.kind."
            )
        if self.training.by_steps != (self.train is not None):
            told = "is made step by step; say how in `train`" if self.training.by_steps else "takes no steps; set `train: null`"
            raise ConfigError(f"A tokenizer with the objective `{self.training.kind}` {told}.")
        if self.folders and self.training.needs_texts:
            raise ConfigError(
                f"The objective `{self.training.kind}` needs texts and `{next(iter(self.folders))}` is a folder of pictures "
                "alone; leave `folders` out or change training.kind."
            )
        names = [*self.worlds, *self.folders]
        if sorted(self.shares) != sorted(names) or min(self.shares.values()) < 0 or abs(sum(self.shares.values()) - 1) > 1e-6:
            raise ConfigError(
                f"Found the shares {self.shares} of {', '.join(names) or 'no world'}; give each world and folder its share, "
                "adding up to 1, under names that occur once (`worlds: {}` where there is none)."
            )
        return self


class TextTokenizerRecipe(Config):
    """A byte-level BPE and the worlds whose texts it is trained on."""

    kind: Literal["text"] = "text"
    name: str = "unnamed"
    about: str = ""  # one line for `bothways recipes`
    worlds: dict[str, AnyWorldConfig] = {"all": WatchConfig()}  # texts come from the train split of these, in equal parts
    num_texts: int = Field(40_000, gt=0)  # questions, answers, captions and requests in all
    num_entries: int = Field(507, gt=0)  # of the BPE; the house wording adds five marks

    @model_validator(mode="after")
    def _has_a_world(self) -> TextTokenizerRecipe:
        if not self.worlds:
            raise ConfigError("The recipe has no worlds, so there is no text to train on; set `worlds`.")
        return self


AnyRecipe = Recipe | TokenizerRecipe | TextTokenizerRecipe | ReaderRecipe
KINDS: dict[str, type[AnyRecipe]] = {
    "model": Recipe,
    "tokenizer": TokenizerRecipe,
    "text": TextTokenizerRecipe,
    "reader": ReaderRecipe,
}
COMMANDS = {
    "model": "bothways train",
    "tokenizer": "bothways train-tokenizer",
    "text": "bothways train-tokenizer",
    "reader": "bothways train-reader",
}


def load_recipe(name: str, changes: dict[str, Any] | None = None, kind: str | None = None) -> AnyRecipe:
    """The recipe of that name, or in that YAML file, with dotted `changes`; `kind` refuses recipes of another kind.

    A change of `world.kind` moves a model's recipe to that world: see `on_world`.

    Raises: ConfigError when there is none.
    """
    path, changed = path_of(name), unflatten(changes or {})
    values = read_recipe(path)
    if _has_sections(values):
        values = on_world(values, changed.get("world"))
    if {**values, **changed}.get("faithful_to_p1") is True and _has_sections(merge(values, changed)):
        values = with_p1(merge(values, changed))
    values = merge(values, changed)
    values.setdefault("name", path.stem)
    found = values.get("kind", "model")
    if not isinstance(found, str) or found not in KINDS:
        raise ConfigError(f"{path} has the kind `{found}`; expected {' or '.join(KINDS)}.")
    if kind and found != kind:
        raise ConfigError(f"The recipe `{name}` makes a {found}, not a {kind}; use `{COMMANDS[found]}`.")
    return KINDS[found].parse(values, where=f"recipe {values['name']}")


def _has_sections(values: dict[str, Any]) -> bool:
    """Whether the sections that are worked on here are mappings. Where one is not, `parse` says so."""
    found = {key: values.get(key, {}) for key in ("world", "model", "data", "train")}
    if not all(isinstance(section, dict) for section in found.values()):
        return False
    inner = (found["model"].get("head", {}), found["data"].get("sources", {}), found["train"].get("weights", {}))
    return all(isinstance(section, dict) for section in inner)


def on_world(values: dict[str, Any], change: Any) -> dict[str, Any]:
    """The values of a model's recipe moved to the world whose kind `change` names, e.g. `--set world.kind=shapes`.

    What the file says of its own world (level, dial) is left out, and sources go by the new name: watch/vqa -> shapes/vqa.
    """
    own = values.get("world", {}).get("kind", WatchConfig().kind)
    wanted = change.get("kind", own) if isinstance(change, dict) else own
    if wanted == own or values.get("kind", "model") != "model":
        return values

    def renamed(keys: dict[str, Any]) -> dict[str, Any]:
        return {f"{wanted}/{key.removeprefix(f'{own}/')}" if key.startswith(f"{own}/") else key: keys[key] for key in keys}

    moved = values | {"world": {"kind": wanted}}
    if "sources" in values.get("data", {}):
        moved["data"] = values["data"] | {"sources": renamed(values["data"]["sources"])}
    if "weights" in values.get("train", {}):
        moved["train"] = values["train"] | {"weights": renamed(values["train"]["weights"])}
    return moved
