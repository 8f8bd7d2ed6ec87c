#!/bin/sh
# Makes the captures beside it: servers of Redis and clients in a network
# namespace of their own. Needs root, Debian's redis-server, redis-tools,
# tcpdump, iproute2 and python3, and node with npm's registry in reach for the
# client of node.pcap. Afterwards: go test -update.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != inside ]; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	cp "$here/client.mjs" "$work"
	(cd "$work" && npm install --silent --no-audit --no-fund redis@6.0.0 ioredis@5.8.2)
	unshare -n "$0" inside "$work"
	cp "$work"/*.pcap "$here"
	exit
fi
work=$2
ip link set lo up
cd "$work"

# serve PORT OPTION...: a server whose process id is in PORT.pid.
serve() {
	port=$1
	shift
	mkdir "$port"
	redis-server --port "$port" --dir "$work/$port" --save '' --daemonize yes --pidfile "$work/$port.pid" \
		--logfile "$work/$port/log" "$@" >/dev/null
	until redis-cli -p "$port" ping 2>&1 | grep -qE 'PONG|NOAUTH'; do sleep 0.1; done
}
trap 'for f in "$work"/*.pid; do kill "$(cat "$f")" 2>/dev/null || true; done' EXIT

# capture FILE COMMAND...: FILE.pcap has what the command sends.
capture() {
	file=$1
	shift
	tcpdump -i lo -B 65536 -U --immediate-mode -w "$work/$file.pcap" tcp 2>"$work/dump" &
	dump=$!
	until grep -q listening "$work/dump" 2>/dev/null; do sleep 0.1; done
	"$@" >"$work/$file.out" 2>&1 || true
	sleep 0.5
	kill -INT $dump
	wait $dump || true
	grep -q '^0 packets dropped by kernel' "$work/dump"
}

# raw PORT TEXT...: sends each text, with \r\n for its line ends, and waits for an answer
# after each.
raw() {
	python3 - "$@" <<-'END'
		import socket, sys
		s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
		s.settimeout(0.3)
		for text in sys.argv[2:]:
		    s.sendall(text.replace("\n", "\r\n").encode())
		    try:
		        while s.recv(65536): pass
		    except TimeoutError: pass
	END
}

# one runs redis-cli for each line of its input.
one() {
	while read -r line; do
		eval redis-cli -p 7001 "$line"
	done
}
cli() {
	one <<-'END'
		ping
		set user:1 '"hello world"'
		get user:1
		get missing
		lpush user:1 x
		mset a:1 1 a:2 2 a:3 '"three\r\nlines\x00"'
		mget a:1 a:2 a:3 none
		hset h f1 v1 f2 v2
		hgetall h
		rpush list one two three
		lrange list 0 -1
		sadd s x y
		zadd z 1.5 one 2 two
		zrange z 0 -1 withscores
		eval '"return {1,{2,'three'},redis.error_reply('MY error')}"' 1 key:1
		config get maxmemory
		client setname tester
		object encoding a:1
		-n 2 set in:2 x
		nosuchcommand a b
		xadd stream 1-1 f v
		xrange stream - +
		acl list
		blpop none 0.1
		-a wrong ping
		--user bob --pass secret ping
	END
	redis-cli -p 7001 set big "$(printf '%8000s' x)"
	redis-cli -p 7001 get big
	head -c 5000 /dev/urandom >random
	redis-cli -p 7001 -x set random <random
	redis-cli -p 7001 get random
	seq 300 | sed 's/.*/set pipe:& value:&/' >commands
	redis-cli -p 7001 --pipe <commands
}
# Inline commands, what is no command, replies that are off, transactions.
inline() {
	raw 7001 'PING
' 'set inline "a b"
get inline
nosuch
' '*1
$4
PING
' 'select 2
set in:2 x
incr counter
incr counter
' 'config set requirepass ""
config get requirepass
acl setuser bob on >secret ~* +@all
acl getuser bob
acl list
auth bob secret
auth bob wrong
'
	raw 7001 'client reply skip
set skipped 1
get skipped
' 'client reply off
set off 1
get off
client reply on
' 'get off
'
	raw 7001 'multi
set t:1 1
incr t:1
lpush t:1 x
lrange list 0 -1
config get requirepass
exec
' 'multi
nosuchcommand
set t:1 2
exec
' 'multi
set t:1 3
discard
' 'watch w
multi
set w 2
' 'exec
quit
'
	raw 7001 '*1
:1
'
	raw 7001 'set "unbalanced
'
	# A transaction that is aborted.
	(sleep 0.5; redis-cli -p 7001 set w other) &
	raw 7001 'watch w
' 'get w
' 'get w
' 'multi
set w 1
exec
'
	wait $!
}
pubsub() {
	timeout 2 redis-cli -p 7001 monitor &
	monitor=$!
	timeout 2 redis-cli -p 7001 subscribe news 'other:1' &
	timeout 2 redis-cli -3 -p 7001 psubscribe 'news*' &
	sleep 0.5
	redis-cli -p 7001 publish news hello
	redis-cli -p 7001 publish other:1 "$(printf '%3000s' x)"
	redis-cli -p 7001 config set requirepass ''
	redis-cli -p 7001 config get requirepass
	raw 7001 'subscribe a b
' 'psubscribe p*
ping
publish a x
' 'unsubscribe
punsubscribe
get user:1
'
	wait $monitor || true
}
resp3() {
	redis-cli -3 -p 7001 <<-'END'
		hello 3 auth default nopass setname three
		hset h3 f1 1 f2 two
		hgetall h3
		sadd s3 x y
		smembers s3
		zadd z3 1.5 one 2 two
		zrange z3 0 -1 withscores
		config get maxmemory*
		get none
		client tracking on
		get tracked
		set tracked 1
		get tracked
		multi
		hgetall h3
		smembers s3
		get none
		exec
		reset
		get tracked
	END
	raw 7001 'hello 3
' 'debug protocol attrib
debug protocol verbatim
debug protocol bignum
debug protocol double
debug protocol true
debug protocol false
debug protocol map
debug protocol set
debug protocol null
debug protocol string
debug protocol array
' 'debug protocol push
' 'client tracking on
get tracked
' 'set tracked 2
' 'ping
'
}
replica() {
	serve 7003 --repl-diskless-sync no
	redis-cli -p 7003 set before "$(printf '%2000s' x)"
	serve 7004 --replicaof '127.0.0.1 7003'
	until redis-cli -p 7004 info replication | grep -q 'master_link_status:up'; do sleep 0.1; done
	redis-cli -p 7003 set after 1
	redis-cli -p 7003 select 3
	redis-cli -p 7003 wait 1 1000
	redis-cli -p 7004 set x 1
	# Data without a length.
	redis-cli -p 7003 config set repl-diskless-sync yes
	redis-cli -p 7003 config set repl-diskless-sync-delay 0
	redis-cli -p 7003 config set requirepass secret
	redis-cli -p 7003 -a secret config set masterauth secret
	serve 7005 --masterauth secret --replicaof '127.0.0.1 7003'
	until redis-cli -p 7005 info replication | grep -q 'master_link_status:up'; do sleep 0.1; done
	redis-cli -p 7003 -a secret mset last:1 1 last:2 2
	redis-cli -p 7003 -a secret wait 2 1000
}

serve 7001
serve 7002 --maxclients 1
capture cli cli
capture inline inline
capture pubsub pubsub
serve_debug() { redis-cli -p 7001 shutdown nosave; rm -r 7001; serve 7001 --enable-debug-command yes; }
serve_debug
capture resp3 resp3
capture benchmark redis-benchmark -p 7001 -P 16 -n 64 -c 2 -d 20 -r 1000 -t set,get,lpush,mset
capture node timeout 60 node client.mjs 7001 7002
capture replica replica
