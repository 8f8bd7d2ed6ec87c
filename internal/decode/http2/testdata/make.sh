#!/bin/sh
# Makes the captures in this directory again, with real servers and clients, in
# a network namespace of its own. It needs root, tcpdump, nginx, curl,
# nghttp2-client, tinyproxy, node and go. Afterwards: go test -update.
set -eu
cd "$(dirname "$0")"
if [ "${1-}" != inside ]; then
	go build -o /tmp/h2c-$$ ./h2c
	go build -o /tmp/odd-$$ ./odd
	H2C=/tmp/h2c-$$ ODD=/tmp/odd-$$ unshare -n sh "$0" inside
	rm -f /tmp/h2c-$$ /tmp/odd-$$
	exit
fi
ip link set lo up
dir=$(mktemp -d)
chmod 755 "$dir" # nginx's workers are another user
trap 'kill $(cat "$dir"/*.pid 2>/dev/null) 2>/dev/null; rm -rf "$dir"' EXIT

# capture FILE begins a capture, and captured ends it.
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
# up PORT waits until something listens.
up() { timeout 10 sh -c "until ss -ltn | grep -q ':$1 '; do sleep 0.05; done"; }

# nginx: prior knowledge, gzip, large bodies both ways, HEAD, padding,
# continuation, priorities, many streams at once.
mkdir "$dir/www"
echo '<p>hello</p>' >"$dir/www/index.html"
seq 1 3000 >"$dir/www/numbers.txt"
cat >"$dir/nginx.conf" <<END
pid $dir/nginx.pid;
error_log $dir/error.log;
worker_processes 1;
events {}
http {
	access_log off;
	client_body_temp_path $dir/body;
	gzip on; gzip_types text/plain; gzip_min_length 100;
	types { text/html html; text/plain txt; }
	server {
		listen 127.0.0.1:8080 http2;
		root $dir/www;
		location /echo { proxy_pass http://127.0.0.1:8081; }
		location /gone { return 410; }
		location /old { return 301 /index.html?access_token=secret; }
	}
	server {
		listen 127.0.0.1:8081;
		location / { return 200 "thanks\n"; }
	}
}
END
nginx -p "$dir" -c "$dir/nginx.conf" 2>/dev/null
up 8080
base=http://127.0.0.1:8080
h2() { curl -sS -o "$dir/out" --http2-prior-knowledge "$@"; }
capture nginx.pcap
h2 $base/numbers.txt --compressed -H 'Cookie: session=abc; theme=dark' -H 'Authorization: Bearer abc'
h2 -I $base/index.html
h2 $base/gone
h2 $base/old
h2 $base/missing
h2 -d 'user=ann&password=pw' $base/echo
h2 --data-binary @"$dir/www/numbers.txt" -H 'Content-Type: text/plain' "$base/echo/42?key=1"
nghttp -n --padding=50 --continuation $base/ $base/numbers.txt
nghttp -n --header-table-size=0 $base/ $base/ $base/gone
nghttp -n --no-dep --header-table-size=64 --encoder-header-table-size=128 $base/ $base/gone -H 'x-long: 0123456789012345678901234567890123456789'
h2load -n 30 -c 2 -m 10 $base/index.html >/dev/null
captured

# A tunnel through a proxy.
printf 'Port 8085\nListen 127.0.0.1\nPidFile "%s/tinyproxy.pid"\nMaxClients 5\nAllow 127.0.0.1\n' "$dir" >"$dir/tinyproxy.conf"
tinyproxy -c "$dir/tinyproxy.conf"
up 8085
capture tunnel.pcap
h2 -p -x http://127.0.0.1:8085 $base/index.html
captured
tcpdump -r tunnel.pcap -w "$dir/tunnel.pcap" port 8085 2>/dev/null # the client's side is enough
cp "$dir/tunnel.pcap" tunnel.pcap
kill "$(cat "$dir/tinyproxy.pid")" "$(cat "$dir/nginx.pid")"

# Go's server without TLS: prior knowledge and the upgrade from HTTP/1.1.
"$H2C" -listen 127.0.0.1:8082 &
echo $! >"$dir/h2c.pid"
up 8082
base=http://127.0.0.1:8082
capture upgrade.pcap
curl -sS -o "$dir/out" --http2 -d 'a=1' $base/first || true # curl 7.88 fails often
curl -sS -o "$dir/out" --http2 $base/only || true
nghttp -n -u $base/up $base/events
h2 $base/events
h2 $base/trailer
h2 -d body $base/early
h2 $base/panic || true
h2 -m 0.3 $base/slow || true
captured

# The same server, and a client that does what is seldom done.
capture odd.pcap
"$ODD" 127.0.0.1:8082
captured

# Node: push, informational responses, trailers, extended CONNECT, errors.
node peer.js serve 8083 &
echo $! >"$dir/node.pid"
up 8083
capture node.pcap
node peer.js ask 8083
captured
chmod 644 ./*.pcap
