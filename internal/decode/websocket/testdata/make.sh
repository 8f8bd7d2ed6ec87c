#!/bin/sh
# Makes the captures in this directory again, in a network namespace of its own:
# the server is npm's ws, the clients are ws and github.com/coder/websocket. It
# needs root, tcpdump, node, npm and go. Afterwards: go test -update.
set -eu
cd "$(dirname "$0")"
if [ "${1-}" != inside ]; then
	dir=$(mktemp -d)
	cp ws.js "$dir"
	(cd "$dir" && npm install --silent --no-audit --no-fund ws@8.18.0)
	go build -o "$dir/goclient" ./goclient
	DIR=$dir unshare -n sh "$0" inside
	rm -rf "$dir"
	exit
fi
ip link set lo up
dir=$DIR
trap 'kill $(cat "$dir"/*.pid) 2>/dev/null' EXIT

# capture FILE begins a capture, and captured ends it.
capture() {
	: >"$dir/tcpdump"
	tcpdump -q -i lo -s 0 -B 65536 -U --immediate-mode -w "$1" tcp 2>"$dir/tcpdump" &
	echo $! >"$dir/tcpdump.pid"
	until grep -q listening "$dir/tcpdump"; do sleep 0.05; done
}
captured() {
	sleep 0.5 # what was sent has to reach the file
	kill "$(cat "$dir/tcpdump.pid")"
	wait "$(cat "$dir/tcpdump.pid")" || true
	rm "$dir/tcpdump.pid"
}

for kind in plain deflate deflate-no-context; do
	capture ws-$kind.pcap
	node "$dir/ws.js" $kind 9001
	captured
done
node "$dir/ws.js" serve 9002 &
echo $! >"$dir/node.pid"
until ss -ltn | grep -q ":9002 "; do sleep 0.05; done
capture go.pcap
"$dir/goclient" ws://127.0.0.1:9002/chat/7?access_token=secret
captured
