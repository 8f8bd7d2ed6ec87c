#!/bin/sh
# Starts two copies of examples/shop at once, both on the ports 3000, 4000 and
# 5000 that are written into their code, and shows that each page talks to its
# own API and store. It needs Go and nothing else, leaves nothing behind, and
# exits with 1 where a page shows anything but its own checkout.
#
# usage: examples/demo.sh [LODGE [SHOP]]    the programs; without them they are built: bin/lodge, and the shop's
set -eu

fail() {
	echo "demo: $*" >&2
	exit 1
}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

examples=$(cd "$(dirname "$0")" && pwd -P)
lodge=${1:-}
if [ -z "$lodge" ]; then
	echo "building bin/lodge and the example shop: minutes the first time, since all libraries are compiled, seconds later"
	lodge=$(dirname "$examples")/bin/lodge
	(cd "$examples" && go build -buildvcs=false -o "$(dirname "$lodge")/" ../cmd/...) || fail "build lodge"
fi
[ -x "$lodge" ] || fail "run $lodge: no such program (build it: go build -o bin/ ./cmd/...)"
lodge=$(cd "$(dirname "$lodge")" && pwd -P)/$(basename "$lodge")

# A lodge of its own beside the one that may run already.
tmp=$(mktemp -d "${TMPDIR:-/tmp}/lodge-demo.XXXXXX")
tmp=$(cd "$tmp" && pwd -P)
export XDG_RUNTIME_DIR="$tmp/run" XDG_STATE_HOME="$tmp/state"
mkdir -m 700 "$XDG_RUNTIME_DIR" "$XDG_STATE_HOME"

clean() {
	status=$?
	trap - EXIT HUP INT TERM
	for copy in one two; do
		[ ! -d "$tmp/$copy" ] || (cd "$tmp/$copy" && "$lodge" down >/dev/null 2>&1) || :
	done
	# The daemon ends by itself once nothing is up; it takes its socket along.
	tries=0
	while [ -n "$(find "$XDG_RUNTIME_DIR" -type s 2>/dev/null)" ] && [ "$tries" -lt 50 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
	rm -rf "$tmp"
	exit "$status"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

# home NAME prints the address of the project NAME, which stands in front of
# its services in the list.
home() {
	"$lodge" ls --json | tr -d ' \n' | tr '{' '\n' | sed -n "s/.*\"name\":\"$1\".*\"home\":\"\([0-9.]*\)\".*/\1/p"
}

# check WHERE COPY OTHER PAGE prints the page, and fails unless page, API and
# store all are of COPY and none is of OTHER.
check() {
	printf '%s\n' "$4" | sed -n 's|<h1>\(.*\)</h1>|  \1|p; s|<tr><td>\([a-z]* *\)<td>|  \1 |p'
	[ "$(printf '%s\n' "$4" | grep -c "<td>$tmp/$2\$")" -eq 3 ] || fail "$1: page, api and store of $2 are not all its own"
	case $4 in
	*"$tmp/$3"*) fail "$1: the page of $2 shows $3" ;;
	esac
}

say "Two copies of one project, with the same ports in their code"
if [ -n "${2:-}" ]; then
	cp "$2" "$tmp/shop"
else
	(cd "$examples/shop" && go build -o "$tmp/shop" ./cmd/shop)
fi
for copy in one two; do
	mkdir -p "$tmp/$copy/bin"
	cp "$examples/shop/lodge.toml" "$tmp/$copy/"
	cp -R "$examples/shop/cmd" "$tmp/$copy/"
	cp "$tmp/shop" "$tmp/$copy/bin/"
	echo "  $tmp/$copy"
done

for copy in one two; do
	say "cd $copy && lodge up -d"
	(cd "$tmp/$copy" && "$lodge" up -d)
done

say "lodge ls"
"$lodge" ls

other=two
for copy in one two; do
	say "cd $copy && lodge exec -- bin/shop get http://localhost:3000/"
	page=$(cd "$tmp/$copy" && "$lodge" exec -- bin/shop get http://localhost:3000/) || fail "inside $copy: no page"
	check "inside $copy" "$copy" "$other" "$page"
	address=$(home "$copy")
	[ -n "$address" ] || fail "lodge ls --json has no home of $copy"
	say "from outside: http://$address:3000/"
	page=$("$tmp/shop" get "http://$address:3000/") || fail "outside, $copy: no page"
	check "outside $copy" "$copy" "$other" "$page"
	other=one
done

for copy in one two; do
	say "cd $copy && lodge down"
	(cd "$tmp/$copy" && "$lodge" down)
done

say "Each page talked to its own API and store."
