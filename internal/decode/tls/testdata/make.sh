#!/bin/sh
# Makes openssl.pcap, go.pcap and node.pcap again, with real servers and clients,
# in a network namespace of its own. It needs root, tcpdump, openssl, curl, node
# and go. Afterwards: go test -update. The zeek-*.pcap are of zeek's tests
# (zeek/zeek, testing/btest/Traces/tls, a13de64fbb, BSD-3-Clause).
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
capture() {
	: >"$dir/tcpdump"
	tcpdump -q -i lo -s 0 -B 65536 -U --immediate-mode -w "$1" tcp 2>"$dir/tcpdump" &
	echo $! >"$dir/tcpdump.pid"
	timeout 10 sh -c "until grep -q listening '$dir/tcpdump'; do sleep 0.05; done"
}
captured() {
	sleep 0.5 # what was sent has to reach the file
	kill "$(cat "$dir/tcpdump.pid")"
	wait "$(cat "$dir/tcpdump.pid")" || true
	rm "$dir/tcpdump.pid"
}
up() { timeout 10 sh -c "until ss -ltn | grep -q ':$1 '; do sleep 0.05; done"; }

# A certificate of an authority of its own, for all.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/O=Lodge/CN=test authority' \
	-keyout "$dir/ca.key" -out "$dir/ca.pem" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/O=Lodge, Inc./CN=*.localhost' \
	-keyout "$dir/key.pem" -out "$dir/csr.pem" 2>/dev/null
cat >"$dir/ext" <<END
subjectAltName=DNS:*.localhost,DNS:localhost,IP:127.0.0.1,IP:::1,URI:spiffe://lodge/test
END
openssl x509 -req -in "$dir/csr.pem" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days 3650 -extfile "$dir/ext" \
	-out "$dir/cert.pem" 2>/dev/null

# serve PORT OPTION...: openssl's server, which answers with a page.
serve() {
	port=$1
	shift
	openssl s_server -accept "127.0.0.1:$port" -cert "$dir/cert.pem" -key "$dir/key.pem" -CAfile "$dir/ca.pem" -quiet "$@" \
		>/dev/null 2>&1 </dev/null &
	echo $! >"$dir/$port.pid"
	up "$port"
}
# ask PORT OPTION...: openssl's client, which sends a request.
ask() {
	port=$1
	shift
	(printf 'GET / HTTP/1.0\r\n\r\n'; sleep 0.3) |
		openssl s_client -connect "127.0.0.1:$port" -CAfile "$dir/ca.pem" "$@" >/dev/null 2>&1 || true
}
serve 4431 -www
serve 4432 -www -tls1_2 -Verify 1 -verify_return_error
serve 4433 -www -tls1_3 -Verify 1 -verify_return_error
serve 4434 -www -tls1_2 -no_ticket
serve 4435 -www -groups P-384
serve 4436 -www -tls1_2 -cipher PSK -psk 010203 -nocert
serve 4437 -early_data
capture openssl.pcap
ask 4431 -servername s.localhost -alpn h2,http/1.1
ask 4431 -tls1_2 -servername s.localhost -sess_out "$dir/ticket"
ask 4431 -tls1_2 -servername s.localhost -sess_in "$dir/ticket"
ask 4432
ask 4432 -cert "$dir/cert.pem" -key "$dir/key.pem"
ask 4433
ask 4433 -cert "$dir/cert.pem" -key "$dir/key.pem"
ask 4434 -sess_out "$dir/id"
ask 4434 -sess_in "$dir/id"
ask 4434 -tls1_3
ask 4434 -cipher RSA
ask 4435 -groups X25519:P-384
ask 4436 -psk 010203
ask 4437 -tls1_3 -sess_out "$dir/early"
printf 'GET / HTTP/1.0\r\n\r\n' >"$dir/request"
ask 4437 -tls1_3 -sess_in "$dir/early" -early_data "$dir/request"
ask 4431 -tls1_2 -split_send_frag 16 -max_send_frag 512 -servername s.localhost
curl -sS --cacert "$dir/ca.pem" https://127.0.0.1:4431/ -o "$dir/out"
curl -sS --tls-max 1.2 https://127.0.0.1:4431/ -o "$dir/out" || true # an authority that is not known
curl -sS http://127.0.0.1:4431/ -o "$dir/out" || true
captured

capture go.pcap
"$PEER" -dir "$dir"
captured
capture node.pcap
node peer.js "$dir"
captured
chmod 644 ./*.pcap
