"""The charter's models: who is protected, where home is, where data lies.

Frozen; parsed from TOML by `domicile.charter.load`. Field descriptions are the reference that
docs/charter.md is generated from. Nothing here holds a secret: secrets are named by the
environment variable or file that holds them.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from domicile.charter.access import AccessRules, Certificates, Network, Oidc
from domicile.charter.frozen import EnvironmentName, Frozen
from domicile.charter.notices import Notices
from domicile.charter.recording import LedgerConfig, LedgerWitness, Records
from domicile.charter.roots import KeysConfig

__all__ = [
    "Attester",
    "Boundary",
    "Charter",
    "Classification",
    "Company",
    "Custodians",
    "LedgerConfig",
    "LedgerWitness",
    "ObjectDataset",
    "ObjectSiteConfig",
    "OfflinePlace",
    "People",
    "PostgresSiteConfig",
    "Records",
    "SiteConfig",
    "TableDataset",
]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
DataCategory = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)*$")]
Classification = Literal["protected", "public", "excepted"]


class Company(Frozen):
    """Whose application it is."""

    name: str = Field(min_length=1, description="The company's name, as reports print it.")


class Custodians(Frozen):
    """Whose signatures a charter needs to take effect, and an operation on the root of the
    boundary's keys to be done."""

    keys: tuple[str, ...] = Field(
        min_length=1,
        max_length=24,
        description="The custodians' public keys, `name+hexid+base64`, of kind 0x01 (Ed25519) or"
        " 0x06 (ML-DSA-44). A name is one custodian; one with a key of each kind signs with both.",
    )
    charter: int = Field(ge=1, description="How many custodians must sign a charter.")
    operations: int = Field(
        ge=1,
        description="How many must sign an operation on the root: rotating or moving it, destroying"
        " a version, shredding, splitting it into shares, opening the keys as `openings` says.",
    )
    openings: tuple[Literal["move", "verify", "open", "recover"], ...] = Field(
        default=("recover",),
        description="The reasons for which the keys are opened with their signatures alone.",
    )


class Boundary(Frozen):
    """One jurisdiction's protection: its members, its home sites, its custodian."""

    members: tuple[Country, ...] = Field(
        min_length=1,
        description="Countries (ISO 3166-1 alpha-2) whose people are members of this boundary.",
    )
    custodian: str = Field(
        min_length=1,
        description="The team that holds the keys and approves; never the company itself.",
    )
    provider: str = Field(
        min_length=1,
        description="Who must run home. A site in the right country under another provider is"
        " not home.",
    )
    home: tuple[Name, ...] = Field(
        min_length=1,
        description="The sites that are home: databases, and at most one object store.",
    )
    keys: KeysConfig | None = Field(
        default=None,
        description="Where the root of the boundary's keys lies, `[boundaries.NAME.keys]`.",
    )
    custodians: Custodians | None = Field(
        default=None,
        description="Whose signatures a charter, a policy and a root operation need,"
        " `[boundaries.NAME.custodians]`. Without it: nobody's, and no policy takes effect.",
    )
    access: AccessRules = Field(
        default_factory=AccessRules,
        description="Who approves requests for access, and for how long,"
        " `[boundaries.NAME.access]`.",
    )


class People(Frozen):
    """Where it is written who a person is and which country they belong to."""

    table: str = Field(description="The people table, `name` or `schema.name`.")
    key: tuple[str, ...] = Field(
        min_length=1, description="The columns that identify a person (composite keys: several)."
    )
    country: str = Field(
        description="The column that holds a person's country. Where it stands in another table:"
        " `held -> table.column -> country`, what the person's row holds, the column that holds the"
        " same there, and the country's. Rows there must agree on one country; else it is unknown."
    )
    spellings: dict[str, Country] = Field(
        default_factory=dict,
        description="How the column spells a country, where it is not the two-letter code:"
        ' `{ "USA" = "US" }`.',
    )
    databases: tuple[Name, ...] = Field(
        default=(),
        description="The primary databases whose people table it is, where another has a table of"
        " the same name. Databases without it look persons up in the merged register.",
    )


