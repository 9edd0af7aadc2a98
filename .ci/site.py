"""Pages of the site that lie outside docs/, where people who read the repository look for them."""

from pathlib import Path

from mkdocs.structure.files import File

PAGES = {
    "index.md": "README.md",
    "format.md": "FORMAT.md",
    "benchmarks.md": "BENCHMARKS.md",
    "codebooks.md": "pretrained/MODEL_CARD.md",
    "native.md": "native/README.md",
    "security.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "releasing.md": "RELEASING.md",
}


def on_files(files, config):
    """Add them to the pages of docs/; links lead to where pages are on the site."""
    root = Path(config.config_file_path).parent
    for page, source in PAGES.items():
        text = (root / source).read_text(encoding="utf-8").replace("](docs/", "](")
        for other, home in PAGES.items():
            text = text.replace(f"]({home})", f"]({other})")
        files.append(File.generated(config, page, content=text))
    return files
