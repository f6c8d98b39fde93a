"""Web pages from the templates beside this module: escaped by themselves, with nothing fetched from outside."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jinja2

from analyzer.display import quoted, safe_text
from analyzer.toml_file import read_toml

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """Return the page that ``template`` makes of ``values``; every text among them is escaped."""
    return _environment().get_template(template).render(**values)


@functools.lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = quoted
    environment.filters["shown"] = safe_text
    return environment


def read_asset(name: str) -> str:
    """Return a style sheet or a script of the templates' folder."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


@functools.lru_cache(maxsize=4)
def labels(language: str) -> dict[str, Any]:
    """Return the texts of the report in ``language``, ``zh`` or ``en``."""
    table: dict[str, Any] = read_toml(TEMPLATES / "labels.toml", "the texts of the report")
    return {key: dict(zip(("zh", "en"), texts, strict=True))[language] for key, texts in table.items()}
