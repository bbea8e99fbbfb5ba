#!/bin/busybox sh
# The first process of a virtual machine that boots from a disk of its own: finds it, and hands over to its system.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
while read -r module; do
    $b insmod "/modules/$module" || echo "loading $module failed"
done </modules/order
$b mount -t ext4 /dev/vda /merged || $b poweroff -f
for directory in proc sys dev; do
    $b mount --move /$directory /merged/$directory
done
exec $b switch_root /merged /lib/systemd/systemd
