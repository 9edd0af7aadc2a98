"""A tile's integers as bytes, and back. Knows nothing of samples."""
