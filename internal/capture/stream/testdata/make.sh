#!/bin/sh
# Writes loopback.pcap and lossy.pcap here. Runs as root, in a network namespace
# of its own. Needs tcpdump, nft, python3.
set -eu
cd "$(dirname "$0")"
if [ "${1-}" != inside ]; then
	exec unshare -n "$0" inside
fi
ip link set lo up
echo 3 >/proc/sys/net/ipv4/tcp_fastopen
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# record FILE PART runs a part of make.py while tcpdump writes to FILE.
record() {
	tcpdump -i lo -B 16384 -w "$dir/$1" 2>"$dir/log" &
	tcpdump=$!
	until grep -q '^tcpdump: listening' "$dir/log"; do sleep 0.1; done
	python3 make.py "$2"
	sleep 2
	kill -INT $tcpdump
	wait $tcpdump
	grep -q '^0 packets dropped by kernel' "$dir/log"
	cat "$dir/$1" >"$1"
}

record loopback.pcap loopback

nft add table inet lose
nft add chain inet lose in '{ type filter hook input priority 0; }'
nft add rule inet lose in tcp dport 5000 tcp flags != syn numgen random mod 8 0 drop
nft add rule inet lose in tcp sport 5000 tcp flags ack numgen random mod 8 0 drop
record lossy.pcap lossy
