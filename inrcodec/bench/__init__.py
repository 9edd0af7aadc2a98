"""The rate-distortion benchmark behind `inrcodec bench`."""
