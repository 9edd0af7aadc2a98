"""inrcodec: a neural image codec of meta-learned sparse SIREN cells."""

__version__ = "0.1.0"
