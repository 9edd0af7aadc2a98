"""What an encoder decides within a tile: how to cut it, and modes, transforms and integers of every cell."""
