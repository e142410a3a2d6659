"""Survivors in what reads and writes GRUB's language; the form is that of explained.py."""

from __future__ import annotations

GRUB: dict[str, dict[tuple[str, str], str]] = {
    "grub_block": {
        (
            "if len(starts) != 1 or len(ends) != 1 or ends[0] < starts[0]:",
            "if len(starts) != 1 or len(ends) != 1 or ends[0] <= starts[0]:",
        ): "one line is not both markers",
    },
    "grub_quote": {
        (
            'lambda: grub_dropin(arguments).rstrip("\\n"),',
            "lambda: grub_dropin(arguments).rstrip(None),",
        ): "it ends with a quote and a line end, and nothing else",
        (
            "lambda: bls_options(arguments, understands_escape=False),",
            "lambda: bls_options(arguments, understands_escape=None),",
        ): "as false",
    },
    "grubenv": {
        (
            "while at < len(block):",
            "while at <= len(block):",
        ): "at the end stands neither a # nor a =, and it stops",
        (
            'while at < len(block) and block[at : at + 1] != b"\\n":',
            'while at <= len(block) and block[at : at + 1] != b"\\n":',
        ): "one behind the end is behind the end",
        ("if equals < 0:", "if equals <= 0:"): "the signature stands before it",
        ("if equals < 0:", "if equals < 1:"): "the signature stands before it",
        ("while at < len(value):", "while at <= len(value):"): "at the end nothing is added",
    },
    "grub_lexer": {
        (
            "at = len(text) if end < 0 else end",
            "at = len(text) if end <= 0 else end",
        ): "a line end behind a # is not at 0",
        (
            "at = len(text) if end < 0 else end",
            "at = len(text) if end < 1 else end",
        ): "a line end behind a # is not at 0",
        (
            "parted = self.delimiters(required=False)",
            "parted = self.delimiters(required=None)",
        ): "None is no wish either",
        (
            'body = self.commands("}", delimited=False)',
            'body = self.commands("}", delimited=None)',
        ): "None is no wish either",
    },
    "grub_eval": {
        (
            "for command in walk(nodes, blocks=False):",
            "for command in walk(nodes, blocks=None):",
        ): "None is as false",
    },
    "grub_undo": {
        (
            "return expand_options(text, understands_escape=False)",
            "return expand_options(text, understands_escape=None)",
        ): "None is as false",
    },
    "grub_words": {
        (
            'line = text.count("\\n", 0, offset) + 1',
            'line = text.count("\\n", None, offset) + 1',
        ): "None is the beginning, too",
        (
            'column = offset - (text.rfind("\\n", 0, offset) + 1) + 1',
            'column = offset - (text.rfind("\\n", None, offset) + 1) + 1',
        ): "None is the beginning, too",
    },
}
