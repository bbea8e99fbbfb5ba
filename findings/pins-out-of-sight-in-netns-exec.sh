#!/usr/bin/env bash
# iproute2 6.1.0: BPF objects that are pinned below /sys/fs/bpf are not there for a program under `ip netns exec`, and one
# that mounts the BPF file system itself leaves no pin behind.
#
# Expected beforehand: that `ip netns exec NAME PROGRAM` gives a program another network and the same files, so that a
# loader in a namespace finds and leaves pins as anywhere. Seen: it mounts a fresh sysfs over /sys, below which nothing is
# mounted on /sys/fs/bpf; a pin that exists "does not exist" (bpftool), and what pins there is told that it is no BPF file
# system. With a BPF file system mounted inside, pinning works, into a mount that ends with the program: the pin, and what
# hung from it alone, is gone afterwards. `nsenter --net=/run/netns/NAME` changes the network only, and sees all pins.
#
# Needs root, a kernel with BPF, a BPF file system on /sys/fs/bpf, and the network (for the packages); makes a namespace
# without any device of the host's, and one pinned map, and removes both. Fails if any of this is otherwise.
set -euo pipefail

folder=$(mktemp -d)
tag=pins-$$
pin=/sys/fs/bpf/$tag
cleanup() { "$ip" netns delete "$tag" 2>/dev/null || true; rm -rf "$folder" "$pin" "$pin-inside"; }
ip=$folder/unpacked/sbin/ip
trap cleanup EXIT
cd "$folder"
apt-get download -q iproute2=6.1.0-3 bpftool >/dev/null
for package in *.deb; do dpkg -x "$package" unpacked; done
bpftool=$folder/unpacked/usr/sbin/bpftool
"$ip" -V
"$bpftool" version | head -n 1
mountpoint -q /sys/fs/bpf || { echo "there is no BPF file system on /sys/fs/bpf"; exit 1; }

is() { # WHAT EXPECTED COMMAND...
    local what=$1 expected=$2 outcome=no
    shift 2
    if "$@" >output 2>&1; then outcome=yes; fi
    printf '%-3s %s\n' "$outcome" "$what"
    [ "$outcome" = "$expected" ] || { cat output; echo "not as described: $what"; exit 1; }
}
map=(map create "$pin" type array key 4 value 4 entries 1 name pins)
inside=(map create "$pin-inside" type array key 4 value 4 entries 1 name pins)
"$ip" netns add "$tag"
"$bpftool" "${map[@]}"
is "the pin is there outside" yes "$bpftool" map show pinned "$pin"
is "under ip netns exec it is there" no "$ip" netns exec "$tag" "$bpftool" map show pinned "$pin"
is "under nsenter --net it is there" yes nsenter --net="/run/netns/$tag" "$bpftool" map show pinned "$pin"
is "under ip netns exec a BPF file system is on /sys/fs/bpf" no "$ip" netns exec "$tag" mountpoint -q /sys/fs/bpf
is "one mounted inside takes a pin" yes "$ip" netns exec "$tag" sh -c \
    "mount -t bpf bpf /sys/fs/bpf && '$bpftool' ${inside[*]} && '$bpftool' map show pinned '$pin-inside'"
is "that pin is there outside afterwards" no test -e "$pin-inside"
is "it is there for the next program inside" no "$ip" netns exec "$tag" test -e "$pin-inside"
echo "as described"
