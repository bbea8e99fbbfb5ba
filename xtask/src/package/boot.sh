# Runs in the booted container; every line has to succeed. `eth0` is the container's end of a cable. While /opt/flood is there,
# the other end floods it from 198.51.100.0/24, and what gets past the filter is counted.
set -eux
deb=/opt/floodwall.deb
before=/opt/before.deb
says() { systemctl show --property StatusText --value floodwall | grep -q "$1"; }
told() { for half in $(seq 20); do says "$1" && return; sleep 0.5; done; return 1; }
is_filtered() { test -e /sys/fs/bpf/floodwall/links/eth0; }
process() { systemctl show --property MainPID --value floodwall; }
as() { su "$1" -s /bin/sh -c "$2"; }
holds() { floodwall block list | grep -q "$1"; }
version() { dpkg-query --show --showformat '${Version}' floodwall; }
flood_begins() { touch /opt/flood; until test -e /opt/flooding; do sleep 0.1; done; }
flood_ends() { rm /opt/flood; while test -e /opt/flooding; do sleep 0.1; done; }

# Installed and set up.
dpkg -i $before
told 'nothing is filtered'
code=0; floodwall status || code=$?; test $code = 9
floodwall setup --iface eth0 --yes
systemctl restart floodwall
told 'no attack; observing eth0'
floodwall doctor
floodwall block add 198.51.100.0/24
floodwall setup enforce --yes; told 'filtering eth0'
flood_begins

# Another version, and back: the configuration has been changed, and stays.
first=$(version)
dpkg -i --force-confold $deb; is_filtered; told 'filtering eth0'
second=$(version); dpkg --compare-versions "$first" lt "$second"
floodwall doctor; holds 198.51.100.0/24
dpkg -i --force-confold $before; is_filtered; told 'filtering eth0'
test "$(version)" = "$first"
floodwall doctor; holds 198.51.100.0/24

# An upgrade whose daemon does not start: what filtered before goes on to.
floodwall block add 203.0.113.0/24
cp /etc/floodwall/floodwall.toml /opt/sound.toml
echo 'no-such-option = 1' >> /etc/floodwall/floodwall.toml
dpkg -i --force-confold $deb; is_filtered
for half in $(seq 20); do systemctl --quiet is-failed floodwall && break; sleep 0.5; done
systemctl is-failed floodwall
code=0; floodwall check /etc/floodwall/floodwall.toml || code=$?; test $code = 2
cp /opt/sound.toml /etc/floodwall/floodwall.toml
systemctl start floodwall; told 'filtering eth0'
holds 203.0.113.0/24

# Who may do what.
useradd --groups floodwall-read onlooker; useradd stranger
as onlooker 'floodwall status'
code=0; as onlooker 'floodwall block add 203.0.113.0/24' || code=$?; test $code = 8
code=0; as stranger 'floodwall status' || code=$?; test $code = 8

# Killed, installed again, stopped, and stuck.
before_it=$(process); test "$before_it" -gt 1; kill -KILL "$before_it"; is_filtered
for second in 1 2 3 4 5 6 7 8 9; do sleep 1; systemctl --quiet is-active floodwall && break; done
test "$(process)" -gt 1; test "$(process)" != "$before_it"
dpkg -i $deb; is_filtered; systemctl is-active floodwall
holds 198.51.100.0/24
systemctl reload floodwall
systemctl stop floodwall; is_filtered
code=0; floodwall status || code=$?; test $code = 7
systemctl start floodwall
before_it=$(process); test "$before_it" -gt 1; kill -STOP "$before_it"
for second in $(seq 45); do sleep 1; test "$(process)" != "$before_it" && break; done
test "$(process)" != "$before_it"
flood_ends

# Gone.
dpkg -r floodwall; test ! -e /sys/fs/bpf/floodwall
dpkg -i $deb; dpkg -P floodwall
test ! -e /sys/fs/bpf/floodwall; test ! -e /var/lib/floodwall; test ! -e /etc/floodwall; test ! -e /run/floodwall
echo PASSED
