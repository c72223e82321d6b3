"""Write what docs/ has from the code: charter.md, commands.md, and the tables of records.md.

``--check`` writes nothing and fails where a page is not what the code says.
"""

from __future__ import annotations

import argparse
import sys
import types
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from domicile.charter import (
    AccessRules,
    Attester,
    Boundary,
    Certificates,
    Company,
    Custodians,
    FileKeys,
    LedgerConfig,
    LedgerWitness,
    Mail,
    Network,
    Notices,
    ObjectDataset,
    ObjectSiteConfig,
    OciKeys,
    OfflinePlace,
    Oidc,
    People,
    Pkcs11Keys,
    PostgresSiteConfig,
    Records,
    TableDataset,
    TransitKeys,
    parse_charter,
)

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from scripts.docs_commands import commands_page  # noqa: E402 - found once the root is known
from scripts.docs_records import with_tables  # noqa: E402

DOCS = ROOT / "docs"

EXAMPLE = """\
[company]
name = "Reel"

[boundaries.us]
members = ["US"]
custodian = "US Data Security"
provider = "Oracle"
home = ["ashburn_db", "ashburn_media"]

[boundaries.us.keys]
root = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
token_label = "us-custodian"
key_label = "us"
pin_file = "secrets/pin"

[people]
table = "users"
key = ["id"]
country = "country"
spellings = { "USA" = "US", "United States" = "US" }

[sites.virginia_db]
kind = "postgres"
country = "US"
provider = "Reel"
url = "postgresql://app@db.reel.example/reel?sslmode=verify-full"
password_env = "VIRGINIA_PASSWORD"

[sites.singapore_media]
kind = "objects"
country = "SG"
provider = "AWS"
role = "backup"
url = "s3://reel-media-backup"
endpoint = "https://s3.ap-southeast-1.amazonaws.com"
region = "ap-southeast-1"
access_key_env = "SINGAPORE_KEY"
secret_key_env = "SINGAPORE_SECRET"

[sites.ashburn_db]
kind = "postgres"
country = "US"
provider = "Oracle"
url = "postgresql://domicile@home.reel.example/reel?sslmode=verify-full"
password_file = "secrets/ashburn"

[sites.ashburn_media]
kind = "objects"
country = "US"
provider = "Oracle"
url = "s3://reel-media"
endpoint = "https://reel.compat.objectstorage.us-ashburn-1.oraclecloud.com"
region = "us-ashburn-1"
credentials_file = "secrets/ashburn-media"

[tables.messages]
table = "messages"
person = ["sender_id", "recipient_id"]
persons = "any"

[tables.comments]
table = "comments"
public = ["id", "video_id", "created_at"]
categories = { "body" = "user.content" }

[objects.videos]
template = "videos/{person}/{file...}"
category = "user.content"

[objects.thumbnails]
template = "public/{file...}"
classification = "public"

[offline.singapore_vault]
country = "SG"
provider = "Iron Harbour"
about = "monthly backup tapes of both databases"

[attesters.backup_operations]
role = "Head of backup operations"
key = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

[notices.approvers]
url = "https://hooks.reel.example/access"
secret_env = "NOTICE_SECRET"

[ledger]
origin = "ledger.reel.example/us"
cosignatures = 1

[ledger.witnesses.privacy_institute]
url = "https://witness.privacy.example"
keys = ["witness.privacy.example/w1+42b52502+BDtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"]
"""

INTRODUCTION = """\
# The charter

`domicile.toml` says who is protected, where home is and where data lies. It holds no secret:
secrets are named by the environment variable or the file that holds them.

Its text, comments included, becomes part of the ledger, which anybody may be shown: write nothing
into it that must not be public, such as the name of a person. A charter in which something looks
like a secret, in a comment too, is refused.

An error names file, line and key, what was expected and the next step; everything wrong in a
charter is reported at once. What is legal but doubtful is a warning.

This page is made from the code: `make docs`.

## An example

```toml
"""

