"""Tables as HTML and as Markdown."""

import re
from collections.abc import Iterable, Sequence
from html import escape

from inrcodec.bench.tables import Cell, Row, Table


def html_table(table: Table, heading: str = "h3") -> str:
    """The table below its title and what there is to know; nothing without a row."""
    if not table.rows:
        return ""
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in table.heads)
    body = "".join(_html_row(*map(html_cell, row)) for row in table.rows)
    about = f"<p>{escape(table.about)}</p>" if table.about else ""
    return (
        f'<{heading}>{escape(table.title)}</{heading}>{about}<div class="scroll">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def html_cell(cell: Cell | str) -> str:
    """What stands in a cell; a dot where there is nothing to say."""
    if isinstance(cell, str):
        return _typeset(cell)
    text = _typeset(cell.text) if cell.text else '<span class="none">·</span>'
    if cell.verdict:
        title = f' title="{escape(cell.reason)}"' if cell.reason else ""
        text = f'<span class="{cell.verdict}"{title}>{text}</span>'
    return text + (f"<small>{_typeset(cell.note)}</small>" if cell.note else "")


def markdown_table(heads: Sequence[str], rows: Iterable[Row]) -> str:
    """The first column to the left, the others to the right."""
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *(map(_markdown_cell, row) for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _html_row(name: str, *cells: str) -> str:
    return f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _typeset(text: str) -> str:
    return re.sub(r"^-(?=\d)", "\N{MINUS SIGN}", escape(text))


def _markdown_cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return cell
    return ", ".join(filter(None, (cell.text, cell.note)))
