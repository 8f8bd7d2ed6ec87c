#!/bin/sh
# Makes the captures in this directory again, with gRPC's own server and client
# for Go, and Connect's, in a network namespace of its own. It needs root, tcpdump
# and go. Afterwards: go test -update.
set -eu
cd "$(dirname "$0")"
if [ "${1-}" != inside ]; then
	bin=$(mktemp -d)
	go build -o "$bin/peer" ./peer
	# Connect is no dependency of this module.
	cp connect/main.go "$bin"
	(cd "$bin" && go mod init connect && go get connectrpc.com/connect@v1.19.1 google.golang.org/grpc@v1.85.0 && go build -o connect .)
	PEER=$bin/peer CONNECT=$bin/connect unshare -n sh "$0" inside
	rm -rf "$bin"
	exit
fi
ip link set lo up
dir=$(mktemp -d)
trap 'kill $(cat "$dir"/*.pid 2>/dev/null) 2>/dev/null; rm -rf "$dir"' EXIT
for name in calls reflection connect; do
	: >"$dir/tcpdump"
	tcpdump -q -i lo -s 0 -B 65536 -U --immediate-mode -w "$name.pcap" tcp 2>"$dir/tcpdump" &
	echo $! >"$dir/tcpdump.pid"
	timeout 10 sh -c "until grep -q listening '$dir/tcpdump'; do sleep 0.05; done"
	case $name in
	calls) "$PEER" ;;
	reflection) "$PEER" -reflect ;;
	connect) "$CONNECT" ;;
	esac
	sleep 0.5 # what was sent has to reach the file
	kill "$(cat "$dir/tcpdump.pid")"
	wait "$(cat "$dir/tcpdump.pid")" || true
	rm "$dir/tcpdump.pid"
done
chmod 644 ./*.pcap
