"""hotkit: provision tiered-memory boot layouts, measure what hotness trackers cost."""

__version__ = "0.1.0"
