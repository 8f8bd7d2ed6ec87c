#!/bin/sh
# Makes the captures in this directory again, with gRPC's own server and client
# for Go, in a network namespace of its own. It needs root, tcpdump and go.
# Afterwards: go test -update.
set -eu
cd "$(dirname "$0")"
if [ "${1-}" != inside ]; then
	go build -o /tmp/peer-$$ ./peer
	PEER=/tmp/peer-$$ unshare -n sh "$0" inside
	rm -f /tmp/peer-$$
	exit
fi
ip link set lo up
dir=$(mktemp -d)
trap 'kill $(cat "$dir"/*.pid 2>/dev/null) 2>/dev/null; rm -rf "$dir"' EXIT
for name in calls reflection; do
	: >"$dir/tcpdump"
	tcpdump -q -i lo -s 0 -B 65536 -U --immediate-mode -w "$name.pcap" tcp 2>"$dir/tcpdump" &
	echo $! >"$dir/tcpdump.pid"
	timeout 10 sh -c "until grep -q listening '$dir/tcpdump'; do sleep 0.05; done"
	if [ $name = reflection ]; then "$PEER" -reflect; else "$PEER"; fi
	sleep 0.5 # what was sent has to reach the file
	kill "$(cat "$dir/tcpdump.pid")"
	wait "$(cat "$dir/tcpdump.pid")" || true
	rm "$dir/tcpdump.pid"
done
chmod 644 ./*.pcap
