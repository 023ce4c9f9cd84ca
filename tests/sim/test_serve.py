"""The virtual controller in real time, opened with pyserial as any other port."""

import os
import time

import pytest
import serial

from fabctl.sim.faults import parse_faults
from fabctl.sim.serve import serve_pty, serve_socket

SERVERS = [serve_socket, serve_pty] if os.name == "posix" else [serve_socket]


def read_until(port, wanted, within_s=10.0):
    heard = b""
    end = time.monotonic() + within_s
    while wanted not in heard and time.monotonic() < end:
        heard += port.read(max(1, port.in_waiting))
    return heard


@pytest.mark.parametrize("serve", SERVERS)
def test_a_line_sent_through_pyserial_moves_the_tool(serve):
    settings = {110: 6000, 120: 1000, 1: 255}
    with serve(settings) as served, serial.serial_for_url(served.url, timeout=0.02) as port:
        port.write(b"$I\n")
        assert b"[OPT:V,15,128]\r\nok\r\n" in read_until(port, b"]\r\nok\r\n")
        port.write(b"G1X2F3000\n")
        assert b"ok" in read_until(port, b"ok")
        report = b""
        while b"Idle|MPos:2.000" not in report:
            port.write(b"?")
            report = read_until(port, b">")
            assert report
    assert served.controller.trace.xyz_mm[-1].tolist() == [2.0, 0.0, 0.0]


def test_a_socket_can_be_left_and_opened_again():
    with serve_socket() as served:
        for _ in range(2):
            with serial.serial_for_url(served.url, timeout=0.02) as port:
                port.write(b"$G\n")
                assert b"[GC:" in read_until(port, b"ok")


def test_closing_twice_is_closing():
    served = serve_socket()
    served.close()
    served.close()
    with pytest.raises(serial.SerialException):
        serial.serial_for_url(served.url, timeout=0.02)


@pytest.mark.parametrize("serve", SERVERS)
def test_a_port_that_went_away_is_back_under_another_name(serve):
    urls = []
    with serve(faults=parse_faults("usb-renamed:at=0.3:after_s=0.3")) as served:
        first = served.url
        served.on_url = urls.append
        end = time.monotonic() + 20
        while not urls and time.monotonic() < end:
            time.sleep(0.01)
        assert urls == [served.url] != [first]
        with serial.serial_for_url(served.url, timeout=0.02) as port:
            port.write(b"$G\n")
            assert b"[GC:" in read_until(port, b"ok")


@pytest.mark.parametrize("serve", SERVERS)
def test_faults_work_in_real_time_too(serve):
    with (
        serve(faults=parse_faults("ok-error:at=1:code=33")) as served,
        serial.serial_for_url(served.url, timeout=0.02) as port,
    ):
        port.write(b"G4P0\n")
        assert b"error:33" in read_until(port, b"error:33")
