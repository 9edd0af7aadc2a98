"""Markers of curves: shapes tell curves apart where colours do not."""

from html import escape

# Corners in units of the marker's radius, y downwards. The page's style sheet has a colour for each shape.
SHAPES: tuple[tuple[tuple[float, float], ...], ...] = (
    (),  # a circle
    ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    ((0, -1.2), (1.1, 0.8), (-1.1, 0.8)),
    ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    ((0, 1.2), (1.1, -0.8), (-1.1, -0.8)),
    ((-1.2, -0.5), (1.2, -0.5), (1.2, 0.5), (-1.2, 0.5)),
    ((0, -1.2), (1.14, -0.37), (0.71, 0.97), (-0.71, 0.97), (-1.14, -0.37)),
    ((-0.5, -1.2), (0.5, -1.2), (0.5, 1.2), (-0.5, 1.2)),
)


def colour_class(index: int | None) -> str:
    """CSS class of a curve's colour; published curves have no index."""
    return "published" if index is None else f"c{index % len(SHAPES)}"


def marker(index: int, x: float, y: float, radius: float, title: str = "") -> str:
    """The marker of a curve at a place in SVG units; `title` shows when the pointer rests on it."""
    css = f'class="marker {colour_class(index)}"'
    tip = f"<title>{escape(title)}</title>" if title else ""
    corners = SHAPES[index % len(SHAPES)]
    if not corners:
        return f'<circle {css} cx="{x:.1f}" cy="{y:.1f}" r="{radius}">{tip}</circle>'
    points = " ".join(f"{x + radius * dx:.1f},{y + radius * dy:.1f}" for dx, dy in corners)
    return f'<polygon {css} points="{points}">{tip}</polygon>'
