"""From who calls, and what they want, to the question that the policy is asked. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from domicile.charter import Boundary, Charter
from domicile.policy.entries import Asked, KeylessRulesSet, RulesSet
from domicile.policy.grants import AccessRequest, Wanted
from domicile.policy.standing import Standing

__all__ = ["Caller", "are_rules_of", "ask", "country_of", "labels_of", "rules_of"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a login, the country that they connect from (empty: unknown), whether they showed
    a second factor, and the credential that they showed, if any."""

    staff: str
    country: str = ""
    second_factor: bool = False
    credential: str | None = None


def ask(
    boundary: Boundary,
    standing: Standing,
    own_labels: Iterable[str],
    caller: Caller,
    wanted: Wanted,
    now: str,
) -> tuple[Asked, AccessRequest | None]:
    """The question, and the live grant that it names. Raises AccessForbidden where the caller is no
    active staff."""
    member = standing.member(caller.staff)
    grant = standing.grant_for(caller.staff, wanted, now)
    asked = Asked(
        staff=member.id,
        kind=member.kind,
        team=member.team,
        employed_by=member.employer,
        home_country=member.country,
        roles=member.roles,
        action=wanted.action,
        dataset=wanted.dataset,
        labels=standing.labels(wanted.dataset, own_labels),
        purpose=wanted.purpose,
        ticket=wanted.ticket,
        country=caller.country,
        inside=caller.country in boundary.members,
        second_factor=caller.second_factor,
        single=wanted.single or (grant is not None and grant.made.person is not None),
        grant=grant.id if grant is not None else "",
        approvals=grant.approvals if grant is not None else 0,
        break_glass=grant is not None and grant.made.form == "break-glass",
    )
    return asked, grant


def rules_of(charter: Charter, boundary: str) -> RulesSet:
    """What a charter asks of grants."""
    access = charter.boundaries[boundary].access
    return RulesSet(
        boundary,
        charter.ledger_origin,
        access.approvers,
        access.approvals,
        access.longest_days,
        access.review_days,
        access.break_glass_hours,
    )


def are_rules_of(body: RulesSet | KeylessRulesSet, charter: Charter) -> bool:
    """Whether an entry says what a charter asks of grants."""
    if body.boundary not in charter.boundaries:
        return False
    rules = rules_of(charter, body.boundary)
    if isinstance(body, KeylessRulesSet):
        return body.renewed == msgspec.structs.replace(rules, log="")
    return body == rules


def labels_of(charter: Charter, dataset: str) -> tuple[str, ...]:
    """A dataset's own labels: its classification and its data categories. What the charter does
    not name is protected."""
    named = [d for name, d in charter.tables.items() if dataset in (name, d.table)]
    found = {category for table in named for category in table.categories.values()}
    classes = {table.classification for table in named}
    stored = charter.objects.get(dataset)
    if stored is not None:
        classes.add(stored.classification)
        found |= {stored.category} if stored.category else set()
    return tuple(sorted(found | classes or {"protected"}))


def country_of(charter: Charter, address: str) -> str:
    """The country of the network that an address lies in, the narrowest that the charter declares;
    empty where it declares none."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    found = [
        (network.prefixlen, declared.country)
        for declared in charter.networks.values()
        for network in map(ipaddress.ip_network, declared.ranges)
        if ip.version == network.version and ip in network
    ]
    return max(found, default=(0, ""))[1]
