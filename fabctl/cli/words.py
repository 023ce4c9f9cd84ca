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
