"""Image files and their metadata, through Pillow."""
