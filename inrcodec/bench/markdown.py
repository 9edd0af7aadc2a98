"""report.md: the figures of the report as Markdown, ready for a repository."""

from inrcodec.bench import tables
from inrcodec.bench.rendering import markdown_table
from inrcodec.bench.report import Report


def render_markdown(report: Report) -> str:
    """The report's tables, with the command, codecs and machine that gave them."""
    summary = report.summary
    facts = {**report.versions, **report.machine}
    parts = [
        f"Mean over {summary.extent}; every point is a file on disk, decoded again.",
        f"    {report.command}",
        "\n".join(f"- {name}: {value}" for name, value in facts.items()),
    ]
    for table in (
        *(tables.matrix(summary, quality) for quality in summary.qualities),
        tables.details(summary),
        tables.published(summary),
        tables.cost(summary, report.memory),
        tables.mean_points(summary),
    ):
        if table.rows:
            parts += [f"## {table.title}", table.about, markdown_table(table.heads, table.rows)]
    return "\n\n".join(filter(None, parts)) + "\n"
