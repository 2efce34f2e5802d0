"""Turns: one computes at a time, nobody waits for ever, a fragment is part of its page."""

import threading
import time

import pytest

from pages.ui import turns


def test_two_never_compute_at_once() -> None:
    inside = 0
    most = 0

    def compute() -> None:
        nonlocal inside, most
        for _ in range(20):
            with turns.turn():
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1

    sessions = [threading.Thread(target=compute) for _ in range(8)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    assert most == 1


def test_whoever_is_held_up_holds_up_the_others_for_a_while_only() -> None:
    started, finished = threading.Event(), threading.Event()

    def held_up() -> None:
        with turns.turn():
            started.set()
            finished.wait(30)

    session = threading.Thread(target=held_up)
    session.start()
    assert started.wait(30)
    with turns.turn():
        assert not finished.is_set()
    finished.set()
    session.join()


def test_a_turn_within_a_turn_and_a_page_that_fails_leave_it_free() -> None:
    with pytest.raises(ZeroDivisionError), turns.turn(), turns.turn():
        raise ZeroDivisionError
    free = threading.Event()

    def next_one() -> None:
        start = time.monotonic()
        with turns.turn():
            if time.monotonic() - start < turns.PATIENCE_S:
                free.set()

    session = threading.Thread(target=next_one)
    session.start()
    session.join()
    assert free.is_set()


def test_whoever_came_first_is_next() -> None:
    order: list[int] = []

    def session(number: int) -> None:
        with turns.turn():
            order.append(number)

    sessions = [threading.Thread(target=session, args=(number,)) for number in range(6)]
    with turns.turn():
        for number, each in enumerate(sessions):
            each.start()
            while len(turns._turns._waiting) <= number:
                time.sleep(0.001)
    for each in sessions:
        each.join()
    assert order == sorted(order)
