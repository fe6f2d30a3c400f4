"""The packages that bookreport is installed and tested with: their licences, and that they are the ones that it promises."""

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution

from packaging.licenses import canonicalize_license_expression
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from readme import ROOT

PERMISSIVE = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0"}
OTHERS = {"psycopg2-binary": "LGPL-3.0-or-later", "certifi": "MPL-2.0", "hypothesis": "MPL-2.0", "pathspec": "MPL-2.0"}
"""Packages of other licences, each looked at: all but psycopg2-binary are for developers alone."""

SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache Software License 2.0": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD-3-Clause",
    "Dual License": "Apache-2.0 OR BSD-3-Clause",
    "LGPL with exceptions": "LGPL-3.0-or-later",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""What packages call their licence that don't name it by its SPDX identifier."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def required(extras: Iterable[str]) -> set[str]:
    """Return the names of the packages that bookreport requires here, itself or through others."""
    found = {("bookreport", extra) for extra in ("", *extras)}
    wanted = list(found)
    while wanted:
        name, extra = wanted.pop()
        for requirement in map(Requirement, distribution(name).requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                new = {(canonicalize_name(requirement.name), each) for each in ("", *requirement.extras)} - found
                found |= new
                wanted.extend(new)
    return {name for name, _ in found} - {"bookreport"}


def licence(package: str) -> str:
    """Return a package's licence as an SPDX expression; raises an error if what it says is not one, nor in SPDX."""
    about = distribution(package).metadata
    classifiers = [each.split(" :: ")[-1] for each in about.get_all("Classifier", []) if each.startswith("License :: ")]
    names = (*about.get_all("License-Expression", []), *about.get_all("License", []), *classifiers)
    said = next(filter(None, names))
    return canonicalize_license_expression(SPDX.get(said, said))


def pins(file: str) -> dict[str, str]:
    """Return the version of each package in a file of pinned packages."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return dict(line.split()[0].split("==") for line in lines if re.match(r"[a-z0-9]", line))


def test_every_package_has_a_licence_that_is_known() -> None:
    licences = {name: licence(name) for name in required(EXTRAS)}
    others = {name: said for name, said in licences.items() if not set(re.split(r" (?:AND|OR) ", said)) <= PERMISSIVE}
    assert others == OTHERS


def test_all_that_runs_bookreport_is_permissive_but_the_driver() -> None:
    assert required(["html", "demo"]) & OTHERS.keys() == {"psycopg2-binary"}


def test_the_oldest_packages_that_are_tested_are_the_lower_bounds() -> None:
    oldest = pins("tests/oldest.txt")
    for requirement in map(Requirement, (*PROJECT["dependencies"], *EXTRAS["html"], *EXTRAS["demo"])):
        bound = next(each.version for each in requirement.specifier if each.operator == ">=")
        assert Version(oldest[canonicalize_name(requirement.name)]) == Version(bound), requirement


def test_what_runs_bookreport_is_pinned_by_hash_as_it_is_tested() -> None:
    to_run = pins("requirements-run.lock")
    assert to_run.items() <= pins("requirements.lock").items()
    assert {canonicalize_name(Requirement(each).name) for each in PROJECT["dependencies"]} <= to_run.keys()
    hashed = re.findall(r"^(\S+)==.*\\\n    --hash=sha256:", (ROOT / "requirements-run.lock").read_text(), re.MULTILINE)
    assert set(hashed) == to_run.keys()
