"""What must hold of who is told about requests and grants (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from domicile.charter.lines import KeyPath
from domicile.charter.model import Charter
from domicile.charter.notices import Mail, Notices
from domicile.charter.places import is_loopback
from domicile.charter.problems import Problem

__all__ = ["notices_problems"]


def notices_problems(charter: Charter) -> Iterator[Problem]:
    """Everything wrong with ``[notices]``. No message repeats a URL: it may hold a secret."""
    for name, notice in charter.notices.items():
        path: KeyPath = ("notices", name)
        if (notice.url is None) == (notice.email is None):
            yield Problem(
                path,
                "names both a webhook and e-mail" if notice.url else "says not how",
                "`url` or `email`",
                "make two tables of it" if notice.url else "add one of the two",
            )
            continue
        if notice.url is not None:
            yield from _url_problems(path, notice.url)
            yield from _secret_problems(path, notice, needed=True)
        else:
            yield from _secret_problems(path, notice, needed=False)
        if notice.email is not None:
            yield from _mail_problems((*path, "email"), notice.email)


def _url_problems(path: KeyPath, text: str) -> Iterator[Problem]:
    expected = "https://host[:port][/path]"
    try:
        url = urlsplit(text)
        sound = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        sound = False
    if not sound or not (text.isascii() and text.isprintable() and " " not in text):
        yield Problem((*path, "url"), "is no webhook's URL", expected, "correct the URL")
    elif url.username is not None or url.password is not None:
        step = "take them out: `secret_env` or `secret_file` is what a webhook is known by"
        yield Problem((*path, "url"), "holds credentials", expected, step)
    elif url.query or url.fragment:
        step = "cut what follows: the charter is public, so nothing in a URL is a secret"
        yield Problem((*path, "url"), "goes on after the path", expected, step)
    elif url.scheme == "http" and not is_loopback(str(url.hostname)):
        step = "use https://; http:// is for this machine alone"
        yield Problem((*path, "url"), "would send notices in the clear", expected, step)


def _secret_problems(path: KeyPath, notice: Notices, *, needed: bool) -> Iterator[Problem]:
    given = [key for key in ("secret_env", "secret_file") if getattr(notice, key) is not None]
    choice = "secret_env or secret_file"
    if len(given) == 2:
        step = "keep one of the two"
        yield Problem((*path, given[1]), "is a second way to the same secret", choice, step)
    elif needed and not given:
        step = "name where the secret is kept; whoever is told knows by it that it is true"
        yield Problem((*path, "secret_env"), "is missing", choice, step)
    elif given and not needed:
        yield Problem((*path, given[0]), "is only for a webhook", "no secret", "remove it")


def _mail_problems(path: KeyPath, mail: Mail) -> Iterator[Problem]:
    given = [key for key in ("password_env", "password_file") if getattr(mail, key) is not None]
    choice = "password_env or password_file"
    if len(given) == 2:
        step = "keep one of the two"
        yield Problem((*path, given[1]), "is a second way to the same secret", choice, step)
    elif bool(given) != (mail.user is not None):
        step = "name who logs in and where the password is kept, or neither"
        yield Problem((*path, "user"), "user and password belong together", choice, step)
