"""What forms send, which is UTF-8.

aiohttp decodes a form by the encoding that its client names, and some that Python knows take a second for what
fits into one request.
"""

from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

_MOST_FIELDS: Final = 20


async def fields_of(request: web.Request) -> dict[str, str]:
    """Return the fields of a form by name, of several with one name the first.

    Raises:
        web.HTTPBadRequest: these bytes are no form, or have more fields than any form here.
    """
    try:
        text = (await request.read()).decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:  # a wrong encoding is one too
        raise web.HTTPBadRequest from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields
