"""`inrcodec codebooks`."""

import click


@click.command()
def codebooks() -> None:
    """List the installed codebooks, and the kernels that compute with them."""
    from inrcodec.codebook import available_codebooks
    from inrcodec.kernels import select

    for book in available_codebooks():
        default = " (default)" if book.is_default else ""
        click.echo(f"{book.name}{default}")
        click.echo(f"  id          {book.id}")
        click.echo(f"  bytes       {book.bytes}")
        click.echo(f"  recipe      {book.recipe}")
        click.echo(f"  trained on  {book.trained_on}")
    click.echo(f"kernels: {select().name}")
