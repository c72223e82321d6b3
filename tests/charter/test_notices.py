"""Who is told of requests and grants: what a charter may say of it."""

from __future__ import annotations

from datetime import date

import pytest

from domicile.charter import parse_charter
from domicile.errors import CharterError

HOOK = '\n[notices.approvers]\nurl = "https://hooks.reel.example/access"\nsecret_env = "S"\n'
MAIL = (
    '\n[notices.duty.email]\nserver = "mail.reel.example"\nsender = "domicile@reel.example"\n'
    'to = ["duty@reel.example"]\nuser = "domicile"\npassword_file = "secrets/mail"\n'
)


def refusal(text: str) -> str:
    with pytest.raises(CharterError) as caught:
        parse_charter(text, "domicile.toml", today=date(2026, 1, 1))
    return str(caught.value)


def test_a_webhook_and_mail_are_read(text: str) -> None:
    loaded = parse_charter(text + HOOK + MAIL, "domicile.toml", today=date(2026, 1, 1))
    notices = loaded.charter.notices
    assert notices["approvers"].url == "https://hooks.reel.example/access"
    mail = notices["duty"].email
    assert mail is not None
    assert (mail.port, mail.to) == (587, ("duty@reel.example",))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("https://hooks.reel.example", "http://hooks.reel.example", "in the clear"),
        ("https://hooks", "https://u:p@hooks", "secret"),
        ("/access", "/access?key=1", "goes on after the path"),
        ("/access", "/a\\u000aHost: x", "no webhook's URL"),
        ("https://hooks", "ftp://hooks", "no webhook's URL"),
        ("https://hooks.reel.example", "file://", "no webhook's URL"),
        ('secret_env = "S"', "", "is missing"),
        ('secret_env = "S"', 'secret_env = "S"\nsecret_file = "s"', "second way"),
        ('url = "https://hooks.reel.example/access"', "", "says not how"),
        ('to = ["duty@reel.example"]', 'to = ["duty@reel.example\\nBcc: a@b.example"]', "expected"),
        ('to = ["duty@reel.example"]', "to = []", "at least 1"),
        ('sender = "domicile@reel.example"', 'sender = "Domicile <d@reel.example>"', "expected"),
        ('server = "mail.reel.example"', 'server = "mail.reel.example\\r\\nX"', "expected"),
        ('user = "domicile"\n', "", "belong together"),
        ('user = "domicile"\n', 'user = "domicile"\npassword = "x"\n', "secret"),
        ("[notices.duty.email]", '[notices.duty]\nurl = "https://x.example"\n[notices.duty.email]',
         "both a webhook and e-mail"),
        ("[notices.duty.email]", '[notices.duty]\nsecret_env = "S"\n[notices.duty.email]',
         "only for a webhook"),
    ],
)  # fmt: skip
def test_what_is_unsafe_or_unclear_is_refused(text: str, old: str, new: str, said: str) -> None:
    changed = (HOOK + MAIL).replace(old, new)
    assert changed != HOOK + MAIL
    assert said in refusal(text + changed)


def test_http_is_for_this_machine(text: str) -> None:
    local = HOOK.replace("https://hooks.reel.example", "http://127.0.0.1:8000")
    parse_charter(text + local, "domicile.toml", today=date(2026, 1, 1))
