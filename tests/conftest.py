"""For all tests: hypothesis without a clock, and no silent skip in CI."""

import os

import pytest
from hypothesis import HealthCheck, settings

# CI shares its two cores with QEMU: a slow example is no finding.
settings.register_profile("hotkit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hotkit")

# How a reason begins when no machine of this kind could run the test.
HARDWARE = "hardware: "


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Under HOTKIT_REQUIRE_ALL=1 a skip is a failure, unless it says that hardware lacks."""
    report = yield
    if report.skipped and os.environ.get("HOTKIT_REQUIRE_ALL") == "1":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not hasattr(report, "wasxfail") and not reason.removeprefix("Skipped: ").startswith(
            HARDWARE
        ):
            report.outcome = "failed"
            report.longrepr = f"skipped under HOTKIT_REQUIRE_ALL=1: {reason}"
    return report
