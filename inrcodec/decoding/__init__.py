"""From a file to a picture: tiles decoded on demand, joined, restored and rendered."""
