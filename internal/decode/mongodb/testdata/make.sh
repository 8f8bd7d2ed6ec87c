#!/bin/sh
# Makes the captures beside it: FerretDB and clients in a network namespace of
# their own. Needs root, Debian's tcpdump and iproute2, Go with the module proxy
# in reach, and node with npm's registry. Afterwards: go test -update.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != inside ]; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	cp -r "$here/server" "$here/client" "$here/client.mjs" "$work"
	(cd "$work/server" && go mod init server && go get github.com/FerretDB/FerretDB/ferretdb@v1.24.0 github.com/golang/snappy@v0.0.4 github.com/klauspost/compress@v1.18.0 && go build -o ../ferret .)
	(cd "$work/client" && go mod init client && go get go.mongodb.org/mongo-driver/mongo@v1.17.10 && go build -o ../driver .)
	(cd "$work" && npm install --silent --no-audit --no-fund mongodb@6.20.0)
	unshare -n "$0" inside "$work"
	cp "$work"/*.pcap "$here"
	exit
fi
work=$2
ip link set lo up
cd "$work"
mkdir data
./ferret 127.0.0.1:27017 127.0.0.1:27018 data 2>ferret.log &
server=$!
trap 'kill $server' EXIT
until ./driver ping 27018 2>/dev/null; do sleep 0.2; done

# capture FILE COMMAND...: FILE.pcap has what the command sends.
capture() {
	file=$1
	shift
	tcpdump -i lo -B 65536 -U --immediate-mode -w "$work/$file.pcap" tcp port "$port" 2>"$work/dump" &
	dump=$!
	until grep -q listening "$work/dump" 2>/dev/null; do sleep 0.1; done
	"$@" >"$work/$file.out" 2>&1 || true
	sleep 0.5
	kill -INT $dump
	wait $dump || true
	grep -q '^0 packets dropped by kernel' "$work/dump"
}
port=27017
capture go ./driver session 27017
capture node node client.mjs 27017
port=27018 # the relay, which takes compressed messages
capture zlib ./driver session 27018 zlib
capture snappy ./driver session 27018 snappy
capture zstd ./driver session 27018 zstd
