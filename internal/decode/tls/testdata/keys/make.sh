#!/bin/sh
# Makes the captures of this directory again with their key logs, NAME.pcap and
# NAME.keys, with real servers and clients, in a network namespace of its own. It
# needs root, tcpdump, nginx, curl, openssl, PostgreSQL, Python and go. Afterwards:
# go test -update.
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
chmod 755 "$dir"
trap 'kill $(cat "$dir"/*.pid 2>/dev/null) 2>/dev/null; sleep 0.5; rm -rf "$dir"' EXIT
# capture NAME: begins NAME.pcap, and the key log beside it.
capture() {
	name=$1
	: >"$dir/tcpdump"
	rm -f "$name.keys"
	export SSLKEYLOGFILE="$PWD/$name.keys"
	tcpdump -q -i lo -s 0 -B 65536 -U --immediate-mode -w "$name.pcap" tcp 2>"$dir/tcpdump" &
	echo $! >"$dir/tcpdump.pid"
	timeout 10 sh -c "until grep -q listening '$dir/tcpdump'; do sleep 0.05; done"
}
captured() {
	sleep 0.5 # what was sent has to reach the file
	kill "$(cat "$dir/tcpdump.pid")"
	wait "$(cat "$dir/tcpdump.pid")" || true
	rm "$dir/tcpdump.pid"
	chmod 644 "$name.pcap" "$name.keys"
}
up() { timeout 10 sh -c "until ss -ltn | grep -q ':$1 '; do sleep 0.05; done"; }

# Certificates of an authority, for ECDSA and for RSA.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/O=Lodge/CN=test authority' \
	-keyout "$dir/ca.key" -out "$dir/ca.pem" 2>/dev/null
echo 'subjectAltName=DNS:*.localhost,DNS:localhost,IP:127.0.0.1' >"$dir/ext"
certify() {
	openssl req -new -key "$dir/$1key.pem" -subj '/O=Lodge, Inc./CN=*.localhost' -out "$dir/csr.pem"
	openssl x509 -req -in "$dir/csr.pem" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days 3650 -extfile "$dir/ext" \
		-out "$dir/$1cert.pem" 2>/dev/null
}
openssl ecparam -name prime256v1 -genkey -noout -out "$dir/key.pem"
openssl genrsa -out "$dir/rsakey.pem" 2048 2>/dev/null
certify ''
certify rsa

# nginx and curl: each suite, HTTP/1.1 and HTTP/2.
mkdir "$dir/www"
echo '<p>Hello.</p>' >"$dir/www/index.html"
seq 1 4000 >"$dir/www/numbers.txt"
cat >"$dir/nginx.conf" <<END
pid $dir/nginx.pid;
error_log /dev/null;
events {}
http {
	access_log off;
	server {
		listen 127.0.0.1:4443 ssl http2;
		root $dir/www;
		ssl_certificate $dir/cert.pem;
		ssl_certificate_key $dir/key.pem;
		ssl_certificate $dir/rsacert.pem;
		ssl_certificate_key $dir/rsakey.pem;
		ssl_protocols TLSv1.2 TLSv1.3;
		ssl_ciphers ALL:@SECLEVEL=0;
	}
}
END
nginx -c "$dir/nginx.conf"
up 4443
get() { curl -sS --cacert "$dir/ca.pem" -A curl "$@" >/dev/null; }
capture nginx13
for suite in TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256; do
	get --tls13-ciphers "$suite" --http1.1 "https://localhost:4443/?$suite" "https://localhost:4443/missing"
	get --tls13-ciphers "$suite" --http2 "https://localhost:4443/?$suite" "https://localhost:4443/index.html" -d 'password=secret'
done
get --http1.1 https://localhost:4443/numbers.txt
get --http2 https://localhost:4443/numbers.txt
captured
capture nginx12
for suite in ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305 AES128-GCM-SHA256 \
	ECDHE-ECDSA-AES128-SHA ECDHE-RSA-AES256-SHA ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES256-SHA384 AES256-SHA256 \
	ECDHE-ECDSA-AES128-CCM; do
	get --tls-max 1.2 --ciphers "$suite" --http1.1 "https://localhost:4443/?$suite" "https://localhost:4443/missing"
