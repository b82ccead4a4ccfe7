"""Small words used by all parts of the rig."""

import asyncio
from datetime import datetime, timezone


def now():
    return datetime.now(timezone.utc)


def stamp(moment):
    """UTC with milliseconds, as in the truth files; None stays None."""
    if moment is None:
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class RigError(Exception):
    """A call did not go as its scenario says."""


async def within(seconds, awaitable, what):
    """Awaits, and names what did not happen."""
    try:
        return await asyncio.wait_for(awaitable, seconds)
    except asyncio.TimeoutError:
        raise RigError(f"{what} did not happen within {seconds} s") from None
