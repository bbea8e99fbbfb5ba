#!/bin/bash
# The first process of a virtual machine, once its root is there: the files of the machine that it runs on, with what is
# written kept in memory.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8

# be_a_machine MODULES SHARED: mounts what a system mounts, loads what the tests may need, and brings its loopback up.
be_a_machine() {
    mount -t tmpfs tmpfs /run
    # Not above /tmp: the checkout may lie there.
    export TMPDIR=/run/tmp
    mkdir -p "$TMPDIR" /dev/pts /dev/shm /sys/fs/bpf /sys/fs/cgroup /lib/modules "$2"
    ln -sfn /proc/self/fd /dev/fd
    ln -sfn fd/0 /dev/stdin
    ln -sfn fd/1 /dev/stdout
    ln -sfn fd/2 /dev/stderr
    mount -t devpts devpts /dev/pts
    mount -t tmpfs tmpfs /dev/shm
    mount -t bpf bpf /sys/fs/bpf
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mount -t 9p -o trans=virtio,version=9p2000.L shared "$2"
    ln -sfn "$1" "/lib/modules/$(uname -r)"
    for module in veth tun 8021q bonding vrf macvlan bridge dummy wireguard ipip ip_gre sit vxlan ppp_generic ip_vs esp4 \
        nf_tables nft_ct nft_nat nft_masq nft_chain_nat nf_conntrack ip_set sch_ingress cls_bpf act_bpf sch_fq; do
        modprobe -q "$module" || echo "this kernel has no $module" >&2
    done
    ip link set lo up
    # What is printed leaves by a serial port, which is not to change it.
    stty -F /dev/ttyS0 raw
    exec </dev/null >/dev/ttyS0 2>&1
}

# end STATUS PORT: ends the machine, and has the emulator end with this status.
end() {
    sync
    printf "\\x$(printf %x "$1")" | dd of=/dev/port bs=1 seek="$2" status=none
    # Where there is no such port.
    echo o >/proc/sysrq-trigger
    sleep 10
}

