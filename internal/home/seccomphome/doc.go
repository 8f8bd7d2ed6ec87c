// Package seccomphome makes a project's own localhost for an ordinary user,
// with nothing installed: a seccomp user-notification filter
// (seccomp_unotify(2)) stops bind, connect, listen, getsockname, getpeername
// and sends with an address, and a supervisor in this process makes the call
// on a duplicate of the program's socket (pidfd_getfd(2)) with its own copy of
// the address. Nothing is decided on memory that the program can change
// afterwards. Between those calls the kernel does everything: no byte passes
// through here, but for connections to services that are made while somebody
// taps the home (package relay).
//
// The filter is inherited by fork, clone and exec, so every descendant of a
// started process is inside. It is set by a shim: the same executable run
// again, which sets it on itself and then becomes the program.
//
// It needs Linux 5.10 or newer on amd64 or arm64. The process that opens a
// home must stay an ancestor of what runs inside (PR_SET_CHILD_SUBREAPER),
// for that is what Yama's ptrace_scope=1 asks of a process that reads another
// process's memory; and it must live as long as they do, since without a
// supervisor the filtered calls answer ENOSYS.
//
// # What it does not do
//
//   - Set-user-ID programs and file capabilities have no effect inside: the
//     filter needs no_new_privs. sudo, su and a set-user-ID ping say so
//     themselves.
//   - In an overlay, sendmsg and sendmmsg with an address are not seen, but for
//     TCP Fast Open: a classic filter cannot read the msghdr. Such a datagram
//     reaches the machine's localhost. In a strict home they are, at the price
//     of a trip to the supervisor for each sendmsg, on whatever socket.
//     MSG_ZEROCOPY is ignored then, and the kernel completes nothing.
//   - SCTP, DCCP, SMC, RDS and RxRPC have ways to connect that are not looked
//     at. A strict home does without them: EPROTONOSUPPORT, EAFNOSUPPORT.
//   - A server of a strict home cannot answer a datagram from an outside client
//     at the machine's 127.0.0.1: recvfrom is not looked at.
//   - Before Linux 5.14 the kernel does not tell a socket's network namespace,
//     and the calls of a program in another one are answered like all.
//   - A datagram's sender (recvfrom) and the peer that accept returns show the
//     real address: the home's, where the peer is bound to it.
//   - io_uring_setup answers ENOSYS, so that programs fall back to epoll:
//     requests in a ring would pass the filter by.
//   - 32-bit programs on a 64-bit kernel are in the home like others (unotify/compat.go);
//     x32 system calls answer ENOSYS.
//   - An ordinary user has no second IPv6 loopback address. A socket with
//     IPV6_V6ONLY lives at ::1 on a port of the kernel's choice, which
//     connects from inside find; from outside it has only that port. It is
//     listed at the port that the program asked for.
//   - A UDP socket bound to the wildcard address and port 0, which is how
//     clients get a port, stays there: at the home's address it could not send
//     to other machines any more.
//   - A process that is not dumpable (prctl(2), PR_SET_DUMPABLE) cannot be
//     looked into by an ordinary user: see undumpable for what its calls
//     answer. To root all processes are alike.
//   - One filter with a listener is all that a process can have: no home
//     inside a home (EBUSY).
//   - It is no sandbox. Calls on sockets other than IPv4 and IPv6 are let
//     through after a look at the socket, so a program that swaps descriptors
//     in another thread at that moment, and only such a program, gets out.
package seccomphome
