#!/bin/sh
# Stands in for floodwall in tests: of two packets, it judges the second by a line `ENGINE SCENARIO MODE REASON` of the
# file `reasons` beside the scenarios.
capture=$2 mode=alone
while [ $# -gt 0 ]; do
    case $1 in
        --engine) engine=$2 ;;
        --verdicts) verdicts=$2 ;;
        --egress) mode=egress ;;
    esac
    shift
done
[ -f "$capture" ] || { echo "no capture"; exit 2; }
name=$(basename "$capture" .pcap.gz)
reason=$(sed -n "s/^$engine $name $mode //p" "$(dirname "$capture")/../reasons")
# One of two: a line that is lost.
[ "$reason" = lost ] && printf 'index,reason\n1,clean\n' > "$verdicts" ||
    printf 'index,reason\n0,clean\n1,%s\n' "${reason:-clean}" > "$verdicts"
echo '{"packets":2,"outgoing":0,"cut":0}'
