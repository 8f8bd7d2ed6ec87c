#!/bin/bash
# Makes the recordings here: what examples/shop does, in two runs (main, main-2), and a copy of it in which the API asks
# the store once more for each of eight items and sends a header more (branch). Run it as root at the root of the
# repository, with the programs of `make build` in bin. Everything runs in namespaces of its own.
set -eu
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/main" "$work/branch"
go build -o "$work/main/shop" ./examples/shop/cmd/shop
copy=$(mktemp -d "$root/examples/shop/cmd/copyXXXXXX")
trap 'rm -rf "$work" "$copy"' EXIT
cp examples/shop/cmd/shop/*.go "$copy"
rm -f "$copy"/*_test.go
sed -i 's|^\t\twriteJSON(w, visit{|\t\tfor i := range 8 {\n\t\t\tif _, err := fetch(r.Context(), client, http.MethodPost, fmt.Sprintf("%s/count/%d", store, i)); err != nil {\n\t\t\t\treturn\n\t\t\t}\n\t\t}\n\t\tw.Header().Set("Cache-Control", "no-store")\n&|' "$copy/api.go"
go build -o "$work/branch/shop" "$copy"
export work root
unshare --mount --net bash -eu -c '
ip link set lo up
mount -t tmpfs tmpfs /srv
cp -r "$work"/* /srv
export HOME=/srv/home XDG_RUNTIME_DIR=/srv/run XDG_STATE_HOME=/srv/state
mkdir -p $HOME $XDG_RUNTIME_DIR $XDG_STATE_HOME
record() { # DIRECTORY NAME OUTPUT...
	cd "/srv/$1"
	pids=
	for s in store api page; do ./shop $s >/dev/null & pids="$pids $!"; done
	out=
	for o in "${@:2}"; do out="$out -o /srv/$o"; done
	"$root/bin/lodge" tap $out >/dev/null & tap=$!
	sleep 3 # lodge tap says nothing when it begins
	for i in 1 2 3; do curl -s localhost:3000/ >/dev/null; done
	curl -s localhost:3000/none >/dev/null
	sleep 0.3
	kill -INT $tap
	wait $tap || true
	kill $pids
	wait
}
record main main.jsonl main.pcapng
record main main-2.jsonl
record branch branch.jsonl
cp /srv/*.jsonl /srv/*.pcapng "$root/internal/cli/look/tap/testdata/diff/"
'
chmod 644 internal/cli/look/tap/testdata/diff/*.jsonl internal/cli/look/tap/testdata/diff/*.pcapng
