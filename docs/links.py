"""Names the links of a built book that lead nowhere. Links to other sites are not followed."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    def __init__(self, file):
        super().__init__()
        self.links, self.ids = set(), set()
        self.feed(file.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        if tag in ("a", "img", "link", "script"):
            self.links.add(attributes.get("href") or attributes.get("src"))


book = Path(sys.argv[1]).resolve()
pages = {file: Page(file) for file in book.rglob("*.html")}
dead = []
for file, page in pages.items():
    # These two hold other pages' content, whose links are relative to those.
    if file.name in ("print.html", "404.html"):
        continue
    for link in filter(None, page.links):
        url = urlsplit(link)
        if url.scheme or url.netloc:
            continue
        target = (file.parent / unquote(url.path)).resolve() if url.path else file
        leads = target.is_file() and (not url.fragment or target not in pages
                                      or unquote(url.fragment) in pages[target].ids)
        if not leads:
            dead.append(f"{file.relative_to(book)}: {link}")
print("\n".join(sorted(dead)), f"{len(pages)} pages, {len(dead)} dead links", sep="\n")
sys.exit(bool(dead))
