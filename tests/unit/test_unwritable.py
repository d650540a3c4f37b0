"""Places that cannot be written: one line that says so, and nothing is left there or taken away."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from camembias import catalog
from camembias import store as stores
from camembias.cli import app
from camembias.errors import InputError, StoreError
from camembias.store import Store
from tests.full_disk import no_file_over


def said(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = stores.create(tmp_path_factory.mktemp("made") / "store")
    catalog.refresh(store)
    return store


@pytest.fixture
def shelf() -> Iterator[Path]:
    """A folder that everybody may enter: of `tmp_path` only its owner may."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing in it can be written, not by root either, who may write everywhere and is somebody else meanwhile."""
    there = [folder, *folder.rglob("*")]
    modes = [path.stat().st_mode for path in there]
    user = os.geteuid()
    for path in there:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        if user == 0:
            os.seteuid(65534)
        yield
    finally:
        os.seteuid(user)
        for path, mode in zip(there, modes, strict=True):
            path.chmod(mode)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_an_answer_is_written_whole_into_a_folder_made_for_it(made: Store, tmp_path: Path, form: str) -> None:
    target = tmp_path / "new" / "answer"
    for statement in ("SELECT 1 AS a", "SELECT 2 AS a"):
        done = said("sql", statement, "--store", made.root, "--format", form, "--out", target)
        assert done.exit_code == 0, done.output
    read = {"csv": pl.read_csv, "json": pl.read_json, "parquet": pl.read_parquet}[form]
    assert read(target)["a"].to_list() == [2]
    assert names(tmp_path) == ["new", "new/answer"]
    before = target.read_bytes()
    with no_file_over(2):
        failed = said("sql", "SELECT 3 AS a", "--store", made.root, "--format", form, "--out", target)
    assert isinstance(failed.exception, StoreError)
    assert (names(tmp_path), target.read_bytes()) == (["new", "new/answer"], before)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_an_answer_that_cannot_be_put_where_it_should_is_one_line(made: Store, shelf: Path, form: str) -> None:
    (shelf / "file").write_text("stays")
    (shelf / "folder").mkdir()
    (shelf / "closed").mkdir(mode=0o700)
    os.mkfifo(shelf / "pipe")
    before = names(shelf)
    asked = ("sql", "SELECT 1 AS a", "--store", shelf / "store", "--format", form, "--out")
    shutil.copytree(made.root, shelf / "store")
    catalog.refresh(stores.open_existing(shelf / "store"))
    with read_only(shelf):
        for target, why in (("a.csv", "permission denied"), ("new/a.csv", "permission denied")):
            failed = said(*asked, shelf / target)
            assert isinstance(failed.exception, StoreError), (target, failed.exception)
            assert str(failed.exception).endswith(why)
    for target in (shelf / "folder", shelf / "pipe", Path(), Path("/dev/null"), shelf / "file" / "a.csv"):
        failed = said(*asked, target)
        assert isinstance(failed.exception, StoreError), (target, failed.exception)
        assert f"cannot write '{target}" in str(failed.exception) or f"cannot write '{target.parent}" in str(
            failed.exception
        )
    shutil.rmtree(shelf / "store")
    assert names(shelf) == before
    assert not Path("/dev/null").is_file()


def test_a_read_only_store_is_one_line_for_those_who_would_write_it(made: Store, shelf: Path, monkeypatch) -> None:
    for name in ("SAMPLE", "COMPACT", "REPORT", "SNAPSHOT"):
        monkeypatch.setenv(f"CAMEMBIAS_SCHEDULE_{name}", "off")
    root, fresh = shelf / "store", shelf / "fresh"
    shutil.copytree(made.root, root)
    shutil.copytree(made.root, fresh, ignore=shutil.ignore_patterns("*.lock"))
    scheduled = ("schedule", "--once", "--reports", shelf / "r", "--snapshots", shelf / "s")
    for folder in (shelf / "r", shelf / "s"):
        folder.mkdir()
    before = names(shelf)
    with read_only(shelf):
        for store in (root, fresh):
            for arguments in (("refresh",), scheduled):
                failed = said(*arguments, "--store", store)
                assert isinstance(failed.exception, StoreError), (arguments, failed.exception)
                assert str(failed.exception).endswith(".lock': permission denied")
        failed = said("schedule", "--once", "--store", root, "--reports", shelf / "x", "--snapshots", shelf / "s")
        assert str(failed.exception) == f"cannot write '{shelf / 'x'}': permission denied"
        with pytest.raises(StoreError, match="permission denied"):
            stores.create(shelf / "another")
    assert names(shelf) == before


