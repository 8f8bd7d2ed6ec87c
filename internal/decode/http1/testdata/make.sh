#!/bin/sh
# Makes the captures in this directory again, with real servers and clients, in
# a network namespace of its own. It needs root, tcpdump, nginx, curl, wrk,
# python3, node and go. Afterwards: go test -update.
set -eu
cd "$(dirname "$0")"
if [ "${1-}" != inside ]; then
	bin=$(mktemp)
	go build -o "$bin" ./goserver
	GOSERVER=$bin unshare -n sh "$0" inside
	rm -f "$bin"
	exit
fi
ip link set lo up
dir=$(mktemp -d)
chmod 755 "$dir" # nginx's workers are another user
trap 'kill $(cat "$dir"/*.pid) 2>/dev/null; rm -rf "$dir"' EXIT

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
# up PORT waits until something listens.
up() { until ss -ltn | grep -q ":$1 "; do sleep 0.05; done; }
# raw PORT sends standard input in one piece, and reads until the end.
raw() {
	python3 -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(sys.stdin.buffer.read())
while s.recv(65536): pass' "$1"
}
web=http://127.0.0.1:8080

# nginx: files, gzip, errors, ranges, conditions, pipelining, 100-continue,
# credentials, a body up and down, what is malformed.
mkdir "$dir/www" "$dir/www/dir"
echo '<p>hello</p>' >"$dir/www/index.html"
seq -s ' ' 1 3000 >"$dir/www/numbers.txt"
cat >"$dir/nginx.conf" <<END
pid $dir/nginx.pid;
error_log $dir/error.log;
worker_processes 1;
events {}
http {
	access_log off;
	client_body_temp_path $dir/body;
	gzip on; gzip_types text/plain; gzip_min_length 100; gzip_http_version 1.0;
	types { text/html html; text/plain txt; }
	server {
		listen 127.0.0.1:8080;
		root $dir/www;
		keepalive_requests 20;
		location /echo { proxy_pass http://127.0.0.1:8081; proxy_http_version 1.1; client_max_body_size 1m; }
		location /old { return 301 /index.html?access_token=secret; }
	}
	server {
		listen 127.0.0.1:8081;
		location / { return 200 "thanks\n"; }
	}
}
END
nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/error.log"
up 8080
capture nginx.pcap
curl -s -o /dev/null $web/ -o /dev/null $web/numbers.txt -o /dev/null "$web/missing?token=secret" --next -s -o /dev/null -I $web/numbers.txt
curl -s -o /dev/null --compressed -H 'Authorization: Bearer secret' -b 'session=secret; theme=dark' $web/numbers.txt
curl -s -o /dev/null -r 10-29 $web/numbers.txt -o /dev/null -L $web/old
curl -s -o /dev/null -z '1 jan 2038' $web/index.html --next -s -o /dev/null -X DELETE $web/index.html
curl -s -o /dev/null -d 'user=ann&password=secret' $web/echo
seq -s ' ' 1 5000 | curl -s -o /dev/null --data-binary @- -H 'Expect: 100-continue' -H 'Transfer-Encoding: chunked' $web/echo
curl -s -o /dev/null --http1.0 $web/
printf 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' | raw 8080
printf 'GET / HTTP/1.1\nHost: a\nConnection: close\n\n' | raw 8080
printf 'GET /nine\r\n' | raw 8080
printf 'what is this?\r\n\r\n' | raw 8080
printf 'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' | raw 8080
captured

# wrk: four connections that pipeline.
cat >"$dir/pipeline.lua" <<END
init = function() local r = {} for i = 1, 8 do r[i] = wrk.format("GET", "/index.html?" .. i) end req = table.concat(r) end
request = function() return req end
END
capture wrk.pcap
timeout -s INT 0.05 wrk -t 1 -c 4 -d 5 -s "$dir/pipeline.lua" $web/ >/dev/null || true
captured
# The first packets are enough.
tcpdump -r wrk.pcap -c 120 -w "$dir/wrk.pcap" 2>/dev/null
cp "$dir/wrk.pcap" wrk.pcap

# Python's http.server: HTTP/1.0, bodies that end with the connection.
python3 -u -m http.server -b 127.0.0.1 -d "$dir/www" 8082 >/dev/null 2>&1 &
echo $! >"$dir/python.pid"
up 8082
capture python.pcap
python3 -c '
import http.client, urllib.request
for path in "/", "/index.html", "/dir":
    urllib.request.urlopen("http://127.0.0.1:8082" + path).read()
c = http.client.HTTPConnection("127.0.0.1", 8082)
c.request("POST", "/form", "a=b&token=secret", {"Content-Type": "application/x-www-form-urlencoded"})
c.getresponse().read()'
captured

# Node: trailers, interim responses, server-sent events in clear and compressed,
# brotli, a form with files, CONNECT, an upgrade to what has no name.
node server.js 8083 &
echo $! >"$dir/node.pid"
up 8083
echo 'a file' >"$dir/file.txt"
capture node.pcap
n=http://127.0.0.1:8083
curl -s -o /dev/null $n/trailer -o /dev/null $n/hints -o /dev/null $n/close
curl -s -o /dev/null -H 'Content-Type: application/json' -d '{"user":"ann","password":"secret"}' $n/users/42/orders/6F9619FF-8B86-D011-B42D-00CF4FC964FF
curl -s -o /dev/null -F user=ann -F password=secret -F "file=@$dir/file.txt;filename=file.txt" $n/upload
curl -s -o /dev/null --compressed $n/br
curl -s -o /dev/null -N $n/events
curl -s -o /dev/null -N --compressed $n/events
curl -s -o /dev/null -p -x $n $web/
curl -s -o /dev/null -x $n "http://name:secret@127.0.0.1:8080/"
printf 'GET /shell HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: shell/1\r\n\r\nls\n' | raw 8083
curl -s -o /dev/null $n/abort || true
curl -s -m 0.3 -o /dev/null $n/never || true
captured

# Go: both ends are net/http. Trailers both ways, 100-continue, deflate, a body
# that is refused.
capture go.pcap
"$GOSERVER" 127.0.0.1:8084
captured
