"""Every fault once, in the ordinary test run; `python -m tests.faults --long` is the long form."""

import pytest

from tests.faults.fuzz import READERS, SHARE, survey
from tests.faults.suite import FAULTS, attempt
from tests.faults.surroundings import NotPossibleHere

pytestmark = pytest.mark.alone


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_doubled_left_running_or_unreadable_after(fault, tmp_path):
    try:
        damage = attempt(fault, 0, tmp_path / "fault")
    except NotPossibleHere as reason:
        pytest.skip(str(reason))
    assert damage.harmless, damage


# Links: tests/test_links.py.
@pytest.mark.parametrize("kind", [kind for kind in READERS if kind not in SHARE])
def test_a_mutated_file_never_crashes_hangs_or_reads_as_something_else(kind):
    assert survey(kind, 0, 500) == ([], [], [])
