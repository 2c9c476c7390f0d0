"""Texts with what is personal or secret in them, by kind: what the scan is measured on.

Keys are put together here, so that no scanner of repositories takes them for real ones; none is.
"""

from __future__ import annotations

AB = "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI3kM5oQ7sU9wY1aC3eG5iK7mO9qS1uW3yB5dF7hJ9lN1pR3tV5xZ7"
HEX = "0123456789abcdef" * 4

Labelled = tuple[str, tuple[tuple[str, str], ...]]


def _one(text: str, kind: str, found: str) -> Labelled:
    return text.replace("@@", found), ((kind, found),)


EMAILS = [
    _one("Write to @@ before Friday.", "email", "anna.lindqvist@harbourmail.se"),
    _one("Contact: <@@>", "email", "j.doe+orders@big-shop.co.uk"),
    _one("mailto:@@?subject=hello", "email", "press@acme.io"),
    _one("(@@), chief engineer", "email", "m_o'neill@port-elsing.org"),
    _one('{"owner": "@@"}', "email", "root42@mail.internal.company.com"),
    _one("Die Adresse ist @@.", "email", "karl.weiss@uni-hafen.de"),
    _one("cc @@, please", "email", "TEAM.LEAD@FIRMA.COM"),
    _one("Sent by @@\nto nobody", "email", "x9@y2.museum"),
]
PHONES = [
    _one("Call @@ today.", "phone", "+1 212-736-5000"),
    _one("Tel.: @@", "phone", "+49 30 901820"),
    _one("reach me at @@!", "phone", "+44 20 7219 3000"),
    _one("WhatsApp @@ (evenings)", "phone", "+33 1 42 34 56 78"),
    _one("phone=@@", "phone", "+91 98765 43210"),
    _one("Fax @@.", "phone", "+81 3-3581-5111"),
    _one("the clinic (@@) is open", "phone", "+61 2 9230 1111"),
    _one("Office: (@@)", "phone", "+39 06 6982"),
]
NATIONAL = [  # with regions=("US",)
    _one("Call @@ today.", "phone", "(212) 736-5000"),
    _one("Her number is @@.", "phone", "415-701-2311"),
]
CARDS = [
    _one("Card number @@, exp 04/29", "card", "4111 1111 1111 1111"),
    _one("pan: @@", "card", "5555555555554444"),
    _one("Amex @@ was charged", "card", "3782 822463 10005"),
    _one("the card @@.", "card", "6011-1111-1111-1117"),
    _one("JCB @@", "card", "3530111333300000"),
    _one("Mastercard @@ declined", "card", "2223003122003222"),
]
IBANS = [
    _one("IBAN @@", "iban", "DE89 3704 0044 0532 0130 00"),
    _one("pay to @@ now", "iban", "GB82WEST12345698765432"),
    _one("Konto: @@.", "iban", "FR14 2004 1010 0505 0001 3M02 606"),
    _one("to @@ BIC COBADEFF", "iban", "NL91 ABNA 0417 1643 00"),
    _one("account @@,", "iban", "CH93 0076 2011 6238 5295 7"),
]
SSNS = [
    _one("SSN: @@", "ssn", "536-90-4399"),
    _one("Her social security number is @@.", "ssn", "212-09-7694"),
]
SECRETS = [
    _one("export AWS_ACCESS_KEY_ID=@@", "secret", "AKIA" + "J5QZ7RTL2MWX4NPB"),
    _one("token: @@", "secret", "ghp_" + AB[:36]),
    _one("git clone with @@", "secret", "github_pat_" + AB[:22] + "_" + AB[:59]),
    _one("GITLAB=@@", "secret", "glpat-" + AB[:20]),
    _one("login(token='@@')", "secret", "hf_" + AB[:34]),
    _one("OPENAI_API_KEY=@@", "secret", "sk-proj-" + AB[:60]),
    _one("key @@ is old", "secret", "sk-" + AB[:20] + "T3BlbkFJ" + AB[20:40]),
    _one("ANTHROPIC_API_KEY: @@", "secret", "sk-ant-api03-" + AB[:80]),
    _one("?key=@@", "secret", "AIza" + AB[:35]),
    _one("slack: @@", "secret", "xoxb-" + "2345678901-3456789012-abcdefghij"),
    _one("stripe.api_key = '@@'", "secret", "sk_live_" + AB[:24]),
    _one("-----@@-----\nMIIE", "secret", "BEGIN RSA PRIVATE KEY"),
    _one("-----@@-----", "secret", "BEGIN OPENSSH PRIVATE KEY"),
    _one("SG: @@", "secret", "SG." + AB[:22] + "." + AB[:43]),
    _one("bot @@", "secret", "123456789:" + AB[:35]),
    _one("Authorization: Bearer @@", "secret", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0."),
    _one("gsk @@", "secret", "gsk_" + AB[:52]),
    _one("upload with @@", "secret", "pypi-AgEIcHlwaS5vcmc" + AB[:75]),
]
CLEAN = [
    "Anna Lindqvist met Karl Weiss at the harbour of Port Elsing in 1998.",
    "Dr. James O'Neill, of 14 Mill Lane, wrote the report on the tides.",
    "The mill was built in 1842 and burned down on 12 March 1907.",
    "Version 3.11.4-rc.2+build.20240501 fixes the leak in 2.0.17.",
    "ISBN 978-3-16-148410-0 is a well-known book.",
    "ISBN-10: 0-306-40615-2, second edition.",
    "The hash is d41d8cd98f00b204e9800998ecf8427e.",
    "sha256:" + HEX,
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 on main",
    "uuid 123e4567-e89b-12d3-a456-426614174000 was assigned.",
    "2026-11-21T13:06:49+00:00 is the time of the first entry.",
    "Dates such as 21/11/2026 and 11-21-2026 are written in many ways.",
    "pi is 3.14159265358979323846 and e is 2.718281828459045",
    "A population of 1 234 567 people lives on 12 500 square kilometres.",
    "It cost $1,234,567.89 in 2019 and 2,345,678.90 in 2021.",
    "The order 4111 1111 1111 1112 is no card: its check digit is wrong.",
    "The number 1234567890123456 was drawn from a hat.",
    "DE89 3704 0044 0532 0130 01 is an IBAN with a wrong check.",
    "000-12-3456 and 666-12-3456 are no social security numbers.",
    "Rows 100-200, 300-400 and 500-600 were deleted.",
    "See RFC 2606, section 3, and arXiv:2307.09288v2.",
    "doi:10.1038/s41586-020-2649-2 describes NumPy.",
    "Write to user@example.com for an example.",
    "admin@service.test and root@server.invalid do not exist.",
    "At the sign @ he stopped; 5 @ 3 is no address.",
    "@anna and @karl_weiss were mentioned on the page.",
    "The decorator @app.route('/login') comes first.",
    "npm install @types/node@20.1.0 --save-dev",
    "git@ is how many remotes begin.",
    "f(x) = a*x + b, with a = 0.5 and b = 1.25e-10",
    "from hf_hub import hf_hub_download",
    "pip install sk-learn is not how scikit-learn is installed",
    "The table pk_customer_id has a primary key and fk_order_id a foreign one.",
    "set api_key_env = 'OPENAI_API_KEY' and never write the key itself",
    "Your password must have at least 12 characters.",
    "The secret of the tide is the moon; the token of thanks was a cake.",
    "BEGIN CERTIFICATE and BEGIN PUBLIC KEY are public.",
    "The key AKIA begins the names of access keys.",
    "Bearer tokens are sent in the header Authorization.",
    "192.168.1.17 and 10.0.0.1 are private addresses.",
    "Score 21-14, 35-28, 42-35 and overtime.",
    "Chapter 12.4.3.1 and figure 7.2.1.9 show the sluice.",
    "1-800 is how free numbers begin in America.",
    "Coordinates 59.3293235, 18.0685808 lie in Stockholm.",
    "The ratio 16:9 and the time 12:30:45.123 are written with colons.",
    "MAC 00:1B:44:11:3A:B7 of the card",
    "Order no. 20261121-000457 shipped.",
    "Part number 9780-5512-77 fits all models.",
    "In base64: SGVsbG8gd29ybGQhIFRoaXMgaXMgYSB0ZXN0Lg==",
    "https://www.example.org/path/2024/11/21/article-123456789.html",
    "The lottery numbers were 4 8 15 16 23 42.",
    "1,000,000 items of 60 words; 2.9 ms a call; 1370 calls/s.",
    "Der Hafen wurde 1898 erbaut und kostete 12.500.000 Mark.",
    "Postleitzahl 10115 Berlin, Hausnummer 12a",
    "ID 35-209900-176148-1 is the IMEI of a phone.",
    "Tel. numbers in films: +1 212-555-0143 and 212-555-0187.",
    "The MD5 of the file, 0123456789abcdef0123456789abcdef, is shown.",
    "x = 0xDEADBEEF; y = 0b101010; z = 1_000_000_000",
    "ENG-2041, JIRA-12345 and CVE-2024-3094 were closed.",
    "The ISS passes at 7.66 km/s at a height of 408 km.",
    "Call me Ishmael. Some years ago, never mind how long precisely.",
    "GB is the code of Great Britain; DE12 is no account.",
    "Flight LH 4321 leaves at gate B12 at 18:05.",
    "Boil 250 ml of water, add 3-4 spoons, wait 10-15 minutes.",
    "Bible, John 3:16-18, 4:1-3.",
    "AC12 and SK34 are codes of bus stops.",
    "The sequence 0112358132134558914423337761 hides Fibonacci numbers.",
    "S/N 4532-0000-1111-AB belongs to the pump.",
]

LABELLED: list[Labelled] = [
    *EMAILS, *PHONES, *CARDS, *IBANS, *SSNS, *SECRETS, *((text, ()) for text in CLEAN),
]  # fmt: skip
