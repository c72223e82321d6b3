from __future__ import annotations

from datetime import date

import pytest

from domicile.charter import Route, parse_charter, routes_of
from domicile.errors import CharterError

TODAY = date(2026, 6, 1)


def refusal(text: str) -> str:
    with pytest.raises(CharterError) as caught:
        parse_charter(text, "domicile.toml", today=TODAY)
    return str(caught.value)


def warnings(text: str) -> str:
    return "\n".join(parse_charter(text, "domicile.toml", today=TODAY).warnings)


SECOND = """
[boundaries.eu]
members = ["DE"]
custodian = "EU Data Security"
provider = "Oracle"
home = ["home_db"]
"""
SITE = """
[sites.third]
kind = "objects"
country = "US"
provider = "Reel"
"""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"US", "PR"', '"US", "UK"', 'did you mean "GB"'),
        ('"US", "PR"', '"US", "XX"', '"XX" is no country'),
        ("US Data Security", " reel ", "its own custodian"),
        ('"home_media"]', '"gone"]', "there is no such site"),
        ('["home_db", "home_media"]', '["home_media", "old_media"]', "more than one objects"),
        ('members = ["US", "PR"]', 'members = ["DE"]', "outside the boundary"),
        ('provider = "oracle"', 'provider = "AWS"', "another provider"),
        ('url = "file:home"', 'url = "file:home"\nrole = "replica"', "home site that is also"),
        ("old.example:6432", "HOME.example.:5432", "home site that is also a source"),
        ("home.example/reel", "home.example", "names no database"),
        ('"file:home"', '"ftp:home"', "not a URL of objects"),
        ('"file:home"', '"file://host/home"', "names a host"),
        ('"file:home"', '"file:home"\nendpoint = "https://a.example"', "is only for s3://"),
        ('"file:home"', '"file:home"\ncredentials_file = "f"', "is only for s3://"),
        ('"file:home"', '"file:."', "the records would lie inside"),
        ("s3://media", "s3://media/videos", "goes on after the bucket"),
        ("s3://media", "s3:media", "not a bucket's URL"),
        ("s3://media", "s3://m", "no valid bucket"),
        ('endpoint = "https://s3.old.example"\n', "", "s3:// needs one"),
        ("https://s3.old.example", "http://s3.old.example", "in the clear"),
        ("https://s3.old.example", "https://s3.old.example/x", "host and port"),
        ("https://s3.old.example", "https://s3.old.example:port", "is not an endpoint"),
        ('secret_key_env = "OLD_SECRET"\n', "", "stands alone"),
        ('"OLD_SECRET"', '"OLD_SECRET"\ncredentials_file = "f"', "second way"),
        ('"OLD_PASSWORD"', '"OLD_PASSWORD"\npassword_file = "f"', "second way"),
        ("old.example:6432", "old.example,older.example", "several hosts"),
        ("postgresql://app", "mysql://app", "not a PostgreSQL URL"),
        ("6432/reel?", "6432/reel/x?", "goes on after the database"),
        ("6432/reel?", "6432/reel?service=x&", "service file"),
        ('"sender_id", "tenant,recipient"', '"tenant, recipient"', "is not a column"),
        ('"sender_id", "tenant,recipient"', '"a", "a"', "twice"),
        ('table = "messages"', 'table = "a.b.c"', "not a table's name"),
        ('table = "messages"', 'table = ""', "not a table's name"),
        ('key = ["id"]', 'key = ["id", "id"]', "twice"),
        ('key = ["id"]', 'key = ["tenant", "id"]', "{person} is one text"),
        ("{person}", "{owner}", "has no {person}"),
        ("/{file...}", "{file...}", "nothing between them"),
        ("{file...}", "{file", "stray brace at character 17"),
        ('template = "videos/{person}/{file...}"', "", "exactly one of"),
        ('/{file...}"', "/{file...}\"\nkey_column = 'a.b'", "has two ways"),
        ('template = "videos/{person}/{file...}"', "key_column = 'key'", "is not a column"),
    ],
)
def test_what_must_not_be_is_refused(text: str, before: str, after: str, message: str) -> None:
    assert before in text
    assert message in refusal(text.replace(before, after, 1))


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        (SECOND, "2 boundaries are given"),
        (SITE + 'url = "file:./home/"', "same place as sites.home_media"),
        (SITE + 'url = "file:home/inside"', "overlaps with sites.home_media"),
        (SITE + 'url = "s3://media"\nendpoint = "https://S3.old.example:443/"', "same place"),
        (SITE + 'url = "file:.domicile"', "the records would lie inside"),
        ('\n[tables.again]\ntable = "public.messages"', "already the dataset tables.messages"),
        ('[records]\ndirectory = "s3://b"', "is not a directory"),
    ],
)
def test_what_must_not_stand_beside_it_is_refused(text: str, addition: str, message: str) -> None:
    assert message in refusal(text + "\n" + addition)