RULES = """
## Ways to a person

An entry of `person` in a `[tables.*]` says what a row holds, and where that leads.

- `owner_id`, or `realm,no`: the row is whose the row is to which the columns' foreign key leads;
  without a foreign key, the person's with this key.
- `payload#/user/id`: the person's whose key a JSON Pointer (RFC 6901) finds in a column of type
  json or jsonb.
- `order_no -> shop.orders.number`, `a,b -> t.x,y`, `payload#/order -> shop.orders.number`: whose
  the rows of the other table are that hold the same.

Then:

- Nothing is guessed: a key is compared exactly, and where it is a number or a uuid and the row
  holds text (or the reverse), with the text in which the server writes it: `7`, not `07` or `7.0`.
  A row that names somebody of whom nothing is known is not examined.
- In JSON the value is a string or a whole number. Where it is null or absent, the row names
  nobody. Where something else lies there, or on the way to it, the row is not examined.
- Where several rows of the other table hold the same, the row is all their persons': a member's
  if any of them is a member.
- The other table's rows lead on by its own way. A way in a circle, or to a table of which nobody
  can say whose its rows are, leaves the table not examined.
- Rows are erased before those through which they are found. A column that may not be null stays
  in a reduced row, and with it, reduced, the row to which it leads; what is in JSON does not stay.

`country = "id -> shop.addresses.customer -> country"` in `[people]` reads a person's country in
another table: what the person's row holds, the column that equals it there, and the country's. A
person whose rows there are of several countries, or of none, has no known country. The table must
come home with its persons: by its own `person`, or public and about nobody.

## Templates

A template says which keys a dataset of objects has, and whose object each is.

- `{name}` stands for one or more characters other than `/`.
- `{name...}` stands for one or more characters, `/` among them; at most one per template.
- Everything else stands for itself; `{{` and `}}` stand for a brace.
- Between two placeholders there is text.
- Where a key can be read in several ways, each placeholder takes as little as it can, from the
  left; those after a `{name...}` take as little as they can from the right.
- `{person}` is the person's key as text.

## Archives

A dataset of objects with a `treatment` is one of archives: exports and dumps that hold many
persons' rows. Every scan reads them row by row.

```toml
[objects.exports]
template = "exports/{name...}"
treatment = "rewrite"
person = ["user_id"]

[objects.dumps]
template = "dumps/{name...}"
treatment = "erase"
```

- Read are CSV, JSON lines and Parquet by the columns that `person` names, and `pg_dump` (plain,
  custom, tar) by the tables whose columns hold a person's key in the database. All of them may be
  compressed (gz, bz2, zst, lz4), and lie in tar or zip.
- The files of a `pg_dump` in the directory format are one archive: all those of one folder that are
  called as it calls them, with all their versions. Each is read by what its `toc.dat` says of it.
  Where a file is missing, and no row of the others is a member's, none of them is examined. The
  `toc.dat` is erased last: what an erasure that was killed has left is still known for a dump, and
  `erase` finishes it.
- Base backups (`pg_basebackup`, pgBackRest, WAL-G, Barman) and archives of the write-ahead log are
  recognised by their names and manifests, under a template or none, and not examined: only a server
  can read them. `scan` tells each backup's system, start and tablespaces where it says so. Restore
  it into a server of its own and name that as a site of role `backup`, attest it, or let its
  retention end.
- One with a member's row is a member's. It is brought home whole, sealed under the dataset's key
  where home is sealed, and read back, as any object.
- With `erase`, `domicile erase` then erases it whole: others' rows in it go with it. That is the
  company's decision, and the plan says how many rows it is about.
- With `rewrite` it first writes a version in which members' rows are left out and every other row
  is as it was, in order, under the same key; compares the two row by row; reads it back from the
  store and compares again; and only then erases the verified one. One in which nobody else has a
  row is erased whole.
- Where the current version is erased and an older one, of others, stays, a delete marker is put on
  the key first: nobody reads the older one by mistake.
- What can't be read is not examined, with the reason; somebody may attest it
  ([attest.md](attest.md)).

## Several databases

A product with a users database, an orders database, a messages database is one charter. Each
primary outside home has a home database of its own, each copy a primary:

```toml
[boundaries.us]
home = ["us_users", "us_orders", "us_media"]

[sites.users]
kind = "postgres"
home = "us_users"

[sites.orders]
kind = "postgres"
home = "us_orders"

[sites.orders_replica]
kind = "postgres"
role = "replica"
of = "orders"
```

- The register of persons is merged from every database that has the people table. In a database
  that lacks it, `person` names the column that holds a person's key; what refers to such a table by
  a foreign key follows. Its keys are looked up in the register.
- A dataset of a table is about every database that has the table. Where several do that are not
  copies of each other, the scan ends until `databases` names those that are meant, and each of the
  others has a dataset of its own, or none. So it is with `[people]` and `key_column`.

## What must hold

- There is one boundary, and its custodian is not the company.
- Every home site exists, lies in a country of `members`, is run by the boundary's `provider`, and
  is a primary; home has at most one object store.
- Every site is a place of its own: no two sites are the same database, bucket or directory, none
  lies inside another, and none is home and a source at once.
- Each primary database outside home has a home database of its own, if home has any; each replica
  or backup is a copy of one primary. Where there is one of each, nobody needs to say so.
- No URL holds credentials; an endpoint is `https://`, except on this machine.
- Countries are two-letter codes of ISO 3166-1.
- The root of a boundary's keys is named with one place of its secret (in OCI Vault the SDK's config
  file has it); a root key's file lies on no site and not in the records.
  [Custody](custody.md) says what each keeper proves and how it is backed up.
- A custodian who must sign is a name with one key of a kind, which is no witness's and nobody
  else's; no more must sign than there are, and there are at most 12.
  [Custody](custody.md#quorums) says what their signatures do.
- Each dataset of objects has a `template` or a `key_column`; a template names `{person}` unless
  the dataset is public or of archives.
- A dataset of archives is protected, has a `template` without `{person}`, and names with `person`
  as many columns as `[people] key` has, or, where it is erased, none.
- An exception has a reason and an end; once the end has passed, the charter is refused.
- A witness of the ledger has keys and a name of its own, none of them the log's; no more must
  co-sign than there are.
- No offline place has the name of a site. Each attester has an Ed25519 key, and one of their own.
- Notices go to one place each, a webhook or a mail server, in the clear on this machine alone; a
  webhook has a secret, and a URL nothing behind its path.
- A site's country and provider do not contradict what its URL says, where a cloud's host names
  tell (Oracle, AWS, Google, Azure).
"""

SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[company]", Company),
    ("[boundaries.NAME]", Boundary),
    ('[boundaries.NAME.keys] with root = "file"', FileKeys),
    ('[boundaries.NAME.keys] with root = "pkcs11"', Pkcs11Keys),
    ('[boundaries.NAME.keys] with root = "transit"', TransitKeys),
    ('[boundaries.NAME.keys] with root = "oci"', OciKeys),
    ("[boundaries.NAME.custodians]", Custodians),
    ("[boundaries.NAME.access]", AccessRules),
    ("[people]", People),
    ('[sites.NAME] with kind = "postgres"', PostgresSiteConfig),
    ('[sites.NAME] with kind = "objects"', ObjectSiteConfig),
    ("[tables.NAME]", TableDataset),
    ("[objects.NAME]", ObjectDataset),
    ("[offline.NAME]", OfflinePlace),
    ("[attesters.NAME]", Attester),
    ("[networks.NAME]", Network),
    ("[certificates]", Certificates),
    ("[oidc]", Oidc),
    ("[notices.NAME]", Notices),
    ("[notices.NAME.email]", Mail),
    ("[records]", Records),
    ("[ledger]", LedgerConfig),
    ("[ledger.witnesses.NAME]", LedgerWitness),
)


def page() -> str:
    """docs/charter.md, as the code has it. Raises CharterError if the example is no charter."""
    parse_charter(EXAMPLE, "domicile.toml", today=date(2026, 1, 1))
    sections = "".join(section(title, model) for title, model in SECTIONS)
    return f"{INTRODUCTION}{EXAMPLE}```\n{sections}{RULES}"


def section(title: str, model: type[BaseModel]) -> str:
    """One table of the charter: what it is, then a row per key."""
    about = " ".join((model.__doc__ or "").split())
    rows = "".join(row(name, field) for name, field in model.model_fields.items())
    head = "| key | value | default | meaning |\n| --- | --- | --- | --- |\n"
    return f"\n## `{title}`\n\n{about}\n\n{head}{rows}"


def row(name: str, field: FieldInfo) -> str:
    """One key of a table, as a row of Markdown."""
    value = " or ".join(dict.fromkeys(kinds(field.annotation)))
    cells = (f"`{name}`", value, default(field), field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def default(field: FieldInfo) -> str:
    """What holds where the key is not written."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value in ((), {}):
        return "none"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def kinds(annotation: object) -> Iterator[str]:
    """An annotation in the words of TOML."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        yield from (f'`"{part}"`' for part in parts)
    elif origin is Annotated:
        yield from kinds(parts[0])
    elif origin is tuple:
        yield f"list of {next(kinds(parts[0]))}"
    elif origin is dict:
        value = next(kinds(parts[1]))
        yield f"table of {'tables' if value == 'table' else value}"
    elif origin is types.UnionType or parts:
        for part in parts:
            if part is not type(None):
                yield from kinds(part)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "table"
    else:
        yield {str: "text", int: "integer", float: "number", date: "date"}[annotation]  # type: ignore[index]


def main() -> int:
    """Write the pages, or with ``--check`` compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = bool(parser.parse_args().check)
    stale = []
    for path, text in pages():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path.name)
        if not check:
            path.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"not what the code says: {', '.join(stale)}; run `make docs`", file=sys.stderr)
        return 1
    return 0


def pages() -> Iterator[tuple[Path, str]]:
    """Every page and what it should hold."""
    yield DOCS / "charter.md", page()
    yield DOCS / "commands.md", commands_page()
    records = DOCS / "records.md"
    yield records, with_tables(records.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
