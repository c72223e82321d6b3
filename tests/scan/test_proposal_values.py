"""What tells personal data by its values, in bulk."""

from __future__ import annotations

import pytest

from domicile.scan.proposal.columns import ColumnFacts, Sample, TableFacts, categorise
from domicile.scan.proposal.detectors import DETECTORS, mentions
from domicile.scan.proposal.identifiers import NATIONAL_IDS

# Published examples: of the authorities, of ISO, of the card networks' test numbers.
RIGHT = {
    "email": "a@b.example|first.last+tag@mail.example.co|Ä@x.example",
    "phone": "+1 212 555 0100|(212) 555-0100|030/1234567|01 23 45 67 89|2125550100",
    "marked phone": "+1 212 555 0100|+442079460018|+62 555 0000123|(212) 736-5000",
    "ip": "192.0.2.1|2001:db8::1|203.0.113.7/24",
    "latitude": "52.52|-33.9|0",
    "pair": "52.5200,13.4050|(-122.4194, 37.7749)",
    "point": "(13.4,52.5)|(-122.41,37.77)",
    "birthday": "1970-01-31|01/31/1970|31.1.1970|19700131|1970-01-31 00:00:00",
    "name": "Ada Lovelace|O'Brien|García|van der Berg, Jan|Jean-Luc",
    "country": "US|USA|Germany|united kingdom|deu",
    "prose": "please send the parcel to me",
    "mac": "00:1b:44:11:3a:b7|00-1B-44-11-3A-B7",
    "agent": "Mozilla/5.0 (X11; Linux)|okhttp/4.9.0",
    "card": "4111111111111111|5555 5555 5555 4444|378282246310005|6011-1111-1111-1117",
    "iban": "DE89 3704 0044 0532 0130 00|GB29NWBK60161331926819|NO9386011117947",
    "imei": "490154203237518",
    "ssn": "078-05-1120|219-09-9999",
}
WRONG = {
    "email": "a@b|@x.example|name at mail.example|a@b.example, c@d.example|",
    "phone": "1970-01-31|INV-2023-00012|12345|not a number|1.2.3",
    "marked phone": "2125550100|415-000-1234|+1|(000) 000-0000|4150000123",
    "ip": "1.2.3|8.0.1203.5|::|0.0.0.0|12:30:45|1.2.3.4.5",
    "latitude": "90.5|abc|1e9|nan",
    "pair": "1,2|13.4|200.1234,100.1234",
    "birthday": "1970-13-31|31|0001-01-01|20251301",
    "name": "x1|blue shirt|SKU-12|a|https://x.example|this is a sentence of six words",
    "country": "XX|Atlantis|12|",
    "prose": "blue shirt|INV-1 INV-2 3 4 5|https://x.example/a",
    "card": "4111111111111112|4006381333931|1234567890123456|0000000000000000",
    "iban": "DE88370400440532013000|DE8937040044053201300|XX00|1234567890123456",
    "imei": "490154203237519|49015420323751",
    "ssn": "000-12-3456|666-12-3456|900-12-3456|123-00-4567|123456789|123-456-7890",
}
IDENTIFIERS = {
    "US SSN": ("078-05-1120", "078051120"),
    "UK NINO": ("AB123456C", "DA123456C"),
    "UK NHS": ("943 476 5919", "943 476 5918"),
    "Italian codice fiscale": ("RSSMRA85T10A562S", "RSSMRA85Z10A562S"),
    "Spanish DNI/NIE": ("12345678Z", "12345678A"),
    "French NIR": ("2 55 08 14 168 025 38", "2 55 08 14 168 025 39"),
    "German Steuer-ID": ("86095742719", "86095742718"),
    "Dutch BSN": ("111222333", "111222334"),
    "Belgian national number": ("85.07.30-033.28", "85.07.30-033.29"),
    "Polish PESEL": ("44051401359", "44051401358"),
    "Swedish personnummer": ("811218-9876", "811218-9875"),
    "Finnish HETU": ("131052-308T", "131052-308U"),
    "Brazilian CPF": ("529.982.247-25", "529.982.247-24"),
    "Mexican CURP": ("HEGG560427MVZRRL04", "HEGG560427XXZRR104"),
    "Canadian SIN": ("130 692 544", "130 692 545"),
    "Indian Aadhaar": ("2341 2341 2346", "2341 2341 2347"),
    "Indian PAN": ("ABCPE1234F", "ABCXE1234F"),
    "Chinese resident number": ("11010519491231002X", "110105194912310021"),
    "Korean resident number": ("900101-1234567", "901301-9234567"),
    "Singaporean NRIC": ("S1234567D", "S1234567A"),
}


