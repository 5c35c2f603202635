"""`hide`: one attribute is kept out of one task. What the attributes are, every world says in a class of its own."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_serializer, model_validator

from bothways.core.config import Config
from bothways.core.errors import ConfigError

HidingTask = Literal["understanding", "drawing"]


class AbstractHide(Config):
    """One attribute is kept out of one task, in every text of it.

    `how="link"`: in that task the attribute occurs only in text-only samples; `how="value"`: `value` never occurs there.
    """

    attribute: str
    task: HidingTask = Field(alias="from", description="the task that does not get it; the key in a file is `from`")
    how: Literal["link", "value"] = "link"
    value: str | int | None = Field(None, description="the value hidden by how=value; canonical, e.g. sunny or 7")

    @model_validator(mode="after")
    def _value_belongs_to_how(self) -> AbstractHide:
        if (self.how == "value") != (self.value is not None):
            raise ConfigError(f"Found hide.how `{self.how}` with hide.value {self.value!r}; a value goes with how: value only.")
        return self

    @model_serializer
    def _with_the_key_from(self) -> dict[str, Any]:
        return {"attribute": self.attribute, "from": self.task, "how": self.how, "value": self.value}
