"""A model folder as a whole: which one is shipped, what tells it from others, and how it travels to workers."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from analyzer.errors import ModelError

_METADATA = "metadata.json"
_MAX_FILES = 20
_MAX_BYTES = 1 << 30


def default_model_folder() -> Path:
    """Return the folder of the shipped model."""
    return _shipped("default")


def second_reader_folder() -> Path:
    """Return the folder of the shipped second reader (``analyzer.second_reader``)."""
    return _shipped("second_reader")


def _shipped(name: str) -> Path:
    """Return a folder of models: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "_models" / name
    return installed if installed.is_dir() else package.parent / "models" / name


def model_version(folder: str | Path | None = None) -> str:
    """Return what tells one model from another: the start of a checksum over its metadata, which hold all others.

    Args:
        folder: A model folder, or that of a second reader; by default the shipped model.

    Raises:
        ModelError: There is no model.
    """
    return hashlib.sha256(_read(default_model_folder() if folder is None else Path(folder), _METADATA)).hexdigest()[:12]


def pack_model(folder: str | Path | None = None) -> bytes:
    """Return a model folder as bytes that can be sent to workers.

    Args:
        folder: A model folder; by default the shipped model.

    Raises:
        ModelError: There is no model, or its files cannot be read.
    """
    source = default_model_folder() if folder is None else Path(folder)
    _read(source, _METADATA)
    names = sorted(path.name for path in source.iterdir() if path.is_file() and path.suffix != ".md")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:  # not compressed: the arrays in it are
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), _read(source, name))
    return packed.getvalue()


@contextlib.contextmanager
def unpacked(packed: bytes) -> Iterator[Path]:
    """Give the folder that `pack_model` packed, in a place of its own, for as long as the context lasts.

    Raises:
        ModelError: The bytes are not what `pack_model` returns.
    """
    with tempfile.TemporaryDirectory(prefix="visit-notes-") as name:
        folder = Path(name)
        try:
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                files = archive.infolist()
                if len(files) > _MAX_FILES or sum(file.file_size for file in files) > _MAX_BYTES:
                    raise ModelError(f"the packed model has more than {_MAX_FILES} files or {_MAX_BYTES >> 20} MB")
                for file in files:
                    if Path(file.filename).name != file.filename:
                        raise ModelError(f"the packed model holds {file.filename!r}, expected plain file names")
                    (folder / file.filename).write_bytes(archive.read(file))
        except zipfile.BadZipFile as error:
            raise ModelError(f"the packed model is damaged ({error}); expected what pack_model returns") from error
        yield folder


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ModelError(
            f"{folder / name} cannot be read ({error.strerror or error}); expected a folder that a training run wrote"
        ) from error
