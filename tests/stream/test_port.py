"""The port over a real pseudo-terminal and a real socket."""

import os
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from fabctl.errors import LinkError
from fabctl.sim.port import SimPort
from fabctl.stream.locks import device_key, found_again, serial_number_of
from fabctl.stream.port import Port, Wakeable, open_port
from fabctl.stream.stops import EndState

posix = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are a POSIX thing")


@pytest.fixture
def terminal():
    """A pseudo-terminal: the far end's descriptor and the near end's name."""
    far, near = os.openpty()
    yield far, os.ttyname(near)
    for number in (far, near):
        try:
            os.close(number)
        except OSError:
            continue


@pytest.fixture
def opened(tmp_path):
    """Open ports that are closed at the end of the test."""
    ports = []

    def open_it(url, **more):
        port = open_port(url, lock_folder=tmp_path / "locks", **more)
        ports.append(port)
        return port

    yield open_it
    for port in ports:
        port.close()


class Far:
    """A virtual controller at the far end of a descriptor, served by a thread in real time × `speed`."""

    def __init__(self, descriptor, settings, speed=50):
        self.sim = SimPort(settings)
        self.descriptor, self.speed = descriptor, speed
        self.going = True
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        os.set_blocking(self.descriptor, False)
        start_s = time.monotonic()
        while self.going:
            try:
                self.sim.write(os.read(self.descriptor, 4096))
            except BlockingIOError:
                time.sleep(0.0005)
            except OSError:
                return
            behind_s = (time.monotonic() - start_s) * self.speed - self.sim.clock_s()
            data = self.sim.read(max(0.0, behind_s))
            if data:
                os.write(self.descriptor, data)

    def stop(self):
        self.going = False
        self.thread.join(5)


@posix
def test_bytes_go_both_ways_whole(terminal, opened):
    far, name = terminal
    port: Port = opened(name)
    assert port.name == name
    port.write(b"?")
    assert os.read(far, 10) == b"?"
    os.write(far, b"ok\r\n")
    assert port.read(1.0) == b"ok\r\n"


@posix
def test_a_read_ends_after_its_time(terminal, opened):
    port = opened(terminal[1])
    before_s = port.clock_s()
    assert port.read(0.02) == b""
    assert port.clock_s() >= before_s + 0.02


@posix
def test_a_wake_up_call_ends_a_read(terminal, opened):
    port = opened(terminal[1])
    assert isinstance(port, Wakeable)
    port.wake()
    assert port.read(60.0) == b""


@posix
def test_a_write_that_nobody_takes_is_an_error_that_says_how_much_was_taken(terminal, opened):
    with pytest.raises(LinkError, match=r"took only \d+ of 1000000 bytes"):
        opened(terminal[1], write_limit_s=0.05).write(b"x" * 1_000_000)


@posix
def test_a_far_end_that_hangs_up_is_an_error(terminal, opened):
    far, name = terminal
    port = opened(name)
    os.close(far)
    with pytest.raises(LinkError, match="port is gone"):
        port.read(1.0)


@posix
def test_two_senders_never_share_a_port(terminal, opened):
    opened(terminal[1])
    with pytest.raises(LinkError, match=f"process {os.getpid()}"):
        opened(terminal[1])


@posix
def test_another_lock_folder_does_not_help(terminal, opened, tmp_path):
    opened(terminal[1])
    with pytest.raises(LinkError, match="another program"):
        open_port(terminal[1], lock_folder=tmp_path / "elsewhere")


@posix
def test_a_closed_port_can_be_opened_again(terminal, opened):
    opened(terminal[1]).close()
    port = opened(terminal[1])
    port.close()
    port.close()
    with pytest.raises(LinkError):
        port.read(0.0)


@posix
def test_a_whole_program_runs_over_a_pseudo_terminal(terminal, opened, bench, new_job):
    from fabctl.stream.sender import run

    far, name = terminal
    it = bench()
    # in its own time: a tool that is elsewhere sooner than its machine can be is taken for a restart
    served = Far(far, it.machine.settings(), speed=1)
    job = new_job().say("M3S5000").go(2, 0, 0, 1000).go(2, 2, 0, 1000).go(0, 0, 0).say("M5")
    try:
        result = run(opened(name), it.order(job), it.hooks())
    finally:
        served.stop()
    assert result.end_state is EndState.DONE
    assert served.sim.controller.board.outputs.pwm == 0


def test_no_such_port_names_the_ports_there_are(opened):
    with pytest.raises(LinkError, match=r"no such port.*(ports found|no serial port was found)"):
        opened("no-such-device-here")


@pytest.mark.parametrize("url", ["gopher://there", "socket://nowhere", "socket://localhost:99999"])
def test_what_is_no_address_is_refused(opened, url):
    with pytest.raises(LinkError):
        opened(url)


def test_a_socket_is_a_port_too(opened):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = opened(f"socket://127.0.0.1:{server.getsockname()[1]}")
        far, _ = server.accept()
        with far:
            port.write(b"?")
            assert far.recv(10) == b"?"
            far.sendall(b"ok\r\n")
            assert port.read(1.0) == b"ok\r\n"
        with pytest.raises(LinkError, match="port is gone"):
            port.read(1.0)


def test_nobody_listening_is_a_link_error(opened):
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
    with pytest.raises(LinkError, match="nothing answers"):
        opened(f"socket://127.0.0.1:{number}")


def test_a_port_without_a_descriptor_is_read_in_slices(opened):
    port = opened("loop://")
    port.write(b"ok\r\n")
    assert port.read(1.0) == b"ok\r\n"
    assert port.read(0.01) == b""
    port.wake()
    assert port.read(60.0) == b""


@posix
def test_two_names_of_one_device_are_one_device(tmp_path):
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert device_key(str(tmp_path / "real")) == device_key(str(tmp_path / "link"))
    assert device_key(str(tmp_path / "real")) != device_key(str(tmp_path / "other"))


def plugged(device, serial_number, vid=0x1A86, pid=0x7523):
    """Return a port as the system lists it."""
    return SimpleNamespace(device=device, serial_number=serial_number, vid=vid, pid=pid)


def test_an_adapter_that_came_back_under_another_name_is_found_by_its_serial_number():
    before = [plugged("/dev/ttyUSB0", "A7"), plugged("/dev/ttyUSB1", "B2")]
    after = [plugged("/dev/ttyUSB0", "B2"), plugged("/dev/ttyUSB3", "A7")]
    key = serial_number_of("/dev/ttyUSB0", before)
    assert found_again("/dev/ttyUSB0", key, after) == "/dev/ttyUSB3"


@pytest.mark.parametrize("serial_number", [None, ""])
def test_an_adapter_without_a_number_is_never_taken_for_another(serial_number):
    before = [plugged("/dev/ttyUSB0", serial_number)]
    after = [plugged("/dev/ttyUSB1", serial_number)]
    assert found_again("/dev/ttyUSB0", serial_number_of("/dev/ttyUSB0", before), after) == "/dev/ttyUSB0"
