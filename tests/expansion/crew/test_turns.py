"""The log of a trial's turns: who has it, who may take it over, and who may hand it in."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expansion.crew.turns import BEATS, MOST_LOST, LeaseLost, Turns, Watch

LOST_AFTER = 60.0


class Clock:
    """A clock that is put forward by hand; every worker's begins elsewhere."""

    def __init__(self):
        self.now = 0.0

    def of(self, number: int):
        return lambda: self.now + 1000 * number


class Someone:
    """A worker without work: takes, shows signs of life, hands in."""

    def __init__(self, folder: str, number: int, clock: Clock):
        self.turns = Turns(folder, f"worker {number}")
        self.watch = Watch(LOST_AFTER, clock.of(number))
        self.lease = None

    def take(self):
        self.lease = self.watch.take(self.turns)
        return self.lease is not None


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def posted(tmp_path):
    folder = str(tmp_path / "trial_0000")
    assert Turns(folder, "chief").add("open", "first")
    return folder


def workers(folder, clock, count=2):
    return [Someone(folder, number, clock) for number in range(count)]


def last(folder):
    return Turns(folder, "reader").refresh()


def test_one_takes_and_hands_in(posted, clock):
    one, other = workers(posted, clock)
    assert one.take() and not other.take()
    one.lease.renew({"epoch": 1})
    one.lease.end("done", {"metrics": {"val_accuracy": 0.5}})
    entry = last(posted)
    assert (entry.number, entry.kind, entry.by, entry.posting) == (3, "done", "worker 0", "first")
    assert entry.said == {"metrics": {"val_accuracy": 0.5}} and not other.take()


def test_a_sign_of_life_keeps_a_trial_and_silence_loses_it(posted, clock):
    one, other = workers(posted, clock)
    one.take()
    for _ in range(3 * BEATS):
        clock.now += LOST_AFTER / BEATS
        one.lease.renew()
        assert not other.take()
    clock.now += LOST_AFTER
    assert not other.take()  # just not yet
    clock.now += 1
    assert other.take()
    for late in (one.lease.renew, lambda: one.lease.end("done", {"metrics": {}})):
        with pytest.raises(LeaseLost):
            late()
    other.lease.end("done", {"metrics": {"val_accuracy": 0.25}})
    assert last(posted).said == {"metrics": {"val_accuracy": 0.25}}


def test_whoever_comes_late_waits_as_long_as_the_others(posted, clock):
    one, _ = workers(posted, clock)
    one.take()
    clock.now += 10 * LOST_AFTER
    late = Someone(posted, 7, clock)
    assert not late.take()  # its own clock has seen nothing yet
    clock.now += LOST_AFTER + 1
    assert late.take()


def test_one_that_only_stood_still_hands_in_if_nobody_took_over(posted, clock):
    one, _ = workers(posted, clock)
    one.take()
    clock.now += 100 * LOST_AFTER
    one.lease.end("done", {"metrics": {}})
    assert last(posted).kind == "done"


def test_given_back_it_is_free_at_once(posted, clock):
    one, other = workers(posted, clock)
    one.take()
    one.lease.end("open")
    assert other.take() and other.lease.number == 4


def test_a_trial_that_loses_every_worker_fails(posted, clock):
    one, other = workers(posted, clock)
    assert one.take()
    for _ in range(MOST_LOST):
        assert not other.take()
        clock.now += LOST_AFTER + 1
        other.take()
        one, other = other, one
    entry = last(posted)
    assert entry.kind == "failed" and entry.said["reason"] == f"{MOST_LOST} workers in a row were lost with it"


def test_epochs_done_pardon_the_lost(posted, clock):
    one, other = workers(posted, clock)
    for _ in range(2 * MOST_LOST):
        assert one.take()
        one.lease.renew({"epoch": 3})
        other.take()
        clock.now += LOST_AFTER + 1
        one, other = other, one
    assert last(posted).lost == 0


ACTIONS = st.lists(st.tuples(st.sampled_from(["take", "renew", "done", "failed", "open", "dies", "waits"]),
                             st.integers(0, 3), st.floats(0, 2 * LOST_AFTER)), min_size=5, max_size=60)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTIONS)
def test_whatever_happens_one_result_counts(tmp_path_factory, actions):
    """Any interleaving of four workers: one holds the trial at a time, and nobody hands in who does not hold it."""
    folder, clock = str(tmp_path_factory.mktemp("any") / "trial"), Clock()
    chief = Turns(folder, "chief")
    chief.add("open", "posting 0")
    team, postings, results = workers(folder, clock, 4), 1, []
    for action, number, seconds in actions:
        someone, before = team[number], chief.refresh()
        holds = someone.lease is not None and before.kind == "taken" and before.number == someone.lease.number
        if action == "waits":
            clock.now += seconds
        elif action == "dies":
            team[number] = Someone(folder, number, clock)
        elif action == "take":
            had = someone.lease
            if someone.take():
                assert before.kind in ("open", "taken") and someone.lease.number == before.number + 1
            else:
                someone.lease = had
        elif someone.lease is not None:
            try:
                someone.lease.renew() if action == "renew" else someone.lease.end(action)
            except LeaseLost:
                assert not holds
            else:
                assert holds
                if action != "renew":
                    results.append((before.posting, action))
        entry = chief.refresh()
        if entry.kind in ("done", "failed"):
            assert results[-1:] == [(entry.posting, entry.kind)] or entry.lost == MOST_LOST
            chief.add("open", f"posting {postings}")
            postings += 1
    handed_in = [posting for posting, action in results if action != "open"]
    assert len(set(handed_in)) == len(handed_in)
    numbers = [Turns(folder, "x").refresh().number, chief.last.number]
    assert numbers[0] == numbers[1]


def test_two_at_once_in_the_very_same_moment(posted, clock):
    """Both have read the same last entry; the one that writes second has nothing."""
    one, other = workers(posted, clock)
    one.turns.refresh(), other.turns.refresh()
    assert one.turns.add("taken", "first") and not other.turns.add("taken", "first")
    assert other.turns.last.kind == "open" and other.turns.refresh().by == "worker 0"


def test_it_works_on_a_file_system_of_fsspec(clock):
    folder = "memory://leases/trial_0000"
    assert Turns(folder, "chief").add("open", "first")
    one, other = workers(folder, clock)
    assert one.take() and not other.take()
    clock.now += LOST_AFTER + 1
    assert other.take()
    with pytest.raises(LeaseLost):
        one.lease.end("done")
    other.lease.end("done")
    assert last(folder).by == "worker 1"