def test_a_home_site_that_is_also_a_source_is_called_so(text: str) -> None:
    message = refusal(text + SITE + 'url = "file:home"')
    assert "sites.third.url: a home site that is also a source" in message


def test_one_database_spelt_in_two_ways_is_one_place(text: str) -> None:
    home = text.replace("//home.example/reel", "//127.0.0.1/reel")
    both = home.replace("//app@old.example:6432/reel?", "//app@localhost?dbname=reel&port=5432&")
    assert "home site that is also a source" in refusal(both)


def test_databases_behind_two_sockets_are_two_places(text: str) -> None:
    home = text.replace("//home.example/reel?sslmode=verify-full", "///reel?host=/run/home")
    both = home.replace("//app@old.example:6432/reel?sslmode=verify-full", "///reel?host=/run/old")
    assert warnings(both) == ""


ORDERS = """
[sites.orders]
kind = "postgres"
country = "SG"
provider = "Reel"
url = "postgresql://orders.example/orders?sslmode=verify-full"
"""
ORDERS_HOME = """
[sites.home_orders]
kind = "postgres"
country = "US"
provider = "Oracle"
url = "postgresql://home.example/orders?sslmode=verify-full"
"""
COPY = ORDERS.replace("sites.orders", "sites.copy").replace("orders.example", "copy.example")
COPY += 'role = "replica"\n'


def two_databases(text: str, *, orders: str = "", copy: str = "", more: str = "") -> str:
    home = text.replace('["home_db", ', '["home_db", "home_orders", ')
    old = home.replace("[sites.old_db]", '[sites.old_db]\nhome = "home_db"')
    return old + ORDERS + orders + ORDERS_HOME + COPY + copy + more


def test_several_databases_each_have_a_home_and_each_copy_is_one_s(text: str) -> None:
    loaded = parse_charter(
        two_databases(text, orders='home = "home_orders"\n', copy='of = "orders"\n'),
        "domicile.toml",
        today=TODAY,
    )
    assert loaded.warnings == ()
    assert routes_of(loaded.charter) == (
        Route("old_db", "home_db"),
        Route("orders", "home_orders", ("copy",)),
    )


def test_one_database_and_one_home_need_no_names(text: str) -> None:
    loaded = parse_charter(text + COPY, "domicile.toml", today=TODAY)
    assert routes_of(loaded.charter) == (Route("old_db", "home_db", ("copy",)),)


HOME, OF = 'home = "home_orders"\n', 'of = "orders"\n'


@pytest.mark.parametrize(
    ("orders", "copy", "more", "message"),
    [
        ("", OF, "", "sites.orders.home: is missing: 2 primary databases outside home, 2 at home"),
        ('home = "home_db"\n', OF, "", "takes the rows of sites.old_db already"),
        ('home = "old_db"\n', OF, "", "there is no database old_db at home"),
        ('home = "home_media"\n', OF, "", "there is no database home_media at home"),
        (HOME + OF, OF, "", "sites.orders.of: is for copies"),
        (HOME, "", "", "sites.copy.of: is missing: it could be a copy of several databases"),
        (HOME, 'of = "gone"\n', "", "there is no primary database gone"),
        (HOME, 'of = "old_media"\n', "", "there is no primary database old_media"),
        (HOME, HOME + OF, "", "sites.copy.home: is for primaries outside home"),
        (
            HOME,
            OF,
            '[tables.a]\ntable = "a"\ndatabases = ["copy"]\n',
            "tables.a.databases: there is no primary database copy",
        ),
        (
            HOME,
            OF,
            '[tables.a]\ntable = "a"\ndatabases = ["orders"]\n[tables.b]\ntable = "a"\n',
            "tables.b.table: is already the dataset tables.a",
        ),
        (
            HOME,
            OF,
            (
                '[tables.a]\ntable = "a"\ndatabases = ["orders"]\n'
                '[tables.b]\ntable = "a"\ndatabases = ["home_orders"]\n'
            ),
            "tables.b.table: is already the dataset tables.a",
        ),
        (
            HOME,
            OF,
            '[objects.a]\ntemplate = "{person}"\ndatabases = ["orders"]\n',
            "objects.a.databases: is for a key_column",
        ),
    ],
)
def test_databases_whose_rows_have_no_clear_way_are_refused(
    text: str, orders: str, copy: str, more: str, message: str
) -> None:
    assert message in refusal(two_databases(text, orders=orders, copy=copy, more=more))


