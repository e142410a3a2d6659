"""For all tests: properties are judged by their outcome, not by how busy the machine is."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("hotkit", deadline=None)
settings.load_profile("hotkit")
