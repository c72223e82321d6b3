"""Numbers that countries and banks give to people, told by form and check digits. Pure.

Each function takes a text as somebody wrote it and says whether it can be such a number. Without
check digits (SSN, NINO) the form alone decides, so those ask for the usual separators or letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

__all__ = ["NATIONAL_IDS", "is_card", "is_iban", "is_imei", "is_national_id", "is_ssn"]

_SEPARATORS = str.maketrans("", "", " .-/")
_CARD = re.compile(r"4\d{15}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
                   r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}")  # fmt: skip
_SSN = re.compile(r"(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}")
_NINO = re.compile(r"(?![DFIQUV])[A-Z](?![DFIOQUV])[A-Z]\d{6}[A-D]")
_CODICE = re.compile(r"[A-Z]{6}[\dLMNP-V]{2}[A-EHLMPR-T][\dLMNP-V]{2}[A-Z][\dLMNP-V]{3}[A-Z]")
_DNI = re.compile(r"[XYZ\d]\d{7}[A-Z]")
_NRIC = re.compile(r"[STFG]\d{7}[A-Z]")
_CURP = re.compile(r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z\d]\d")
_PAN = re.compile(r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]")
_HETU = re.compile(r"\d{6}[-+A-FU-Y]\d{3}[\dA-Y]")
_LENGTHS = MappingProxyType({  # of IBANs, where a country's is fixed
    "AT": 20, "BE": 16, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20, "ES": 24,
    "FI": 18, "FR": 27, "GB": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IS": 26, "IT": 27,
    "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25,
    "RO": 24, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "TR": 26,
})  # fmt: skip
# Verhoeff's tables (dihedral group of order ten), https://en.wikipedia.org/wiki/Verhoeff_algorithm
_PERMUTED = ((0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 5, 7, 6, 2, 8, 3, 0, 9, 4),
             (5, 8, 0, 3, 7, 9, 6, 1, 4, 2), (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
             (9, 4, 5, 3, 1, 2, 6, 8, 7, 0), (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
             (2, 7, 9, 3, 8, 0, 6, 4, 1, 5), (7, 0, 4, 6, 9, 1, 3, 2, 5, 8))  # fmt: skip


def is_card(text: str) -> bool:
    """A payment card's number: a network's prefix and length, and Luhn's digit (ISO/IEC 7812)."""
    bare = text.translate(_SEPARATORS)
    return _CARD.fullmatch(bare) is not None and _luhn(bare)


def is_iban(text: str) -> bool:
    """An IBAN: the country's length, and 1 modulo 97 (ISO 13616)."""
    bare = text.translate(_SEPARATORS).upper()
    if not re.fullmatch(r"[A-Z]{2}\d\d[A-Z\d]{11,30}", bare):
        return False
    if len(bare) != _LENGTHS.get(bare[:2], len(bare)):
        return False
    return int("".join(str(int(c, 36)) for c in bare[4:] + bare[:4])) % 97 == 1


def is_imei(text: str) -> bool:
    """A mobile device's number: 15 digits with Luhn's."""
    bare = text.translate(_SEPARATORS)
    return len(bare) == 15 and _is_digits(bare) and _luhn(bare)


def is_ssn(text: str) -> bool:
    """A US social security number with its dashes: no digit checks it."""
    return _SSN.fullmatch(text) is not None


def is_national_id(text: str) -> bool:
    """Any of `NATIONAL_IDS`."""
    return any(check(text) for check in NATIONAL_IDS.values())


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _luhn(digits: str) -> bool:
    doubled = (int(c) * (1 + at % 2) for at, c in enumerate(reversed(digits)))
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(c) * w for c, w in zip(digits, weights, strict=False))


def _digits(text: str, *lengths: int) -> str | None:
    bare = text.translate(_SEPARATORS)
    same = len(set(bare)) == 1
    return bare if len(bare) in lengths and _is_digits(bare) and not same else None


def _cpf(text: str) -> bool:
    bare = _digits(text, 11)
    return bare is not None and all(
        _weighted(bare[:n], range(n + 1, 1, -1)) * 10 % 11 % 10 == int(bare[n]) for n in (9, 10)
    )


def _nhs(text: str) -> bool:
    bare = _digits(text, 10)
    return (
        bare is not None and _weighted(bare[:9], range(10, 1, -1)) % 11 == (11 - int(bare[9])) % 11
    )


