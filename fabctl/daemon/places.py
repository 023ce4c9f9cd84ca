"""Where a kept machine is found: one address a machine, for its owner alone."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import re
import secrets
import socket
import sys
import time
from pathlib import Path

from fabctl.errors import InputError, LinkError

PATH_LIMIT_BYTES = 100
"""A local socket's path may have 104 to 108 bytes, by system."""
SPEAK_LIMIT_S = 5.0
BACKLOG = 64
AGAIN_S = 0.02


def places_folder() -> Path:
    """Return the folder of all kept machines' addresses; made when missing, for its owner alone.

    The same answer at every call: a command that does not find the keeper goes to the virtual controller.

    Raises
    ------
    InputError
        When it belongs to somebody else, who could then be taken for the keeper.
    """
    folder = _runtime_folder()
    if folder is None or len(os.fsencode(folder)) > PATH_LIMIT_BYTES - 40:
        import platformdirs  # noqa: PLC0415 - only whoever looks for a kept machine needs it

        folder = platformdirs.user_state_path("fabctl") / "machines"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if sys.platform != "win32":
        found = folder.stat()
        if found.st_uid != os.getuid():
            raise InputError(
                "the folder of the kept machines belongs to another account",
                file=str(folder),
                remedy="remove it, or set XDG_RUNTIME_DIR to a folder of your own",
            )
        if found.st_mode & 0o077:
            folder.chmod(0o700)
    return folder


def _runtime_folder() -> Path | None:
    """Find the account's own folder for what lives as long as its session, where there is one."""
    if sys.platform == "win32":
        return None
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    try:
        own = base.is_dir() and base.stat().st_uid == os.getuid() and os.access(base, os.W_OK | os.X_OK)
    except OSError:
        return None
    return base / "fabctl" / "machines" if own else None


def place_of(machine: str, folder: Path | None = None) -> Path:
    """Return the address of a kept machine, which need not exist.

    Parameters
    ----------
    machine : str
        Its name.
    folder : Path, optional
        Where addresses stand.

    Raises
    ------
    InputError
        When the path is too long for a local socket.
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", machine)
    path = (folder or places_folder()) / f"{plain}.sock"
    if len(os.fsencode(path)) > PATH_LIMIT_BYTES:
        raise InputError(
            "the path is too long for a local socket", file=str(path), remedy="set XDG_RUNTIME_DIR shorter"
        )
    return path


def listen_at(path: Path) -> socket.socket:
    """Listen at an address that nobody else serves.

    Returns
    -------
    socket
        Listening, non-blocking. Where there are no local sockets it listens on the loopback, and the file
        holds its number and a secret.

    Raises
    ------
    LinkError
        When somebody serves it already.
    """
    with contextlib.suppress(LinkError):
        speak_to(path).close()
        raise InputError(
            "this machine is kept already, by another process",
            file=str(path),
            remedy="`fabctl status` shows it; stop that one first",
        )
    path.unlink(missing_ok=True)
    if sys.platform == "win32":
        server = socket.create_server(("127.0.0.1", 0))
        said = {"port": server.getsockname()[1], "secret": secrets.token_hex(16)}
        path.write_text(json.dumps(said), encoding="ascii")
    else:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            server.bind(str(path))
        finally:
            os.umask(before)
        server.listen(BACKLOG)
    server.setblocking(False)
    return server


def is_owner(peer: socket.socket) -> bool:
    """Tell whether the process at the other end belongs to this account, where the system says so."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(raw[4:8], sys.byteorder) in {os.getuid(), 0}


def speak_to(path: Path) -> socket.socket:
    """Open a line to a kept machine.

    Raises
    ------
    LinkError
        When nobody keeps it.
    """
    try:
        if sys.platform == "win32":
            said = json.loads(path.read_text(encoding="ascii"))
            peer = socket.create_connection(("127.0.0.1", said["port"]), SPEAK_LIMIT_S)
            peer.sendall(json.dumps({"secret": said["secret"]}).encode() + b"\n")
        else:
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            peer.settimeout(SPEAK_LIMIT_S)
            try:
                _connect(peer, str(path))
                if not is_owner(peer):
                    raise PermissionError("another account listens there")
            except OSError:
                peer.close()
                raise
    except (OSError, ValueError, KeyError) as error:
        raise LinkError(
            f"nobody keeps this machine: {error}",
            file=path.stem,
            remedy=f"`fabctl machine serve {path.stem}`",
        ) from error
    return peer


def _connect(peer: socket.socket, path: str) -> None:
    """Connect to a local socket; a full queue before it is waited for, not taken for an empty place."""
    until_s = time.monotonic() + SPEAK_LIMIT_S
    while True:
        try:
            peer.connect(path)
        except BlockingIOError:
            if time.monotonic() > until_s:
                raise
            time.sleep(AGAIN_S)
        else:
            return


def knows_secret(path: Path, said: str) -> bool:
    """Tell whether a peer on the loopback said what stands in the address file."""
    wanted = json.loads(path.read_text(encoding="ascii"))["secret"]
    return hmac.compare_digest(wanted, said)
