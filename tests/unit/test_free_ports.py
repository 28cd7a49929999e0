"""Ports for programs that tests and the demo call start: given once, though nobody has opened them yet."""

import subprocess
import sys

from api.demo_call.process import free_port, free_port_range


def test_a_port_that_was_given_is_not_given_again_before_it_is_opened() -> None:
    given = [port + neighbour for port in (free_port(count=2) for _ in range(40)) for neighbour in (0, 1)]
    given += [first + neighbour for first in (free_port_range(6, start=24_000) for _ in range(5)) for neighbour in range(6)]
    assert len(set(given)) == len(given)


def test_nor_to_another_process() -> None:
    ours = free_port_range(4, start=28_000)
    program = f"from api.demo_call.process import free_port_range as given; print(given(4, start={ours}))"
    theirs = int(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)
    assert theirs >= ours + 4
