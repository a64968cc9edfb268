"""Personal data by its pattern: what is found, what is not, and what is left of a text."""

import pytest

from tunesmith.data.quality.personal import iban, luhn, masked, personal

FOUND = {
    "write to Ann.Lee+news@mail.co.uk.": ["e-mail address"],
    "call +44 20 7946 0018 or (312) 456-7890": ["telephone number", "telephone number"],
    "call 312-456-7890 now": ["telephone number"],
    "call 312.456.7890": ["telephone number"],
    "+49 (0)30 1234567": ["telephone number"],
    "card 4111 1111 1111 1111, or 378282246310005": ["card number", "card number"],
    "IBAN GB82 WEST 1234 5698 7654 32": ["account number (IBAN)"],
    "DE89370400440532013000": ["account number (IBAN)"],
    "his number is 219-09-9999": ["social security number (US)"],
    "the server at 8.8.8.8 and 2001:4860:4860::8888": ["IP address", "IP address"],
    "key AKIAIOSFODNN7EXAMPLE": ["key or token"],
    "token ghp_" + "a1B2" * 9: ["key or token"],
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----": ["private key"],
}
NONE = (
    "a@b, @name, me@example.com, you@mail.example, ann@test",
    "call 312-555-0123",  # kept for fiction
    "card 4111 1111 1111 1112",
    "GB82 WEST 1234 5698 7654 33",
    "000-12-3456 and 666-12-3456 and 123-00-4567",
    "127.0.0.1, 192.168.0.1, 10.1.2.3, 300.1.1.1, version 1.2.3.4.5, ::1, 12:30:45",
    "in 1939-1945, 2021-11-22, 12,345,678.90, 3.14159265358979, 1 000 000 000",
    "0000 0000 0000 0000",
    "isbn 978-3-16-148410-0, order 123456789",
    "sk-short, class-name_with_words, std::vector",
    "$1,234.56 and 12:34:56:78",
)


@pytest.mark.parametrize("text", FOUND)
def test_what_is_found(text):
    assert [name for name, *_ in personal(text)] == FOUND[text]
    left = masked(text)
    assert all(f"[{name}]" in left for name in FOUND[text])
    assert not list(personal(left))


@pytest.mark.parametrize("text", NONE)
def test_what_is_nobodys(text):
    assert not list(personal(text))
    assert masked(text) == text


def test_check_digits():
    for number in ("4012888888881881", "5555555555554444", "6011111111111117"):
        assert luhn(number)
        wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
        assert not luhn(wrong)
    for number in ("FR1420041010050500013M02606", "NL91ABNA0417164300", "CH9300762011623852957"):
        assert iban(number) and not iban(number[:-1] + ("1" if number[-1] != "1" else "2"))
