"""A hook of mkdocs: links from docs/ to other files of the repository work on the site, too.

The file that a page links to (a source, an inventory) is carried into the site below `source/`, as
it is. A folder has no page there: its link becomes the words it is made of.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

# [words](target#part), where the target is no address and no anchor alone.
_LINK = re.compile(r"\[(?P<words>[^\]]*)\]\((?P<target>[^)\s#:]+)(?P<part>#[^)\s]*)?\)")
_BELOW = "source"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every file outside docs/ that a page links to."""
    docs = Path(config.docs_dir)
    for page in [file for file in files if file.is_documentation_page()]:
        for match in _LINK.finditer(page.content_string):
            path = (docs / posixpath.dirname(page.src_uri) / match["target"]).resolve()
            if path.is_file() and not path.is_relative_to(docs):
                uri = _uri(path, docs)
                if files.get_file_from_path(uri) is None:
                    files.append(File.generated(config, uri, content=path.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page to where their files are on the site."""
    docs = Path(config.docs_dir)
    folder = posixpath.dirname(page.file.src_uri)

    def turned(match: re.Match[str]) -> str:
        path = (docs / folder / match["target"]).resolve()
        if path.is_dir():
            return match["words"]
        if path.is_file() and not path.is_relative_to(docs):
            return f"[{match['words']}]({posixpath.relpath(_uri(path, docs), folder or '.')})"
        return match[0]

    return _LINK.sub(turned, markdown)


def _uri(path: Path, docs: Path) -> str:
    """Where a file of the repository is on the site. No suffix of its own: .md would be a page."""
    return f"{_BELOW}/{path.relative_to(docs.parent)}.txt"
