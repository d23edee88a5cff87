"""The GGUF writer under its first name; it is `bench.training.gguf` now."""

from bench.training.gguf import write_gguf
from bench.training.gguf.layout import permuted

__all__ = ["permuted", "write_gguf"]
