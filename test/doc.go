// Package test holds lodge's integration tests: the built program, on real
// programs, with each engine. They start lodge as a person would and look at
// what the machine then shows.
//
// Each test has a daemon of its own, with runtime and state directories that
// it makes, and at its end checks that nothing is left: no process, socket,
// cgroup or address. As root, the ebpf engine is tested as root, and the
// seccomp engine as users without a passwd entry and with an environment that
// has nothing but the two directories. As an ordinary user only the seccomp
// tests run.
//
// What the tests need beyond Go and git, `sh test/install` installs. A test
// whose program is missing is skipped by its name.
package test
