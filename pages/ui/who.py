"""Who is in front of this page: the facts that `bench.permission` judges."""

import os

import streamlit as st

from bench.permission import PUBLISHED_TO_LOOPBACK, Asker

# E-mail addresses that may start benchmarks once sign-in is configured, separated by commas.
ALLOWED_EMAILS = "BENCH_ALLOWED_EMAILS"


def asker() -> Asker:
    """The facts about this session, from the server's settings, the request and the sign-in."""
    sign_in = st.secrets.load_if_toml_exists() and "auth" in st.secrets
    user = st.user.to_dict() if sign_in else {}
    headers = st.context.headers
    return Asker(
        address=st.get_option("server.address"),
        published_to_loopback=os.environ.get(PUBLISHED_TO_LOOPBACK) == "1",
        forwarded=any(name in headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip")),
        sign_in=sign_in,
        email=_text(user.get("email")),
        email_verified=_bool(user.get("email_verified")),
        allowed_emails=frozenset(
            email.strip()
            for email in os.environ.get(ALLOWED_EMAILS, "").split(",")
            if email.strip()
        ),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
