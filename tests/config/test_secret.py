"""Secrets: fetched with a reason where they cannot be, and never shown."""

import copy
import json
import os
import pickle
from pathlib import Path

import pytest

from monitor.config.secret import Fetched, Keeper, Secret, SecretRef, at_home, fetch

VALUE = "hush-hush"


def revealed(fetched: Fetched) -> str | None:
    return fetched.secret.reveal() if fetched.secret is not None else None


def of_file(path: Path) -> Fetched:
    return fetch(SecretRef(Keeper.FILE, str(path)), {}, None)


def private(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_a_secret_shows_itself_only_when_asked() -> None:
    """No way of printing, copying or storing one gives the value; only ``reveal`` does."""
    secret = Secret(VALUE)
    assert secret.reveal() == VALUE
    shown = f"{secret} {secret!r} {[secret]}"
    assert VALUE not in shown
    assert not hasattr(secret, "__dict__")
    for copying in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps, Secret.__getstate__):
        with pytest.raises(TypeError) as caught:
            copying(secret)
        assert VALUE not in str(caught.value)


def test_from_the_environment() -> None:
    """A variable is taken without the blanks around it."""
    assert revealed(fetch(SecretRef(Keeper.ENV, "A_URL"), {"A_URL": f" {VALUE}\n"}, None)) == VALUE


def test_a_variable_that_is_not_set_is_named() -> None:
    """The operator reads which variable to set."""
    fetched = fetch(SecretRef(Keeper.ENV, "A_URL"), {}, None)
    assert fetched.secret is None
    assert fetched.found == "environment variable A_URL, which is not set"
    assert fetched.fix


def test_a_name_as_long_as_a_key_is_not_repeated() -> None:
    """A key put in the place of a name by mistake stays unsaid."""
    name = "K" * 64
    for keeper in (Keeper.ENV, Keeper.CREDENTIAL):
        assert name not in fetch(SecretRef(keeper, name), {}, None).found


def test_an_empty_secret_is_none() -> None:
    """Blanks are no secret."""
    assert "is empty" in fetch(SecretRef(Keeper.ENV, "A_URL"), {"A_URL": " \n"}, None).found


def test_from_a_file(tmp_path: Path) -> None:
    """A file's text is taken without the line end and byte order mark editors add; nothing to warn about."""
    fetched = of_file(private(tmp_path / "secret", b"\xef\xbb\xbf" + VALUE.encode() + b"\n"))
    assert revealed(fetched) == VALUE
    assert fetched.warning == ""


def test_a_file_everybody_can_read_is_warned_about(tmp_path: Path) -> None:
    """It works, and the operator is told what to change."""
    path = private(tmp_path / "secret", VALUE.encode())
    path.chmod(0o644)
    fetched = of_file(path)
    assert revealed(fetched) == VALUE
    assert "can be read by every user" in fetched.warning
    assert VALUE not in fetched.warning


@pytest.mark.parametrize(
    ("environ", "beside", "warned"),
    [({"container": "oci"}, "", False), ({}, "", True), ({"container": "oci"}, "-of-others", True)],
)
def test_what_an_engine_puts_into_a_container_is_readable_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], beside: str, *, warned: bool
) -> None:
    """Secrets are 0444 there, in a place of their own, where nobody else is: no warning; elsewhere one."""
    monkeypatch.setattr("monitor.config.secret._OF_CONTAINERS", f"{tmp_path}/secrets/")
    path = tmp_path / f"secrets{beside}" / "token"
    path.parent.mkdir()
    path.write_text(VALUE)
    path.chmod(0o444)
    fetched = fetch(SecretRef(Keeper.FILE, str(path)), environ, None)
    assert revealed(fetched) == VALUE
    assert bool(fetched.warning) is warned


def test_a_file_below_home_follows_home(tmp_path: Path) -> None:
    """``~`` is the HOME the program was started with."""
    private(tmp_path / "secret", VALUE.encode())
    assert revealed(fetch(SecretRef(Keeper.FILE, "~/secret"), {"HOME": str(tmp_path)}, None)) == VALUE


def test_home_without_a_variable_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without HOME the user's entry counts; without that either, the path stays as it is."""
    assert at_home("~/x", {}) == Path("~/x").expanduser()
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert at_home("~/x", {}) == Path("~/x")


def test_files_that_are_not_there_or_no_files(tmp_path: Path) -> None:
    """Missing, a directory, a pipe that would block, a path through a file: each has a reason."""
    os.mkfifo(tmp_path / "pipe")
    private(tmp_path / "file", b"x")
    assert "no such file" in of_file(tmp_path / "missing").found
    assert "no regular file" in of_file(tmp_path).found
    assert "no regular file" in of_file(tmp_path / "pipe").found
    assert "cannot be read: not a directory" in of_file(tmp_path / "file" / "below").found


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lacking permission is told as such, also where the system gives no number for the reason."""
    path = private(tmp_path / "secret", VALUE.encode())

    def refuse(error: OSError) -> None:
        def opening(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(Path, "open", opening)

    refuse(PermissionError(13, "Permission denied"))
    assert "permission denied" in of_file(path).found
    assert "sudo" not in of_file(path).fix
    credential = fetch(SecretRef(Keeper.CREDENTIAL, "secret"), {}, tmp_path)
    assert credential.fix.startswith("ask as root, with sudo; a unit of systemd: add LoadCredential=")
    refuse(OSError("odd"))
    assert "cannot be read" in of_file(path).found


def test_files_that_hold_no_secret(tmp_path: Path) -> None:
    """Too large, no text, or empty: refused without a word of the content."""
    assert "too large" in of_file(private(tmp_path / "large", b"x" * 65537)).found
    binary = of_file(private(tmp_path / "binary", VALUE.encode() + b"\xff"))
    assert "not UTF-8" in binary.found
    assert VALUE not in repr(binary)
    assert "is empty" in of_file(private(tmp_path / "empty", b"\n")).found


def test_from_a_systemd_credential(tmp_path: Path) -> None:
    """A credential is a file in the directory systemd names; its mode bits are systemd's affair."""
    private(tmp_path / "phone-url", VALUE.encode()).chmod(0o444)
    fetched = fetch(SecretRef(Keeper.CREDENTIAL, "phone-url"), {}, tmp_path)
    assert revealed(fetched) == VALUE
    assert fetched.warning == ""


def test_credentials_that_are_not_there(tmp_path: Path) -> None:
    """Outside systemd, or not passed to the unit: both say what to do."""
    ref = SecretRef(Keeper.CREDENTIAL, "phone-url")
    outside, missing = fetch(ref, {}, None), fetch(ref, {}, tmp_path)
    assert "no $CREDENTIALS_DIRECTORY" in outside.found
    assert "credential phone-url, which cannot be read" in missing.found
    assert "LoadCredential=" in outside.fix
    assert "LoadCredential=" in missing.fix
