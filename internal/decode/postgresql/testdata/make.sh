#!/bin/sh
# Makes the captures beside it: a PostgreSQL server and its clients in a network
# namespace of their own. Needs root, Debian's postgresql, tshark, tcpdump, iproute2, and
# Go with the module proxy in reach for the client of pgx.pcap.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != inside ]; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	cp "$here"/pgx/main.go "$work"
	(cd "$work" && go mod init client && go get github.com/jackc/pgx/v5@v5.7.6 && go build -o pgx .)
	unshare -n "$0" inside "$work"
	cp "$work"/*.pcap "$here"
	exit
fi
work=$2
ip link set lo up
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
data=$work/data
install -d -o postgres "$data"
chmod 711 "$work"
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
as "$bin/initdb" -D "$data" -A trust -E UTF8 --locale=C >/dev/null
cat >"$data/pg_hba.conf" <<END
local all all trust
host all scram 127.0.0.1/32 scram-sha-256
host all md5 127.0.0.1/32 md5
host all plain 127.0.0.1/32 password
host replication all 127.0.0.1/32 trust
host all all 127.0.0.1/32 trust
END
as "$bin/pg_ctl" -D "$data" -w -l "$data/log" start \
	-o "-k $work/data -c listen_addresses=127.0.0.1 -c wal_level=logical -c password_encryption=md5" >/dev/null
trap 'as "$bin/pg_ctl" -D "$data" -m immediate stop >/dev/null' EXIT
admin() { psql -X -q -h "$data" -U postgres "$@"; }
admin -d postgres -c "create user md5 password 'sesame'" -c "set password_encryption = 'scram-sha-256'" \
	-c "create user scram superuser password 'sesame'" -c "create user plain password 'sesame'" -c 'create database shop'
admin -d shop -c 'create table items (id int primary key, name text, price numeric(8,2))' \
	-c "insert into items select n, 'item ' || n, n * 1.25 from generate_series(1, 100) n" -c 'grant all on items to public'

# capture FILE COMMAND...: FILE.pcap has what the command sends.
capture() {
	file=$1
	shift
	tcpdump -i lo --immediate-mode -U -w "$work/$file.pcap" tcp port 5432 2>"$work/dump" &
	dump=$!
	until grep -q listening "$work/dump"; do sleep 0.1; done
	"$@" || true
	sleep 0.5
	kill -INT $dump
	wait $dump || true
}
export PGHOST=127.0.0.1 PGDATABASE=shop PGPASSWORD=sesame
sql() { psql -X -v ON_ERROR_STOP=0 "$@" >"$work/out" 2>&1 || true; }

psql_session() {
	sql -U scram <<-'END'
		select 1;
		select id, name, price, null as nothing from items where id in (1, 2, 3) order by id;
		select 1 as a \; select 'it''s' as b \; update items set price = price + 1 where id < 3;
		select 1 \; select 1/0 \; select 2;
		select 1 \; selec 2 \; select 3;
		-- a comment alone
		;
		create table notes (id serial primary key, body text);
		create table if not exists notes (id int);
		do $$ begin raise notice 'hello %', 1; raise warning 'careful'; end $$;
		insert into notes (body) values ('a'), ('b') returning id;
		copy notes (body) from stdin;
		one
		two words
		three\nlines
		\.
		copy notes (id) from stdin;
		x
		\.
		copy notes to stdout;
		copy (select 1 as x, 'quoted "text"' as y) to stdout (format csv, header);
		copy missing from stdin;
		begin;
		declare c cursor for select generate_series(1, 5);
		fetch 2 from c;
		fetch all from c;
		select * from missing;
		select 1;
		rollback;
		listen news;
		notify news, 'extra, extra';
		set application_name = 'renamed';
		create user guest password 'secret1';
		alter user guest password 'secret2';
		drop user guest;
		drop table notes;
		select pg_terminate_backend(pg_backend_pid());
	END
	sql -U md5 -c 'select current_user'
	sql -U plain -c 'select current_user'
	PGPASSWORD=wrong sql -U scram -c 'select 1'
	sql -U nobody -d missing -c 'select 1'
	PGSSLMODE=require sql -U scram -c 'select 1'
	(sleep 1; admin -d shop -c "select pg_cancel_backend(pid) from pg_stat_activity where query like 'select pg_sleep%'") >/dev/null &
	sql -U scram -c 'select pg_sleep(30)'
	timeout -s INT 1 psql -X -U scram -c 'select pg_sleep(29)' >/dev/null 2>&1 || true # which sends a CancelRequest
	wait $! || true
}
cat >"$work/one.sql" <<-'END'
	\set id random(1, 100)
	select price from items where id = :id;
	update items set price = price + 1 where id = :id;
END
cat >"$work/pipe.sql" <<-'END'
	\set id random(1, 100)
	\startpipeline
	begin;
	select price from items where id = :id;
	update items set price = price + 1 where id = :id;
	end;
	\endpipeline
END
pgbench_session() {
	for mode in simple extended prepared; do
		pgbench -U scram -n -M $mode -f "$work/one.sql" -c 2 -t 3 --random-seed=1 >/dev/null 2>&1
	done
	for mode in extended prepared; do
		pgbench -U scram -n -M $mode -f "$work/pipe.sql" -c 1 -t 2 --random-seed=1 >/dev/null 2>&1
	done
}
replication_session() {
	pg_recvlogical -U postgres -d shop --slot=s --create-slot -P test_decoding
	(sleep 1; admin -d shop -c 'update items set price = 1 where id = 1'; sleep 1; admin -d shop -c 'select 1') >/dev/null &
	timeout -s INT 3 pg_recvlogical -U postgres -d shop --slot=s --start -f "$work/out" -s 1
	wait $! || true
	pg_recvlogical -U postgres -d shop --slot=s --drop-slot
}
capture psql psql_session
capture pgbench pgbench_session
capture pgx "$work/pgx"
capture replication replication_session

# Connections that were joined in their middle.
editcap -F pcap -r "$work/pgbench.pcap" "$work/midstream.pcap" 213-262
