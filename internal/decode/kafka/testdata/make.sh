#!/bin/sh
# Makes the captures of this directory. The broker is kfake, which is franz-go's;
# the clients are franz-go and Debian's kcat (librdkafka). Needs root, Go, tcpdump
# and the Go module proxy.
set -eu
cd "$(dirname "$0")"
here=$(pwd)
if [ -z "${WORK-}" ]; then
	WORK=$(mktemp -d)
	export WORK
	mkdir "$WORK/client"
	cp client.go "$WORK/client/main.go"
	(
		cd "$WORK/client"
		go mod init client
		go get github.com/twmb/franz-go@v1.22.3 github.com/twmb/franz-go/pkg/kadm@v1.20.0 \
			github.com/twmb/franz-go/pkg/kfake@v0.0.0-20260918054303-01f206a7e32c
		CGO_ENABLED=0 go build -o ../run .
	)
	unshare -n -- "./$(basename "$0")"
	rm -rf "$WORK"
	exit
fi
ip link set lo up

# What is still running when this ends, ends with it. Of those that have ended
# already, kill complains.
trap 'kill ${dump-} ${broker-} 2>/dev/null || :' EXIT

# capture NAME: starts a broker and lets the function NAME talk to it.
capture() {
	tcpdump -Z root -i lo -s 0 -U -w "$here/$1.pcap" port 9092 2>"$WORK/$1.tcpdump" &
	dump=$!
	until grep -q 'listening on' "$WORK/$1.tcpdump"; do sleep 0.1; done
	"$WORK/run" "broker-$1" >"$WORK/$1.broker" 2>&1 &
	broker=$!
	until grep -q ready "$WORK/$1.broker"; do sleep 0.1; done
	"$1"
	sleep 1
	kill "$broker"
	wait "$broker" || :
	kill -INT "$dump"
	wait "$dump"
}
b=127.0.0.1:9092
franz() { "$WORK/run" franz; }
old() { "$WORK/run" old; }
kcat_() {
	for z in none gzip snappy lz4 zstd; do
		printf 'key %s:value %s, which is long enough to compress, compress, compress, compress\nsecond:and another value, another value, another value\n' "$z" "$z" |
			kcat -P -b $b -t shop -p 0 -K : -H trace=abc -z "$z"
	done
	echo unheard | kcat -P -b $b -t shop -p 0 -X acks=0
	kcat -L -b $b >/dev/null
	kcat -Q -b $b -t shop:0:-1
	kcat -C -b $b -t shop -p 0 -o beginning -e -q >/dev/null
	kcat -C -b $b -t absent -p 0 -o beginning -e -q -m 5 || :
}
sasl() { "$WORK/run" sasl; }
admin() { "$WORK/run" admin; }
capture franz
capture old
capture kcat_
mv kcat_.pcap kcat.pcap
capture sasl
capture admin
