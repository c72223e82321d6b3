"""What a text can be: an e-mail address, a phone number, coordinates, a name. Pure.

A detector judges one value. How many of a column's values it accepts decides (see `columns`); no
value leaves here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType

import phonenumbers

from domicile.charter.countries import spelled_country
from domicile.scan.proposal.identifiers import (
    is_card,
    is_iban,
    is_imei,
    is_national_id,
    is_ssn,
)

__all__ = ["DETECTORS", "Detector", "mentions"]

Detector = Callable[[str], bool]

_EMAIL = re.compile(r"[^\s@<>\"(),;:]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}")
_PHONE = re.compile(r"\+?[\d(][\d ()./-]{5,22}\d(?: ?(?:x|ext\.?) ?\d{1,6})?")
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_PAIR = re.compile(r"\(?(-?\d{1,3}\.\d{3,}),? ?(-?\d{1,3}\.\d{3,})\)?")
_POINT = re.compile(r"\((-?[\d.e-]+),(-?[\d.e-]+)\)")
_AGENT = re.compile(r"(?:Mozilla|Dalvik|Opera|okhttp|curl|CFNetwork|python-requests)/\S")
_WORD = re.compile(r"[^\W\d_][^\W\d_'\u2019.-]*(?:['\u2019-][^\W\d_]+)*\.?")
_POSTAL = re.compile(r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9 -]{1,9}")
_STREET = re.compile(r"(?=.*[^\W\d_]{2}).{3,}[ ,].+|(?=.*[^\W\d_]{3})\D+ ?\d+.*")
_DATES = (
    re.compile(r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?:[ T].*)?"),
    re.compile(r"(?P<m>\d\d?)/(?P<d>\d\d?)/(?P<y>\d{4})"),
    re.compile(r"(?P<d>\d\d?)[./-](?P<m>\d\d?)[./-](?P<y>\d{4})"),
    re.compile(r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)"),
)
_OLDEST = 1890
_PRONE = (  # in free text: Presidio's patterns that need no dictionary
    ("e-mail addresses", re.compile(r"\b[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}\b")),
    ("IP addresses", re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")),
    ("web addresses", re.compile(r"\bhttps?://[^\s/]+")),
    ("social security numbers", re.compile(r"\b\d{3}-\d\d-\d{4}\b")),
    ("card numbers", re.compile(r"\b\d(?:[ -]?\d){12,18}\b")),
    ("IBANs", re.compile(r"\b[A-Z]{2}\d\d(?: ?[A-Z0-9]){11,30}\b")),
    ("phone numbers", re.compile(r"(?<![\w.-])\+?\(?\d[\d ()./-]{6,20}\d\b")),
)


def _is_email(text: str) -> bool:
    return _EMAIL.fullmatch(text) is not None


def _is_phone(text: str) -> bool:
    """Somebody may have written a phone number so: 7 to 15 digits with the usual marks."""
    if _PHONE.fullmatch(text) is None:
        return False
    return 7 <= sum(map(str.isdigit, text)) <= 15 and not _is_date(text)


def _is_marked_phone(text: str) -> bool:
    """What nothing but a phone number looks like: with a plus and a calling code, or a number of
    North America with its area code in parentheses."""
    if not text.startswith(("+", "(", "1 (", "1(")) or not _is_phone(text):
        return False
    try:
        region = None if text.startswith("+") else "US"
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return False
    if text.startswith("+"):
        return phonenumbers.is_possible_number(number)
    return phonenumbers.is_valid_number(number)


def _is_written_phone(text: str) -> bool:
    """A phone number as it stands in a sentence: with its plus, or in groups."""
    if text.startswith("+"):
        return _is_marked_phone(text)
    groups = re.findall(r"\d+", text)
    return len(groups) >= 3 and sum(map(len, groups)) >= 9 and _is_phone(text)


def _is_ip(text: str) -> bool:
    if not 2 <= len(text) <= 49 or not (text.count(".") == 3 or ":" in text):
        return False
    try:
        address = ipaddress.ip_interface(text)
    except ValueError:
        return False
    return not (text.startswith("0.") or address.ip.is_unspecified)


def _is_latitude(text: str) -> bool:
    return _is_degrees(text, 90)


def _is_longitude(text: str) -> bool:
    return _is_degrees(text, 180)


def _is_degrees(text: str, most: int) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return -most <= value <= most


def _is_pair(text: str) -> bool:
    """Latitude and longitude, or the reverse, with three decimals or more."""
    found = _PAIR.fullmatch(text.strip())
    return found is not None and _on_earth(found[1], found[2])


def _is_point(text: str) -> bool:
    """A `point`, as PostgreSQL prints it."""
    found = _POINT.fullmatch(text)
    return found is not None and _on_earth(found[1], found[2])


def _on_earth(one: str, other: str) -> bool:
    return (_is_latitude(one) and _is_longitude(other)) or (
        _is_longitude(one) and _is_latitude(other)
    )


def _is_date(text: str) -> bool:
    return _year(text) is not None


def _is_birthday(text: str) -> bool:
    """A date on which somebody alive could be born."""
    year = _year(text)
    return year is not None and _OLDEST <= year <= date.max.year


def _year(text: str) -> int | None:
    for pattern in _DATES:
        if found := pattern.fullmatch(text):
            parts = {key: int(value) for key, value in found.groupdict().items()}
            try:
                return date(parts["y"], parts["m"], parts["d"]).year
            except ValueError:
                continue
    return None


def _is_name(text: str) -> bool:
    """A person's name could be written so: one to five words of letters, most begun by a capital,
    no digit."""
    words = text.replace(",", " ").split()
    if not 1 <= len(words) <= 5 or len(text) > 60:
        return False
    if not all(map(_WORD.fullmatch, words)):
        return False
    lower = sum(word[0].islower() for word in words)
    return lower * 2 <= len(words) - (len(words) == 1)


def _is_word(text: str) -> bool:
    """A user name, a city: short, and no sentence."""
    return 0 < len(text) <= 60 and len(text.split()) <= 4


def _is_postal(text: str) -> bool:
    return _POSTAL.fullmatch(text) is not None


def _is_street(text: str) -> bool:
    return _STREET.fullmatch(text) is not None


def _is_place(text: str) -> bool:
    """A town's or a region's name."""
    return 0 < len(text) <= 60 and len(text.split()) <= 5 and sum(map(str.isdigit, text)) <= 2


def _is_country(text: str) -> bool:
    return len(text) <= 60 and spelled_country(text) is not None


def _is_prose(text: str) -> bool:
    """Words in a row."""
    words = text.split()
    return len(words) >= 4 and sum(word[0].isalpha() for word in words) * 3 >= len(words) * 2


def _is_text(text: str) -> bool:
    """Said by somebody: words, and neither a path nor a code."""
    return any(map(str.isalpha, text)) and not (len(text) > 12 and " " not in text)


def _is_account(text: str) -> bool:
    """Anything a bank could call an account."""
    bare = re.sub(r"[ -]", "", text)
    return 6 <= len(bare) <= 34 and bare.isalnum() and any(map(str.isdigit, bare))


def _is_document(text: str) -> bool:
    """Anything that an office could have numbered."""
    bare = re.sub(r"[ ./-]", "", text)
    return 5 <= len(bare) <= 20 and bare.isalnum() and any(map(str.isdigit, bare))


def _is_last4(text: str) -> bool:
    return len(text) == 4 and text.isdigit()


def _is_secret(text: str) -> bool:
    """A hash, a token: no blank in it."""
    return len(text) >= 4 and " " not in text.strip()


def _is_mac(text: str) -> bool:
    return _MAC.fullmatch(text) is not None


def _is_agent(text: str) -> bool:
    return _AGENT.match(text) is not None


def _is_age(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,3}", text) is not None and 0 < int(text) <= 120


def _is_url(text: str) -> bool:
    return re.match(r"(?:https?://|www\.|@\w)\S+", text) is not None


DETECTORS: Mapping[str, tuple[str, Detector]] = MappingProxyType({
    "email": ("parse as e-mail addresses", _is_email),
    "phone": ("have the form of phone numbers", _is_phone),
    "marked phone": ("parse as phone numbers", _is_marked_phone),
    "ip": ("are IP addresses", _is_ip),
    "latitude": ("are possible latitudes", _is_latitude),
    "longitude": ("are possible longitudes", _is_longitude),
    "pair": ("are pairs of coordinates", _is_pair),
    "point": ("are points on the earth", _is_point),
    "birthday": ("are dates since 1890", _is_birthday),
    "name": ("could be names", _is_name),
    "word": ("are short", _is_word),
    "postal": ("have the form of postal codes", _is_postal),
    "street": ("could be addresses", _is_street),
    "place": ("could be names of places", _is_place),
    "country": ("are countries", _is_country),
    "prose": ("are prose", _is_prose),
    "text": ("are text", _is_text),
    "account": ("could be account numbers", _is_account),
    "document": ("could be numbers of documents", _is_document),
    "last4": ("are four digits", _is_last4),
    "secret": ("could be secrets", _is_secret),
    "mac": ("are MAC addresses", _is_mac),
    "agent": ("are names of browsers", _is_agent),
    "age": ("are possible ages", _is_age),
    "url": ("are web addresses", _is_url),
    "card": ("are card numbers with a right check digit", is_card),
    "iban": ("are IBANs with right check digits", is_iban),
    "imei": ("are IMEIs with a right check digit", is_imei),
    "ssn": ("have the form of social security numbers", is_ssn),
    "national": ("are national identifiers with right check digits", is_national_id),
})  # fmt: skip
"""By name: what is said of the values that it accepts, and the detector."""

_JUDGED: Mapping[str, Detector] = MappingProxyType({
    "IP addresses": _is_ip,
    "social security numbers": is_ssn,
    "card numbers": is_card,
    "IBANs": is_iban,
    "phone numbers": _is_written_phone,
})  # fmt: skip


def mentions(text: str) -> set[str]:
    """What a free text gives away, by the kinds' names."""
    found: set[str] = set()
    for kind, pattern in _PRONE:
        judge = _JUDGED.get(kind, bool)
        if any(judge(match[0].strip()) for match in pattern.finditer(text)):
            found.add(kind)
    return found
