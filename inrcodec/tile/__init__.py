"""What a tile is made of: its cells, its integers, and the numbers they are counted in."""
