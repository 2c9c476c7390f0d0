"""Personal data with a form that can be checked: e-mail addresses, phone and card numbers, IBANs, SSNs, IP addresses.

Candidates are found by expressions, then checked by libraries that know the numbers: `phonenumberslite` (Google's
libphonenumber) and `python-stdnum` (Luhn, IBAN, SSN), of the extra `pii`. Names and addresses have no form: they are
not looked for.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..numeric import Lazy
from .patterns import compiled, found
from .sightings import Sighting

if TYPE_CHECKING:
    import phonenumbers
    from stdnum import iban, luhn
    from stdnum.us import ssn
else:
    phonenumbers = Lazy("phonenumbers", "phonenumberslite", "pii")
    luhn = Lazy("stdnum.luhn", "python-stdnum", "pii")
    iban = Lazy("stdnum.iban", "python-stdnum", "pii")
    ssn = Lazy("stdnum.us.ssn", "python-stdnum", "pii")

Finder = Callable[[str, Sequence[str]], Iterator[Sighting]]

_EMAIL = compiled(r"[A-Za-z0-9][A-Za-z0-9._%+'-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.)+[A-Za-z]{2,24}\b")
_PHONE = compiled(r"[+(]?[+(]?\d[\d ()\x{a0}./-]{5,30}\d")
_CARD = compiled(r"\b\d(?:[ -]?\d){12,18}\b")
_IBAN = compiled(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){3,8}\b")
_SSN = compiled(r"\b\d{3}-\d{2}-\d{4}\b")
_IP = compiled(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:[0-9A-Fa-f]{1,4}:){3,7}[0-9A-Fa-f:]{1,20}")
# Names that stand for no address (RFC 2606, RFC 6761), and the numbers that films use.
_RESERVED = re.compile(r"(?:^|[.@])(?:example\.(?:com|org|net)|[a-z0-9-]+\.(?:test|example|invalid|localhost))$")
_FICTITIOUS = re.compile(r"\d{3}55501\d\d")
# Issuer prefixes and lengths (ISO/IEC 7812): Visa, Mastercard, American Express, Discover, JCB, Diners Club.
_ISSUERS = re.compile(
    r"4\d{12}(?:\d{3})?(?:\d{3})?|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|3[47]\d{13}|6(?:011|4[4-9]\d|5\d\d)\d{12}"
    r"|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}"
)


def _emails(text: str, _: Sequence[str]) -> Iterator[Sighting]:
    if "@" not in text:
        return
    for start, end, address in found(_EMAIL, text):
        if not _RESERVED.search(address.lower()):
            yield Sighting("email", start, end)


def _phones(text: str, regions: Sequence[str]) -> Iterator[Sighting]:
    for start, end, written in found(_PHONE, text):
        if written.startswith("(+"):
            start, written = start + 1, written[1:]
        if _touches(text, start, end, after_sign=written[0] == "+") or not 7 <= sum(map(str.isdigit, written)) <= 17:
            continue
        for region in (None,) if "+" in written[:2] else tuple(regions):
            matches = phonenumbers.PhoneNumberMatcher(written, region, phonenumbers.Leniency.VALID, 100)
            match = next(iter(matches), None)
            if match is not None:
                number = match.number
                if number.country_code != 1 or not _FICTITIOUS.fullmatch(str(number.national_number)):
                    yield Sighting("phone", start + match.start, start + match.end)
                break


def _cards(text: str, _: Sequence[str]) -> Iterator[Sighting]:
    for start, end, written in found(_CARD, text):
        digits = re.sub(r"\D", "", written)
        if not _touches(text, start, end) and _ISSUERS.fullmatch(digits) and luhn.is_valid(digits):
            yield Sighting("card", start, end)


def _ibans(text: str, _: Sequence[str]) -> Iterator[Sighting]:
    for start, _end, written in found(_IBAN, text):
        while len(written) >= 15:  # an upper-case word may follow it
            if iban.is_valid(written):
                yield Sighting("iban", start, start + len(written))
                break
            written = written[: written.rfind(" ")] if " " in written else ""


def _ssns(text: str, _: Sequence[str]) -> Iterator[Sighting]:
    for start, end, written in found(_SSN, text):
        if not _touches(text, start, end) and ssn.is_valid(written):
            yield Sighting("ssn", start, end)


def _addresses(text: str, _: Sequence[str]) -> Iterator[Sighting]:
    for start, end, written in found(_IP, text):
        try:
            address = ipaddress.ip_address(written.rstrip(":"))
        except ValueError:
            continue
        if address.is_global and not _touches(text, start, end):
            yield Sighting("ip", start, start + len(written.rstrip(":")))


def _touches(text: str, start: int, end: int, *, after_sign: bool = False) -> bool:
    """True for digits that are a piece of something longer: a version, a hash, an identifier, a decimal."""
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    if (
        before.isalnum()
        or (before in ("_", "#", "=", "/") and not after_sign)
        or after.isalnum()
        or after in ("_", "=")
    ):
        return True
    return (before in (".", ",", "-", ":") and text[max(0, start - 2) : start - 1].isalnum()) or (
        after in (".", ",", "-", ":", "/") and text[end + 1 : end + 2].isalnum()
    )


FINDERS: dict[str, Finder] = {
    "email": _emails,
    "phone": _phones,
    "card": _cards,
    "iban": _ibans,
    "ssn": _ssns,
    "ip": _addresses,
}


def require_libraries() -> None:
    """Raises `ConfigError` where the extra `pii` is not installed."""
    luhn.is_valid("0")
    phonenumbers.country_code_for_region("US")


def require_regions(regions: Sequence[str]) -> str:
    """Returns the first region that is none, "" when all are: ISO 3166 codes such as `US`."""
    return next((region for region in regions if region not in phonenumbers.SUPPORTED_REGIONS), "")
