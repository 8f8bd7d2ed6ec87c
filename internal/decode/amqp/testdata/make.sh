#!/bin/sh
# Makes the captures of this directory, with Debian's rabbitmq-server and
# python3-pika. Needs root and tcpdump.
set -eu
cd "$(dirname "$0")"
here=$(pwd)
if [ -z "${WORK-}" ]; then
	WORK=$(mktemp -d)
	export WORK
	unshare -n -- "./$(basename "$0")"
	rm -rf "$WORK"
	exit
fi
ip link set lo up

# What is still running when this ends, ends with it; epmd is the one of this
# network namespace. Of those that have ended already, kill complains.
trap 'kill ${dump-} "$(cat "$WORK/pid")" 2>/dev/null || :; epmd -kill >/dev/null 2>&1 || :' EXIT

# The server with all that it writes in a directory of its own, and without
# Erlang's daemon for names.
echo '[].' >"$WORK/plugins"
printf 'listeners.tcp.1 = 127.0.0.1:5672\nheartbeat = 1\n' >"$WORK/rabbitmq.conf"
export HOME="$WORK" RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_MNESIA_BASE="$WORK/data" RABBITMQ_LOG_BASE="$WORK/log"
export RABBITMQ_CONFIG_FILE="$WORK/rabbitmq.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$WORK/plugins" RABBITMQ_CONF_ENV_FILE=/dev/null
export RABBITMQ_PID_FILE="$WORK/pid"
/usr/lib/rabbitmq/bin/rabbitmq-server >"$WORK/server" 2>&1 &
server=$!
tries=0
until grep -q 'completed with' "$WORK/server"; do
	tries=$((tries + 1))
	if [ "$tries" -gt 600 ]; then
		cat "$WORK/server" >&2
		exit 1
	fi
	sleep 0.2
done
for part in methods messages errors; do
	tcpdump -Z root -i lo -s 0 -U -w "$here/$part.pcap" port 5672 2>"$WORK/$part.tcpdump" &
	dump=$!
	until grep -q 'listening on' "$WORK/$part.tcpdump"; do sleep 0.1; done
	/usr/bin/python3 client.py "$part"
	sleep 1
	kill -INT "$dump"
	wait "$dump"
done
kill "$(cat "$WORK/pid")"
wait "$server" || :
