// Package bind has the causes of a bind that fails. Which socket is in the way of
// which follows inet_csk_get_port (net/ipv4/inet_connection_sock.c).
package bind
