"""Model files from the Hugging Face hub, into its usual cache: resumed where they broke off, checksums verified.

The hub's own library keeps no partial file when its process ends, and compares sizes only. So the bytes are fetched
here, with its own request functions, and handed to its cache once they are whole.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from promptops.errors import AccessError, NotFoundError, PromptopsError, UnreachableError, UsageError
from promptops.text.sizes import size

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

_SPEC = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^:]+))?:(?P<file>[^:]+)")
_PIECE = 1 << 20
_SUMS = {64: "sha256", 40: "git"}
"""What an entity tag of that length is: the SHA-256 of a large file, or git's name of a small one."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository at a revision (a branch, a tag or a commit)."""

    repo: str
    file: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"{self.repo}:{self.file}" + ("" if self.revision == "main" else f" at {self.revision}")


def parse(spec: str) -> HubFile:
    """``hf:OWNER/REPO:FILE`` or ``hf:OWNER/REPO@REVISION:FILE``; raises ``UsageError`` for anything else."""
    found = _SPEC.fullmatch(spec)
    if not found:
        raise UsageError(f"{spec!r} names no file on the hub; write it as hf:OWNER/REPO:FILE")
    return HubFile(found["repo"], found["file"], found["revision"] or "main")


def fetch(spec: str, *, cache: str | Path | None = None, endpoint: str | None = None) -> Path:
    """The path of the file that ``spec`` names, fetched if it is not in the hub's cache yet.

    A cached file is used as it is, without a look at the network; a revision in the spec asks for another one.
    ``cache`` and ``endpoint`` are otherwise what ``HF_HUB_CACHE`` and ``HF_ENDPOINT`` say. Progress is shown where
    standard error is a terminal.

    Raises ``UsageError`` for a wrong spec, a full disk or a wrong checksum, ``NotFoundError`` for a repository,
    revision or file that is not there, ``AccessError`` where the hub wants a token or a licence accepted,
    ``UnreachableError`` without a connection.
    """
    wanted = parse(spec)
    try:
        import huggingface_hub as hub
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:
        raise UsageError("models from the hub need an extra: pip install 'promptops[hub]'") from None
    root = Path(cache or HF_HUB_CACHE)
    known = hub.try_to_load_from_cache(wanted.repo, wanted.file, cache_dir=root, revision=wanted.revision)
    if isinstance(known, str):
        return Path(known)
    with _errors(wanted), _quiet():
        return _fetched(wanted, root, endpoint)


def _fetched(wanted: HubFile, root: Path, endpoint: str | None) -> Path:
    import huggingface_hub as hub
    from filelock import FileLock

    address = hub.hf_hub_url(wanted.repo, wanted.file, revision=wanted.revision, endpoint=endpoint)
    told = hub.get_hf_file_metadata(address, endpoint=endpoint)
    if told.etag and len(told.etag) in _SUMS:
        blob = root / f"models--{wanted.repo.replace('/', '--')}" / "blobs" / told.etag
        blob.parent.mkdir(parents=True, exist_ok=True)
        partial = blob.with_name(f"{told.etag}.promptops.part")
        locks = root / ".locks" / blob.parent.parent.name
        locks.mkdir(parents=True, exist_ok=True)
        with FileLock(locks / f"{partial.name}.lock"):
            if not blob.exists():
                _download(wanted, address, told, partial)
                partial.replace(blob)
    # With its content in place, all that is left to the hub's library is the name that points to it.
    return Path(
        hub.hf_hub_download(
            wanted.repo, wanted.file, revision=wanted.revision, cache_dir=root, endpoint=endpoint
        )
    )  # fmt: skip


def _download(wanted: HubFile, address: str, told: HfFileMetadata, partial: Path) -> None:
    """The bytes that are missing of ``partial``, which is dropped where they are not the right ones."""
    from huggingface_hub.file_download import http_get

    have = partial.stat().st_size if partial.exists() else 0
    if told.size is not None and have > told.size:
        partial.unlink()
        have = 0
    _space(wanted, (told.size or 0) - have, partial.parent)
    with partial.open("ab") as file:
        http_get(
            told.location,
            file,
            resume_size=have,
            headers=_headers(address, told.location),
            expected_size=told.size,
            displayed_filename=wanted.file,
        )
    if (actual := _sum(partial, told.etag or "")) != told.etag:
        partial.unlink()
        raise UsageError(f"{wanted} arrived damaged: its checksum is {actual}, not {told.etag}; fetch it again")


