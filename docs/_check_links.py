"""Every link inside the built site leads to a file that is there, and to a place that the file has.

Usage: python docs/_check_links.py FOLDER
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The targets that a page links to, and the places in it that others may link to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.add(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


def dead_links(root: Path) -> list[str]:
    root = root.resolve()
    paths = (path for path in root.rglob("*.html") if "_static" not in path.parts)
    pages = {path: Page(path) for path in paths}
    dead = []
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            if not target.is_file():
                dead.append(f"{path.relative_to(root)}: {link}: no such file")
            elif place and target in pages and place not in pages[target].places:
                dead.append(f"{path.relative_to(root)}: {link}: no such place in it")
    return dead


if __name__ == "__main__":
    found = dead_links(Path(sys.argv[1]))
    print("\n".join(found) or "no dead link")
    sys.exit(bool(found))
