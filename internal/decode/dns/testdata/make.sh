#!/bin/sh
# Makes the captures of this directory, with Debian's dnsmasq-base, bind9 and
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

# BIND: chains of names, SVCB and HTTPS, transfers, updates with a signature, queries in one
# piece.
mkdir "$WORK/named"
cat >"$WORK/named/zone" <<END
\$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 127.0.0.1
www A 10.0.0.1
a CNAME b
b CNAME c
c CNAME www
* TXT "wild" "card"
svc HTTPS 1 . alpn="h2,h3" port=8443 ipv4hint=10.0.0.1 ipv6hint=fd00::1
svcb SVCB 2 www alpn="dot" key65333="x"
alias HTTPS 0 www
tlsa TLSA 3 1 1 aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899
uri URI 10 1 "https://x.test/"
dn DNAME other.test.
END
key=$(tsig-keygen k)
echo "$key" >"$WORK/named/k"
cat >"$WORK/named/conf" <<END
$key
options { directory "$WORK/named"; listen-on port 53 { 127.0.0.1; }; recursion no; dnssec-validation no; pid-file "$WORK/named/pid"; session-keyfile "$WORK/named/sk"; allow-transfer { any; }; };
controls { };
zone "z.test" { type primary; file "zone"; allow-update { key k; }; notify no; };
END
named -g -c "$WORK/named/conf" >"$WORK/named/log" 2>&1 &
server=$!
until dig +short +time=1 +tries=1 @127.0.0.1 www.z.test A | grep -q 10.0.0.1; do sleep 0.1; done
bind() {
	for n in a missing x.dn any.thing; do ask "$n.z.test" A; done
	ask svc.z.test HTTPS
	ask alias.z.test HTTPS
	ask svcb.z.test SVCB
	ask tlsa.z.test TLSA
	ask uri.z.test URI
	ask other.test A
	ask -k "$WORK/named/k" z.test AXFR
	printf 'server 127.0.0.1\nzone z.test\nprereq nxdomain new.z.test\nupdate add new.z.test 60 A 10.9.9.9\nupdate delete uri.z.test\nsend\n' | nsupdate -k "$WORK/named/k"
	printf 'server 127.0.0.1\nzone z.test\nupdate add no.z.test 60 A 10.9.9.9\nsend\n' | nsupdate 2>/dev/null || :
	ask +tcp z.test IXFR=1
	/usr/bin/python3 - <<-'END'
		import socket, struct
		def name(n): return b"".join(bytes([len(x)]) + x.encode() for x in n.split(".")) + b"\0"
		asked = [struct.pack(">6H", i, 0x100, 1, 0, 0, 0) + name(n + ".z.test") + b"\0\1\0\1" for i, n in enumerate(["www", "a", "missing", "new"])]
		s = socket.create_connection(("127.0.0.1", 53))
		s.settimeout(0.5)
		all = b"".join(struct.pack(">H", len(x)) + x for x in asked)
		s.sendall(all[:5])
		s.sendall(all[5:])
		try:
		    while s.recv(9999): pass
		except TimeoutError: pass
	END
}
capture bind
kill "$server"
wait "$server" || :
