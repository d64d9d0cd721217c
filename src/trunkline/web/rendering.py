"""Jinja, set up once: templates, the words they use, and addresses of static files that change with their content."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Template
from markupsafe import Markup

from trunkline import __version__
from trunkline.domain.rank import owner_of
from trunkline.web import rights, words
from trunkline.web.guard import COOKIE, role_of
from trunkline.web.ports import TenantInfo

STATIC = Path(__file__).parent / "static"

# Compiled at the start: whoever opens the first board must not hold up a ring for a tenth of a second.
_AT_A_RING = ("_parts.html", "_call.html", "_board.html", "board.html")
_WORDS = (
    words.state,
    words.tone,
    words.direction,
    words.who,
    words.number,
    words.person,
    words.ringing_at,
    words.colleague,
    words.reasons,
    words.staff_kind,
    words.match_line,
    words.decision,
    words.about_whom,
    words.kept,
    words.logged,
    words.log_reason,
    words.action,
    words.write_state,
    words.clock,
    words.clock_seconds,
    words.day,
    words.window,
    words.duration,
    words.money,
    words.since,
    words.initials,
    words.span,
    words.difference,
    words.resource_name,
    words.environment,
)


@cache
def static(name: str) -> str:
    """The address of a static file; it changes with the file, so that browsers may keep it for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


@cache
def icon(name: str) -> Markup:
    """An icon of ours, inlined so that it takes the text's colour."""
    return Markup((STATIC / "icons" / f"{name}.svg").read_text().strip())  # noqa: S704 - our own files


@pass_context
def may(context: Context, right: str) -> bool:
    """Whether whoever asked for this page has the right: what they could not do is not offered."""
    return rights.may(role_of(context["request"].scope), rights.Right(right))


@pass_context
def signed_in(context: Context) -> bool:
    """Whether whoever asked for this page came in by the sign-in page, and so can leave."""
    request = context["request"]
    return role_of(request.scope) is not None and COOKIE in request.cookies


def environment() -> Environment:
    """The templates' environment."""
    made = Environment(
        loader=PackageLoader("trunkline.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update({function.__name__: function for function in _WORDS})
    made.globals.update(static=static, icon=icon, version=__version__, owner_of=owner_of, may=may, signed_in=signed_in)
    for name in _AT_A_RING:
        made.get_template(name)
    return made


def page(name: str, tenant: TenantInfo | None, context: Mapping[str, object], *, status: int = 200) -> Template:
    """One page; `tenant` is the company it is about."""
    return Template(template_name=name, context={"tenant": tenant, **context}, status_code=status)


def engine(made: Environment) -> JinjaTemplateEngine:
    """Litestar's view of the environment."""
    return JinjaTemplateEngine.from_environment(made)
