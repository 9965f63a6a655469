"""An MkDocs hook: pages and figures that live outside `docs/` become part of the site.

The same Markdown is read on the site and in the repository, where `docs/paper.md` links to
`../results/fig1.png` and `docs/serving.md` to `../deploy/README.md`. MkDocs only knows `docs/`, so
this hook adds those files to the site and rewrites the links.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
# Path in the repository -> path on the site.
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "deploy/README.md": "deploy.md",
}
_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages and the figures."""
    figures = {path.relative_to(ROOT).as_posix(): None for path in ROOT.glob("results/*.png")}
    for source, target in {**PAGES, **{figure: figure for figure in figures}}.items():
        file = File.generated(config, target, abs_src_path=str(ROOT / source))
        files.append(file)
    report = ROOT / "results" / "report.html"
    if report.exists():
        files.append(File.generated(config, "results/report.html", abs_src_path=str(report)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Rewrites links that leave `docs/`."""
    on_site = page.file.src_uri
    in_repository = next(
        (source for source, target in PAGES.items() if target == on_site), f"docs/{on_site}"
    )

    def rewritten(match: re.Match) -> str:
        before, link, anchor, after = match.groups()
        if ":" in link or link.startswith("/"):
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(in_repository), link))
        if target in PAGES:
            target = PAGES[target]
        elif target.startswith("docs/"):
            target = target.removeprefix("docs/")
        elif not target.startswith("results/"):
            return match[0]
        relative = posixpath.relpath(target, posixpath.dirname(on_site) or ".")
        return f"{before}{relative}{anchor or ''}{after}"

    return _LINK.sub(rewritten, markdown)
