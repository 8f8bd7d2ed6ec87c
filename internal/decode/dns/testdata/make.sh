#!/bin/sh
# Makes the captures of this directory, with Debian's dnsmasq-base and
# bind9-dnsutils. Needs root and tcpdump.
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
trap 'kill ${dump-} ${server-} 2>/dev/null || :' EXIT

dnsmasq --keep-in-foreground --no-resolv --no-hosts --user=root --group=root --conf-file=/dev/null --pid-file="$WORK/pid" \
	--listen-address=127.0.0.1,127.0.0.2 --bind-interfaces --local=/test/ --edns-packet-max=4096 \
	--host-record=www.test,10.0.0.1,fd00::1 --address=/pool.test/10.0.0.2 --cname=web.test,www.test \
	--mx-host=test,mail.test,10 --srv-host=_http._tcp.test,www.test,8080,1,5 \
	--txt-record=test,"v=spf1 -all","second; part" --ptr-record=1.0.0.10.in-addr.arpa,www.test \
	--naptr-record=test,100,50,u,E2U+sip,'!^.*$!sip:info@test!',. --caa-record=test,0,issue,ca.test \
	--dns-rr=svc.test,65,0001000001000302683200030002208b \
	--txt-record=long.test,"$(yes 0123456789 | head -n 20 | tr -d '\n')","$(yes abcdefghij | head -n 20 | tr -d '\n')","$(yes ABCDEFGHIJ | head -n 20 | tr -d '\n')" \
	--auth-server=ns.zone,127.0.0.2 --auth-zone=zone,10.0.0.0/8 --auth-soa=42 --host-record=a.zone,10.1.0.1 --host-record=b.zone,10.1.0.2 \
	>"$WORK/server" 2>&1 &
server=$!
until dig +short +time=1 @127.0.0.1 www.test A | grep -q 10.0.0.1; do sleep 0.1; done

capture() {
	tcpdump -Z root -i lo -s 0 -U -w "$here/$1.pcap" port 53 2>"$WORK/$1.tcpdump" &
	dump=$!
	until grep -q 'listening on' "$WORK/$1.tcpdump"; do sleep 0.1; done
	"$1"
	sleep 1
	kill -INT "$dump"
	wait "$dump"
}
ask() { dig +tries=1 +time=2 @127.0.0.1 "$@" >/dev/null || :; }
udp() {
	for type in A AAAA ANY; do ask www.test "$type"; done
	ask web.test A
	ask pool.test A
	for type in MX TXT NAPTR CAA SOA; do ask test "$type"; done
	ask _http._tcp.test SRV
	ask svc.test HTTPS
	ask -x 10.0.0.1
	ask missing.test A
	ask www.test TYPE1234
	ask elsewhere.example A
	ask +noedns +norecurse www.test A
	ask +dnssec +nsid +subnet=192.0.2.0/24 +padding=64 www.test A
	ask +noedns +ignore long.test TXT
	ask +noedns long.test TXT
	ask version.bind CH TXT
	ask +opcode=notify test SOA
	ask +header-only
	ask +tries=2 +time=1 -p 53 @127.0.0.9 nobody.test A
}
tcp() {
	ask +tcp www.test A
	ask +tcp +keepopen www.test A web.test AAAA missing.test A long.test TXT
	dig +tcp +tries=1 @127.0.0.2 zone AXFR >/dev/null || :
	ask +tcp +keepalive +noedns svc.test HTTPS
}
capture udp
capture tcp
kill "$server"
wait "$server" || :
