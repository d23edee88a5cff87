"""`bench validate`."""


def command() -> None:
    """To be built."""
    raise SystemExit(70)
