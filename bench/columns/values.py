"""Values that columns of real products hold, made up and seeded. Independent of what recognises
them: check digits stand in published examples, and nothing here imports Domicile."""

# ruff: noqa: E501 - a line a kind

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from random import Random

__all__ = ["VALUES", "values_of"]

_GIVEN = [
    "Ada",
    "Bruno",
    "Chloé",
    "Dmitri",
    "Elif",
    "Femi",
    "Greta",
    "Hiro",
    "Ines",
    "Jonas",
    "Kofi",
    "Lena",
    "Mateo",
    "Nadia",
    "Omar",
    "Priya",
    "Quinn",
    "Rosa",
    "Sven",
    "Tomás",
    "Uma",
    "Viktor",
    "Wanjiru",
    "Ximena",
    "Yusuf",
    "Zofia",
]
_FAMILY = [
    "Okafor",
    "Lindqvist",
    "Nguyen",
    "García",
    "O'Brien",
    "Schmidt",
    "Kowalska",
    "Haddad",
    "Yamamoto",
    "Fernandes",
    "Kim",
    "Rossi",
    "Dubois",
    "Petrov",
    "Silva",
    "Hansen",
    "Cohen",
    "Mwangi",
    "Patel",
    "van-Dijk",
]
_CITIES = [
    "Lyon",
    "Osaka",
    "Porto",
    "Denver",
    "Kraków",
    "Nairobi",
    "Lima",
    "Ghent",
    "Austin",
    "Tampere",
    "Pune",
    "Leeds",
]
_STREETS = [
    "Baker Street",
    "Rue de Rivoli",
    "Hauptstraße",
    "Elm Avenue",
    "Calle Mayor",
    "Via Roma",
    "Kungsgatan",
]
_WORDS = [
    "please",
    "the",
    "delivery",
    "late",
    "again",
    "thanks",
    "really",
    "good",
    "blue",
    "shirt",
    "size",
    "wrong",
    "refund",
    "meeting",
    "plan",
    "see",
    "you",
    "tomorrow",
    "not",
    "sure",
    "about",
    "this",
    "one",
    "could",
    "we",
    "talk",
    "later",
    "nice",
    "work",
    "my",
    "order",
    "arrived",
]
_CARDS = [
    "4111111111111111",
    "4242424242424242",
    "5555555555554444",
    "378282246310005",
    "6011111111111117",
    "4012888888881881",
    "5105105105105100",
    "30569309025904",
    "3530111333300000",
]
_IBANS = [
    "DE89370400440532013000",
    "GB29NWBK60161331926819",
    "FR1420041010050500013M02606",
    "ES9121000418450200051332",
    "IT60X0542811101000000123456",
    "NL91ABNA0417164300",
    "CH9300762011623852957",
    "BE68539007547034",
    "AT611904300234573201",
    "PL61109010140000071219812874",
    "SE4550000000058398257466",
    "NO9386011117947",
]
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "Dalvik/2.1.0 (Linux; U; Android 13; SM-G991B)",
)


def _digits(lot: Random, count: int) -> str:
    return str(lot.randrange(1, 10)) + "".join(str(lot.randrange(10)) for _ in range(count - 1))


def _day(lot: Random, first: date, days: int) -> date:
    return first + timedelta(days=lot.randrange(days))


def _mail(lot: Random) -> str:
    name = lot.choice(_GIVEN).lower().replace("é", "e").replace("á", "a")
    host = lot.choice(("example.com", "mail.example.org", "corp.example.net", "firma.example.de"))
    return f"{name}{lot.choice('._-+')}{_digits(lot, 3)}@{host}"


def _sentence(lot: Random, least: int = 5, most: int = 25) -> str:
    return " ".join(lot.choice(_WORDS) for _ in range(lot.randrange(least, most))).capitalize()


def _us_phone(lot: Random) -> str:
    return f"{lot.choice((212, 415, 312, 206, 617))}{lot.randrange(200, 999)}{lot.randrange(1000, 9999)}"


def _cpf(lot: Random) -> str:
    digits = [lot.randrange(10) for _ in range(9)]
    for _ in range(2):
        total = sum(d * w for d, w in zip(digits, range(len(digits) + 1, 1, -1), strict=True))
        digits.append(total * 10 % 11 % 10)
    text = "".join(map(str, digits))
    return f"{text[:3]}.{text[3:6]}.{text[6:9]}-{text[9:]}"


