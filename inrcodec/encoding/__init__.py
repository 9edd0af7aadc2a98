"""From a picture to a file: tiles, and the search for a target."""