def test_two_databases_may_have_a_table_of_one_name(text: str) -> None:
    tables = (
        '[tables.a]\ntable = "a"\ndatabases = ["orders"]\n'
        '[tables.b]\ntable = "a"\ndatabases = ["old_db"]\n'
    )
    assert warnings(two_databases(text, orders=HOME, copy=OF, more=tables)) == ""


def test_a_people_table_needs_a_database(text: str) -> None:
    start, _, rest = text.partition("[sites.home_db]")
    objects = rest[rest.index("[sites.home_media]") : rest.index("[sites.old_db]")]
    lone = start.replace('"home_db", ', "") + objects
    assert "no site could hold the people table" in refusal(lone)


def test_a_loopback_endpoint_may_speak_http(text: str) -> None:
    for host in ("127.0.0.1:9000", "localhost:9000", "[::1]:9000"):
        assert warnings(text.replace("https://s3.old.example", f"http://{host}")) == ""


def test_a_public_dataset_needs_no_person(text: str) -> None:
    public = '\n[objects.assets]\ntemplate = "assets/{file...}"\nclassification = "public"\n'
    assert warnings(text + public) == ""


EXCEPTED = """
[objects.metrics]
template = "metrics/{person}"
classification = "excepted"
"""


def test_an_exception_needs_a_reason_and_an_end(text: str) -> None:
    message = refusal(text + EXCEPTED)
    assert "objects.metrics.reason: is missing" in message
    assert "objects.metrics.until: is missing" in message


def test_an_exception_holds_through_its_last_day_and_not_longer(text: str) -> None:
    excepted = text + EXCEPTED + 'reason = "billing"\n'
    assert "expired on 2026-05-31" in refusal(excepted + "until = 2026-05-31")
    assert "the exception ends on 2026-06-01" in warnings(excepted + "until = 2026-06-01")
    assert warnings(excepted + "until = 2027-06-01") == ""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('access_key_env = "OLD_KEY"\nsecret_key_env = "OLD_SECRET"\n', "", "anonymous"),
        ("6432/reel?sslmode=verify-full", "6432/reel", "in the clear"),
        (', "home_media"]', "]", "home has no objects site"),
        ('country = "SG"\nprovider = "Reel"', 'country = "PR"\nprovider = "Oracle"', "not home"),
        ('password_env = "OLD_PASSWORD"', 'role = "replica"', "no primary database outside home"),
        ('"tenant,recipient"', "", "several persons"),
        ('country = "country"', 'country = "country"\nspellings = { "DE" = "US" }', "Germany as"),
        ('[objects.videos]\ntemplate = "videos/{person}/{file...}"\n', "", "not examined"),
        ('table = "messages"', 'table = "messages"\nreason = "x"', "but is not excepted"),
    ],
)
def test_what_is_doubtful_is_a_warning(text: str, before: str, after: str, message: str) -> None:
    assert before in text
    told = warnings(text.replace(before, after, 1))
    assert message in told
    assert told.startswith("domicile.toml:")


def archives(more: str, template: str = "dumps/{name...}") -> str:
    return f'\n[objects.dumps]\ntemplate = "{template}"\n{more}\n'


def test_archives_of_many_persons_need_no_person_in_their_keys(text: str) -> None:
    assert "dumps" not in warnings(text + archives('treatment = "erase"'))
    one = 'treatment = "rewrite"\nperson = ["user_id"]'
    assert "dumps" not in warnings(text + archives(one))


@pytest.mark.parametrize(
    ("more", "template", "message"),
    [
        ("", "dumps/{name...}", "add a `treatment`"),
        ('treatment = "rewrite"', "dumps/{name...}", "nothing can be left out"),
        ('treatment = "erase"\nperson = ["a", "b"]', "dumps/{name...}", "names 2 columns"),
        ('treatment = "erase"', "dumps/{person}", "many persons' protected rows"),
        ('treatment = "erase"\nclassification = "public"', "d/{a}", "many persons' protected rows"),
        ('person = ["user_id"]', "dumps/{person}", "is for archives alone"),
    ],
)
def test_an_archive_that_says_too_little_or_too_much_is_refused(
    text: str, more: str, template: str, message: str
) -> None:
    assert message in refusal(text + archives(more, template))
