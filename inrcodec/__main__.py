"""`python -m inrcodec` is the `inrcodec` command."""

from inrcodec.cli import main

main()
