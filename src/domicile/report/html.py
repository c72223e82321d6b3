"""The report as one HTML file that needs nothing else: no network, no scripts, no fonts.

Every name comes from outside and is hostile: the templates escape, `shown` makes the invisible
visible, and the page's own policy (CSP) lets nothing load or run but the style it was made with.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from domicile.charter import country_name
from domicile.erase import Certificate
from domicile.report.charts import charts
from domicile.report.figures import count, moment, short, shown, size, word_for
from domicile.report.model import Status
from domicile.report.views import (
    dataset_lines,
    member_countries,
    shard_groups,
    site_lines,
    state_totals,
    unexamined_lines,
)

__all__ = ["render_certificate", "render_report"]


def render_report(status: Status) -> str:
    """The whole report of one boundary, as HTML."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            status=status,
            members=member_countries(status),
            charts=charts(status),
            sites=site_lines(status),
            datasets=dataset_lines(status),
            unexamined=unexamined_lines(status),
            groups=shard_groups(status),
            totals=state_totals(status.states),
            **_page(),
        )
    )


def render_certificate(certificate: Certificate) -> str:
    """One certificate as a page of its own, to print and sign."""
    template = _environment().get_template("certificate.html.j2")
    return template.render(certificate=certificate, **_page())


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("domicile.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=count,
        country=country_name,
        moment=moment,
        short=short,
        size=size,
        word_for=word_for,
    )
    return environment


def _finalize(value: object) -> object:
    """What every expression of a template goes through before it is escaped."""
    return value if isinstance(value, Markup) else shown(value)


@cache
def _page() -> dict[str, Markup]:
    """The style, and the policy that allows this very style and nothing else."""
    style = resources.files("domicile.report").joinpath("templates/report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return {"style": Markup(style), "policy": Markup(policy)}  # noqa: S704 - our own text
