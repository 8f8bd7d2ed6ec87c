#!/bin/sh
# Makes the captures of this directory, with Debian's nats-server and the client in
# client.go. Needs root, Go, tcpdump, openssl and the Go module proxy.
set -eu
cd "$(dirname "$0")"
here=$(pwd)
if [ -z "${WORK-}" ]; then
	WORK=$(mktemp -d)
	export WORK
	mkdir "$WORK/client"
	cp client.go "$WORK/client/main.go"
	(cd "$WORK/client" && go mod init client && go get github.com/nats-io/nats.go@v1.55.0 && CGO_ENABLED=0 go build -o ../run .)
	unshare -n -- "./$(basename "$0")"
	rm -rf "$WORK"
	exit
fi
ip link set lo up

# What is still running when this ends, ends with it. Of those that have ended
# already, kill complains.
trap 'kill ${dump-} ${server-} 2>/dev/null || :' EXIT

# capture NAME SERVER-ARGUMENTS...: starts a server and lets the client's part NAME
# talk to it.
capture() {
	name=$1
	shift
	tcpdump -Z root -i lo -s 0 -U -w "$here/$name.pcap" port 4222 2>"$WORK/$name.tcpdump" &
	dump=$!
	until grep -q 'listening on' "$WORK/$name.tcpdump"; do sleep 0.1; done
	nats-server -a 127.0.0.1 -p 4222 "$@" >"$WORK/$name.server" 2>&1 &
	server=$!
	until grep -q 'Server is ready' "$WORK/$name.server"; do sleep 0.1; done
	"$WORK/run" "$name"
	sleep 1
	kill "$server"
	wait "$server" || :
	kill -INT "$dump"
	wait "$dump"
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$WORK/key" -out "$WORK/cert" 2>/dev/null
capture core
capture jetstream -js -sd "$WORK/store"
capture login --user app --pass sesame
capture tls --tls --tlscert "$WORK/cert" --tlskey "$WORK/key"
