"""What WATCH judges, as configured; a stranger who sets nothing gets the spike rule."""

from pydantic import BaseModel, ConfigDict, Field


class WatchConfig(BaseModel):
    """How scopes are watched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_seconds: int = Field(300, description="Length of the judged windows, in seconds.")
