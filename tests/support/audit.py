"""Licences and known vulnerabilities of the packages that are installed with this library.

    make audit

Licences are read from what is installed, extra by extra, and no network is needed; `test_licences.py` holds them.
Weaknesses are asked for by pip-audit at PyPI and at OSV. A mirror of PyPI knows none, and pip-audit then calls every
package in order: so what was really looked up is counted, and where that is nothing, that is what is said.
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

from packaging.requirements import Requirement

OURS = "agentcvr-graph"
EXTRAS = ("", "live", "openai", "transformers", "gap", "eval", "synthesis", "ray", "vllm", "training", "studio")
"""Extras that users install; the empty one is the core. `dev` and `docs` are for development."""
PERMISSIVE = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0"}
    | {"MIT-CMU", "PSF-2.0", "Unlicense", "Zlib", "BSD"}
)
WEAK = frozenset({"MPL-2.0", "LGPL", "LGPL-2.1-or-later", "LGPL-3.0-or-later"})
"""Ask that changes to the package itself be passed on; a library that imports it is free."""
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
"""Names that packages give to licences, and their SPDX names."""
EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("studio", "langgraph-api"): "Elastic-2.0: the development server; not to be offered to others as a service",
    ("studio", "langgraph-runtime-inmem"): "Elastic-2.0: as langgraph-api",
    ("studio", "forbiddenfruit"): "MIT or GPL-3.0-or-later, as one likes",
}
"""By extra and package: a licence that is none of the above, and why it is accepted there."""
GPU = "nvidia-"
"""Begins the names of NVIDIA's own libraries, which builds of torch for GPUs bring along under NVIDIA's terms."""
_UNREACHABLE = re.compile(r"ConnectionError|Max retries|ServiceError|Timeout|resolve|[Cc]ould not connect", re.I)


class Package(NamedTuple):
    """One installed package."""

    name: str
    version: str
    licence: str
    """An SPDX expression, or what the package says in its own words."""


@functools.cache
def packages_of(extra: str) -> tuple[list[Package], list[str]]:
    """Return the packages that an extra brings, and the names of those that are not installed."""
    found: dict[str, Package] = {}
    missing: set[str] = set()
    asked: set[tuple[str, frozenset[str]]] = set()
    todo = [(OURS, frozenset([extra]))]
    while todo:
        name, extras = todo.pop()
        if (name, extras) in asked:
            continue
        asked.add((name, extras))
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
    """Return the licence of a package: its expression, else its classifiers (all apply), else its free text."""
    metadata = installed.metadata
    if expression := metadata.get("License-Expression"):
        return expression
    named = [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    known = [NAMES.get(name, name) for name in named if name not in ("OSI Approved", "DFSG approved")]
    words = (metadata.get("License") or "none").strip().splitlines()[0]
    return " AND ".join(known) if known else NAMES.get(words, words)


def permits(expression: str, allowed: frozenset[str]) -> bool:
    """Return whether an SPDX expression can be met with the allowed licences.

    >>> permits("GPL-3.0-only OR (MIT AND Apache-2.0 WITH LLVM-exception)", PERMISSIVE)
    True
    """
    plain = re.sub(r"\s+WITH\s+[\w.-]+", "", expression)
    while "(" in plain:
        inner = re.search(r"\(([^()]*)\)", plain)
        if inner is None:
            return False
        plain = plain.replace(inner[0], "MIT" if permits(inner[1], allowed) else "none")
    return any(all(term.strip() in allowed for term in way.split(" AND ")) for way in plain.split(" OR "))


def refused_licences(extra: str) -> list[Package]:
    """Return the packages of an extra whose licence is neither allowed nor excepted."""
    allowed = PERMISSIVE | (WEAK if extra else frozenset({"MPL-2.0"}))
    packages, _ = packages_of(extra)
    looked_at = [one for one in packages if (extra, one.name) not in EXCEPTIONS and not one.name.startswith(GPU)]
    return [one for one in looked_at if not permits(one.licence, allowed)]


class Looked(NamedTuple):
    """Reply of a vulnerability service."""

    service: str
    asked: int
    """Packages that it knows; none where it cannot be reached, or is a mirror that knows no vulnerabilities."""
    weak: list[str]
    """One line each."""


def read_audit(service: str, output: str) -> Looked:
    """Parse pip-audit's JSON; where it is none, nothing was looked up."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Looked(service, 0, [])
    known = [one for one in dependencies if "skip_reason" not in one]
    weak = [
        f"{one['name']} {one['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version'}"
        for one in known
        for found in one["vulns"]
    ]
    return Looked(service, len(known), weak)


def look_up(auditor: Path, service: str) -> Looked:
    """Look up every installed package."""
    (folder,) = (path for path in site.getsitepackages() if path.startswith(sys.prefix))
    command = [str(auditor), "--vulnerability-service", service, "--path", folder, "--skip-editable"]
    command += ["--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = read_audit(service, done.stdout)
    if done.returncode and not found.weak and not _UNREACHABLE.search(done.stderr):
        raise SystemExit(f"pip-audit failed:\n{done.stderr[-2000:]}")
    return found


def main(auditor: str = "") -> int:
    """Print both; return 1 where a licence is refused or a vulnerability is known.

    Args:
        auditor: the program pip-audit; empty for licences alone.
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
    weak: set[str] = set()
    for service in ("pypi", "osv") if auditor else ():
        found = look_up(Path(auditor), service)
        summary = f"{len(found.weak)} known vulnerabilities" if found.asked else "nothing could be looked up from here"
        print(f"vulnerabilities by {service}: {found.asked} packages looked up, {summary}")
        weak.update(found.weak)
    for line in sorted(weak):
        print(f"  {line}")
    return 1 if refused or weak else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
