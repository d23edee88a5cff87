"""What a recipe may say of LoRA, whatever the base is quantized to. Importing it loads no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench.records import Record


class LoraOptions(Record):
    """LoRA, whatever the base is quantized to."""

    r: int = Field(16, ge=1, le=1024)
    """Rank of the update."""
    alpha: int = Field(32, ge=1, le=65536)
    """Its scale: alpha / r."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout before it."""
    bias: Literal["none", "all", "lora_only"] = "none"
    """Which biases are trained."""
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    """Layers that get an adapter: all linear ones but the head, or these by the end of their names."""
    modules_to_save: tuple[str, ...] = ()
    """Layers that are trained whole and saved with it."""
