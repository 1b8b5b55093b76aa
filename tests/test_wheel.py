"""What people install: templates and chains are there from a wheel, from an sdist, and from a checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist of the checkout, and a wheel made from that sdist."""
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return target


def summarize(tmp_path: Path, package: Path) -> dict[str, object]:
    """The main job, outside of the repository, by the package in that folder alone."""
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "note.md").write_text("# Note\n\nThe ferry leaves at nine. It returns at noon.\n", encoding="utf-8")
    (documents / "메모.md").write_text("# 메모\n\n배는 아홉 시에 떠난다. 정오에 돌아온다.\n", encoding="utf-8")
    script = "import promptops; print(promptops.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(package), "PROMPTOPS_STORE": str(tmp_path / "store.db")}
    where = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert Path(where.stdout.strip()).is_relative_to(package)
    command = [sys.executable, "-m", "promptops", "summarize", "documents", "--json", "--html", "page.html"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "정오에 돌아온다." in (tmp_path / "page.html").read_text(encoding="utf-8")
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_the_main_job_runs_from_the_wheel(built: Path, tmp_path: Path) -> None:
    """With the library inside it."""
    (wheel,) = built.glob("*.whl")
    package = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(package), str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    found = summarize(tmp_path, package)
    assert found["status"] == "ok"
    assert found["usage"]["usd"] == 0  # type: ignore[index]


@pytest.mark.slow
def test_the_main_job_runs_from_the_unpacked_sdist(built: Path, tmp_path: Path) -> None:
    """With the library beside the package, as in a checkout."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (root,) = (tmp_path / "unpacked").iterdir()
    assert summarize(tmp_path, root)["status"] == "ok"
