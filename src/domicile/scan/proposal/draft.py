"""Everything seen, as a proposal. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from domicile.scan.proposal.keys import KeyDataset
from domicile.scan.proposal.model import Block, Line, Proposal
from domicile.scan.proposal.people import PeopleChoice
from domicile.scan.proposal.routes import Likeness, route_lines
from domicile.scan.proposal.sites import NamedSite, site_block, slug, unused
from domicile.scan.proposal.tables import DECIDE_LATER, TableBlocks

__all__ = ["Asked", "SeenPeople", "draft"]

_MEDIA = re.compile(r"video|photo|image|picture|avatar|media|upload|attachment|draft|audio|voice"
                    r"|document|file|clip|recording|post|message|story|stories")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was told. home: names of sites; provider: who runs home."""

    company: str
    boundary: str
    members: tuple[str, ...]
    custodian: str
    provider: str
    home: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SeenPeople:
    """The people table that was chosen (None where none was found), the other candidates, how its
    country column spells countries, and how many spellings are no country's. databases: whose
    table it is, where another has one of its name."""

    choice: PeopleChoice | None
    others: tuple[PeopleChoice, ...]
    spellings: Mapping[str, str]
    unknown_spellings: int
    databases: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


def draft(
    asked: Asked,
    sites: Sequence[NamedSite],
    seen: Likeness,
    people: SeenPeople,
    tables: TableBlocks,
    objects: Sequence[KeyDataset],
) -> Proposal:
    """The charter's proposal."""
    routes = route_lines(sites, asked.home, seen)
    places = [_site(asked, site, routes.get(site.name, ())) for site in sites]
    datasets, left = _objects(objects)
    sections: dict[str, tuple[Block, ...]] = {
        "Who is protected, where home is": (Block(("company",), (_company(asked),)),
                                            _boundary(asked)),
        "Where it is written who a person is, and of which country": (_people(people),),
        "Places. No secret stands here": tuple(places),
        "Tables": tables.blocks,
    }  # fmt: skip
    notes: dict[str, tuple[str, ...]] = {"Tables": tables.notes}
    if objects:
        sections["Objects: {person} in a key says whose it is"] = datasets
        notes["Objects: {person} in a key says whose it is"] = left
    return Proposal(sections, notes)


def _company(asked: Asked) -> Line:
    return Line("name", asked.company, "", "the company's name, as reports print it")


def _boundary(asked: Asked) -> Block:
    lines = (
        Line("members", asked.members, "", 'the countries whose people are members: ["US"]'),
        Line("custodian", asked.custodian, "", "who holds the keys and approves; not the company"),
        Line("provider", asked.provider, "", "who must run home"),
        Line("home", asked.home, "", "sites that are home: databases, one store"),
    )
    return Block(("boundaries", asked.boundary), lines)


def _people(people: SeenPeople) -> Block:
    choice = people.choice
    above = [_told(other) for other in people.others[:3]]
    if choice is None:
        return Block(
            ("people",),
            (
                Line("table", "", "", "the table that has a row for each person"),
                Line("key", (), "", "the columns of its key"),
                Line("country", "", "", "its column that says which country they belong to"),
            ),
        )
    country = choice.country
    lines = [
        Line("table", str(choice.table), choice.why),
        Line("key", choice.key),
        Line(
            "country",
            country.name if country else "",
            country.why if country else "",
            "its column that says which country a person belongs to: none was recognised",
        ),
    ]
    if people.databases:
        lines.append(Line("databases", people.databases, "another has a table of this name"))
    if people.spellings:
        lines.append(Line("spellings", people.spellings, "values that are names of countries"))
    if country is None and people.elsewhere:
        above.append(
            f"Countries stand in other tables: {', '.join(people.elsewhere[:5])}. Name the one that"
            " is a person's, as `held -> table.column -> country`."
        )
    if people.unknown_spellings:
        above.append(
            f"{people.unknown_spellings} other spellings of the country are no country's name:"
            " `domicile scan` counts them, and `spellings` can name them."
        )
    return Block(("people",), tuple(lines), tuple(above))


def _told(choice: PeopleChoice) -> str:
    return f"It could also be {choice.table} ({choice.why})."


def _site(asked: Asked, site: NamedSite, routes: Sequence[Line]) -> Block:
    home_of = asked.provider if site.name in asked.home else ""
    block = site_block(
        site,
        home_of=home_of or ("-" if site.name in asked.home else ""),
        members=asked.members,
        company=asked.company,
    )
    return Block(block.path, (*block.lines, *routes), block.above)


def _objects(found: Sequence[KeyDataset]) -> tuple[tuple[Block, ...], tuple[str, ...]]:
    blocks: list[Block] = []
    names: set[str] = set()
    left: list[str] = []
    for dataset in found:
        if dataset.template is None and dataset.key_column is None:
            left.append(f"  {dataset.folder or '(no folder)'}: {dataset.keys} sampled keys")
            continue
        name = unused(slug(dataset.folder.rstrip("/")) if dataset.folder else "objects", names)
        names.add(name)
        blocks.append(Block(("objects", name), tuple(_dataset(dataset)), same=_way(dataset)))
    notes = [
        'Protected, unless you say otherwise: classification = "public" for what anybody may see.'
    ]
    if left:
        notes.append(
            f"{DECIDE_LATER} these keys name nobody. `domicile scan` lists them as not examined"
            " until a template with {person}, a key_column, or a public template fits them:"
        )
    return tuple(blocks), (*notes, *left[:_LISTED])


_LISTED = 40


def _way(dataset: KeyDataset) -> str:
    return "template" if dataset.template is not None else "key_column"


def _dataset(dataset: KeyDataset) -> Iterator[Line]:
    yield Line(_way(dataset), dataset.template or dataset.key_column or "", dataset.why)
    yield Line("classification", "protected", "unless you say otherwise")
    if "avatar" in dataset.folder:
        yield Line("category", "user.content.self_image", "the folder's name")
    elif re.search(r"export|takeout", dataset.folder):
        yield Line("category", "user", "the folder's name")
    elif _MEDIA.search(dataset.folder):
        yield Line("category", "user.content", "the folder's name")
