#!/bin/sh
# make.sh DIR makes captures in DIR: programs and options that the captures of the
# decoders' own tests do not have. Needs root, tcpdump, iproute2, Debian's postgresql,
# redis-server, mariadb-server, nghttp2, apache2-utils, wget, curl, python3 and nginx; for
# the captures of JDBC openjdk-17-jdk-headless, libpostgresql-jdbc-java and libmariadb-java.
set -eu
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
if [ "${1-}" != inside ]; then
	out=$(realpath "$1")
	cd "$(dirname "$0")"
	mkdir -p "$out"
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	chmod 711 "$work"
	jars=/usr/share/java/postgresql.jar:/usr/share/java/mariadb-java-client.jar
	javac -cp "$jars" -d "$work/java" Jdbc.java
	unshare -n sh ./make.sh inside "$work"
	cp "$work"/*.pcap "$out"
	exit
fi
work=$2
ip link set lo up
trap 'for f in "$work"/*.pid; do kill "$(head -1 "$f")" 2>/dev/null || true; done; [ -z "${stop-}" ] || $stop' EXIT

up() { until ss -ltn | grep -q ":$1 "; do sleep 0.05; done; }
# capture FILE COMMAND...: FILE.pcap has what the command sends.
capture() {
	file=$1
	shift
	tcpdump -i lo -B 65536 -U --immediate-mode -w "$work/$file.pcap" 2>"$work/dump" &
	dump=$!
	until grep -q listening "$work/dump" 2>/dev/null; do sleep 0.05; done
	"$@" >"$work/$file.out" 2>&1 || true
	sleep 0.5
	kill -INT $dump
	wait $dump || true
	grep -q '^0 packets dropped by kernel' "$work/dump"
}
# raw PORT sends standard input in one piece, and reads until the end.
raw() {
	/usr/bin/python3 -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.settimeout(2)
s.sendall(sys.stdin.buffer.read())
try:
    while s.recv(65536): pass
except TimeoutError: pass' "$1"
}

# HTTP/2: nghttpd with pushes, padding, CONTINUATION, priorities, trailers, many streams.
mkdir "$work/www"
for f in index.html style.css app.js; do echo "this is $f" >"$work/www/$f"; done
seq -s ' ' 1 2000 >"$work/www/numbers.txt"
nghttpd --no-tls -a 127.0.0.1 -d "$work/www" -p/index.html=/style.css,/app.js -b 200 --trailer 'x-sum: 1' --echo-upload 8090 >/dev/null 2>&1 &
echo $! >"$work/nghttpd.pid"
up 8090
many=$(printf '%05000d' 1)
http2() {
	h=http://127.0.0.1:8090
	nghttp -n -a $h/index.html
	nghttp -n -u $h/index.html
	nghttp -n --continuation -H "x-long: $many$many$many$many" $h/style.css
	nghttp -n -b 100 -p 200 --trailer 't: 1' -d "$work/www/numbers.txt" $h/app.js
	nghttp -n -m 30 -w 10 -W 10 $h/numbers.txt
	nghttp -n --no-dep --header-table-size=0 $h/index.html $h/missing
	h2load -n 60 -c 2 -m 30 $h/style.css
	curl -s --http2-prior-knowledge -o /dev/null -T "$work/www/numbers.txt" $h/app.js
	curl -s --http2 -o /dev/null -I $h/index.html
}
capture http2 http2

# HTTP/1: ab (HTTP/1.0 with keep-alive), wget (ranges, conditions), what is rare.
cat >"$work/nginx.conf" <<END
pid $work/nginx.pid; error_log $work/error.log; worker_processes 1; events {}
http { access_log off; client_body_temp_path $work/body; server { listen 127.0.0.1:8091; root $work/www;
 location /echo { client_max_body_size 1m; proxy_pass http://127.0.0.1:8092; proxy_http_version 1.1; }
 location /dav { dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on; } }
 server { listen 127.0.0.1:8092; location / { return 200 "thanks\n"; } } }
END
nginx -p "$work" -c "$work/nginx.conf" -e "$work/error.log"
up 8091
http1() {
	h=http://127.0.0.1:8091
	ab -q -k -n 20 -c 2 $h/index.html
	ab -q -n 4 -p "$work/www/numbers.txt" -T text/plain $h/echo
	wget -q -O /dev/null $h/index.html $h/missing $h/numbers.txt
	head -c 1000 "$work/www/numbers.txt" >"$work/part"
	wget -q -c -O "$work/part" $h/numbers.txt
	curl -s -o /dev/null -r 0-9,20-29,-5 $h/numbers.txt
	curl -s -o /dev/null -r 999999- $h/numbers.txt
	curl -s -o /dev/null -X MKCOL $h/dav/ --next -s -o /dev/null -X OPTIONS $h/ --next -s -o /dev/null -X TRACE $h/
	# Chunks with extensions and trailers.
	printf 'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n5;name="a;b"\r\nhello\r\n00006 ; a\r\n world\r\n0;last\r\nX: 1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' | raw 8091
	# Requests in one piece, with empty lines between.
	printf '\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /style.css HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' | raw 8091
	printf 'GET http://127.0.0.1:8091/app.js HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' | raw 8091
	printf 'POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc' | raw 8091
	printf 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\r\n' | raw 8091
}
capture http1 http1

# Redis: a cluster of one, streams, sharded channels, functions, tracking, RESP3.
mkdir "$work/7100"
redis-server --port 7100 --cluster-enabled yes --dir "$work/7100" --save '' --daemonize yes --pidfile "$work/redis.pid" >/dev/null
up 7100
redis-cli -p 7100 cluster addslotsrange 0 8000 >/dev/null
until redis-cli -p 7100 cluster info | grep -q 'cluster_slots_ok:8001'; do sleep 0.1; done
redis-cli -p 7100 config set cluster-require-full-coverage no >/dev/null
redis() {
	r="redis-cli -p 7100"
	$r cluster info
	$r cluster slots
	$r set b 1
	$r set a 1
	$r mset b 1 '{b}c' 2
	$r mset b 1 a 2
	$r -c get a || true
	timeout 1 $r ssubscribe '{b}news' &
	sleep 0.3
	$r spublish '{b}news' hello
	wait $!
	$r xadd '{b}s' '*' f v
	$r xgroup create '{b}s' g 0
	$r xreadgroup group g me count 1 streams '{b}s' '>'
	(sleep 0.3; $r xadd '{b}s' '*' f w >/dev/null) &
	$r xread block 2000 streams '{b}s' '$'
	wait $!
	$r -3 <<-'END'
		client tracking on
		get b
		set b 2
		get b
		debug protocol attrib
		debug protocol map
		debug protocol push
		multi
		incr b
		get b
		exec
	END
	printf '#!lua name=l\nredis.register_function("f", function(k, a) return {k[1], a[1]} end)' | $r -x function load replace
	$r fcall f 1 b x
	$r eval 'return redis.call("get", KEYS[1])' 1 b
	$r evalsha 0000000000000000000000000000000000000000 0
	$r set big "$(printf '%070000d' 1)"
	$r get big
	$r object freq b
	$r sort b
	$r lpush '{b}l' 1 2 3
	$r blmove '{b}l' '{b}m' left right 1
	$r memory usage b
	$r command count
}
capture redis redis

# PostgreSQL: COPY in binary, large results, cursors by FETCH_COUNT, dumps, restores.
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
data=$work/data
install -d -o postgres "$data"
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
as "$bin/initdb" -D "$data" -A trust -E UTF8 --locale=C -U postgres >/dev/null
as "$bin/pg_ctl" -D "$data" -w -l "$data/log" start -o "-k $data -c listen_addresses=127.0.0.1 -c max_wal_senders=4 -c fsync=off" >/dev/null
stop="as $bin/pg_ctl -D $data -m immediate stop"
export PGHOST=127.0.0.1 PGUSER=postgres PGDATABASE=postgres
postgres() {
	psql -X <<-END
		create table t (id int primary key, body text, at timestamptz default '2020-01-01', raw bytea);
		insert into t select n, repeat('x', n), default, '\\xdeadbeef' from generate_series(1, 120) n;
		\\copy t to $work/t.bin (format binary)
		truncate t;
		\\copy t from $work/t.bin (format binary)
		\\copy t to $work/t.csv (format csv)
		select id, body from t order by id;
		\\set FETCH_COUNT 50
		select id, length(body) from t;
		select repeat('y', 70000);
		select n from generate_series(1, 3000) n;
		prepare p (int, text) as select \$1 + 1, \$2;
		execute p (1, 'two');
		deallocate p;
		begin; savepoint a; select 1/0; rollback to a; release a; commit;
		insert into t values (1) on conflict do nothing;
		explain select * from t;
		show server_version;
		vacuum t;
		\\d t
		lock table t;
		select 1 where false;
		select;
		values (1, 'a'), (2, null);
		with x as (delete from t where id < 10 returning id) select count(*) from x;
		merge into t using (values (5)) v(i) on t.id = v.i when not matched then insert (id) values (v.i);
	END
	pg_dump -t t >/dev/null
	"$bin/pg_isready"
	"$bin/vacuumdb" -q postgres
	"$bin/createdb" other && "$bin/dropdb" other
	pgbench -i -s 1 -q -I dt >/dev/null 2>&1
	pgbench -n -S -M prepared -c 1 -t 5 >/dev/null 2>&1
}
capture postgresql postgres
jdbc() { java -cp "$work/java:/usr/share/java/postgresql.jar:/usr/share/java/mariadb-java-client.jar" Jdbc "$@"; }
u="jdbc:postgresql://127.0.0.1:5432/postgres?user=postgres"
capture jdbc-postgresql jdbc "$u&prepareThreshold=1" "$u&preferQueryMode=extendedForPrepared" \
	"$u&binaryTransfer=true&prepareThreshold=2&reWriteBatchedInserts=true" "$u&autosave=always"

# MariaDB: dumps, several statements at once, prepared ones, cursors in procedures, batches.
install -d -o mysql "$work/mysql"
mariadb-install-db --user=mysql --datadir="$work/mysql" --auth-root-authentication-method=normal >/dev/null 2>&1
/usr/sbin/mariadbd --no-defaults --user=mysql --datadir="$work/mysql" --socket="$work/mysql/s" --port=3399 --bind-address=127.0.0.1 --pid-file="$work/mysql/mysqld.pid" --skip-name-resolve --local-infile=1 >/dev/null 2>&1 &
echo $! >"$work/mariadb.pid"
up 3399
mysql() {
	m="mariadb --no-defaults -h 127.0.0.1 -P 3399 -u root --skip-ssl"
	$m -e 'create database shop'
	$m --local-infile=1 shop <<-END
		create table t (i int, u bigint unsigned, d decimal(10,3), f float, g double, b bit(9), dt datetime(6), ti time, y year, c char(3), v varchar(500), x blob, e enum('a','b'), s set('p','q'), j json, primary key (i));
		insert into t values (1, 18446744073709551615, -1.5, 1.25, 2.5, b'101', '2020-02-03 04:05:06.789', '-10:11:12', 1999, 'abc', repeat('v', 400), x'00ff', 'a', 'p,q', '{"a": 1}'), (2, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
		select * from t;
		prepare p from 'select ? + i, ? from t where i = ?';
		set @a = 1, @b = 'text';
		execute p using @a, @b, @a;
		deallocate prepare p;
		delimiter //
		create procedure three() begin select 1; select 2, 'two'; update t set y = 2000; select 3; end //
		call three() //
		delimiter ;
		load data local infile '/etc/hostname' ignore into table t (v);
		select repeat('z', 70000);
		select * from missing;
		insert into t (i) values (1);
		show warnings;
		start transaction; update t set y = 2001; rollback;
		explain select * from t;
		do sleep(0);
		kill 999999;
	END
	$m --compress shop -e 'select * from t; select repeat("c", 1000)'
	mariadb-dump --no-defaults -h 127.0.0.1 -P 3399 -u root --skip-ssl shop >/dev/null
	mariadb-admin --no-defaults -h 127.0.0.1 -P 3399 -u root --skip-ssl status processlist ping
	mariadb-slap --no-defaults -h 127.0.0.1 -P 3399 -u root --skip-ssl --auto-generate-sql --number-of-queries=10 --concurrency=2
	$m -u nobody -pwrong -e 'select 1'
	$m missing -e 'select 1'
}
capture mysql mysql
mariadb --no-defaults -h 127.0.0.1 -P 3399 -u root --skip-ssl --delimiter=// shop -e \
	"create procedure twice(n int, out m int) begin select n as one; select n, repeat('y', 3000) as two; set m = n * 2; end //"
u="jdbc:mariadb://127.0.0.1:3399/shop?user=root"
capture jdbc-mariadb jdbc "$u" "$u&useServerPrepStmts=true&allowMultiQueries=true" \
	"$u&useCompression=true&useServerPrepStmts=true" "$u&useBulkStmts=true&rewriteBatchedStatements=false&useServerPrepStmts=true"