done
get --tls-max 1.2 --http2 https://localhost:4443/ https://localhost:4443/index.html
get --tls-max 1.2 --ciphers ECDHE-ECDSA-AES128-GCM-SHA256 --http1.1 https://localhost:4443/numbers.txt
captured

# OpenSSL's own programs.
serve() {
	port=$1
	shift
	(cd "$dir/www" && exec openssl s_server -accept "127.0.0.1:$port" -cert "$dir/cert.pem" -key "$dir/key.pem" \
		-CAfile "$dir/ca.pem" -quiet "$@" >/dev/null 2>&1 </dev/null) &
	echo $! >"$dir/$port.pid"
	up "$port"
}
ask() {
	port=$1
	shift
	(printf 'GET /index.html HTTP/1.0\r\n\r\n'; sleep 0.3) |
		openssl s_client -connect "127.0.0.1:$port" -CAfile "$dir/ca.pem" -keylogfile "$SSLKEYLOGFILE" "$@" >/dev/null 2>&1 || true
}
serve 4431 -HTTP -record_padding 512
serve 4432 -HTTP -Verify 1 -verify_return_error
serve 4433 -early_data
serve 4434 -HTTP -client_renegotiation -tls1_2
serve 4435 -HTTP -groups P-384
serve 4436 -HTTP -cipher ALL:@SECLEVEL=0 -tls1_1
capture openssl
ask 4431
ask 4432
ask 4432 -cert "$dir/cert.pem" -key "$dir/key.pem"
ask 4433 -sess_out "$dir/early"
printf 'GET /early HTTP/1.0\r\n\r\n' >"$dir/request"
openssl s_client -connect 127.0.0.1:4433 -CAfile "$dir/ca.pem" -keylogfile "$SSLKEYLOGFILE" -sess_in "$dir/early" \
	-early_data "$dir/request" >/dev/null 2>&1 </dev/null || true
ask 4435 -groups X25519:P-384
ask 4436 -cipher ALL:@SECLEVEL=0 -tls1_1
# K: KeyUpdate, which asks for one of the other side; R: renegotiation.
(printf "GET /index.html HTTP/1.1\r\nHost: a.localhost\r\n\r\n"; sleep 0.2; echo K; sleep 0.2; printf "GET /?after HTTP/1.1\r\nHost: a.localhost\r\n\r\n"; sleep 0.2; echo k; sleep 0.2; printf "GET /?again HTTP/1.0\r\n\r\n"; sleep 0.3) |
	openssl s_client -connect 127.0.0.1:4443 -CAfile "$dir/ca.pem" -keylogfile "$SSLKEYLOGFILE" >/dev/null 2>&1 || true
(sleep 0.2; echo R; sleep 0.3; printf 'GET /index.html HTTP/1.0\r\n\r\n'; sleep 0.3) |
	openssl s_client -connect 127.0.0.1:4434 -CAfile "$dir/ca.pem" -keylogfile "$SSLKEYLOGFILE" >/dev/null 2>&1 || true
captured

capture go
"$PEER" -dir "$dir" -keys "$SSLKEYLOGFILE"
captured

# PostgreSQL.
bin=$(dirname "$(ls -d /usr/lib/postgresql/*/bin/postgres | tail -1)")
mkdir "$dir/pg"
chown postgres "$dir/pg"
setpriv --reuid postgres --regid postgres --clear-groups "$bin/initdb" -D "$dir/pg/data" -A trust >/dev/null
install -o postgres -m 600 "$dir/key.pem" "$dir/pg/data/server.key"
install -o postgres -m 644 "$dir/cert.pem" "$dir/pg/data/server.crt"
setpriv --reuid postgres --regid postgres --clear-groups "$bin/postgres" -D "$dir/pg/data" -p 4460 -c ssl=on \
	-c unix_socket_directories= -c listen_addresses=127.0.0.1 >/dev/null 2>&1 &
echo $! >"$dir/pg.pid"
up 4460
capture postgresql
/usr/bin/python3 postgres.py "$dir/ca.pem" 4460
captured
