// Package netif reads the interfaces of a network namespace and their addresses
// (rtnetlink(7), or netdevice(7) and /proc/net/if_inet6 where a sandbox allows no
// netlink socket), and says from where a socket at an address can be reached.
package netif
