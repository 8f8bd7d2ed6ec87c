#!/bin/sh
# Makes the captures beside it: a MariaDB server and its clients in a network
# namespace of their own. Needs root, Debian's mariadb-server, libmariadb-dev,
# gcc, tshark, tcpdump and iproute2, and Go with the module proxy in reach.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != inside ]; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	cp "$here"/client/* "$work"
	gcc -o "$work/capi" "$work/capi.c" $(mariadb_config --cflags --libs)
	rm "$work/capi.c"
	(cd "$work" && go mod init client && go get github.com/go-sql-driver/mysql@v1.9.3 && go build -o go .)
	mkdir "$work/z"
	cp "$here"/zstd/main.go "$work/z"
	(cd "$work/z" && go mod init zstd && go get github.com/go-mysql-org/go-mysql@v1.13.0 github.com/klauspost/compress@v1.18.0 && go build -o ../zstd .)
	unshare -n "$0" inside "$work"
	cp "$work"/*.pcap "$here"
	exit
fi
work=$2
ip link set lo up
data=$work/data
chmod 711 "$work"
install -d -o mysql "$data"
mariadb-install-db --no-defaults --user=mysql --datadir="$data" --skip-test-db >/dev/null 2>&1
mariadbd --no-defaults --user=mysql --datadir="$data" --socket="$data/sock" --pid-file="$data/pid" \
	--bind-address=127.0.0.1 --port=3306 --skip-name-resolve --server-id=1 --log-bin="$data/bin" \
	--innodb-buffer-pool-size=16M --plugin-load-add=auth_ed25519 >"$data/log" 2>&1 &
server=$!
trap 'kill $server; wait $server || true' EXIT
until [ -S "$data/sock" ] && mariadb --no-defaults -S "$data/sock" -e 'select 1' >/dev/null 2>&1; do sleep 0.2; done
mariadb --no-defaults -S "$data/sock" <<-'END'
	create user go identified by 'sesame';
	create user c identified via ed25519 using password('sesame');
	create user plain identified by 'sesame';
	create database shop;
	use shop;
	create table items (id int primary key, name text, price decimal(8,2));
	insert into items values (1, 'item 1', 1.25), (2, 'item 2', 2.50), (3, 'item 3', 3.75);
	grant all on *.* to go;
	grant all on *.* to c with grant option;
	grant select on *.* to plain;
	grant replication slave on *.* to plain;
END

# capture FILE COMMAND...: FILE.pcap has what the command sends.
capture() {
	file=$1
	shift
	tcpdump -i lo --immediate-mode -U -w "$work/$file.pcap" tcp port 3306 2>"$work/dump" &
	dump=$!
	until grep -q listening "$work/dump"; do sleep 0.1; done
	"$@" || true
	sleep 0.5
	kill -INT $dump
	wait $dump || true
}
my() { mariadb --no-defaults -h 127.0.0.1 -u go "$@" >"$work/out" 2>&1 || true; }
cd "$work"
printf '1000\tone\t1\n1001\ttwo\t2\nx\n' >data.tsv
client_session() {
	my -psesame --force --local-infile=1 --comments shop <<-END
		select 1;
		select id, name, price, null as nothing from items where id in (1, 2, 3) order by id;
		/* app=test */ insert into items values (10, 'it''s', 1), (11, "quo\"te", 2);
		delete from items where id >= 10;
		update items set price = price + 1 where id < 3;
		select * from missing;
		selec 1;
		load data local infile 'data.tsv' into table items;
		show warnings;
		delete from items where id >= 1000 or id = 0;
		begin;
		rollback;
		use mysql;
		prepare s from 'select ? + 1';
		execute s using 41;
		deallocate prepare s;
		alter user go identified by 'sesame';
	END
	my -pwrong -e 'select 1'
	my -psesame -e 'select 1' nowhere
	my -psesame --ssl -e 'select 1'
}
replica_session() {
	timeout 2 mariadb-binlog --no-defaults -R -h 127.0.0.1 -u plain -psesame --stop-never bin.000001 >"$work/out" 2>&1 || true
	mariadb-binlog --no-defaults -R -h 127.0.0.1 -u plain -psesame --stop-position=800 bin.000002 >"$work/out" 2>&1 || true
	mariadb-binlog --no-defaults -R -h 127.0.0.1 -u plain -psesame missing.000001 >"$work/out" 2>&1 || true
}
compressed_session() {
	"$work/go" 'compress=true'
	my -psesame --compress -e "select repeat('compress me ', 200); select 1; select * from missing" shop
}
capture client client_session
capture go "$work/go" 'maxAllowedPacket=4096'
capture compress compressed_session
capture capi "$work/capi"
capture binlog replica_session

# zstd: a relay for the client, at another port.
"$work/zstd" relay 127.0.0.1:3307 127.0.0.1:3306 >"$work/relay" &
relay=$!
until grep -q ready "$work/relay"; do sleep 0.1; done
tcpdump -i lo --immediate-mode -U -w "$work/zstd.pcap" tcp port 3307 2>"$work/dump" &
dump=$!
until grep -q listening "$work/dump"; do sleep 0.1; done
"$work/zstd" client 127.0.0.1:3307
sleep 0.5
kill -INT $dump
wait $dump || true
kill $relay

# Connections that were joined in their middle.
editcap -F pcap -r "$work/capi.pcap" "$work/midstream.pcap" 50-103
