#!/bin/busybox sh
# The first program of a test machine: puts a layer in memory over the file
# system of the machine that started it, and hands over to its systemd.
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys

fail() {
	echo "LODGE: cannot boot: $*"
	poweroff -f
}

while read -r m; do
	insmod "/mods/$m" 2>/dev/null
done </mods/order
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose host /host || fail "no host file system"
mount -t tmpfs -o size=70% mem /mem
mkdir /mem/up /mem/work
mount -t overlay -o lowerdir=/host,upperdir=/mem/up,workdir=/mem/work root /new || fail "no overlay file system"
# What the other machine has of its own is not this one's.
mount -t tmpfs -o mode=1777 tmp /new/tmp
mount -t tmpfs -o mode=755 run /new/run
rm -rf /new/etc/systemd/system/* /new/etc/fstab /new/usr/local/libexec/lodge /new/var/lib/lodge /new/var/lib/systemd/*
echo lodge-test >/new/etc/hostname
cp /trial.service /new/etc/systemd/system/
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=none work /new/mnt || fail "no work directory"
# systemd keeps these where they are.
mount --move /dev /new/dev
mount --move /proc /new/proc
mount --move /sys /new/sys
[ -x /new/lib/systemd/systemd ] || fail "no systemd (hint: sh test/install)"
exec switch_root /new /lib/systemd/systemd --unit=trial.service --show-status=no --log-target=kmsg
