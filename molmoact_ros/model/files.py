# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Finding and reading the files of a checkpoint (format.md 1): local directory or hub id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from molmoact_ros.small_files import MAX_JSON_BYTES, json_object, read_small_file

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message names the file and what to do."""


def checkpoint_directory(
    path_or_id: str | Path, revision: str | None, patterns: Sequence[str]
) -> Path:
    """Return the directory that holds a checkpoint, fetched from the hub when it is not local.

    Args:
        path_or_id: Local directory, or hub id "owner/name".
        revision: Branch, tag or commit of a hub id; None is its main branch.
        patterns: Which files are needed, as file name patterns; others are not fetched.

    Raises:
        CheckpointError: There is no such directory, or the hub has or gives no such files.
    """
    path = Path(path_or_id).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise CheckpointError(f"{path} is a file; give the checkpoint's directory")
    if not _HUB_ID.fullmatch(str(path_or_id)):
        raise CheckpointError(f"checkpoint directory {path} does not exist")
    return _hub_snapshot(str(path_or_id), revision, patterns)


def _hub_snapshot(repo_id: str, revision: str | None, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    at = f" at revision '{revision}'" if revision else ""
    try:
        return Path(snapshot_download(repo_id, revision=revision, allow_patterns=list(patterns)))
    except RevisionNotFoundError as error:
        raise CheckpointError(f"{repo_id} has no revision '{revision}' on the hub") from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"{repo_id} is neither a local directory nor a checkpoint on the hub that you may read"
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise CheckpointError(
            f"{repo_id}{at} is not a local directory, not in the local hub cache, and the hub"
            f" could not be asked (offline?): {error}"
        ) from error


def read_json(directory: Path, name: str) -> dict[str, Any]:
    """Read a JSON object of a checkpoint.

    Raises:
        CheckpointError: The file is missing, not a regular file of at most `MAX_JSON_BYTES`, not
            JSON, or not an object.
    """
    path = directory / name
    try:
        raw = read_small_file(path, MAX_JSON_BYTES)
    except FileNotFoundError as error:
        raise CheckpointError(f"{directory}: {name} is missing") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    return parse_json(raw, path)


def parse_json(raw: bytes, place: str | Path) -> dict[str, Any]:
    """Parse a JSON object; `place` is where it stands, for messages.

    Raises:
        CheckpointError: It is not JSON, nested too deeply, or not an object.
    """
    try:
        return json_object(raw)
    except ValueError as error:
        raise CheckpointError(f"{place} {error}") from error
