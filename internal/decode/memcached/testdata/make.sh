#!/bin/sh
# Makes the captures beside it: memcached and clients in a network namespace of
# their own. Needs root, Debian's memcached, libmemcached-tools, tcpdump, iproute2
# and python3, and node with npm's registry in reach for the client of
# memjs.pcap. Afterwards: go test -update.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != inside ]; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	cp "$here/client.mjs" "$here/client.py" "$work"
	(cd "$work" && npm install --silent --no-audit --no-fund memjs@1.3.2)
	unshare -n "$0" inside "$work"
	cp "$work"/*.pcap "$here"
	exit
fi
work=$2
ip link set lo up
cd "$work"
chmod 755 "$work"
printf 'user:secret\n' >passwords
pids=
serve() {
	memcached -u nobody -l 127.0.0.1 "$@" &
	pids="$pids $!"
}
trap 'kill $pids' EXIT
serve -p 11211 -U 11211
serve -p 11212 -Y "$work/passwords"
for port in 11211 11212; do
	until python3 -c "import socket; socket.create_connection(('127.0.0.1', $port))" 2>/dev/null; do sleep 0.1; done
done

# capture FILE COMMAND...: FILE.pcap has what the command sends.
capture() {
	file=$1
	shift
	tcpdump -i lo -B 65536 -U --immediate-mode -w "$work/$file.pcap" 'tcp or udp' 2>"$work/dump" &
	dump=$!
	until grep -q listening "$work/dump" 2>/dev/null; do sleep 0.1; done
	"$@" >"$work/$file.out" 2>&1 || true
	sleep 0.5
	kill -INT $dump
	wait $dump || true
	grep -q '^0 packets dropped by kernel' "$work/dump"
}
capture text python3 client.py text
capture meta python3 client.py meta
capture udp python3 client.py udp
capture ascii memccapable -h 127.0.0.1 -p 11211 -a -t 2
capture binary memccapable -h 127.0.0.1 -p 11211 -b -t 2
capture memjs node client.mjs 11211
