"""The files of a model folder, as bytes: written and read by a list of what may stand in them.

The format is described in docs/model_format.md.

Nothing in a file decides what is built or run: names, types, shapes and ranges are those of our own source, and
whatever differs is refused before it is used.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.errors import ModelError
from analyzer.packed_tables import N_COMMON, PackedTable, pack

METADATA, WEIGHTS, VOCABULARY, LEXICON = "metadata.json", "weights.npz", "vocabulary.txt", "lexicon.tsv"
FILES = (METADATA, WEIGHTS, VOCABULARY, LEXICON)
READER, PIECES = "reader.onnx", "pieces.model"  # of a second reader, beside its own metadata
MAX_BYTES = {
    METADATA: 4_000_000, WEIGHTS: 200_000_000, VOCABULARY: 20_000_000, LEXICON: 20_000_000,
    READER: 200_000_000, PIECES: 20_000_000,
}  # fmt: skip
MAX_WORDS = 1_000_000
MAX_LINE = 200
CHECKSUM = "metadata_sha256"
_PARTS = ("rows", "codes", "common", "rare")  # of a packed table
_BYTE = "|u1"
_HEADER_BYTES = 4096  # more than the header of any array that we write
_RESTORE = "restore the model folder or train the model anew"

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """What an array of the weights file must be.

    Attributes:
        shape: lengths of its axes.
        dtype: type as NumPy writes it, byte order included.
        limit: largest absolute value.
        is_table: whether it is kept packed.
    """

    shape: tuple[int, ...]
    dtype: str
    limit: float
    is_table: bool = False

    @property
    def nbytes(self) -> int:
        """Size of the numbers in bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def room(self) -> int:
        """Most bytes that the numbers may take in the file."""
        return 2 * self.nbytes + 2 * N_COMMON if self.is_table else self.nbytes  # all rare: a code and a number each

    def members(self, name: str) -> list[str]:
        """Return the names under which the file holds it."""
        return [f"{name}.{part}" for part in _PARTS] if self.is_table else [name]

    def check(self, name: str, array: Array) -> None:
        """Refuse another shape, another type and numbers out of range.

        Raises:
            ModelError: something differs.
        """
        if array.shape != self.shape or array.dtype != np.dtype(self.dtype):
            raise ModelError(
                f"{WEIGHTS}: {name} has shape {array.shape} and type {array.dtype}; "
                f"expected shape {self.shape} and type {np.dtype(self.dtype)}"
            )
        if array.size and not np.abs(array).max() <= self.limit:  # NaN compares as false
            raise ModelError(
                f"{WEIGHTS}: {name} holds numbers that are not finite or beyond ±{self.limit:g}; expected none"
            )


def read_file(folder: Path, name: str) -> bytes:
    """Return the bytes of a file of the folder.

    Raises:
        ModelError: it is missing, too large or cannot be read.
    """
    path = folder / name
    if not path.is_file():
        if name == METADATA:
            raise ModelError(
                f"no model in {folder}: {METADATA} is missing; expected a folder that a training run wrote"
            )
        raise ModelError(f"{path} is missing; {_RESTORE}")
    most = MAX_BYTES[name]
    try:
        size = path.stat().st_size
        if size > most:
            raise ModelError(f"{path} has {size} bytes; expected at most {most}")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error}); restore the model folder") from error
    if len(data) > most:  # it grew meanwhile
        raise ModelError(f"{path} has more than {most} bytes")
    return data


