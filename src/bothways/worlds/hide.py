"""`hide`: one attribute is kept out of one task. What the attributes are, every world says in a class of its own."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_serializer, model_validator

from bothways.core.config import Config
from bothways.core.errors import ConfigError

HidingTask = Literal["understanding", "drawing"]


class AbstractHide(Config):
    """One attribute is kept out of one task, in every text of it.

    `how="link"`: in that task the attribute occurs only in text-only samples, but for the first `keep` pictures of every pool,
    of which nothing is hidden; `how="value"`: `value` never occurs there.
    """

    attribute: str
    task: HidingTask = Field(alias="from", description="the task that does not get it; the key in a file is `from`")
    how: Literal["link", "value"] = "link"
    value: str | int | None = Field(None, description="the value hidden by how=value; canonical, e.g. sunny or 7")
    keep: int = Field(0, ge=0, description="how=link: pictures whose labels are kept, the first of every pool of the task")

    @model_validator(mode="after")
    def _value_belongs_to_how(self) -> AbstractHide:
        if (self.how == "value") != (self.value is not None):
            raise ConfigError(f"Found hide.how `{self.how}` with hide.value {self.value!r}; a value goes with how: value only.")
        if self.keep and self.how == "value":
            raise ConfigError(f"Found hide.how `value` with hide.keep {self.keep}; labels are kept with how: link only.")
        return self

    @model_serializer
    def _with_the_key_from(self) -> dict[str, Any]:
        return {"attribute": self.attribute, "from": self.task, "how": self.how, "value": self.value, "keep": self.keep}