def _uuid(lot: Random) -> str:
    return str(uuid.UUID(int=lot.getrandbits(128), version=4))


def _hex(lot: Random, count: int) -> str:
    return f"{lot.getrandbits(4 * count):0{count}x}"


def _dni(number: int) -> str:
    return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def _ssn(lot: Random) -> str:
    return f"{lot.randrange(1, 665):03}-{lot.randrange(1, 99):02}-{lot.randrange(1, 9999):04}"


def _ipv4(lot: Random) -> str:
    return (
        f"{lot.randrange(1, 223)}.{lot.randrange(256)}.{lot.randrange(256)}.{lot.randrange(1, 255)}"
    )


def _ipv6(lot: Random) -> str:
    return f"2001:db8:{lot.randrange(65536):x}:{lot.randrange(1, 65536):x}::{lot.randrange(1, 65536):x}"


def _address(lot: Random) -> str:
    return f"{lot.randrange(1, 400)} {lot.choice(_STREETS)}"


def _moment(lot: Random) -> str:
    return f"{_day(lot, date(2021, 1, 1), 1500)} {lot.randrange(24):02}:{lot.randrange(60):02}:07.25+00"


def _settings(lot: Random) -> str:
    return json.dumps({"theme": lot.choice(("dark", "light")), "rows": lot.randrange(50)})


