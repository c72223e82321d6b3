"""Notices by e-mail, to a real server: under TLS where it is offered."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from domicile.charter import Mail, Notices
from domicile.policy.delivery import NotSent, deliver
from tests.policy.test_notices import notice

PASSWORD = "p-of-the-post"
Taken = list[tuple[bool, list[str], bytes]]


class _Keeps(Sink):
    def __init__(self, taken: Taken) -> None:
        super().__init__()
        self._taken = taken

    async def handle_RCPT(  # noqa: N802 - the server's name for it
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        if address.startswith("gone@"):
            return "550 nobody here: \x1b[31m"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the server's name for it
        self, _: SMTP, session: Session, envelope: Envelope
    ) -> str:
        data = envelope.original_content or b""
        self._taken.append((session.ssl is not None, envelope.rcpt_tos, data))
        return "250 taken"


@contextmanager
def server(taken: Taken, tls: ssl.SSLContext | None) -> Iterator[int]:
    """A mail server: its port."""

    def enter(*args: object) -> AuthResult:
        data = args[-1]
        assert isinstance(data, LoginPassword)
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    controller = Controller(
        _Keeps(taken),
        hostname="127.0.0.1",
        port=port,
        authenticator=enter,
        auth_require_tls=tls is not None,
        tls_context=tls,
        require_starttls=tls is not None,
    )
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ssl.SSLContext]:
    """A server's TLS with a certificate that is trusted here, for this name."""

    def make(name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's")])
        now = datetime.now(UTC)
        try:
            alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            alternative = x509.DNSName(name)
        made = (
            x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        path = tmp_path / "server.pem"
        path.write_bytes(
            made.public_bytes(pem)
            + key.private_bytes(
                pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(path)
        return context

    return make


def mail(port: int, *, login: bool = True) -> Notices:
    return Notices(
        email=Mail(
            server="127.0.0.1",
            port=port,
            sender="domicile@custodian.example",
            to=("approvers@custodian.example", "duty@custodian.example"),
            user="post" if login else None,
            password_env="P" if login else None,
        )
    )


def test_mail_goes_under_tls_with_a_login_to_the_charters_addresses(
    certified: Callable[[str], ssl.SSLContext],
) -> None:
    taken: Taken = []
    with server(taken, certified("127.0.0.1")) as port:
        deliver(notice("drafts"), mail(port), Path(), {"P": PASSWORD})
    ((under_tls, recipients, data),) = taken
    assert under_tls
    assert recipients == ["approvers@custodian.example", "duty@custodian.example"]
    message = message_from_bytes(data, policy=policy.default)
    assert message["subject"].startswith("Domicile us: somebody asks for access (r-")
    assert "datasets: drafts" in message.get_content()
    assert "purpose: engineering" in message.get_content()


def test_a_server_of_another_name_gets_neither_password_nor_mail(
    certified: Callable[[str], ssl.SSLContext],
) -> None:
    taken: Taken = []
    with server(taken, certified("elsewhere.example")) as port, pytest.raises(NotSent):
        deliver(notice(), mail(port), Path(), {"P": PASSWORD})
    assert taken == []


def test_a_wrong_password_is_told_without_it(
    certified: Callable[[str], ssl.SSLContext],
) -> None:
    taken: Taken = []
    refused = pytest.raises(NotSent, match="the mail server answered 535")
    with server(taken, certified("127.0.0.1")) as port, refused as caught:
        deliver(notice(), mail(port), Path(), {"P": "wrong-word"})
    assert "wrong-word" not in str(caught.value)
    assert taken == []


def test_a_server_without_tls_takes_mail_without_a_login() -> None:
    taken: Taken = []
    with server(taken, None) as port:
        deliver(notice(), mail(port, login=False), Path(), {})
    ((under_tls, _, data),) = taken
    assert not under_tls
    assert b"request.made" not in data  # in words
    assert b"somebody asks for access" in data


def test_an_address_that_the_server_refuses_is_told_and_the_others_get_it() -> None:
    taken: Taken = []
    with server(taken, None) as port:
        to = mail(port, login=False).email
        assert to is not None
        some = to.model_copy(update={"to": ("duty@custodian.example", "gone@custodian.example")})
        said = deliver(notice(), Notices(email=some), Path(), {})
        none = to.model_copy(update={"to": ("gone@custodian.example",)})
        with pytest.raises(NotSent, match="takes it for nobody"):
            deliver(notice(), Notices(email=none), Path(), {})
    assert said == "the mail server took it for all but gone@custodian.example"
    assert [recipients for _, recipients, _ in taken] == [["duty@custodian.example"]]
