"""What a person on the shop floor reads, ready for translation.

Catalogues are gettext's: ``fabctl/library/locale/<language>/LC_MESSAGES/fabctl.mo``. A text without a
translation appears in English.
"""

from __future__ import annotations

from functools import cache
from gettext import NullTranslations, translation
from pathlib import Path

LOCALE = Path(__file__).resolve().parent.parent / "library" / "locale"


@cache
def _catalogue() -> NullTranslations:
    return translation("fabctl", LOCALE, fallback=True)


def _(text: str) -> str:
    """Translate a text into the person's language (LANGUAGE, LC_ALL, LC_MESSAGES, LANG)."""
    return _catalogue().gettext(text)


def counted(one: str, many: str, count: int) -> str:
    """Translate a text that counts, in the form the person's language has for that many.

    Parameters
    ----------
    one, many : str
        The English forms, each with ``{count}`` in it: for one, and for none or several.
    count : int

    Examples
    --------
    >>> [counted("{count} line", "{count} lines", count) for count in (0, 1, 2)]
    ['0 lines', '1 line', '2 lines']
    """
    return _catalogue().ngettext(one, many, count).format(count=count)
