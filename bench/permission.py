"""Who may spend this machine's GPU: one rule, in one place.

The dashboard asks it before it offers the button, and `runs.submit` asks it again with the same
facts, so that a forgotten or forged widget starts nothing.
"""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

# Set to 1 in a container whose port is published to this machine alone
# (docker run -p 127.0.0.1:8501:8501): inside, the server has to listen on every address.
PUBLISHED_TO_LOOPBACK = "BENCH_PUBLISHED_TO_LOOPBACK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """The facts about whoever asks.

    command_line is somebody with a shell on this machine. For a browser, address is the one that
    the server listens on (None or empty: every address), forwarded says that a proxy passed the
    request on, and sign_in tells whether sign-in is configured. email and email_verified come from
    the identity provider (None: not signed in; the provider does not say).
    """

    command_line: bool = False
    address: str | None = None
    published_to_loopback: bool = False
    forwarded: bool = False
    sign_in: bool = False
    email: str | None = None
    email_verified: bool | None = None
    allowed_emails: frozenset[str] = frozenset()

    @property
    def who(self) -> str | None:
        """The name that goes into the journal; None for somebody at this machine."""
        return self.email


COMMAND_LINE = Asker(command_line=True)


def why_not(asker: Asker) -> str | None:
    """Why this asker may not start, resume or cancel a run, in one sentence; None: they may.

    Where sign-in is configured, it counts on every address: whoever set it up wants it.
    """
    if asker.command_line:
        return None
    if asker.sign_in:
        return _why_not_signed_in(asker)
    if not (is_loopback(asker.address) or asker.published_to_loopback):
        return (
            "Benchmarks are off: this server can be reached from other machines and has no "
            "sign-in. Bind it to 127.0.0.1, or configure sign-in and an allow-list of e-mail "
            "addresses."
        )
    if asker.forwarded:
        return (
            "Benchmarks are off: this page came through a proxy and the server has no sign-in. "
            "Configure sign-in and an allow-list of e-mail addresses."
        )
    return None


def _why_not_signed_in(asker: Asker) -> str | None:
    if not asker.allowed_emails:
        return (
            "Benchmarks are off: sign-in is configured, but no e-mail address is on the allow-list."
        )
    if not asker.email:
        return "Sign in to start a benchmark."
    if asker.email_verified is False:
        return f"{asker.email} has not been verified by your identity provider."
    if not is_listed(asker.email, asker.allowed_emails):
        return f"{asker.email} is not on the list of those who may start benchmarks."
    return None


def is_listed(email: str, allowed: Collection[str]) -> bool:
    """Whether an address is on the list; upper and lower case are the same address."""
    return email.strip().casefold() in {entry.strip().casefold() for entry in allowed}


def is_loopback(address: str | None) -> bool:
    """Whether a server that listens on this address is reached from this machine only.

    None, empty and 0.0.0.0 are every address; a name other than localhost could be any.
    """
    if not address:
        return False
    if address.strip().casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip().strip("[]")).is_loopback
    except ValueError:
        return False
