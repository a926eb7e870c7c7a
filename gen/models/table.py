"""Prints the models as a table."""

from __future__ import annotations

from collections.abc import Sequence

from gen.models.find import ModelRow, models


def print_models(rows: Sequence[ModelRow] | None = None) -> None:
    """Every model: what it does, its licence, the GPU memory, whether it is here, and how to fetch it."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Video and image models", title_justify="left", padding=(0, 1), show_lines=False)
    for name in ("model", "does", "licence", "memory", "here"):
        table.add_column(name, overflow="fold")
    rows = models() if rows is None else rows
    for row in rows:
        memory = "" if row.memory_gb is None else f"{row.memory_gb:g} GB"
        licence = row.licence + (" (gated)" if row.gated else "")
        here = "yes" if row.here is not None else "no"
        table.add_row(row.name, ", ".join(row.tasks), licence, memory, here)
    console = Console()
    console.print(table)
    missing = [row for row in rows if row.here is None]
    if missing:
        console.print("To fetch one, for example:")
        for row in missing[:3]:
            console.print(f"  {row.fetch}", soft_wrap=True, highlight=False)
    console.print("The built-in composer needs none of them: --model composer.", highlight=False)
