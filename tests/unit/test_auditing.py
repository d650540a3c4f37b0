"""What demo and selftest share."""

from camembias.cli.auditing import free_port


def test_two_that_start_at_once_do_not_meet_on_one_port():
    assert len({free_port() for _ in range(5)}) > 1