@pytest.mark.parametrize("detector", sorted({*RIGHT, *WRONG}))
def test_a_detector_takes_what_it_is_for_and_nothing_else(detector: str) -> None:
    judge = DETECTORS[detector][1]
    assert [text for text in RIGHT.get(detector, "").split("|") if text and not judge(text)] == []
    assert [text for text in WRONG.get(detector, "").split("|") if judge(text)] == []


@pytest.mark.parametrize("name", NATIONAL_IDS)
def test_a_national_identifier_is_told_by_its_form_or_check_digit(name: str) -> None:
    right, wrong = IDENTIFIERS[name]
    assert NATIONAL_IDS[name](right)
    assert not NATIONAL_IDS[name](wrong)
    assert not NATIONAL_IDS[name]("")


@pytest.mark.parametrize("text", ["", " ", "\0", "٣" * 11, "²" * 9, "9" * 5000, "a" * 300, "🌞"])
def test_nothing_that_a_column_may_hold_breaks_a_detector(text: str) -> None:
    for _, judge in DETECTORS.values():
        judge(text)
    mentions(text)


def test_free_text_is_searched_for_what_it_gives_away() -> None:
    cards = "card 4111 1111 1111 1111, SSN 078-05-1120"
    text = f"Write to ada@mail.example or call +1 212 555 0100; {cards}"
    assert {"e-mail addresses", "phone numbers", "card numbers", "social security numbers"} <= (
        mentions(text)
    )
    assert mentions("order 20230001, version 1.2.3, at 12:30") == set()
    assert "IP addresses" in mentions("from 192.0.2.1.")
    assert "IP addresses" not in mentions("release 8.0.1203.5 is out")


def judged(column: str, kind: str, values: list[str], table: str = "t1") -> str | None:
    facts = TableFacts(table, (ColumnFacts(column, kind),))
    found = categorise(facts, {column: Sample(values)}).get(column)
    return found.category if found else None


def test_values_contradict_a_name() -> None:
    assert judged("email", "text", ["daily", "weekly", "never"] * 5) is None
    assert judged("phone", "text", ["iPhone", "Pixel"] * 5) is None
    assert judged("email", "text", ["a@b.example"] * 5) == "user.contact.email"
    assert judged("email", "text", []) == "user.contact.email"
    assert judged("email", "boolean", ["true"] * 5) is None


def test_numbers_that_only_look_like_something_need_a_name() -> None:
    numbers = [f"415{at:07}" for at in range(200, 260)]
    assert judged("order_number", "bigint", numbers) is None
    assert judged("c", "text", numbers) is None
    assert judged("mobile", "text", numbers) == "user.contact.phone_number"
    cards = ["4111111111111111", "4242424242424242", "5555555555554444", "378282246310005"] * 5
    assert judged("c", "text", [*cards, "6011111111111117"]) == "user.financial.credit_card"
    assert judged("c", "text", [*cards, "4111111111111112", "4111111111111113"]) is None


def test_why_holds_counts_and_no_value() -> None:
    facts = TableFacts("t1", (ColumnFacts("x", "text"),))
    sample = Sample(
        ["secret.person@mail.example"] * 9 + ["none", "other@mail.example", "a@b.example"]
    )
    finding = categorise(facts, {"x": sample})["x"]
    assert finding.why == "11 of 12 sampled values parse as e-mail addresses"
    assert "secret" not in repr(sample)


def test_names_that_only_hold_a_word_of_the_kind_are_none_of_it() -> None:
    for column in (
        "membership_term_duration",
        "site_meta_keywords",
        "twitter_card_type",
        "email_sent",
        "phone_verified_at",
        "mailed",
        "address_code",
    ):
        assert judged(column, "text", [], "configurations") is None, column
    assert judged("name", "text", ["Acme Ltd"] * 5, "companies") is None
    assert judged("state", "text", ["new", "done"] * 5, "applicants") is None