def _dni(text: str) -> bool:
    bare = text.translate(_SEPARATORS).upper()
    if _DNI.fullmatch(bare) is None:
        return False
    number = int(bare[:-1].translate(str.maketrans("XYZ", "012")))
    return bare[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23]


def _aadhaar(text: str) -> bool:
    bare = _digits(text, 12)
    return bare is not None and bare[0] not in "01" and _verhoeff(bare)


def _verhoeff(digits: str) -> bool:
    check = 0
    for at, c in enumerate(reversed(digits)):
        check = _dihedral(check, _PERMUTED[at % 8][int(c)])
    return check == 0


def _dihedral(a: int, b: int) -> int:
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b - 5) % 5
    return 5 + (a - 5 - b) % 5 if b < 5 else (a - b) % 5


def _pesel(text: str) -> bool:
    bare = _digits(text, 11)
    return bare is not None and _weighted(bare, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def _bsn(text: str) -> bool:
    bare = _digits(text, 9)
    return bare is not None and _weighted(bare, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def _personnummer(text: str) -> bool:
    """Swedish; with its dash or plus."""
    found = re.fullmatch(r"(?:\d\d)?(\d\d[01]\d[0-9]\d)[-+](\d{4})", text)
    return found is not None and _luhn(found[1] + found[2])


def _nir(text: str) -> bool:
    """French: 13 digits (2A and 2B of Corsica stand for 19 and 18) and 97 less them modulo 97."""
    bare = text.translate(_SEPARATORS).upper().replace("2A", "19").replace("2B", "18")
    if len(bare) != 15 or not _is_digits(bare) or bare[0] not in "12":
        return False
    return 97 - int(bare[:13]) % 97 == int(bare[13:])


def _steuer_id(text: str) -> bool:
    bare = _digits(text, 11)
    if bare is None or bare[0] == "0":
        return False
    product = 10
    for c in bare[:10]:
        product = ((int(c) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(bare[10])


def _chinese(text: str) -> bool:
    """ISO 7064 MOD 11-2 over region, birthday and order."""
    bare = text.upper()
    if re.fullmatch(r"[1-9]\d{5}(?:19|20)\d\d[01]\d[0-3]\d{4}[\dX]", bare) is None:
        return False
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[_weighted(bare[:17], weights) % 11] == bare[17]


def _korean(text: str) -> bool:
    return re.fullmatch(r"\d\d[01]\d[0-3]\d-[1-8]\d{6}", text) is not None


def _nric(text: str) -> bool:
    bare = text.upper()
    if _NRIC.fullmatch(bare) is None:
        return False
    total = _weighted(bare[1:8], (2, 7, 6, 5, 4, 3, 2)) + 4 * (bare[0] in "TG")
    return bare[8] == ("JZIHGFEDCBA" if bare[0] in "ST" else "XWUTRQPNMLK")[total % 11]


def _belgian(text: str) -> bool:
    bare = _digits(text, 11)
    if bare is None:
        return False
    return int(bare[9:]) in (97 - int(bare[:9]) % 97, 97 - int("2" + bare[:9]) % 97)


def _sin(text: str) -> bool:
    bare = _digits(text, 9)
    return bare is not None and bare[0] not in "08" and _luhn(bare)


def _hetu(text: str) -> bool:
    if _HETU.fullmatch(text) is None:
        return False
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(text[:6] + text[7:10]) % 31] == text[10]


def _formed(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text.translate(_SEPARATORS).upper()) is not None


NATIONAL_IDS: Mapping[str, Callable[[str], bool]] = MappingProxyType({
    "US SSN": is_ssn,
    "UK NINO": _formed(_NINO),
    "UK NHS": _nhs,
    "Italian codice fiscale": _formed(_CODICE),
    "Spanish DNI/NIE": _dni,
    "French NIR": _nir,
    "German Steuer-ID": _steuer_id,
    "Dutch BSN": _bsn,
    "Belgian national number": _belgian,
    "Polish PESEL": _pesel,
    "Swedish personnummer": _personnummer,
    "Finnish HETU": _hetu,
    "Brazilian CPF": _cpf,
    "Mexican CURP": _formed(_CURP),
    "Canadian SIN": _sin,
    "Indian Aadhaar": _aadhaar,
    "Indian PAN": _formed(_PAN),
    "Chinese resident number": _chinese,
    "Korean resident number": _korean,
    "Singaporean NRIC": _nric,
})  # fmt: skip
"""What each is called, and how it is told."""
