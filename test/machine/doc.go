// Package machine tests lodge on a whole machine that the tests may change:
// its systemd, /etc and /usr/local. They run only in a machine made for them,
// by test/kernels, which sets LODGE_MACHINE to a directory with the programs
// lodge and shop.
package machine
