"""For all tests: hypothesis without a clock, no silent skip in CI, and failures named at once."""

import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, Phase, settings

# CI shares its two cores with QEMU: a slow example is no finding.
settings.register_profile("hotkit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For runs that ask what is run at all, not whether it holds: the same few examples each time.
settings.register_profile("few", settings.get_profile("hotkit"), max_examples=8, derandomize=True)
# A mutant is run against the same examples each time, and nobody reads the smallest one.
settings.register_profile(
    "mutation", settings.get_profile("hotkit"), max_examples=30, derandomize=True, database=None,
    phases=(Phase.explicit, Phase.generate),
)  # fmt: skip
settings.load_profile("hotkit")

# A shell starts what it puts into the background with SIGINT ignored, and children inherit that:
# tests that interrupt a program would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How a reason begins when no machine of this kind could run the test.
HARDWARE = "hardware: "


# Half an hour of machines within machines: it begins first, beside tests that boot none.
_LONGEST = "test_kernel.py"


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name != _LONGEST)


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


def pytest_runtest_logreport(report):
    """A failure is named when it happens: a run that is ended for its length has said which."""
    if report.failed:
        took = f"{report.when}, {report.duration:.0f} s"
        _say(f"FAILED {report.nodeid} ({took}): {_last_line(report)}")


def pytest_collectreport(report):
    """A file that cannot be collected as well."""
    if report.failed:
        _say(f"ERROR {report.nodeid}: {_last_line(report)}")


def _last_line(report):
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return " ".join(text.split())[:600]


def _say(line):
    if "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\n{line}", file=sys.__stdout__, flush=True)
