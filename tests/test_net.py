"""Addresses as people write them, right and wrong."""

import socket

import pytest
from bridge_doubles import FakeLive, udp_peer

from bridges.hub import OutputSpec, open_sink
from bridges.net import UdpSender, parse_address
from engine.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:39539", "127.0.0.1", 39539),
        ("unity-pc.local:9000", "unity-pc.local", 9000),
        ("[::1]:39539", "::1", 39539),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", 1),
        ("255.255.255.255:65535", "255.255.255.255", 65535),
    ],
)
def test_good_addresses(text, host, port):
    address = parse_address(text, "vmc")
    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", ":", "9000", ":9000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "h:9e3",
     "h:٣", "::1:9000", "[::1]", "[::1:9000", "[]:9000", "a b:9000", "user@h:9000", "h/p:9000"],
)  # fmt: skip
def test_bad_addresses_get_one_line_with_an_example(text):
    with pytest.raises(ConfigError) as caught:
        parse_address(text, "vmc")
    message = str(caught.value)
    assert "\n" not in message
    assert "vmc=127.0.0.1:9000" in message


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("kind", ["vmc", "osc", "ws"])
def test_every_kind_refuses_a_bad_address_before_the_show(kind):
    with pytest.raises(ConfigError, match=f"of {kind}"):
        open_sink(OutputSpec(kind, "nowhere"), FakeLive())


def test_an_unknown_host_is_a_config_error():
    with pytest.raises(ConfigError, match="no-such-host.invalid"):
        open_sink(OutputSpec("vmc", "no-such-host.invalid:39539"), FakeLive())


def test_ipv6_datagrams_arrive(needs):
    if not has_ipv6_loopback():
        needs.absent("IPv6 on the loopback interface", "sysctl -w net.ipv6.conf.lo.disable_ipv6=0")
    with udp_peer("::1") as peer:
        sender = UdpSender(parse_address(peer.address, "osc"), "osc")
        sender.open()
        sender.send([b"one", b"two"])
        assert peer.receive(2) == [b"one", b"two"]
        sender.close()


def test_nobody_listening_is_no_error():
    """UDP to a closed port: the receiver may be started later than the show."""
    sender = UdpSender(parse_address("127.0.0.1:9", "osc"), "osc")
    sender.open()
    for _ in range(3):
        sender.send([b"x"])
    sender.close()
    assert sender.dropped == 0
