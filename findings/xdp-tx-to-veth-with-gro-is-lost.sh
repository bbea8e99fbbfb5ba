#!/usr/bin/env bash
# Linux 6.18, veth: what an XDP program sends back (XDP_TX) does not arrive at an end that has generic receive offload on and no
# program of its own.
#
# Expected beforehand: that a veth takes frames of XDP_TX once its other end polls (NAPI), which it does as soon as it has a
# program or GRO on, so that either is enough. Seen: with neither, none of 2,000 frames arrives; with a program that only
# passes, all do; with GRO on, none does either: 256 of them wait in the ring of that end, which nobody is told to empty, and
# the others are lost. An ordinary frame that is sent meanwhile arrives, by another way. The sender counts `xdp_tx_errors` from
# the 257th on; the receiver counts nothing. So a test of what XDP_TX sends needs a program at the other end, and one that has
# GRO on there may see some of it in the wake of other traffic, and take that for success.
#
# Needs root, iproute2, ethtool and python3-venv; fetches a pinned pyroute2 from PyPI. Makes two network namespaces and removes
# them. Fails if any of this is otherwise.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 1; }
place=$(mktemp -d)
one=tx-lost-a-$$ other=tx-lost-b-$$
clean() {
    ip netns del "$one" 2>/dev/null || true
    ip netns del "$other" 2>/dev/null || true
    rm -rf "$place"
}
trap clean EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" --quiet install pyroute2==0.9.2
cat >"$place/try.py" <<'PY'
import ctypes, os, platform, socket, struct, subprocess, sys, time
from pyroute2 import NetNS

ONE, OTHER = sys.argv[1:]
FRAMES = 2000
libc = ctypes.CDLL(None, use_errno=True)

def bpf(command, attribute):
    buffer = ctypes.create_string_buffer(attribute.ljust(128, b'\0'), 128)
    result = libc.syscall(321, command, buffer, 128)  # x86-64
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def program(verdict):
    """An XDP program that answers the same for every frame: 2 is XDP_PASS, 3 is XDP_TX."""
    code = ctypes.create_string_buffer(struct.pack('<QQ', 0xb7 | verdict << 32, 0x95))
    licence = ctypes.create_string_buffer(b'GPL')
    program.keep = (code, licence)
    return bpf(5, struct.pack('<IIQQ', 6, 2, ctypes.addressof(code), ctypes.addressof(licence)))

def attach(namespace, index, verdict):
    with open(f'/run/netns/{namespace}') as there, open('/proc/self/ns/net') as here:
        libc.setns(there.fileno(), 0)
        try:
            return bpf(28, struct.pack('<IIII', program(verdict), index, 37, 1 << 2))
        finally:
            libc.setns(here.fileno(), 0)

def received(netns):
    return netns.get_links(ifname='b')[0].get_attr('IFLA_STATS64')['rx_packets']

def send(namespace, device, count):
    with open(f'/run/netns/{namespace}') as there, open('/proc/self/ns/net') as here:
        libc.setns(there.fileno(), 0)
        try:
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            raw.bind((device, 0))
            for _ in range(count):
                raw.send(b'\xff' * 6 + b'\x02\0\0\0\0\1' + b'\x88\xb5' + bytes(50))
                time.sleep(0.0005)
        finally:
            libc.setns(here.fileno(), 0)

def attempt(gro, passes):
    a, b = NetNS(ONE), NetNS(OTHER)
    try:
        a.link('add', ifname='a', kind='veth', peer={'ifname': 'b', 'net_ns_fd': OTHER})
        for namespace, name in ((ONE, 'a'), (OTHER, 'b')):
            subprocess.run(['ip', '-n', namespace, 'link', 'set', 'dev', name, 'up', 'arp', 'off'], check=True)
            subprocess.run(['ip', 'netns', 'exec', namespace, 'sysctl', '-qw', f'net.ipv6.conf.{name}.disable_ipv6=1'], check=True)
        if gro:
            subprocess.run(['ip', 'netns', 'exec', OTHER, 'ethtool', '-K', 'b', 'gro', 'on'], check=True)
        index = {'a': a.link_lookup(ifname='a')[0], 'b': b.link_lookup(ifname='b')[0]}
        links = [attach(ONE, index['a'], 3)] + ([attach(OTHER, index['b'], 2)] if passes else [])
        time.sleep(0.3)
        before = received(b)
        send(OTHER, 'b', FRAMES)
        time.sleep(0.5)
        at_first = received(b) - before
        send(ONE, 'a', 1)
        time.sleep(0.5)
        after = received(b) - before - at_first
        for link in links:
            os.close(link)
        a.link('del', index=index['a'])
        return at_first, after
    finally:
        a.close()
        b.close()

print('Linux', platform.release())
expected = {'nothing': (False, False, (0, 1)), 'a program that passes': (False, True, (FRAMES, 1)), 'GRO': (True, False, (0, 1))}
good = True
for name, (gro, passes, wanted) in expected.items():
    seen = attempt(gro, passes)
    print(f'with {name}: {seen[0]} of {FRAMES} arrive, and {seen[1]} once one more frame is sent the ordinary way')
    good &= seen == wanted
print('as described' if good else 'not as described')
sys.exit(0 if good else 1)
PY
ip netns add "$one"
ip netns add "$other"
"$place/venv/bin/python" "$place/try.py" "$one" "$other"
