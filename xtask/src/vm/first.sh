#!/bin/busybox sh
# The first process of a virtual machine: finds its root, which is the one of the machine that it runs on, read-only, with
# memory above it that takes what is written.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
while read -r module; do
    $b insmod "/modules/$module" || echo "loading $module failed"
done </modules/order
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,ro,cache=loose root /below &&
    $b mount -t tmpfs tmpfs /above && $b mkdir /above/files /above/work &&
    $b mount -t overlay -o lowerdir=/below,upperdir=/above/files,workdir=/above/work overlay /merged || $b poweroff -f
for directory in proc sys dev; do
    $b mkdir -p /merged/$directory
    $b mount --move /$directory /merged/$directory
done
for word in $($b cat /merged/proc/cmdline); do
    case $word in floodwall=*) script=${word#floodwall=} ;; esac
done
# Where it is found whatever is mounted later.
$b cp "/merged$script" /merged/floodwall-guest.sh
exec $b switch_root /merged /bin/bash /floodwall-guest.sh
