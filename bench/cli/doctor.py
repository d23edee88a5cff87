"""`bench doctor`."""


def command() -> None:
    """To be built."""
    raise SystemExit(70)
