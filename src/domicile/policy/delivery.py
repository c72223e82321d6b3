"""One notice, to a webhook or a mail server that the charter in force names, and to nothing else.

No redirect is followed, no proxy asked; an answer is read as far as its status, in bounded time.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from threading import Timer
from urllib.parse import urlsplit

from domicile.charter import Mail, Notices, is_loopback
from domicile.custody.credential import Credential, EnvironmentCredential, FileCredential
from domicile.errors import SiteRefused
from domicile.policy.notices import Notice, mail_of, signed_headers

__all__ = ["NotSent", "deliver"]

_SILENCE_S = 5.0
_WHOLE_S = 10.0
_PAUSES_S = (0.5, 1.0)


class NotSent(Exception):
    """It was not taken, and why; ``again``: whether the next moment may be better."""

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


def deliver(notice: Notice, to: Notices, base: Path, environ: Mapping[str, str]) -> str:
    """Send it, in three attempts at most. base: where relative paths of secrets begin. What is to
    be said though it was taken, if anything. Raises NotSent. Neither text holds a secret, or what
    the other side wrote."""
    for pause in (*_PAUSES_S, None):
        try:
            return _once(notice, to, base, environ)
        except NotSent as error:
            if pause is None or not error.again:
                raise
            time.sleep(pause)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _once(notice: Notice, to: Notices, base: Path, environ: Mapping[str, str]) -> str:
    try:
        if to.email is not None:
            return _mail(notice, to.email, base, environ)
        secret = _secret(to.secret_env, to.secret_file, base, environ)
        _post(str(to.url), notice.body, signed_headers(notice, secret, int(time.time())))
    except SiteRefused as error:
        raise NotSent(error.failed, again=False) from None
    except smtplib.SMTPResponseException as error:
        code = error.smtp_code
        raise NotSent(f"the mail server answered {code}", again=code < 500) from None
    except smtplib.SMTPRecipientsRefused:
        raise NotSent("the mail server takes it for nobody", again=False) from None
    except (OSError, HTTPException) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else ""
        raise NotSent(why or type(error).__name__, again=True) from None
    except ValueError as error:  # a name or password that can't be written
        raise NotSent(type(error).__name__, again=False) from None
    return ""


def _post(address: str, body: bytes, headers: Mapping[str, str]) -> None:
    url = urlsplit(address)
    host = str(url.hostname)
    connection = (
        HTTPSConnection(host, url.port, timeout=_SILENCE_S, context=ssl.create_default_context())
        if url.scheme == "https"
        else HTTPConnection(host, url.port, timeout=_SILENCE_S)
    )
    with _cut_off(connection):
        try:
            connection.request("POST", url.path or "/", body, dict(headers))
            code = connection.getresponse().status
        finally:
            connection.close()
    if not 200 <= code < 300:
        what = "with a redirect, which is not followed" if 300 <= code < 400 else str(code)
        raise NotSent(f"the webhook answered {what}", again=code == 429 or code >= 500)


def _mail(notice: Notice, mail: Mail, base: Path, environ: Mapping[str, str]) -> str:
    name = mail.sender.rpartition("@")[2]
    with smtplib.SMTP(mail.server, mail.port, name, _SILENCE_S) as server, _cut_off(server):
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        elif mail.user is not None and not is_loopback(mail.server):
            raise NotSent("the mail server offers no STARTTLS: nobody logs in", again=False)
        if mail.user is not None:
            secret = _secret(mail.password_env, mail.password_file, base, environ)
            server.login(mail.user, secret)
        refused = server.send_message(mail_of(notice, mail), mail.sender, mail.to)
    return f"the mail server took it for all but {', '.join(sorted(refused))}" if refused else ""


def _secret(variable: str | None, file: str | None, base: Path, environ: Mapping[str, str]) -> str:
    kept: Credential = (
        EnvironmentCredential(variable, environ)
        if variable is not None
        else FileCredential(base / str(file))
    )
    return kept.read()


@contextmanager
def _cut_off(connection: HTTPConnection | smtplib.SMTP) -> Iterator[None]:
    """Whoever drips is cut off in the end."""

    def cut() -> None:
        sock = connection.sock
        if isinstance(sock, socket.socket):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    timer = Timer(_WHOLE_S, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