_ONE: dict[str, Callable[[Random], str]] = {
    # people
    "given": lambda lot: lot.choice(_GIVEN),
    "family": lambda lot: lot.choice(_FAMILY),
    "full_name": lambda lot: f"{lot.choice(_GIVEN)} {lot.choice(_FAMILY)}",
    "name_comma": lambda lot: f"{lot.choice(_FAMILY)}, {lot.choice(_GIVEN)}",
    "initial": lambda lot: lot.choice("ABCDEFGH"),
    "handle": lambda lot: f"{lot.choice(_GIVEN).lower()}{lot.randrange(100)}",
    "email": _mail,
    "email_upper": lambda lot: _mail(lot).upper(),
    "phone_e164": lambda lot: f"+1{_us_phone(lot)}",
    "phone_us": lambda lot: (n := _us_phone(lot)) and f"({n[:3]}) {n[3:6]}-{n[6:]}",
    "phone_digits": _us_phone,
    "phone_uk": lambda lot: f"+44 20 7{lot.randrange(100, 999)} {lot.randrange(1000, 9999)}",
    "phone_fr": lambda lot: f"0{lot.randrange(1, 8)} {lot.randrange(10, 99)} {lot.randrange(10, 99)}"
    f" {lot.randrange(10, 99)} {lot.randrange(10, 99)}",
    "phone_de": lambda lot: f"0{lot.choice((30, 40, 89))}/{lot.randrange(1000000, 9999999)}",
    "birthday": lambda lot: str(_day(lot, date(1950, 1, 1), 20_000)),
    "birthday_us": lambda lot: _day(lot, date(1950, 1, 1), 20_000).strftime("%m/%d/%Y"),
    "birth_stamp": lambda lot: f"{_day(lot, date(1950, 1, 1), 20_000)} 00:00:00",
    "age": lambda lot: str(lot.randrange(18, 90)),
    "gender": lambda lot: lot.choice(("male", "female", "other")),
    "sex": lambda lot: lot.choice("MF"),
    "marital": lambda lot: lot.choice(("single", "married", "divorced")),
    "ethnicity": lambda lot: lot.choice(("white", "black", "asian", "mixed")),
    "religion": lambda lot: lot.choice(("none", "christian", "muslim", "hindu")),
    "street": _address,
    "apartment": lambda lot: f"Apt {lot.randrange(1, 90)}",
    "city": lambda lot: lot.choice(_CITIES),
    "state": lambda lot: lot.choice(("CA", "NY", "TX", "WA", "OR")),
    "zip": lambda lot: _digits(lot, 5),
    "postcode_uk": lambda lot: f"SW{lot.randrange(1, 20)}A {lot.randrange(1, 9)}AA",
    "address": lambda lot: f"{_address(lot)}, {lot.choice(_CITIES)} {_digits(lot, 5)}",
    "country_code": lambda lot: lot.choice(("US", "DE", "BR", "JP", "GB")),
    "country_name": lambda lot: lot.choice(("United States", "Germany", "Brazil", "Japan")),
    "ssn": _ssn,
    "ssn_digits": lambda lot: _ssn(lot).replace("-", ""),
    "cpf": _cpf,
    "cpf_digits": lambda lot: _cpf(lot).replace(".", "").replace("-", ""),
    "dni": lambda lot: _dni(lot.randrange(10**7, 10**8)),
    "fiscal_it": lambda lot: lot.choice(("RSSMRA85T10A562S", "MRTMTT91D08F205J")),
    "nino": lambda lot: f"{lot.choice(('AB', 'CE', 'JK'))}{_digits(lot, 6)}{lot.choice('ABCD')}",
    "aadhaar": lambda lot: lot.choice(("234123412346", "999941057058")),
    "pesel": lambda lot: lot.choice(("44051401359", "02070803628")),
    "bsn": lambda lot: lot.choice(("111222333", "123456782")),
    "personnummer": lambda lot: lot.choice(("811218-9876", "670919-9530", "121212-1212")),
    "nhs": lambda lot: lot.choice(("943 476 5919", "401 023 2137")),
    "passport": lambda lot: f"{lot.choice('CFGHJK')}{_digits(lot, 8)}",
    "licence": lambda lot: f"{lot.choice('DSY')}{_digits(lot, 7)}",
    "plate": lambda lot: f"{_digits(lot, 1)}{lot.choice(('ABC', 'XYZ', 'KLM'))}{_digits(lot, 3)}",
    "card": lambda lot: lot.choice(_CARDS),
    "card_spaced": lambda lot: (n := lot.choice(_CARDS[:3])) and f"{n[:4]} {n[4:8]} {n[8:12]} {n[12:]}",
    "last4": lambda lot: f"{lot.randrange(10_000):04}",
    "iban": lambda lot: lot.choice(_IBANS),
    "iban_spaced": lambda lot: (n := lot.choice(_IBANS)) and " ".join(
        n[at : at + 4] for at in range(0, len(n), 4)
    ),
    "account_number": lambda lot: _digits(lot, lot.randrange(8, 12)),
    "routing": lambda lot: lot.choice(("021000021", "011401533", "091000019", "122105155")),
    "salary": lambda lot: f"{lot.randrange(30, 200) * 1000}.00",
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "ip_mixed": lambda lot: lot.choice((_ipv4, _ipv6))(lot),
    "mac": lambda lot: ":".join(_hex(lot, 2) for _ in range(6)),
    "imei": lambda lot: lot.choice(("490154203237518", "356938035643809", "353879234252633")),
    "agent": lambda lot: lot.choice(_AGENTS),
    "latitude": lambda lot: f"{lot.uniform(-60, 70):.6f}",
    "longitude": lambda lot: f"{lot.uniform(-180, 180):.6f}",
    "lat_lon": lambda lot: f"{lot.uniform(-60, 70):.5f},{lot.uniform(-180, 180):.5f}",
    "point": lambda lot: f"({lot.uniform(-180, 180):.4f},{lot.uniform(-60, 70):.4f})",
    "bcrypt": lambda lot: f"$2b$12${_hex(lot, 53)}",
    "hash64": lambda lot: _hex(lot, 64),
    "token": lambda lot: _hex(lot, 40),
    "bio": _sentence,
    "message": lambda lot: _sentence(lot, 6, 40),
    "note_mail": lambda lot: f"{_sentence(lot)}. Write to {_mail(lot)} or call +1 212 555 {_digits(lot, 4)}",
    "settings": _settings,
    "diagnosis": lambda lot: lot.choice(("asthma", "hypertension", "type 2 diabetes", "migraine")),
    "icd10": lambda lot: lot.choice(("J45.909", "I10", "E11.9", "G43.001")),
    "blood": lambda lot: lot.choice(("A+", "O-", "B+", "AB+")),
    "language": lambda lot: lot.choice(("en", "de", "pt-BR", "ja")),
    "timezone": lambda lot: lot.choice(("Europe/Berlin", "America/Denver", "Asia/Tokyo")),
    "profile_url": lambda lot: f"https://social.example.com/{lot.choice(_GIVEN).lower()}",
    "search": lambda lot: " ".join(lot.choice(_WORDS) for _ in range(lot.randrange(1, 4))),
    "job": lambda lot: lot.choice(("Engineer", "Nurse", "Sales Manager", "Analyst")),
    # what only looks like it
    "serial": lambda lot: str(lot.randrange(1, 20_000)),
    "order_number": lambda lot: f"20{lot.randrange(20, 26)}{lot.randrange(10**6):06}",
    "order_ten": lambda lot: str(4_150_000_000 + lot.randrange(10**6)),
    "invoice_no": lambda lot: f"INV-{lot.randrange(2019, 2026)}-{lot.randrange(10**5):05}",
    "ticket_dashed": lambda lot: f"{_digits(lot, 3)}-{_digits(lot, 3)}-{_digits(lot, 4)}",
    "ean": lambda lot: lot.choice(("4006381333931", "5901234123457", "9780306406157")),
    "sku": lambda lot: f"{lot.choice(('SHRT', 'TROU', 'HAT'))}-{_digits(lot, 4)}",
    "tracking": lambda lot: f"1Z{_hex(lot, 16).upper()}",
    "uuid": _uuid,
    "stamp": _moment,
    "date_recent": lambda lot: str(_day(lot, date(2021, 1, 1), 1500)),
    "date_old": lambda lot: str(_day(lot, date(1975, 1, 1), 17_000)),
    "epoch": lambda lot: str(1_600_000_000 + lot.randrange(10**8)),
    "price": lambda lot: f"{lot.uniform(1, 500):.2f}",
    "rate": lambda lot: f"{lot.uniform(0, 1):.6f}",
    "measure": lambda lot: f"{lot.uniform(-40, 85):.6f}",
    "quantity": lambda lot: str(lot.randrange(1, 20)),
    "bool": lambda lot: lot.choice(("true", "false")),
    "status": lambda lot: lot.choice(("open", "paid", "shipped", "cancelled")),
    "currency": lambda lot: lot.choice(("USD", "EUR", "JPY")),
    "version": lambda lot: f"{lot.randrange(1, 9)}.{lot.randrange(20)}.{lot.randrange(20)}",
    "version4": lambda lot: f"{lot.randrange(1, 9)}.{lot.randrange(20)}.{lot.randrange(20)}.{lot.randrange(900, 2000)}",
    "product": lambda lot: lot.choice(("Blue Shirt", "Wool Hat", "Desk Lamp", "Coffee Mug")),
    "product_text": lambda lot: lot.choice(
        ("A soft blue shirt made of organic cotton, with short sleeves and a pocket on the chest.",
         "This lamp is bright and has a long arm. It fits every desk and needs no tools to mount.")
    ),
    "company": lambda lot: f"{lot.choice(('Acme', 'Globex', 'Initech'))} {lot.choice(('Ltd', 'GmbH'))}",
    "file_key": lambda lot: f"uploads/{_hex(lot, 2)}/{_hex(lot, 12)}.jpg",
    "image_url": lambda lot: f"https://cdn.example.com/img/{_hex(lot, 8)}.jpg",
    "slug": lambda lot: "-".join(lot.choice(_WORDS) for _ in range(3)),
    "color": lambda lot: f"#{_hex(lot, 6)}",
    "permission": lambda lot: lot.choice(("read", "write", "admin")),
    "event": lambda lot: lot.choice(("page_view", "click", "login", "purchase")),
    "class_name": lambda lot: lot.choice(("App\\Models\\User", "App\\Models\\Post")),
    "stock_symbol": lambda lot: lot.choice(("ORCL", "MSFT", "SAP")),
    "stripe_id": lambda lot: f"ch_{_hex(lot, 20)}",
    "tags": lambda lot: "{" + ",".join(lot.choice(_WORDS) for _ in range(2)) + "}",
    "bytes": lambda lot: f"\\x{_hex(lot, 32)}",
    "json_event": lambda lot: json.dumps({"x": lot.randrange(1000), "y": lot.randrange(800)}),
    "locale": lambda lot: lot.choice(("en_US", "de_DE", "fr_FR")),
    "container": lambda lot: f"MSCU{_digits(lot, 7)}",
    "cve": lambda lot: f"CVE-{lot.randrange(2015, 2025)}-{_digits(lot, 4)}",
    "mail_template": lambda lot: lot.choice(("welcome", "reset_password", "invoice")),
    "queue": lambda lot: lot.choice(("mailers", "default", "critical")),
    "digits16": lambda lot: _digits(lot, 16),
}  # fmt: skip
VALUES = frozenset(_ONE)


def values_of(kind: str, seed: str, count: int = 60) -> list[str]:
    """So many values of one kind, always the same for a seed."""
    lot = Random(f"{seed}/{kind}")  # noqa: S311 - made-up values
    return [_ONE[kind](lot) for _ in range(count)]
