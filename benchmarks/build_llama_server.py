"""Build llama-server from the llama.cpp source that the installed llama-cpp-python was built from.

    python benchmarks/build_llama_server.py            # prints the path; a few minutes the first time

pip fetches the source distribution of the very version that is installed; its vendored llama.cpp is built with cmake
(from PyPI where there is none), without a web interface, curl and TLS, into the user's cache folder. Other benchmarks
call ``server()``, or take the path as ``--server PATH``. ``--cmake -DNAME=VALUE`` (more than once) goes to cmake: build
the server with what the library was built with, or their figures cannot be compared. ``--no-amx`` is for compilers
whose AMX code ends the process (GCC 12), on a processor that has it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

PACKAGE = "llama-cpp-python"
OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DLLAMA_BUILD_SERVER=ON",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_OPENSSL=OFF",
)
NO_AMX = tuple(
    f"-DCMAKE_{language}_FLAGS=-mno-amx-tile -mno-amx-int8 -mno-amx-bf16" for language in ("C", "CXX")
)  # fmt: skip


def cache() -> Path:
    """The folder that sources and builds are kept in."""
    root = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.cache"
    return Path(root).expanduser() / "promptops" / "llama.cpp"


def server(options: tuple[str, ...] = (), jobs: int | None = None) -> Path:
    """The path of llama-server, built if it is not there yet; ``options`` go to cmake."""
    release = version(PACKAGE)
    folder = cache() / release
    key = hashlib.sha256(" ".join(options).encode()).hexdigest()[:8] if options else "plain"
    built = folder / key / "bin" / ("llama-server.exe" if os.name == "nt" else "llama-server")
    if not built.exists():
        build(source(folder, release), built.parents[1], options, jobs or os.cpu_count() or 1)
    return built


def source(folder: Path, release: str) -> Path:
    """The vendored llama.cpp of one release."""
    found = folder / f"llama_cpp_python-{release}" / "vendor" / "llama.cpp"
    if not (found / "CMakeLists.txt").exists():
        folder.mkdir(parents=True, exist_ok=True)
        run(
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", PACKAGE,
            "--dest", str(folder), f"{PACKAGE}=={release}",
        )  # fmt: skip
        archive = next(folder.glob("llama_cpp_python-*.tar.gz"))
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        archive.unlink()
    return found


def build(code: Path, folder: Path, options: tuple[str, ...], jobs: int) -> None:
    """Configure and compile; the output goes to standard error."""
    cmake = tool()
    generator = ("-G", "Ninja") if shutil.which("ninja") else ()
    run(*cmake, *generator, "-S", str(code), "-B", str(folder), *OPTIONS, *options)
    run(*cmake, "--build", str(folder), "--config", "Release", "--target", "llama-server", "--parallel", str(jobs))


def tool() -> tuple[str, ...]:
    """How cmake is run: the system's, else the one from PyPI."""
    if found := shutil.which("cmake"):
        return (found,)
    run(sys.executable, "-m", "pip", "install", "--quiet", "cmake")
    return (sys.executable, "-m", "cmake")


def run(*command: str) -> None:
    print("+", *command, file=sys.stderr, flush=True)
    if status := subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        raise SystemExit(f"{command[0]} ended with {status}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cmake", action="append", default=[], metavar="-DNAME=VALUE", help="an option for cmake")
    parser.add_argument("--no-amx", action="store_true", help="compile without AMX")
    parser.add_argument("--jobs", type=int, help="how many compilers run at once")
    given = parser.parse_args()
    print(server((*given.cmake, *(NO_AMX if given.no_amx else ())), given.jobs))


if __name__ == "__main__":
    main()