class _Site(Frozen):
    country: Country = Field(description="The country the site lies in.")
    provider: str = Field(min_length=1, description="Who runs it.")
    role: Literal["primary", "replica", "backup"] = Field(
        default="primary",
        description="`primary`: the application writes here, rows are brought home from here;"
        " `replica` and `backup`: copies, erased once home is proven to hold them.",
    )


class PostgresSiteConfig(_Site):
    """A PostgreSQL database."""

    kind: Literal["postgres"]
    url: str = Field(description="`postgresql://user@host:port/database?...`, without a password.")
    password_env: EnvironmentName | None = Field(
        default=None, description="Environment variable that holds the password."
    )
    password_file: str | None = Field(
        default=None, description="File that holds the password (relative to the charter)."
    )
    home: Name | None = Field(
        default=None,
        description="Of a primary outside home: the home database that takes its rows, which takes"
        " no other's. Required unless there is one of each.",
    )
    of: Name | None = Field(
        default=None,
        description="Of a replica or backup: the primary that it is a copy of. Required where there"
        " are several.",
    )


class ObjectSiteConfig(_Site):
    """A bucket of an S3-compatible store, or a directory that keeps versions as a bucket does."""

    kind: Literal["objects"]
    url: str = Field(description="`s3://bucket` or `file:///directory` (`file:relative` works).")
    endpoint: str | None = Field(
        default=None, description="The S3 endpoint, `https://host[:port]`; required with `s3://`."
    )
    region: str = Field(default="us-east-1", description="The region that requests are signed for.")
    access_key_env: EnvironmentName | None = Field(
        default=None, description="Environment variable that holds the access key id."
    )
    secret_key_env: EnvironmentName | None = Field(
        default=None, description="Environment variable that holds the secret access key."
    )
    credentials_file: str | None = Field(
        default=None,
        description="File with two lines, access key id and secret (relative to the charter).",
    )
    timeout_s: float = Field(
        default=30.0, gt=0, description="How long one request may stay without an answer."
    )


SiteConfig = Annotated[PostgresSiteConfig | ObjectSiteConfig, Field(discriminator="kind")]


class _Dataset(Frozen):
    classification: Classification = Field(
        default="protected",
        description="`protected` stays home; `public` may be anywhere; `excepted` is a named,"
        " expiring exception.",
    )
    reason: str | None = Field(
        default=None, description="Why it is excepted; required with `excepted`."
    )
    until: date | None = Field(
        default=None, description="When the exception ends; required with `excepted`."
    )


class TableDataset(_Dataset):
    """A table, wherever a Postgres site has it. Tables that the charter does not name are
    datasets too: protected, with their shortest foreign-key path to a person."""

    table: str = Field(description="The table, `name` or `schema.name`.")
    databases: tuple[Name, ...] = Field(
        default=(),
        description="The primary databases whose table it is, where several have one of this name:"
        " their copies and their home follow them.",
    )
    person: tuple[str, ...] = Field(
        default=(),
        description="What leads to the person, where the foreign keys do not say or say it twice:"
        " a column with a foreign key starts that path, any other column holds the person's key"
        " itself, as it is or as text; composite keys: `a,b`. `column#/user/id`: a JSON Pointer"
        " (RFC 6901) to the key in a column of JSON. `order_no -> shop.orders.number`: the rows of"
        " another table that hold the same there; the row is whose these are, a member's if any of"
        " them is a member's.",
    )
    persons: Literal["owner", "any", "copy"] = Field(
        default="owner",
        description="With several persons: `owner`, the first of `person` decides; `any`, the row"
        " is protected if any of them is a member; `copy`, it goes to each of them: home gets a"
        " whole copy where any is a member, and the old site keeps the row too as long as somebody"
        " else is named who isn't one.",
    )
    public: tuple[str, ...] = Field(
        default=(),
        description="The columns of the public projection: what may stay where others still refer"
        " to a member's row.",
    )
    categories: dict[str, DataCategory] = Field(
        default_factory=dict, description="Fideslang data category by column."
    )
    large_objects: tuple[str, ...] = Field(
        default=(),
        description="The columns of type `oid` whose values name large objects, which go with the"
        " row. Columns of type `lo` need no mention.",
    )


