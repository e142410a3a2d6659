"""hotkit: provision tiered-memory boot layouts, measure what hotness trackers cost."""

# SPDX-License-Identifier: GPL-2.0-or-later
# (All of hotkit but kernel/, which is GPL-2.0-only as Linux is; README.md, "Licence".)

# The only place that says it: pyproject.toml, --version and the manual read it here.
__version__ = "0.1.0"