def sha256(data: bytes) -> str:
    """Return the SHA-256 of ``data`` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def changed_file(metadata: Mapping[str, Any], files: Mapping[str, bytes]) -> str | None:
    """Return the first of ``files`` whose check sum is not the one in ``metadata``, ``None`` where all are the same."""
    sums = metadata.get("sha256")
    for name, data in files.items():
        if not isinstance(sums, dict) or sums.get(name) != sha256(data):
            return name
    return None


# --- metadata -------------------------------------------------------------------------------------


def encode_metadata(metadata: Mapping[str, Any]) -> bytes:
    """Return the metadata with a check sum over all of it, as indented JSON with sorted keys.

    Raises:
        ModelError: something in it is not JSON.
    """
    content = {key: value for key, value in metadata.items() if key != CHECKSUM}
    try:
        content[CHECKSUM] = _metadata_sum(content)
        return (json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise ModelError(f"the metadata cannot be written as JSON ({error})") from error


def decode_metadata(data: bytes) -> dict[str, Any]:
    """Return the metadata.

    Raises:
        ModelError: no JSON object.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON number")

    try:
        metadata: Any = json.loads(data.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{METADATA} cannot be read ({error}); {_RESTORE}") from error
    if not isinstance(metadata, dict):
        raise ModelError(f"{METADATA} holds a {type(metadata).__name__}; expected an object; {_RESTORE}")
    return metadata


def check_metadata_sum(metadata: Mapping[str, Any]) -> None:
    """Refuse metadata that are not those that the model was saved with.

    Raises:
        ModelError: the check sum is missing or differs.
    """
    try:
        found = _metadata_sum({key: value for key, value in metadata.items() if key != CHECKSUM})
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{METADATA} cannot be checked ({error}); {_RESTORE}") from error
    if metadata.get(CHECKSUM) != found:
        raise ModelError(
            f"{METADATA} is not the file that the model was saved with (its check sum {CHECKSUM} differs); {_RESTORE}"
        )


def _metadata_sum(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode("utf-8", "surrogatepass"))


# --- weights --------------------------------------------------------------------------------------


def encode_arrays(arrays: Mapping[str, Array], specs: Mapping[str, ArraySpec]) -> bytes:
    """Return the arrays as an npz file, each in the type of its spec, tables packed. Same arrays, same bytes."""
    out = io.BytesIO()
    kept: dict[str, Any] = {}
    with np.errstate(over="ignore"):  # what does not fit is found when the bytes are read back
        for name, spec in specs.items():
            array = np.asarray(arrays[name]).astype(spec.dtype)
            if array.shape != spec.shape:
                spec.check(name, array)
            if spec.is_table:
                packed = pack(array)
                kept.update((f"{name}.{part}", getattr(packed, part)) for part in _PARTS)
            else:
                kept[name] = array
    np.savez(out, **kept)
    return out.getvalue()


def decode_arrays(data: bytes, specs: Mapping[str, ArraySpec]) -> tuple[dict[str, Array], dict[str, PackedTable]]:
    """Return the arrays of an npz file and, still packed, its tables, reading no more than ``specs`` allow.

    Raises:
        ModelError: the file is damaged, or an array is missing, unknown or not as its spec says.
    """
    members = [member for name, spec in specs.items() for member in spec.members(name)]
    room = sum(spec.room for spec in specs.values()) + _HEADER_BYTES * len(members)
    if len(data) > room:
        raise ModelError(f"{WEIGHTS} has {len(data)} bytes; expected at most {room} for these arrays; {_RESTORE}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = sorted(member.filename for member in archive.infolist())
            if found != sorted(f"{name}.npy" for name in members):
                names = [name.removesuffix(".npy") for name in found]
                raise ModelError(f"{WEIGHTS} holds {_shortened(names)}; expected {_shortened(sorted(members))}")
            return (
                {name: _read_array(archive, name, spec) for name, spec in specs.items() if not spec.is_table},
                {name: _read_table(archive, name, spec) for name, spec in specs.items() if spec.is_table},
            )
    except ModelError:
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own for damaged files
        raise ModelError(f"{WEIGHTS} cannot be read ({error}); {_RESTORE}") from error


def _read_table(archive: zipfile.ZipFile, name: str, spec: ArraySpec) -> PackedTable:
    """Return a packed table whose parts fit together: none says more, or less, than the others need."""
    n_rows, n_columns = spec.shape

    def part(part_name: str, shape: tuple[int, ...], dtype: str, limit: float) -> Array:
        return _read_array(archive, f"{name}.{part_name}", ArraySpec(shape, dtype, limit))

    rows = part("rows", ((n_rows + 7) // 8,), _BYTE, 255)
    held = np.unpackbits(rows)
    if held[n_rows:].any():
        raise ModelError(f"{WEIGHTS}: {name}.rows has bits beyond its {n_rows} rows; expected none")
    codes = part("codes", (int(np.count_nonzero(held)), n_columns), _BYTE, 255)
    common = part("common", (N_COMMON,), spec.dtype, spec.limit)
    rare = part("rare", (int(np.count_nonzero(codes == N_COMMON)),), spec.dtype, spec.limit)
    return PackedTable((n_rows, n_columns), rows, codes, common, rare)


def _read_array(archive: zipfile.ZipFile, name: str, spec: ArraySpec) -> Array:
    member = archive.getinfo(f"{name}.npy")
    if member.file_size > spec.nbytes + _HEADER_BYTES:
        raise ModelError(f"{WEIGHTS}: {name} unpacks to {member.file_size} bytes; expected at most {spec.nbytes}")
    with archive.open(member) as stream:
        if (version := np.lib.format.read_magic(stream)) != (1, 0):
            raise ModelError(f"{WEIGHTS}: {name} is of npy version {version}; expected (1, 0)")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=_HEADER_BYTES)
        if shape != spec.shape or fortran or dtype.str != spec.dtype:
            raise ModelError(
                f"{WEIGHTS}: {name} has shape {shape} and type {dtype}; "
                f"expected shape {spec.shape} and type {np.dtype(spec.dtype)}"
            )
        raw = stream.read(spec.nbytes + 1)  # to the end, where the check sum of the archive is compared
    if len(raw) != spec.nbytes:
        raise ModelError(f"{WEIGHTS}: {name} has {len(raw)} bytes of numbers; expected {spec.nbytes}")
    array = np.frombuffer(raw, dtype=spec.dtype).reshape(spec.shape)
    spec.check(name, array)
    return array


def _shortened(names: Sequence[str]) -> str:
    shown = [name[:40] for name in names[:20]]
    return f"{shown}" if len(names) <= 20 else f"{shown} and {len(names) - 20} more"


# --- word lists -----------------------------------------------------------------------------------


def encode_lines(lines: Collection[str]) -> bytes:
    """Return the lines, each ended by a line feed, in UTF-8.

    Raises:
        ModelError: one has a line break in it.
    """
    if broken := next((line for line in lines if "\n" in line), None):
        raise ModelError(f"the entry {broken[:60]!r} has a line break in it; expected none")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")


def decode_lines(data: bytes, name: str) -> list[str]:
    """Return the lines of a word list.

    Raises:
        ModelError: no UTF-8, a line is empty, too long or there twice, or there are too many.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{name} is not UTF-8 text ({error}); {_RESTORE}") from error
    lines = text.split("\n")
    if lines.pop():
        raise ModelError(f"{name} does not end with a line break; it was cut; {_RESTORE}")
    if len(lines) > MAX_WORDS:
        raise ModelError(f"{name} has {len(lines)} lines; expected at most {MAX_WORDS}")
    if "" in lines or len(set(lines)) != len(lines):
        raise ModelError(f"{name} has an empty line or one that stands there twice; expected neither; {_RESTORE}")
    if lines and len(max(lines, key=len)) > MAX_LINE:
        raise ModelError(f"{name} has a line of more than {MAX_LINE} characters; {_RESTORE}")
    return lines


def decode_lexicon(data: bytes) -> dict[str, tuple[str, ...]]:
    """Return the classes of each term.

    Raises:
        ModelError: a line is not a term, a tab and class names joined by commas, or a term is there twice.
    """
    terms: dict[str, tuple[str, ...]] = {}
    classes_of: dict[str, tuple[str, ...]] = {}  # few different ones: each is checked once
    for number, line in enumerate(decode_lines(data, LEXICON), 1):
        term, tab, classes = line.partition("\t")
        if classes not in classes_of:
            names = tuple(classes.split(","))
            if not tab or not all(name.isascii() and name.isidentifier() for name in names):
                raise ModelError(
                    f"{LEXICON}, line {number}: {line[:60]!r}; expected a term, a tab and classes joined by commas"
                )
            classes_of[classes] = names
        if not term or term in terms:
            raise ModelError(f"{LEXICON}, line {number}: the term {term!r} is empty or stands there twice; {_RESTORE}")
        terms[term] = classes_of[classes]
    return terms