class ObjectDataset(_Dataset):
    """Objects whose keys fit a template, or are named by a database column: each is one person's,
    or, with a `treatment`, an archive of many persons' rows."""

    template: str | None = Field(
        default=None,
        description="Path template, `videos/{person}/{file}`: `{name}` is one path segment (or a"
        " part of one), `{name...}` may span several. `{person}` is required unless public, or"
        " of archives.",
    )
    key_column: str | None = Field(
        default=None,
        description="`table.column` that holds the keys; the row's person is the object's.",
    )
    databases: tuple[Name, ...] = Field(
        default=(),
        description="The primary databases whose column it is, where several have a table of this"
        " name.",
    )
    treatment: Literal["erase", "rewrite"] | None = Field(
        default=None,
        description="These objects are archives, read row by row: exports (CSV, JSON lines,"
        " Parquet), `pg_dump` in a file or a folder, compressed (gz, bz2, zst, lz4) or in tar or"
        " zip. One with a member's row comes home whole; then it is erased (`erase`), or"
        " (`rewrite`, exports alone) a version without members' rows takes its place.",
    )
    person: tuple[str, ...] = Field(
        default=(),
        description="The columns of an export that hold the person's key, in the order of `[people]"
        " key`. Tables of a `pg_dump` tell it as the database does.",
    )
    category: DataCategory | None = Field(default=None, description="Fideslang data category.")

    @property
    def is_archive(self) -> bool:
        """Whether its objects are archives."""
        return self.treatment is not None


class OfflinePlace(Frozen):
    """A place that no driver reaches, such as tapes in a vault. Every scan lists it as not
    examined, until somebody states in a signed file what is there (`domicile attest`)."""

    country: Country = Field(description="The country the place lies in.")
    provider: str = Field(min_length=1, description="Who runs it.")
    about: str = Field(min_length=1, description="What lies there, as reports print it.")


class Attester(Frozen):
    """Somebody who may state, in a signed file, what Domicile can't examine."""

    role: str = Field(
        min_length=1,
        max_length=200,
        description="Their office, such as `Head of backup operations`; never a person's name: it"
        " stands in the ledger and in reports.",
    )
    key: str = Field(
        description="Their Ed25519 public key, as `openssl pkey -pubout` prints it between its"
        " first and last line (RFC 8410, base64)."
    )


class Charter(Frozen):
    """A whole charter, validated."""

    company: Company
    boundaries: dict[Name, Boundary]
    people: People
    sites: dict[Name, SiteConfig]
    tables: dict[Name, TableDataset] = Field(
        default_factory=dict, description="Datasets that are tables."
    )
    objects: dict[Name, ObjectDataset] = Field(
        default_factory=dict, description="Datasets that are objects."
    )
    offline: dict[Name, OfflinePlace] = Field(
        default_factory=dict, description="Places that no driver reaches."
    )
    attesters: dict[Name, Attester] = Field(
        default_factory=dict, description="Who may attest what can't be examined."
    )
    networks: dict[Name, Network] = Field(
        default_factory=dict, description="From where people connect, and in which country."
    )
    certificates: Certificates | None = Field(
        default=None, description="The clients' certificates that tell a country."
    )
    oidc: Oidc | None = Field(
        default=None, description="The OpenID provider whose tokens staff log in with."
    )
    notices: dict[Name, Notices] = Field(
        default_factory=dict, description="Who is told about requests and grants."
    )
    records: Records = Field(default_factory=Records)
    ledger: LedgerConfig = Field(default_factory=LedgerConfig)

    @property
    def ledger_origin(self) -> str:
        """The log's name."""
        return self.ledger.origin or f"domicile.invalid/{next(iter(self.boundaries), '')}"
