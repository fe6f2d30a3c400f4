"""The sdist and the wheel: what is in them, and that they work by themselves."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from bookreport import __version__
from bookstore import BOOKS, write_books
from connection import connected
from readme import ROOT

NOT_OF_THE_PROJECT = (".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "dist", "bookreport-demo.html")


def build(tree: Path, into: Path, *what: str) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(into), *what, str(tree)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, in which lies what must not leave it."""
    copy = tmp_path_factory.mktemp("project") / "tree"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_OF_THE_PROJECT))
    (copy / ".env.production").write_text("POSTGRES_PASSWORD=hunter2\n")
    (copy / "dump.sql").write_text("copy purchases from stdin;\n")
    return copy


@pytest.fixture(scope="module")
def distributions(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of the project, and the wheel that was built from that."""
    folder = tmp_path_factory.mktemp("distributions")
    build(tree, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    return distributions / f"bookreport-{__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def sdist(distributions: Path) -> Path:
    return distributions / f"bookreport-{__version__}.tar.gz"


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked sdist."""
    folder = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(sdist, folder, filter="data")
    return folder / f"bookreport-{__version__}"


def files(*folders: Path) -> set[str]:
    """Return the names of the files in `folders`, each beginning with the folder's own."""
    found = {path.relative_to(folder.parent) for folder in folders for path in folder.rglob("*") if path.is_file()}
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


def test_the_wheel_holds_the_package_the_migrations_and_the_licence_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        licence = archive.read(f"bookreport-{__version__}.dist-info/licenses/LICENSE")
    about = {name for name in names if name.startswith(f"bookreport-{__version__}.dist-info/")}
    from_elsewhere = {f"bookreport/{name}" for name in files(ROOT / "migrations")} | {"bookreport/examples/crontab"}
    assert names - about == files(ROOT / "src/bookreport") | from_elsewhere
    assert {Path(name).name for name in about} == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "LICENSE"}
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_the_sdist_holds_the_project_and_nothing_that_lies_beside_it(sdist: Path, tree: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers()}
    assert {"LICENSE", "README.md", "requirements-run.lock"} | files(tree / "src", tree / "migrations", tree / "tests") <= names
    assert {name.split("/")[0] for name in names} - {path.name for path in tree.iterdir()} == {"PKG-INFO"}
    assert not {".env.production", "dump.sql"} & names


def test_the_metadata_is_valid(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = Metadata.from_email(archive.read(f"bookreport-{__version__}.dist-info/METADATA"), validate=True)
    assert (metadata.name, str(metadata.version), metadata.license_expression) == ("bookreport", __version__, "MIT")
    assert metadata.description == (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_is_built_from_the_sdist_is_the_same_to_the_byte(distributions: Path, unpacked: Path, tmp_path: Path) -> None:
    build(unpacked, tmp_path, "--sdist", "--wheel")
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in (distributions, tmp_path))
    assert first == second


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed from the wheel into a virtual environment that has only what bookreport requires besides."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=True, with_pip=False)
    install = [sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps", "--python", str(folder), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (packages / "required.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin/bookreport"


def test_what_is_installed_from_the_wheel_works_by_itself(installed: Path, empty_database_url: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        environment = {"PATH": os.environ["PATH"], "DATABASE_URL": empty_database_url}
        ended = subprocess.run(
            [installed, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    with connected(empty_database_url) as sql:
        write_books(sql, BOOKS)
        assert run("--version") == f"bookreport, version {__version__}\n"
        assert "report" in run("schema").split()
        assert '"$schema"' in run("schema", "report")
        assert run("examples", "crontab") == (ROOT / "crontab.example").read_text(encoding="utf-8")
        run("migrate")
        assert sql("select count(*) from books") == [(len(BOOKS),)]


def test_the_unpacked_sdist_migrates_by_itself(unpacked: Path, empty_database_url: str, tmp_path: Path) -> None:
    with connected(empty_database_url) as sql:
        write_books(sql, BOOKS)
        finished = subprocess.run(
            [sys.executable, "-m", "bookreport", "migrate"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(unpacked / "src"), "DATABASE_URL": empty_database_url},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        assert sql("select count(*) from books") == [(len(BOOKS),)]
