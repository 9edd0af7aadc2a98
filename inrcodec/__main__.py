"""`python -m inrcodec` is the `inrcodec` command."""

from inrcodec.cli.main import main

main()
