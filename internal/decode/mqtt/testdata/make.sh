#!/bin/sh
# Makes the captures of this directory, with Debian's mosquitto and
# mosquitto-clients. Needs root and tcpdump.
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

# What is still running when this ends, ends with it. Of those that have ended
# already, kill complains.
trap 'kill ${dump-} ${server-} ${receiver-} ${first-} 2>/dev/null || :' EXIT

cat >"$WORK/open.conf" <<END
listener 1883 127.0.0.1
allow_anonymous true
user root
END
mosquitto_passwd -b -c "$WORK/passwords" app sesame
cat >"$WORK/login.conf" <<END
listener 1883 127.0.0.1
password_file $WORK/passwords
user root
END

# capture NAME CONFIGURATION: starts a server and lets the function NAME talk to it.
capture() {
	tcpdump -Z root -i lo -s 0 -U -w "$here/$1.pcap" port 1883 2>"$WORK/$1.tcpdump" &
	dump=$!
	until grep -q 'listening on' "$WORK/$1.tcpdump"; do sleep 0.1; done
	mosquitto -c "$WORK/$2.conf" >"$WORK/$1.server" 2>&1 &
	server=$!
	until grep -q running "$WORK/$1.server"; do sleep 0.1; done
	"$1"
	sleep 1
	kill "$server"
	wait "$server" || :
	kill -INT "$dump"
	wait "$dump"
}

# receive N SUB-ARGUMENTS...: subscribes in the background to N messages.
receive() {
	n=$1
	shift
	mosquitto_sub -h 127.0.0.1 -C "$n" -W 20 "$@" >/dev/null &
	receiver=$!
	sleep 0.5
}

# versions sends messages of each QoS in one version.
versions() {
	receive 3 -V "$1" -i "reader" -q 2 -t 'shop/+' -t 'other/#'
	for q in 0 1 2; do
		mosquitto_pub -h 127.0.0.1 -V "$1" -i "writer$q" -q "$q" -t "shop/orders" -m "message of QoS $q"
	done
	wait "$receiver"
	mosquitto_pub -h 127.0.0.1 -V "$1" -i last -q 1 -r -t shop/state -m kept --will-topic shop/gone --will-payload bye --will-qos 1
	receive 1 -V "$1" -i late -q 1 -t shop/state -U shop/other -k 5
	wait "$receiver"
	mosquitto_pub -h 127.0.0.1 -V "$1" -i big -q 1 -t shop/big -m "$(yes 0123456789 | head -n 2000 | tr -d '\n')"
}
v31() { versions 31; }
v311() { versions 311; }
v5() {
	versions 5
	receive 4 -V 5 -i reader5 -q 1 -t 'alias/#' -D subscribe subscription-identifier 7 -D connect receive-maximum 3 -x 60 -c
	printf '%s\n' one two three four | mosquitto_pub -h 127.0.0.1 -V 5 -i aliases -q 1 -l -t alias/one \
		-D publish topic-alias 3 -D publish user-property color blue -D publish content-type text/plain \
		-D publish message-expiry-interval 100 -D publish response-topic answers -D publish correlation-data abc
	wait "$receiver"
	receive 1 -V 5 -i echo -t 'ask' -q 1
	mosquitto_rr -h 127.0.0.1 -V 5 -W 1 -q 1 -t ask -e answer -m question >/dev/null || :
	wait "$receiver"
	# A topic that nobody has subscribed to, one that is not allowed.
	mosquitto_pub -h 127.0.0.1 -V 5 -q 1 -t nobody/reads -m lost
}
login() {
	for v in 311 5; do
		mosquitto_pub -h 127.0.0.1 -V "$v" -i wrong -u app -P guess -t a -m b || :
		mosquitto_pub -h 127.0.0.1 -V "$v" -i right -u app -P sesame -t a -m b
	done
	# Pings, and the same client a second time, which ends the first one.
	mosquitto_sub -h 127.0.0.1 -V 5 -i twice -u app -P sesame -t a -k 5 -W 9 >/dev/null 2>&1 &
	first=$!
	sleep 7
	mosquitto_pub -h 127.0.0.1 -V 5 -i twice -u app -P sesame -t b -m b
	wait "$first" || :
}
capture v31 open
capture v311 open
capture v5 open
capture login login
