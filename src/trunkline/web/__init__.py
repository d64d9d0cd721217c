"""The dispatcher's desk: board, pages, API, webhook endpoints. No business rule lives here."""

from trunkline.web.application import create_web
from trunkline.web.ports import Hook, TenantInfo

__all__ = ["Hook", "TenantInfo", "create_web"]
