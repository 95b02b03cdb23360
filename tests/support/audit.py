"""Audit the licences and known vulnerabilities of the dependencies.

    make audit

Licences are read from the installed packages, extra by extra, without the network; `test_licences.py` checks them.
pip-audit looks up vulnerabilities at PyPI and at OSV. A mirror of PyPI has no vulnerability data, and pip-audit then
reports no vulnerability for any package. The audit therefore counts the packages that were looked up and reports when
there are none.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import re
import site
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import Any, NamedTuple

from license_expression import ExpressionError, LicenseSymbol, LicenseWithExceptionSymbol, get_spdx_licensing
from packaging.requirements import Requirement

OURS = "agentcvr-graph"
EXTRAS = ("", "live", "openai", "transformers", "gap", "eval", "synthesis", "ray", "vllm", "training", "studio")
"""Extras for users; the empty string is the core. The extras `dev` and `docs` are for contributors."""
PERMISSIVE = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0"}
    | {"MIT-CMU", "PSF-2.0", "Unlicense", "Zlib", "BSD"}
)
WEAK = frozenset({"MPL-2.0", "LGPL", "LGPL-2.1-or-later", "LGPL-3.0-or-later"})
"""Weak copyleft: changes to the package itself must be published; a library that imports it is not affected."""
NAMES = {
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "MIT License": "MIT",
    "BSD License": "BSD",
    "3-Clause BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "MIT License, Apache License, Version 2.0": "MIT AND Apache-2.0",
}
"""Licence names in package metadata, with their SPDX identifiers."""
EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("studio", "langgraph-api"): "Elastic-2.0: the development server; it may not be offered as a service",
    ("studio", "langgraph-runtime-inmem"): "Elastic-2.0: as langgraph-api",
    ("studio", "forbiddenfruit"): "MIT or GPL-3.0-or-later, at the choice of the user",
}
"""Accepted exceptions by (extra, package): the licence, and why it is accepted."""
GPU = "nvidia-"
"""Prefix of NVIDIA's libraries, which GPU builds of torch install under NVIDIA's terms."""
_SPDX: Any = get_spdx_licensing()
_UNREACHABLE = re.compile(r"ConnectionError|Max retries|ServiceError|Timeout|resolve|[Cc]ould not connect", re.I)


class Package(NamedTuple):
    """One installed package."""

    name: str
    version: str
    licence: str
    """An SPDX expression, or the free text of the package metadata."""


@functools.cache
def packages_of(extra: str) -> tuple[list[Package], list[str]]:
    """Return the packages that an extra installs, without this library, and the names of missing packages."""
    found: dict[str, Package] = {}
    missing: set[str] = set()
    visited: set[tuple[str, frozenset[str]]] = set()
    todo = [(OURS, frozenset([extra]))]
    while todo:
        name, extras = todo.pop()
        if (name, extras) in visited:
            continue
        visited.add((name, extras))
        try:
            installed = importlib.metadata.distribution(name)
        except PackageNotFoundError:
            missing.add(name)
            continue
        official = str(installed.metadata["Name"])
        found[official] = Package(official, installed.version, licence_of(installed))
        todo += [(need.name, frozenset(need.extras)) for need in _needs(installed, extras)]
    found.pop(OURS)
    return sorted(found.values()), sorted(missing)


def _needs(installed: Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    for line in installed.requires or ():
        need = Requirement(line)
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield need


def licence_of(installed: Distribution) -> str:
    """Return a package's licence: its SPDX expression, else its classifiers joined by AND, else its free text."""
    metadata = installed.metadata
    if expression := metadata.get("License-Expression"):
        return expression
    named = [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    known = [NAMES.get(name, name) for name in named if name not in ("OSI Approved", "DFSG approved")]
    words = (metadata.get("License") or "none").strip().splitlines()[0]
    return " AND ".join(known) if known else NAMES.get(words, words)


def permits(expression: str, allowed: frozenset[str]) -> bool:
    """Return whether an SPDX expression can be met with the allowed licences; False if it is not an expression.

    An exception (`WITH ...`) only adds permissions, so only the licence before it is checked.

    >>> permits("GPL-3.0-only OR (MIT AND Apache-2.0 WITH LLVM-exception)", PERMISSIVE)
    True
    """
    try:
        return _met(_SPDX.parse(expression), allowed)
    except ExpressionError:
        return False


def _met(node: Any, allowed: frozenset[str]) -> bool:
    if isinstance(node, _SPDX.AND):
        return all(_met(one, allowed) for one in node.args)
    if isinstance(node, _SPDX.OR):
        return any(_met(one, allowed) for one in node.args)
    if isinstance(node, LicenseWithExceptionSymbol):
        return node.license_symbol.key in allowed
    return isinstance(node, LicenseSymbol) and node.key in allowed


def refused_licences(extra: str) -> list[Package]:
    """Return the packages of an extra whose licence is neither allowed nor an accepted exception.

    The core allows permissive licences and MPL-2.0, extras also allow other weak copyleft licences.
    """
    allowed = PERMISSIVE | (WEAK if extra else frozenset({"MPL-2.0"}))
    packages, _ = packages_of(extra)
    checked = [one for one in packages if (extra, one.name) not in EXCEPTIONS and not one.name.startswith(GPU)]
    return [one for one in checked if not permits(one.licence, allowed)]


class Lookup(NamedTuple):
    """Result of a vulnerability service."""

    service: str
    checked: int
    """Number of packages with data; 0 if the service cannot be reached or is a mirror without such data."""
    vulnerabilities: list[str]
    """One line per vulnerability."""


def read_audit(service: str, output: str) -> Lookup:
    """Read the JSON output of pip-audit. Other output means that no package was looked up."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Lookup(service, 0, [])
    known = [one for one in dependencies if "skip_reason" not in one]
    vulnerabilities = [
        f"{one['name']} {one['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version'}"
        for one in known
        for found in one["vulns"]
    ]
    return Lookup(service, len(known), vulnerabilities)


def look_up(auditor: Path, service: str) -> Lookup:
    """Look up all installed packages at a service."""
    (folder,) = (path for path in site.getsitepackages() if path.startswith(sys.prefix))
    command = [str(auditor), "--vulnerability-service", service, "--path", folder, "--skip-editable"]
    command += ["--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = read_audit(service, done.stdout)
    if done.returncode and not found.vulnerabilities and not _UNREACHABLE.search(done.stderr):
        raise SystemExit(f"pip-audit failed:\n{done.stderr[-2000:]}")
    return found


def main(auditor: str = "") -> int:
    """Print licences and vulnerabilities; return 1 if a licence is refused or a vulnerability is known.

    Args:
        auditor: path of the pip-audit program; empty to audit only licences.
    """
    refused = 0
    for extra in EXTRAS:
        packages, missing = packages_of(extra)
        bad = refused_licences(extra)
        absent = f"; not installed: {', '.join(missing)}" if missing else ""
        print(f"licences of {extra or 'the core'}: {len(packages)} packages, {len(bad)} refused{absent}")
        for one in bad:
            print(f"  {one.name} {one.version}: {one.licence}")
        refused += len(bad)
    vulnerabilities: set[str] = set()
    for service in ("pypi", "osv") if auditor else ():
        found = look_up(Path(auditor), service)
        known = f"{len(found.vulnerabilities)} known" if found.checked else "the service could not be used"
        print(f"vulnerabilities by {service}: {found.checked} packages looked up, {known}")
        vulnerabilities.update(found.vulnerabilities)
    for line in sorted(vulnerabilities):
        print(f"  {line}")
    return 1 if refused or vulnerabilities else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
