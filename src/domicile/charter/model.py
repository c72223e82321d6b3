"""The charter's models: who is protected, where home is, where data lies.

Frozen; parsed from TOML by `domicile.charter.load`. Field descriptions are the reference that
docs/charter.md is generated from. Nothing here holds a secret: secrets are named by the
environment variable or file that holds them.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = [
    "Attester",
    "Boundary",
    "Charter",
    "Classification",
    "Company",
    "FileKeys",
    "KeysConfig",
    "LedgerConfig",
    "LedgerWitness",
    "ObjectDataset",
    "ObjectSiteConfig",
    "OciKeys",
    "OfflinePlace",
    "People",
    "Pkcs11Keys",
    "PostgresSiteConfig",
    "Records",
    "SiteConfig",
    "TableDataset",
    "TransitKeys",
]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
DataCategory = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)*$")]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
KeyOcid = Annotated[str, StringConstraints(pattern=r"^ocid1\.key\.[A-Za-z0-9._-]{1,240}$")]
KeyLabel = Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f]{1,200}$")]
TransitPath = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,127})*$"
    ),
]
TransitKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
Classification = Literal["protected", "public", "excepted"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Company(_Frozen):
    """Whose application it is."""

    name: str = Field(min_length=1, description="The company's name, as reports print it.")


class FileKeys(_Frozen):
    """The root of the boundary's keys lies in a file, under a passphrase."""

    root: Literal["file"]
    path: str = Field(
        min_length=1,
        description="The root key's file, of mode 0600 (relative to the charter): outside every"
        " site and the records.",
    )
    passphrase_env: EnvironmentName | None = Field(
        default=None, description="Environment variable that holds the passphrase."
    )
    passphrase_file: str | None = Field(
        default=None,
        description="File of mode 0600 that holds the passphrase (relative to the charter).",
    )


class Pkcs11Keys(_Frozen):
    """The root of the boundary's keys lies in a PKCS#11 token: an HSM. Needs `domicile[pkcs11]`."""

    root: Literal["pkcs11"]
    module: str = Field(
        min_length=1,
        description="The shared library that the token's vendor delivers"
        " (relative to the charter).",
    )
    token_label: str = Field(min_length=1, max_length=32, description="The token's label.")
    key_label: KeyLabel = Field(
        description="The root key's label, without `/`: its versions are `LABEL/1`, `LABEL/2`, ..."
    )
    pin_env: EnvironmentName | None = Field(
        default=None, description="Environment variable that holds the PIN of the token's user."
    )
    pin_file: str | None = Field(
        default=None, description="File of mode 0600 that holds the PIN (relative to the charter)."
    )


class TransitKeys(_Frozen):
    """The root of the boundary's keys lies in the transit engine of OpenBao or Vault."""

    root: Literal["transit"]
    url: str = Field(description="The server's active node, `https://host[:port]`.")
    mount: TransitPath = Field(default="transit", description="Where the engine is mounted.")
    key: TransitKey = Field(description="The key's name in the engine, of type `aes256-gcm96`.")
    namespace: TransitPath | None = Field(
        default=None, description="The namespace that the mount is in, if any."
    )
    ca_file: str | None = Field(
        default=None,
        description="Certificates of the only authorities that are believed, in PEM (relative to"
        " the charter). Without it: those of this machine.",
    )
    token_env: EnvironmentName | None = Field(
        default=None, description="Environment variable that holds the token."
    )
    token_file: str | None = Field(
        default=None,
        description="File of mode 0600 that holds the token (relative to the charter).",
    )


class OciKeys(_Frozen):
    """The root of the boundary's keys is a master encryption key in OCI Vault. Needs
    `domicile[oci]`. It has not met the real service."""

    root: Literal["oci"]
    key: KeyOcid = Field(description="The key's OCID. It is AES of 256 bits.")
    crypto_endpoint: str = Field(
        description="The vault's cryptographic endpoint,"
        " `https://...-crypto.kms.REGION.oraclecloud.com`."
    )
    management_endpoint: str = Field(
        description="The vault's management endpoint,"
        " `https://...-management.kms.REGION.oraclecloud.com`."
    )
    config_file: str = Field(
        default="~/.oci/config",
        description="The SDK's config file, of mode 0600 as the key file that it names"
        " (relative to the charter).",
    )
    profile: str = Field(default="DEFAULT", min_length=1, description="The profile in that file.")


KeysConfig = Annotated[FileKeys | Pkcs11Keys | TransitKeys | OciKeys, Field(discriminator="root")]


class Boundary(_Frozen):
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
        description="The sites that are home: at most one database and one object store.",
    )
    keys: KeysConfig | None = Field(
        default=None,
        description="Where the root of the boundary's keys lies, `[boundaries.NAME.keys]`.",
    )


