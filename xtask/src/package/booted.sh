# Runs on the virtual machine once its services are there. Tells on the console how many packets the network card has taken, and
# how many of these have got to IP (InReceives in /proc/net/snmp).
until ip -4 -oneline address show dev eth0 | grep -q inet; do sleep 0.2; done
sleep 3
passed=$(awk '/^Ip: [0-9]/ { print $4 }' /proc/net/snmp)
arrived=$(cat /sys/class/net/eth0/statistics/rx_packets)
echo "BOOTED $arrived $passed" > /dev/ttyS0
