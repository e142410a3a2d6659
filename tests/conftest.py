"""For all tests: hypothesis without a clock, since CI shares its two cores with QEMU."""

from hypothesis import HealthCheck, settings

settings.register_profile("hotkit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hotkit")
