"""A tile's integers as samples, and samples as pixels. Knows nothing of bytes."""
