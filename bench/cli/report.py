"""`bench report`."""


def command() -> None:
    """To be built."""
    raise SystemExit(70)
