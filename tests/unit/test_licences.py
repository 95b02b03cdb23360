"""The licences of all dependencies are allowed, and the audit reports how many packages it could look up."""

from __future__ import annotations

import json

import pytest

from tests.support.audit import EXCEPTIONS, EXTRAS, PERMISSIVE, WEAK, packages_of, permits, read_audit, refused_licences


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_licence_is_allowed(extra):
    packages, missing = packages_of(extra)
    assert len(packages) >= 20
    assert refused_licences(extra) == []
    if missing:
        pytest.skip(f"not installed, so not checked: {', '.join(missing)}")


def test_every_exception_is_still_needed():
    for extra, name in EXCEPTIONS:
        packages, missing = packages_of(extra)
        found = [one.licence for one in packages if one.name == name]
        assert missing or found and not permits(found[0], PERMISSIVE | WEAK)


@pytest.mark.parametrize(
    ("expression", "permitted"),
    [
        ("MIT", True),
        ("MIT AND Apache-2.0", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("GPL-3.0-only OR (MIT AND Apache-2.0 WITH LLVM-exception)", True),
        ("MIT AND (GPL-3.0-only OR AGPL-3.0-only)", False),
        ("(MIT", False),
        ("Proprietary", False),
        ("none", False),
        ("", False),
    ],
)
def test_spdx_expressions_are_evaluated(expression, permitted):
    assert permits(expression, PERMISSIVE) is permitted


def test_packages_that_were_not_audited_are_not_counted_as_safe():
    known = {"id": "PYSEC-1", "fix_versions": ["2.0"], "aliases": []}
    dependencies = [
        {"name": "a", "version": "1.0", "vulns": [known, {**known, "id": "PYSEC-2", "fix_versions": []}]},
        {"name": "b", "version": "1.0", "vulns": []},
        {"name": "c", "skip_reason": "Dependency not found on PyPI and could not be audited: c (1.0)"},
    ]
    found = read_audit("pypi", json.dumps({"dependencies": dependencies, "fixes": []}))
    assert found.checked == 2
    assert found.vulnerabilities == ["a 1.0: PYSEC-1, fixed in 2.0", "a 1.0: PYSEC-2, fixed in no version"]
    assert read_audit("pypi", json.dumps({"dependencies": dependencies[2:]})).checked == 0
    assert read_audit("osv", "").checked == 0
