"""What is written down to be read later, perhaps by another version."""

from pydantic import BaseModel, ConfigDict


class Recorded(BaseModel):
    """A part of such a document; fields that another version wrote as well are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")