def _headers(address: str, location: str) -> dict[str, str]:
    """With the user's token, but not for another host, where a redirect may lead."""
    from huggingface_hub.utils._headers import build_hf_headers

    headers: dict[str, str] = build_hf_headers()
    if urlsplit(address).netloc != urlsplit(location).netloc:
        headers.pop("authorization", None)
    return headers


def _space(wanted: HubFile, missing: int, folder: Path) -> None:
    if missing > (free := shutil.disk_usage(folder).free):
        raise UsageError(f"{wanted} needs {size(missing)} more, and {size(free)} are free in {folder}")


def _sum(path: Path, tag: str) -> str:
    by = hashlib.sha256() if _SUMS[len(tag)] == "sha256" else hashlib.sha1(usedforsecurity=False)
    if by.name == "sha1":
        by.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            by.update(piece)
    return by.hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress where nobody watches, and no notes of the hub's library: what went wrong is our error."""
    from huggingface_hub import utils as hub
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    before, hidden = hub.logging.get_verbosity(), are_progress_bars_disabled() or sys.stderr.isatty()
    hub.logging.set_verbosity(logging.ERROR)
    if not hidden:
        disable_progress_bars()
    try:
        yield
    finally:
        hub.logging.set_verbosity(before)
        if not hidden:
            with suppress(Exception):
                enable_progress_bars()


@contextmanager
def _errors(wanted: HubFile) -> Iterator[None]:
    """Whatever the hub's library and its HTTP client raise, as one of ours."""
    try:
        yield
    except PromptopsError:
        raise
    except Exception as failure:
        raise _ours(wanted, failure) from failure


def _ours(wanted: HubFile, failure: Exception) -> PromptopsError:
    from huggingface_hub import errors

    status = getattr(getattr(failure, "response", None), "status_code", None)
    repo, gated = wanted.repo, f"{wanted.repo} is gated: accept its terms on the hub and set HF_TOKEN"
    for kind, ours, said in (
        (errors.GatedRepoError, AccessError, gated),
        (errors.DisabledRepoError, AccessError, f"{repo} was disabled on the hub"),
        (
            errors.RemoteEntryNotFoundError,
            NotFoundError,
            f"{repo} has no file {wanted.file!r}; see its list there",
        ),
        (errors.RevisionNotFoundError, NotFoundError, f"{repo} has no revision {wanted.revision!r}"),
        (errors.RepositoryNotFoundError, NotFoundError, f"the hub has no repository {repo}, or it wants HF_TOKEN"),
        (errors.HFValidationError, UsageError, f"{repo} cannot be a repository: {_line(failure)}"),
        (errors.OfflineModeIsEnabled, UnreachableError, f"{wanted} is not in the cache, and HF_HUB_OFFLINE is set"),
    ):
        if isinstance(failure, kind):
            return ours(said)
    if status in {401, 403}:
        return AccessError(f"the hub refuses {wanted} (status {status}); set HF_TOKEN to a token that may read it")
    if isinstance(failure, OSError) and failure.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return UsageError(f"the disk is full; {wanted} goes on where it stopped once there is room")
    return _unreachable(wanted, failure, status)


def _unreachable(wanted: HubFile, failure: Exception, status: Any) -> PromptopsError:
    if isinstance(failure, PermissionError):
        return UsageError(f"{wanted} cannot be kept in the hub's cache: {_line(failure)}")
    said = f"the hub answered {status}" if status else _line(failure) or type(failure).__name__
    return UnreachableError(f"{wanted} could not be fetched ({said}); run it again, and it goes on where it stopped")


def _line(failure: Exception) -> str:
    return " ".join(str(failure).split())[:200]
