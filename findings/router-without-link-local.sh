#!/usr/bin/env bash
# Linux 6.18, IPv6: a router whose interface has a global address but no link-local one does not find its neighbours for
# packets that it forwards, though it finds the same neighbours for packets of its own.
#
# Expected beforehand: that neighbour solicitations go out from the global address of the interface, which is on the link
# and which the router's own packets use. Seen: what the router sends itself arrives; what it forwards is lost, and the
# neighbour stays INCOMPLETE or FAILED; with a link-local address on the interface the same packet arrives. Interfaces
# with addr_gen_mode=1 (of hosting panels, containers and test benches) are such. RFC 4861, section 7.2.2, wants the
# solicitation's source to be one of the interface's addresses, and that of the packet only where it is one of them.
#
# Uses iproute2 and Python's standard library, in network namespaces of its own. Needs root. Fails if it is otherwise.
set -euo pipefail
uname -r; ip -V
tag=$$
inside() { local who=$1; shift; ip netns exec "ll-$tag-$who" "$@"; }
clean() { for who in guest router server; do ip netns del "ll-$tag-$who" 2>/dev/null || true; done; }
trap clean EXIT
for who in guest router server; do
    ip netns add "ll-$tag-$who"
    # No link-local address is made for interfaces to come.
    inside "$who" sysctl -qw net.ipv6.conf.default.addr_gen_mode=1
done
link() { ip link add "$2" netns "ll-$tag-$1" type veth peer name "$4" netns "ll-$tag-$3"; inside "$1" ip link set "$2" up; inside "$3" ip link set "$4" up; }
link guest g0 router r0
link router r1 server s0
inside router sysctl -qw net.ipv6.conf.all.forwarding=1
inside guest ip address add fd00:1::2/64 dev g0 nodad
inside router ip address add fd00:1::1/64 dev r0 nodad
inside router ip address add fd00:2::1/64 dev r1 nodad
inside server ip address add fd00:2::2/64 dev s0 nodad
inside guest ip -6 route add default via fd00:1::1
inside server ip -6 route add default via fd00:2::1

arrives() { # FROM: whether a datagram from there reaches the server within two seconds
    inside server timeout 3 python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("fd00:2::2", 9000)); s.settimeout(2)
print("ready", flush=True)
try: s.recv(1)
except TimeoutError: sys.exit(1)' > "/tmp/ll-$tag" &
    local server=$!
    for _ in $(seq 50); do grep -q ready "/tmp/ll-$tag" 2>/dev/null && break; sleep 0.1; done
    inside "$1" python3 -c '
import socket
socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"x", ("fd00:2::2", 9000))'
    local outcome=0
    wait "$server" || outcome=1
    rm -f "/tmp/ll-$tag"
    return $outcome
}
expect() { # yes|no FROM WHAT
    local outcome=no
    if arrives "$2"; then outcome=yes; fi
    echo "$3: $outcome"
    [ "$outcome" = "$1" ] || { echo "not as described"; exit 1; }
}
expect no guest "forwarded, no link-local address"
inside router ip -6 neighbour show fd00:2::2
inside router ip -6 neighbour flush dev r1
expect yes router "the router's own"
inside router ip -6 neighbour flush dev r1
expect no guest "forwarded, after the router's own has arrived and its neighbour was forgotten"
inside router ip address add fe80::1/64 dev r1 nodad
inside router ip -6 neighbour flush dev r1
expect yes guest "forwarded, with a link-local address"
echo "as described"