@pytest.mark.parametrize("name", ["store.json", "audit.duckdb", "tweets/_empty.parquet", "new/a.html"])
@pytest.mark.parametrize("command", [("report",), ("query",), ("sql", "SELECT 1"), ("query", "verdicts")])
def test_no_answer_is_written_into_a_store(made: Store, tmp_path: Path, name: str, command: tuple[str, ...]) -> None:
    (tmp_path / "link").symlink_to(made.root)
    before = (names(made.root), (made.root / "store.json").read_bytes())
    for root in (made.root, tmp_path / "link"):
        failed = said(*command, "--store", made.root, "--out", root / name)
        assert isinstance(failed.exception, InputError), failed.exception
        assert str(failed.exception).startswith(f"'{root / name}' lies inside the store '{made.root.resolve()}'")
    assert (names(made.root), (made.root / "store.json").read_bytes()) == before


@pytest.mark.parametrize(
    "command",
    [("snapshot",), ("evaluate", "none", "none.csv", "--picture"), ("explain", "--text", "a", "--wait", "--html")],
)
def test_no_other_file_is_written_into_a_store(made: Store, command: tuple[str, ...]) -> None:
    target = made.root / "tweets" / "new.parquet"
    told = ("--store", made.root) if command[0] == "snapshot" else ()
    failed = said(*command, target, *told)
    assert isinstance(failed.exception, InputError), failed.exception
    assert str(failed.exception).startswith(f"'{target}' lies inside the store")
    assert not target.exists()


@pytest.mark.parametrize("name", ["run[1]", "a?", "*", "a\\b", "[x]/store"])
def test_a_store_whose_path_is_a_pattern_is_refused_before_any_work(made: Store, tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match=r"no store can lie at .* makes it a pattern"):
        stores.create(tmp_path / name)
    assert names(tmp_path) == []
    shutil.copytree(made.root, tmp_path / name)
    with pytest.raises(StoreError, match=r"no store can lie at .* makes it a pattern"):
        stores.open_existing(tmp_path / name)


def test_a_path_that_is_only_odd_is_none(tmp_path: Path) -> None:
    store = stores.create(tmp_path / "a]{b,c}'$~% é")
    catalog.refresh(store)
    assert catalog.run_sql(store, "SELECT count(*) FROM tweets").item() == 0
    assert store.scan("tweets").collect().height == 0


@pytest.mark.parametrize("share", [0.02, 0.3, 0.99])  # no room for its head, its log, and its last block
def test_a_database_that_finds_no_room_leaves_the_old_one_and_nothing_else(made: Store, tmp_path: Path, share) -> None:
    catalog.snapshot(made, tmp_path / "old.duckdb")
    old = made.catalog, tmp_path / "old.duckdb"
    before = (names(tmp_path), names(made.root), *(path.read_bytes() for path in old))
    with no_file_over(int(share * made.catalog.stat().st_size)):
        with pytest.raises(StoreError, match=r"audit\.duckdb': no file may grow that large"):
            catalog.refresh(made)
        for name in ("old.duckdb", "new.duckdb"):
            with pytest.raises(StoreError, match=rf"{name}': no file may grow that large"):
                catalog.snapshot(made, tmp_path / name)
    assert (names(tmp_path), names(made.root), *(path.read_bytes() for path in old)) == before


def test_a_snapshot_that_has_no_place_is_one_line(made: Store, shelf: Path) -> None:
    (shelf / "folder").mkdir()
    (shelf / "old.duckdb").write_bytes(made.catalog.read_bytes())
    store = stores.open_existing(Path(shutil.copytree(made.root, shelf.parent / f"{shelf.name}-store")))
    try:
        before = names(shelf)
        with read_only(shelf / "folder"), pytest.raises(StoreError, match="permission denied"):
            catalog.snapshot(store, shelf / "folder" / "new.duckdb")
        with pytest.raises(StoreError, match="a folder or a device is there"):
            catalog.snapshot(store, shelf / "folder")
        assert names(shelf) == before
    finally:
        shutil.rmtree(store.root)


def test_a_store_needs_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """exFAT and some network mounts have none."""

    def link(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    salt = stores.create(tmp_path / "store").salt
    assert stores.create(tmp_path / "store").salt == salt


def test_two_files_of_which_one_is_wrong_change_nothing(tmp_path: Path) -> None:
    store = stores.create(tmp_path / "store")
    (tmp_path / "good.csv").write_text("word,label,decision\navion,avion,expected\n", encoding="utf-8")
    (tmp_path / "bad.toml").write_text("avion = 1", encoding="utf-8")
    both = ("--decisions", tmp_path / "good.csv", "--concepts", tmp_path / "bad.toml")
    failed = said("refresh", "--store", store.root, *both)
    assert isinstance(failed.exception, InputError)
    assert store.part_names("decisions") == []
