"""Running, as root, a program that refuses root (PostgreSQL) without opening any folder to others.

First choice is a user namespace that shows our own user under another number: to the kernel and the
file system the program is still us, so nothing needs to be shared with anybody. Where the kernel or
a container's rules refuse that, the program runs under an account without rights.
"""

import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graphmill.errors import SettingsError

_OVERFLOW_UID = Path("/proc/sys/kernel/overflowuid")
_ACCOUNTS = ("postgres", "nobody")
_SET_USER = (
    "import os, sys; uid, gid = int(sys.argv[1]), int(sys.argv[2]);"
    " os.setgroups([]); os.setgid(gid); os.setuid(uid); os.execv(sys.argv[3], sys.argv[3:])"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """How to run a program so that it does not see root.

    prefix: what to put before its command. client_name: the name by which it sees us at the other
    end of a Unix socket. account: the uid and gid that must own its files, where they are not ours.
    """

    prefix: tuple[str, ...]
    client_name: str
    account: tuple[int, int] | None = None

    def give(self, path: Path) -> None:
        """Make the program the owner of one of our own files or folders."""
        if self.account is not None:
            os.chown(path, *self.account)

    def open_way(self, path: Path) -> None:
        """Let the program, and nobody else, pass through one of our own folders (not list it)."""
        if self.account is not None:
            os.chown(path, -1, self.account[1])
            path.chmod(0o710)

    def check_reaches(self, folder: Path) -> None:
        """See that the program may enter a folder.

        Raises:
            SettingsError: it may not; nothing is loosened to let it.
        """
        if self.account is None:
            return
        for step in (*reversed(folder.parents), folder):
            command = (*self.prefix, "/bin/sh", "-c", 'cd -- "$1"', "sh", str(step))
            if subprocess.run(command, capture_output=True, check=False).returncode != 0:
                name = pwd.getpwuid(self.account[0]).pw_name
                raise SettingsError(
                    f"PostgreSQL refuses to run as root, user namespaces are refused here, and the"
                    f" account {name} may not enter {step}. Run graphmill as an ordinary user, or"
                    f" put GRAPHMILL_HOME and the Python environment where {name} may go (such as"
                    " /var/lib/graphmill and /opt/graphmill), or set DATABASE_URL to a server"
                )


def identity() -> Identity:
    """The way that works here.

    Raises:
        SettingsError: none does; says what would help.
    """
    uid = os.geteuid()
    own_name = _name(uid)
    if uid != 0 and own_name is not None:
        return Identity((), own_name)
    return _in_namespace() or _under_account(own_name)


def _name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def _in_namespace() -> Identity | None:
    # Not the overflow number: every user outside the namespace appears under it, and would pass
    # for us at the socket.
    overflow = int(_OVERFLOW_UID.read_text()) if _OVERFLOW_UID.exists() else 65534
    shown = next((a for a in pwd.getpwall() if a.pw_uid not in (0, overflow)), None)
    if shown is None:
        return None
    prefix = (
        "unshare", "--user", f"--map-user={shown.pw_uid}", f"--map-group={shown.pw_gid}", "--",
    )  # fmt: skip
    return Identity(prefix, shown.pw_name) if _works((*prefix, "true")) else None


def _under_account(own_name: str | None) -> Identity:
    if os.geteuid() == 0 and own_name is not None:
        for name in _ACCOUNTS:
            try:
                account = pwd.getpwnam(name)
            except KeyError:
                continue
            numbers = (account.pw_uid, account.pw_gid)
            prefix = (sys.executable, "-I", "-S", "-c", _SET_USER, *map(str, numbers))
            if _works((*prefix, "/bin/true")):
                return Identity(prefix, own_name, numbers)
    raise SettingsError(
        "PostgreSQL refuses to run as root or as a user without a name, user namespaces are refused"
        f" here, and none of the accounts {', '.join(_ACCOUNTS)} can be used. Run graphmill as an"
        " ordinary user, or set DATABASE_URL to a server"
    )


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
