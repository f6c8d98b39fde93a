"""Text exports: which encoding, which delimiter, and the records, one at a time in flat memory.

Exports are often spoilt: two encodings in one file, a quote that nobody closed, a row with a field too many.
Each physical line is decoded by itself and each record is checked against the width of the header, so that
trouble stays in the row where it is and every row is kept.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

from analyzer.errors import TableError
from analyzer.table_source import BLOCK_BYTES

SAMPLE_BYTES = 1 << 18
MAX_LINE_BYTES = 32 << 20
MAX_COLUMNS = 100_000
"""More than Excel has by far; a file with more is damaged or made to fill the memory."""
MAX_RECORD_CHARS = 4 << 20
"""A quoted record longer than this is taken for a quote that was never closed."""

NO_DELIMITER = "\x1f"
"""Stands for "one column": splits nothing, but quotes and line breaks in quotes still work."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16 LE, whose mark begins the same
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Frequent characters of notes, simplified and traditional: they tell GB18030 from Big5, as either decodes the
# other's bytes.
_COMMON = frozenset(
    "的一是在不了有和人这中大为上个我以要他时来用们到作出就分对成会可年同工也能下过说产方后多定行所得经客户公司"
    "拜访品价格案合报沟通跟进内容记录日期名称這為個來時們會對產說後經過訪價報溝進錄稱應與嗎點還沒，。、：；？！（）"
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_SENTENCE = re.compile(r"[。！？；，!?;]|\d{5,}|^\s*[-+]?[\d.,/:\- ]+%?\s*$")
_ESCAPE = re.compile(r"\\([\"\\])?")
_QUOTED = re.compile('"[^"]*"')
_TOO_MANY = f"本行超过 {MAX_COLUMNS} 个字段，其余未分开"
_FORCED_TEXT = re.compile('="([^"]*)"')
_BROKEN_SHARE = 0.2
_LEAST_SURE_UTF8 = 6


class Line(NamedTuple):
    """A physical line with its line end, and what went wrong in decoding it."""

    text: str
    problem: str


@dataclass(slots=True)
class Row:
    """A record of the file as text, with what went wrong in reading it."""

    cells: list[str]
    problem: str = ""
    original: dict[str, Any] | None = None
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """How a delimited file is written."""

    delimiter: str
    escape: str | None = None


def detect_encoding(sample: bytes) -> tuple[str, int]:
    """Return the codec and the length of the byte order mark.

    >>> detect_encoding("客户,备注".encode("gb18030")), detect_encoding("客户".encode("utf-8-sig"))
    (('gb18030', 0), ('utf-8', 3))

    Raises:
        TableError: The bytes are no text in an encoding that we know.
    """
    for mark, codec in _BOMS:
        if sample.startswith(mark):
            return codec, len(mark)
    if b"\0" in sample and (wide := _utf16_without_mark(sample)):
        return wide, 0
    if _is_binary(sample):
        raise TableError(
            "the file holds binary data, expected a text table or an Excel workbook; export it as .xlsx or .csv"
        )
    lines = [line for line in sample.splitlines() if not line.isascii()][:-1] or [sample]
    readable = Counter(_guess_line(line) for line in lines)
    if sample.isascii() or readable["utf-8"] >= max(1, readable["gb18030"]):
        return "utf-8", 0
    return _chinese_encoding(sample) if readable["gb18030"] * 2 >= len(lines) else _rare_encoding(sample), 0


def _chinese_encoding(sample: bytes) -> str:
    """Tell GB18030 from Big5 by the characters that come out."""
    big5 = _common_share(sample, "big5hkscs")
    return "big5hkscs" if big5 > 0.2 and big5 > 1.5 * _common_share(sample, "gb18030") else "gb18030"


def _utf16_without_mark(sample: bytes) -> str | None:
    stripped = sample.replace(b"\0", b"")
    if not stripped.isascii() and _decodes(stripped[: -4 if len(stripped) > 8 else None], "utf-8"):
        return None  # UTF-8 with a few stray NUL bytes
    even = sample[: len(sample) // 2 * 2]
    shares = {codec: _plausible_share(even.decode(codec, "replace")) for codec in ("utf-16-le", "utf-16-be")}
    best, other = sorted(shares, key=lambda codec: -shares[codec])
    return best if shares[best] > 0.7 and shares[best] > shares[other] + 0.2 else None


def _plausible_share(text: str) -> float:
    plausible = sum(
        " " <= char <= "~" or "\u3000" <= char <= "\u9fff" or "\uff01" <= char <= "\uff5e" or char in "\t\r\n—’“”…·"
        for char in text
    )
    return plausible / max(1, len(text))


def _decodes(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _guess_line(line: bytes) -> str:
    return next((codec for codec in ("utf-8", "gb18030") if _decodes(line, codec)), "neither")


def _common_share(sample: bytes, codec: str) -> float:
    wide = [char for char in sample.decode(codec, "replace") if char > "~"]
    return sum(char in _COMMON for char in wide) / max(1, len(wide))


def _rare_encoding(sample: bytes) -> str:
    if _chinese_encoding(sample) == "big5hkscs":
        return "big5hkscs"
    from charset_normalizer import from_bytes  # slow to import, hardly ever needed

    codec = min(("utf-8", "gb18030"), key=lambda name: _broken_share(sample, name))
    if _broken_share(sample, codec) < _BROKEN_SHARE:
        return codec  # text with bad bytes all over
    best = from_bytes(sample).best()
    if best is None:
        raise TableError(
            "the encoding is unknown, expected UTF-8, GB18030/GBK or UTF-16; save the file as 'CSV UTF-8' and try again"
        )
    return str(best.encoding)


def _broken_share(sample: bytes, codec: str) -> float:
    wide = [char for char in sample.decode(codec, "replace") if char > "~"]
    return wide.count("\ufffd") / max(1, len(wide))


def _is_binary(sample: bytes) -> bool:
    """Whether there are too many control characters, and not in a few lines alone."""
    if len(_CONTROL.findall(sample)) <= len(sample) // 20:
        return False
    lines = sample.splitlines()
    clean = sum(not _CONTROL.search(line) and _guess_line(line) != "neither" for line in lines if line.strip())
    return clean < 3 or 2 * clean < len(lines)


def decode_line(raw: bytes, codec: str) -> Line:
    r"""Decode one line; a line in the other of the two usual encodings is read and reported.

    >>> decode_line("客户".encode("gb18030"), "utf-8")
    Line(text='客户', problem='本行编码为 GB18030，与文件其余部分不同')
    >>> decode_line(b"\xff ok", "utf-8")
    Line(text='� ok', problem='含无法识别的字节，已用 � 代替')
    """
    if raw.isascii():
        return Line(raw.decode("ascii"), "")
    try:
        text = raw.decode("utf-8")
        if codec == "utf-8":
            return Line(text, "")
        # Short GBK stretches can be valid UTF-8 by chance (联通 is one); longer ones are not.
        if sum(char > "~" for char in text) >= _LEAST_SURE_UTF8:
            return Line(text, "本行编码为 UTF-8，与文件其余部分不同")
    except UnicodeDecodeError:
        pass
    with contextlib.suppress(UnicodeDecodeError):
        return Line(raw.decode(codec), "")
    replaced = raw.decode(codec, "replace")
    broken = replaced.count("\ufffd")
    # A line in the other encoding is broken all over, one with a few bad bytes is not.
    if codec == "utf-8" and 2 * broken > sum(char > "~" for char in replaced) and _decodes(raw, "gb18030"):
        return Line(raw.decode("gb18030"), "本行编码为 GB18030，与文件其余部分不同")
    return Line(replaced, "含无法识别的字节，已用 � 代替")


def read_lines(stream: IO[bytes], codec: str) -> Iterator[Line]:
    """Yield the lines of a stream behind its byte order mark; LF, CRLF and CR all end a line."""
    wide = codec.startswith(("utf-16", "utf-32"))
    for line in _wide_lines(stream, codec) if wide else _byte_lines(stream, codec):
        if line.text.startswith("\ufeff"):  # files with marks, joined
            line = Line(line.text.lstrip("\ufeff"), line.problem)  # noqa: PLW2901
        if "\0" in line.text:
            yield Line(line.text.replace("\0", ""), join_problems(line.problem, "含空字符，已删去"))
        else:
            yield line


def _byte_lines(stream: IO[bytes], codec: str) -> Iterator[Line]:
    # Neither UTF-8 nor GB18030 nor Big5 uses the bytes of CR and LF inside a character.
    for lines in _split_lines(stream):
        if codec == "utf-8":
            try:
                text = b"".join(lines).decode()
            except UnicodeDecodeError:
                pass
            else:
                for part in io.StringIO(text, newline=""):
                    yield Line(part, "")
                continue
        for raw in lines:
            yield decode_line(raw, codec)


def _split_lines(stream: IO[bytes]) -> Iterator[list[bytes]]:
    """Yield the whole lines of each block."""
    rest: list[bytes] = []
    held = 0
    while block := stream.read(BLOCK_BYTES):
        if rest and rest[-1].endswith(b"\r"):  # CRLF may lie across two blocks
            block = rest.pop() + block
        lines = block.splitlines(keepends=True)
        if len(lines) == 1 and not block.endswith(b"\n"):
            rest.append(block)
            held += len(block)
            _check_length(held)
            continue
        lines[0] = b"".join([*rest, lines[0]])
        rest, held = [], 0
        if not lines[-1].endswith(b"\n"):
            rest, held = [lines[-1]], len(lines[-1])
            lines.pop()
        yield lines
    if rest:
        yield b"".join(rest).splitlines(keepends=True)


def _wide_lines(stream: IO[bytes], codec: str) -> Iterator[Line]:
    reader = io.TextIOWrapper(stream, encoding=codec, errors="replace", newline="")
    try:
        while text := reader.readline(MAX_LINE_BYTES):
            _check_length(len(text) + 1)
            if text == "\ufffd":
                continue  # half a line end at the end of the file
            yield Line(text, "含无法识别的字节，已用 � 代替" if "\ufffd" in text else "")
    finally:
        reader.detach()


def _check_length(length: int) -> None:
    if length > MAX_LINE_BYTES:
        raise TableError(
            f"a line is longer than {MAX_LINE_BYTES >> 20} MB, expected a record a line; "
            "check that the file is a text export"
        )


def double_escapes(text: str) -> str:
    r"""Double a backslash that escapes nothing, such as those of a path: csv would drop it.

    >>> print(double_escapes(r'D:\资料 \"好\" a\\b'))
    D:\\资料 \"好\" a\\b
    """
    return _ESCAPE.sub(lambda found: found[0] if found[1] else "\\\\", text) if "\\" in text else text


def looks_like_names(cells: Sequence[str]) -> bool:
    """Whether cells read like column names: short, no sentences, no numbers, no dates.

    >>> looks_like_names(["客户", "拜访内容(必填)", ""]), looks_like_names(["甲公司", "2024-11-06"])
    (True, False)
    """
    named = [cell.strip() for cell in cells if cell.strip()]
    return bool(named) and all(len(name) <= 40 and not _SENTENCE.search(name) for name in named)


class _Feed:
    """Hands lines to ``csv.reader`` and remembers those of the current record, to take them back."""

    def __init__(self, lines: Iterator[Line], layout: Format) -> None:
        self._lines = lines
        self._layout = layout
        self._escaped = layout.escape is not None
        self._returned: deque[Line] = deque()
        self.taken: list[Line] = []
        self._chars = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self.overrun:
            raise StopIteration  # csv.reader then gives what it has
        line = self._returned.popleft() if self._returned else next(self._lines)
        if line.text.count(self._layout.delimiter) > MAX_COLUMNS:
            line = _bounded(line, self._layout)
        self.taken.append(line)
        self._chars += len(line.text)
        return double_escapes(line.text) if self._escaped else line.text

    @property
    def overrun(self) -> bool:
        return self._chars > MAX_RECORD_CHARS and len(self.taken) > 1

    def lines(self) -> Iterator[Line]:
        """Yield the lines that no record has taken."""
        while True:
            if self._returned:
                yield self._returned.popleft()
            elif (line := next(self._lines, None)) is not None:
                yield line
            else:
                return

    def start(self, line: Line) -> None:
        """Begin a record with a line."""
        self._returned.appendleft(line)
        self.taken = []
        self._chars = 0

    def give_back(self, keep: int) -> None:
        self._returned.extendleft(reversed(self.taken[keep:]))
        del self.taken[keep:]


def allow_long_cells() -> None:
    """Raise the csv module's limit of a cell: it is the process's, and its default is shorter than a long note."""
    if csv.field_size_limit() < 2 * MAX_LINE_BYTES:
        csv.field_size_limit(2 * MAX_LINE_BYTES)


def delimited_rows(lines: Iterator[Line], layout: Format, width: int | None = None) -> Iterator[Row]:
    """Yield the records. ``width`` is the header's, where known: it tells a stray quote from a long cell."""
    allow_long_cells()
    feed = _Feed(lines, layout)
    reader = csv.reader(feed, delimiter=layout.delimiter, escapechar=layout.escape)
    delimiter, plain = layout.delimiter, layout.escape is None
    for line in feed.lines():
        if plain and '"' not in line.text:
            # Most lines: csv would do just this, and take longer.
            cells = line.text.rstrip("\r\n").split(delimiter, MAX_COLUMNS)
            if len(cells) > 1 or cells[0] or delimiter == NO_DELIMITER:
                yield Row(cells, join_problems(line.problem, _TOO_MANY) if len(cells) > MAX_COLUMNS else line.problem)
            continue
        feed.start(line)
        problem = ""
        try:
            cells = next(reader)
        except csv.Error as error:
            feed.give_back(1)
            cells, problem = (
                _split_plainly(feed.taken[0].text, layout),
                f"本行无法按 CSV 解析（{error}），按普通文字读入",
            )
        if len(feed.taken) > 1 and width is not None and _has_stray_quote(feed, cells, layout, width):
            feed.give_back(1)
            cells, problem = _split_plainly(feed.taken[0].text, layout), "引号未配对，按普通文字读入"
        if not cells:
            if layout.delimiter != NO_DELIMITER:
                continue  # an empty line is no record, except in a file of one column
            cells = [""]
        for taken in feed.taken:
            if '="' in taken.text:  # so exporters keep Excel from turning 0012 into 12
                cells = [found[1] if (found := _FORCED_TEXT.fullmatch(cell)) else cell for cell in cells]
            if taken.problem and taken.problem not in problem:
                problem = join_problems(problem, taken.problem)
        yield Row(cells, problem)


def without_quoted(text: str) -> str:
    """Return a line without what stands in quotes."""
    return _QUOTED.sub("", text)


def check_columns(count: int) -> None:
    """Refuse a table of far too many columns.

    Raises:
        TableError: There are more than `MAX_COLUMNS`.
    """
    if count > MAX_COLUMNS:
        raise TableError(
            f"the table has more than {MAX_COLUMNS} columns, expected far fewer; check that it is an export of notes"
        )


def _bounded(line: Line, layout: Format) -> Line:
    """Cut a line of too many fields, which only a damaged file has."""
    if without_quoted(line.text).count(layout.delimiter) <= MAX_COLUMNS:
        return line
    cells = line.text.replace('"', "").split(layout.delimiter, MAX_COLUMNS)
    return Line(layout.delimiter.join(cells[:-1]) + "\n", join_problems(line.problem, _TOO_MANY))


def _has_stray_quote(feed: _Feed, cells: Sequence[str], layout: Format, width: int) -> bool:
    if feed.overrun:
        return True
    if len(cells) == width and _is_well_formed(feed.taken, layout):
        return False
    # The lines that an unclosed quote swallowed are records by themselves; those of a long note are not.
    lines = feed.taken if len(feed.taken) < 50 else [*feed.taken[:25], *feed.taken[-25:]]
    whole = sum(len(_split_plainly(line.text, layout)) == width for line in lines)
    return width > 1 and 2 * whole >= len(lines)


def _is_well_formed(lines: Sequence[Line], layout: Format) -> bool:
    """Whether every closing quote is followed by a delimiter or the line's end."""
    texts = (double_escapes(line.text) if layout.escape else line.text for line in lines)
    try:
        next(csv.reader(texts, delimiter=layout.delimiter, escapechar=layout.escape, strict=True))
    except csv.Error:
        return False
    return True


def _split_plainly(text: str, layout: Format) -> list[str]:
    return text.rstrip("\r\n").split(layout.delimiter)


def join_problems(*problems: str) -> str:
    """Return the problems of a row as one text."""
    return "；".join(filter(None, problems))
