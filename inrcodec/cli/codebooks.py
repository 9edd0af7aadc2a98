"""`inrcodec codebooks`."""

import click


@click.command()
def codebooks() -> None:
    """List the installed codebooks."""
    from inrcodec.codebook import available_codebooks

    for book in available_codebooks():
        default = " (default)" if book.is_default else ""
        click.echo(f"{book.name}{default}")
        click.echo(f"  id          {book.id}")
        click.echo(f"  bytes       {book.bytes}")
        click.echo(f"  recipe      {book.recipe}")
        click.echo(f"  trained on  {book.trained_on}")
