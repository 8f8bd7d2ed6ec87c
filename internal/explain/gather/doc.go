// Package gather looks at this machine for what bears on a question: sockets and
// their holders, addresses, routes, network namespaces, the firewall, settings of
// the kernel, files, and what lodge's daemon says. It only looks: it makes no
// connection and binds nothing. All I/O of explain is here.
package gather
