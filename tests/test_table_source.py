"""Where tables come from: folders, standard input, pipes, archives."""

from __future__ import annotations

import gzip
import io
import logging
import os
import threading
import zipfile
from pathlib import Path

import pytest

from analyzer import table_source
from analyzer.errors import TableError
from analyzer.tables import list_tables, open_table, read_table

TABLE = "客户名称,跟进记录\n甲,同意试用\n乙,不需要\n"
ROWS = [["甲", "同意试用"], ["乙", "不需要"]]


def rows(path: str | Path, **options: object) -> list[list[str]]:
    return [row for frame in read_table(path, **options) for row in frame.to_numpy().tolist()]  # type: ignore[arg-type]


def zipped(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


# --- folders ---


def test_the_files_of_a_folder(tmp_path: Path) -> None:
    wanted = ["10月.xlsx", "11月.CSV", "a.csv.gz", "b.jsonl", "c.zip", "d.parquet"]
    others = [
        "~$11月.xlsx",
        ".隐藏.csv",
        "11月.scored.xlsx",
        "11月.scored.csv",
        "a.pdf",
        "读我",
        "x.tar.gz",
        "a.csv.part",
    ]
    for name in [*others, *reversed(wanted)]:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "unter.csv").mkdir()
    assert [path.name for path in list_tables(tmp_path)] == sorted(wanted)


def test_a_folder_without_tables(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no file to read, expected one of csv"):
        list_tables(tmp_path)
    with pytest.raises(TableError, match="cannot be read"):
        list_tables(tmp_path / "无")


# --- standard input and pipes ---


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    data = TABLE.encode("gb18030")
    stream = io.TextIOWrapper(io.BytesIO(gzip.compress(data) if packed else data))
    monkeypatch.setattr("sys.stdin", stream)
    with open_table("-") as table:
        assert table.dialect.encoding == "gb18030"
        assert [row for chunk in table for row in chunk.frame.to_numpy().tolist()] == ROWS


def test_json_lines_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO('{"备注": "同意"}\n{"备注": "好"}\n'.encode())))
    assert rows(Path("-")) == [["同意"], ["好"]]


def test_a_workbook_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (Path(__file__).parent / "data" / "spoilt" / "workbooks" / "plain.xlsx").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    with open_table("-") as table:
        assert table.dialect.kind == "xlsx"
        assert sum(len(chunk.frame) for chunk in table) == 6


def test_nothing_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(TableError, match="standard input: the file is empty"):
        open_table("-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(TABLE.encode(),))
    writer.start()
    assert rows(pipe) == ROWS
    writer.join()


def test_no_temporary_files_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    path = zipped(tmp_path / "a.zip", {"a.csv": TABLE, "b.csv": TABLE})
    table = open_table(path)
    assert list((tmp_path / "tmp").iterdir())
    table.close()
    assert not list((tmp_path / "tmp").iterdir())
    with pytest.raises(TableError):
        open_table(zipped(tmp_path / "b.zip", {"a.csv": TABLE, "b.csv": "备注\n"}), sheet="无")
    assert not list((tmp_path / "tmp").iterdir())


# --- archives ---


def test_members_with_the_same_header_are_read_one_after_the_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    members: dict[str, str | bytes] = {
        "2.csv": "客户名称;跟进记录\n丙;好\n".encode("gb18030"),
        "1.csv": "拜访记录\n" + TABLE + "共2条\n",
        "客户.csv": "客户名称,电话\n甲,1\n",
        "空.csv": "客户名称,跟进记录\n",
        "读我.txt.pdf": "x",
    }
    path = zipped(tmp_path / "a.zip", members)
    with caplog.at_level(logging.INFO, "analyzer.tables"):
        assert rows(path) == [*ROWS, ["丙", "好"]]
    assert "csv in zip, member '1.csv', encoding utf-8, delimiter ',', and '2.csv', header in row 2" in caplog.text
    assert "table '客户.csv' was not read (columns 客户名称, 电话)" in caplog.text
    assert "not a row, below the table: 共2条" in caplog.text
    assert rows(path, sheet="客户.csv") == [["甲", "1"]]
    with pytest.raises(TableError, match="no table '无' in the archive, expected one of 1"):
        rows(path, sheet="无")


def test_a_damaged_member_is_no_missing_one(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"1.csv": TABLE, "2.xlsx": b"PK\x03\x04 no"})
    with pytest.raises(TableError, match=r"a\.zip: 2\.xlsx: .*damaged"):
        rows(path)


def test_links_and_passwords_in_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        member = zipfile.ZipInfo("a.csv")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(TableError, match=r"holds the link 'a\.csv'"):
        rows(tmp_path / "a.zip")
    data = bytearray(zipped(tmp_path / "b.zip", {"a.csv": TABLE}).read_bytes())
    for at in (6, data.index(b"PK\x01\x02") + 8):
        data[at] |= 1
    (tmp_path / "b.zip").write_bytes(data)
    with pytest.raises(TableError, match="protected by a password"):
        rows(tmp_path / "b.zip")


def test_an_archive_of_an_archive(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="another archive"):
        rows(zipped(tmp_path / "a.zip", {"b.csv.gz": gzip.compress(TABLE.encode())}))


@pytest.mark.parametrize("name", ["a.csv.gz", "a.zip", "a.xlsx"])
def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(table_source, "HARMLESS_BYTES", 1 << 20)
    bomb = b"a,b\n" * (8 << 20)
    if name == "a.csv.gz":
        (tmp_path / name).write_bytes(gzip.compress(bomb))
    else:
        zipped(tmp_path / name, {"xl/workbook.xml" if name == "a.xlsx" else "a.csv": bomb})
    with pytest.raises(TableError, match="as no export does"):
        rows(tmp_path / name)


def test_a_well_packed_export_is_no_bomb(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((TABLE + "甲,同意试用\n" * 100_000).encode()))
    assert len(rows(tmp_path / "a.csv.gz")) == 100_002


def test_a_tar_archive(tmp_path: Path) -> None:
    import tarfile

    (tmp_path / "a.csv").write_text(TABLE, encoding="utf-8")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "a.csv", "a.csv")
    with pytest.raises(TableError, match="tar archive"):
        rows(tmp_path / "a.tar.gz")
