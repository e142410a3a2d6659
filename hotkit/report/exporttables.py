"""The tables of a sweep for a paper or a README: Markdown, and LaTeX with booktabs."""

from __future__ import annotations

import re

from hotkit.report.flushtable import flush_table
from hotkit.report.plaintable import PlainTable, plain
from hotkit.report.sweep_gates import gate_lines, rerun_table, why
from hotkit.report.sweep_guest import guest_lines, seen_lines
from hotkit.report.sweep_more import FullResult
from hotkit.report.sweep_tables import (
    accuracy_table,
    dose_table,
    in_guest,
    sample_table,
    slowdown_table,
)
from hotkit.report.sweep_verdict import verdict_of

_WITHHELD = "Overhead per sample is withheld: the session is not trustworthy."
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$",
    ">": "$>$",
}  # fmt: skip


def tables(result: FullResult) -> list[tuple[str, PlainTable]]:
    """(name, table) of what may be shown: an untrusted session has no figure per sample."""
    found = [("slowdown", slowdown_table(result)), ("accuracy", accuracy_table(result))]
    if result.analysis.trusted:
        found[1:1] = [("persample", sample_table(result)), ("dose", dose_table(result))]
    if in_guest(result.analysis):
        found.append(("flushes", flush_table(result)))
    return [(name, one_line(plain(table))) for name, table in found if table is not None]


def one_line(table: PlainTable) -> PlainTable:
    """Cells of several lines in one, since not every reader of tables knows others."""
    rows = tuple(tuple(cell.replace("\n", "; ") for cell in row) for row in table.rows)
    columns = tuple(column.replace("\n", " ") for column in table.columns)
    return PlainTable(title=table.title, columns=columns, right=table.right, rows=rows)


def markdown(result: FullResult) -> str:
    """Verdict, then one table below its title. Works on GitHub and in pandoc."""
    verdict = verdict_of(result)
    lines = [f"**sweep on {escape_markdown(result.host)}: {verdict.title} [{result.label}]**", ""]
    lines += [f"- {escape_markdown(line.removeprefix('- '))}" for line in verdict.lines]
    for _, table in tables(result):
        lines += markdown_table(table)
    if not result.analysis.trusted:
        lines += ["", _WITHHELD]
    lines += _markdown_gates(result)
    if said := [*seen_lines(result.analysis), *guest_lines(result)]:
        lines += ["", *(f"- {escape_markdown(line)}" for line in said)]
    lines += ["", f"{escape_markdown(_source(result))}", ""]
    return "\n".join(lines)


def markdown_table(table: PlainTable) -> list[str]:
    """The lines of one table below its title."""
    rule = ["---:" if right else ":---" for right in table.right]
    head = ["", f"{escape_markdown(table.title)}", "", _row(table.columns), f"|{'|'.join(rule)}|"]
    return [*head, *(_row(cells) for cells in table.rows)]


def _markdown_gates(result: FullResult) -> list[str]:
    """Blocks that were run again and what was not checked; nothing where there is none of it."""
    again = rerun_table(result)
    said = [f"- {escape_markdown(line)}" for line in gate_lines(result.analysis)]
    return [*(markdown_table(plain(again)) if again else []), *([""] if said else []), *said]


def latex(result: FullResult) -> str:
    """One table environment for each table, for `\\usepackage{booktabs}`; the label is in captions.

    An untrusted session says so in each caption, where it cannot be lost on the way into a paper.
    """
    doubt = "" if result.analysis.trusted else "NOT TRUSTWORTHY: "
    lines = [r"% needs \usepackage{booktabs}", f"% {_source(result)}"]
    # A comment ends with its line.
    lines += [f"% {' '.join(line.split())}" for line in verdict_of(result).lines]
    if doubt:
        lines.append(f"% {_WITHHELD}")
    # No table: a sentence of any length does not fit on paper.
    said = [
        *gate_lines(result.analysis),
        *seen_lines(result.analysis),
        *guest_lines(result),
        *(f"block {it.block}, attempt {it.attempt}: {why(it)}" for it in result.analysis.reruns),
    ]
    lines += [f"% {' '.join(line.split())}" for line in said]
    for name, table in tables(result):
        lines += latex_table(name, table, doubt)
    return "\n".join(lines) + "\n"


def latex_table(name: str, table: PlainTable, doubt: str) -> list[str]:
    """The lines of one table; `doubt` is what its caption begins with."""
    shape = "".join("r" if right else "l" for right in table.right)
    return [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{_tex(doubt + table.title)}}}",
        f"  \\label{{tab:hotkit-{name}}}",
        f"  \\begin{{tabular}}{{{shape}}}",
        r"    \toprule",
        f"    {' & '.join(map(_tex, table.columns))} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(map(_tex, cells))} \\\\" for cells in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]


def _source(result: FullResult) -> str:
    digest = result.manifest["sha256"].get("schedule", "")
    return (
        f"host {result.host}, kernel {result.machine['kernel_release']}, {result.label}, seed"
        f" {result.manifest['seed']}, {result.analysis.blocks} blocks, schedule {digest[:12]}"
    )


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(escape_markdown, cells))} |"


def escape_markdown(text: str) -> str:
    """As text: nothing in a name may become markup or another cell."""
    return re.sub(r"([\\`*_|<>])", r"\\\1", text)


def _tex(text: str) -> str:
    escaped = "".join(_LATEX.get(char, char) for char in text)
    escaped = escaped.replace(" .. ", " to ").replace("+- ", r"$\pm$ ")
    # A hyphen before a number is a minus sign.
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", escaped)
