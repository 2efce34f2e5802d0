"""Who may start a benchmark: the rule of one function, case by case."""

import pytest

from bench.permission import COMMAND_LINE, Asker, is_loopback, why_not

LIST = frozenset({"Ada@Example.org"})


def browser(**facts):
    return Asker(**{"address": "127.0.0.1", **facts})


def test_the_command_line_is_always_allowed():
    assert why_not(COMMAND_LINE) is None


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "localhost", "LOCALHOST", "::1", "[::1]", "127.9.9.9"]
)
def test_on_a_loopback_address_anybody_may(address):
    assert is_loopback(address)
    assert why_not(browser(address=address)) is None


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "0.0.0.0",
        "::",
        "192.168.1.7",
        "10.0.0.1",
        "lab.example.org",
        "127.0.0.1.nip.io",
        "2130706433",
    ],
)
def test_on_any_other_address_nobody_may_without_sign_in(address):
    assert not is_loopback(address)
    assert "has no sign-in" in why_not(browser(address=address))


def test_a_container_that_says_its_port_is_published_to_this_machine_alone_counts_as_loopback():
    assert why_not(browser(address="0.0.0.0", published_to_loopback=True)) is None


def test_a_proxy_in_front_of_loopback_needs_sign_in():
    assert "through a proxy" in why_not(browser(forwarded=True))
    assert "through a proxy" in why_not(
        browser(address="0.0.0.0", published_to_loopback=True, forwarded=True)
    )


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1"])
def test_with_sign_in_only_who_is_listed_may_whatever_the_address(address):
    def asked(**facts):
        return why_not(browser(address=address, sign_in=True, **facts))

    assert "no e-mail address is on the allow-list" in asked(email="ada@example.org")
    assert "Sign in" in asked(allowed_emails=LIST)
    assert "not on the list" in asked(allowed_emails=LIST, email="eve@example.org")
    assert "not been verified" in asked(
        allowed_emails=LIST, email="ada@example.org", email_verified=False
    )
    assert asked(allowed_emails=LIST, email="ada@example.org", email_verified=True) is None
    assert asked(allowed_emails=LIST, email="ADA@example.org ") is None
    assert asked(allowed_emails=LIST, email="ada@example.org", forwarded=True) is None


@pytest.mark.parametrize("email", ["", " ", "example.org", "ada@example.org.evil.net", "*"])
def test_nothing_but_the_whole_address_is_on_the_list(email):
    assert why_not(browser(sign_in=True, allowed_emails=LIST, email=email)) is not None


def test_every_refusal_is_a_sentence_or_two():
    for asker in (Asker(), browser(sign_in=True), browser(forwarded=True)):
        assert why_not(asker).endswith(".")