class People(_Frozen):
    """Where it is written who a person is and which country they belong to."""

    table: str = Field(description="The people table, `name` or `schema.name`.")
    key: tuple[str, ...] = Field(
        min_length=1, description="The columns that identify a person (composite keys: several)."
    )
    country: str = Field(description="The column that holds a person's country.")
    spellings: dict[str, Country] = Field(
        default_factory=dict,
        description="How the column spells a country, where it is not the two-letter code:"
        ' `{ "USA" = "US" }`.',
    )


class _Site(_Frozen):
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


class _Dataset(_Frozen):
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
    person: tuple[str, ...] = Field(
        default=(),
        description="The columns that lead to the person, where the foreign keys do not say or"
        " say it twice: a column with a foreign key starts that path, any other column holds the"
        " person's key itself. Composite keys: `a,b`.",
    )
    persons: Literal["owner", "any"] = Field(
        default="owner",
        description="With several persons: `owner`, the first of `person` decides; `any`, the row"
        " is protected if any of them is a member.",
    )
    public: tuple[str, ...] = Field(
        default=(),
        description="The columns of the public projection: what may stay where others still refer"
        " to a member's row.",
    )
    categories: dict[str, DataCategory] = Field(
        default_factory=dict, description="Fideslang data category by column."
    )


class ObjectDataset(_Dataset):
    """Objects whose keys fit a template, or are named by a database column."""

    template: str | None = Field(
        default=None,
        description="Path template, `videos/{person}/{file}`: `{name}` is one path segment (or a"
        " part of one), `{name...}` may span several. `{person}` is required unless public.",
    )
    key_column: str | None = Field(
        default=None,
        description="`table.column` that holds the keys; the row's person is the object's.",
    )
    category: DataCategory | None = Field(default=None, description="Fideslang data category.")


class OfflinePlace(_Frozen):
    """A place that no driver reaches, such as tapes in a vault. Every scan lists it as not
    examined, until somebody states in a signed file what is there (`domicile attest`)."""

    country: Country = Field(description="The country the place lies in.")
    provider: str = Field(min_length=1, description="Who runs it.")
    about: str = Field(min_length=1, description="What lies there, as reports print it.")


class Attester(_Frozen):
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


class Records(_Frozen):
    """Where Domicile keeps what it knows: inventory, ledger, state."""

    directory: str = Field(
        default=".domicile",
        description="Directory of the records, relative to the charter. It tells who has what, so"
        " it is protected data itself and lies at home.",
    )
    shard_rows: int = Field(default=200_000, ge=1, description="Rows per shard of a table, about.")
    shard_objects: int = Field(default=1_000, ge=1, description="Object versions per shard, about.")


class LedgerWitness(_Frozen):
    """An outsider who co-signs the ledger's checkpoints, so that nobody can be shown another
    history than everybody else."""

    url: str = Field(
        description="Where the witness takes checkpoints: `https://host[:port][/path]`. `http://`"
        " will do: both sides' signatures are checked."
    )
    keys: tuple[str, ...] = Field(
        min_length=1,
        description="Its public keys, `name+hexid+base64`, of kind 0x04 (Ed25519) or 0x06"
        " (ML-DSA-44), all of one name. Each of them must sign.",
    )


class LedgerConfig(_Frozen):
    """The ledger's name, and the witnesses that co-sign it."""

    origin: str | None = Field(
        default=None,
        description="The log's name and its keys': a URL without scheme that is yours, such as"
        " `ledger.reel.example/us`. It need not be reachable, and stays as it is once the log is"
        " begun. Without it: `domicile.invalid/` and the boundary's name.",
    )
    cosignatures: int | None = Field(
        default=None,
        ge=1,
        description="How many witnesses must co-sign a checkpoint. Without it: all of them.",
    )
    away: Literal["refuse", "publish"] = Field(
        default="refuse",
        description="Where fewer do: `refuse` keeps the entries and publishes nothing until enough"
        " of them answer, and what rests on a published entry doesn't happen; `publish` publishes"
        " with fewer, and `ledger verify` reports it.",
    )
    witnesses: dict[Name, LedgerWitness] = Field(
        default_factory=dict, description="The witnesses, `[ledger.witnesses.NAME]`."
    )


class Charter(_Frozen):
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
    records: Records = Field(default_factory=Records)
    ledger: LedgerConfig = Field(default_factory=LedgerConfig)

    @property
    def ledger_origin(self) -> str:
        """The log's name."""
        return self.ledger.origin or f"domicile.invalid/{next(iter(self.boundaries), '')}"
