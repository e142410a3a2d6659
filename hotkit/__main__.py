"""`python -m hotkit`."""

from hotkit.cli import entry_point

entry_point()
