"""Jinja environments for the HTML that this project writes. Every value in a template is escaped.

A page is one self-contained file, so stylesheets and scripts are inserted as text. `asset` reads such a file from the
`templates` folder of a package.
"""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader
from markupsafe import Markup


@cache
def html_environment(package: str = "") -> Environment:
    """Return an environment that loads from a package's `templates` folder, or one for template strings in the code."""
    loader = PackageLoader(package) if package else None
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)


def asset(package: str, name: str) -> Markup:
    """Return a stylesheet or script from the `templates` folder of a package as trusted text, which is not escaped."""
    environment = html_environment(package)
    assert environment.loader is not None, "a package has a loader"
    return Markup(environment.loader.get_source(environment, name)[0])
