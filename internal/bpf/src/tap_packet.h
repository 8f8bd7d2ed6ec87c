/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the tap reads of a packet's headers. */
#pragma once
#include "tap.h"

#define ETHERNET_HEADER 14 /* which lo has, too */
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

struct packet {
	__u32 src[4], dst[4]; /* IPv4 is mapped */
	__u16 sport, dport;   /* network byte order */
	__u16 family;         /* AF_UNSPEC: not IP */
	__u8 protocol;        /* zero: neither TCP nor UDP, or a fragment without its header */
	__u8 tcp_flags;
	__u32 payload;
};

struct ipv4_header {
	__u8 version_ihl, tos;
	__u16 total, id, fragment;
	__u8 ttl, protocol;
	__u16 checksum;
	__u32 src, dst;
};

struct ipv6_header {
	__u32 version_flow;
	__u16 payload;
	__u8 next, hops;
	__u32 src[4], dst[4];
};

/* The extension headers that may stand before the payload (RFC 8200). */
enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, AUTH = 51, NO_HEADER = 59, DESTINATION = 60 };
#define MAX_EXTENSIONS 8

INLINE int load(struct __sk_buff *skb, __u32 offset, void *to, __u32 len)
{
	return !bpf_skb_load_bytes_relative(skb, offset, to, len, BPF_HDR_START_NET);
}

/* Reads ports and flags; at is the offset of the transport header. */
INLINE void read_transport(struct packet *p, struct __sk_buff *skb, __u8 protocol, __u32 at)
{
	struct {
		__u16 sport, dport;
		__u32 seq, ack;
		__u8 offset, flags;
	} tcp;
	__u32 header = 8;

	if (protocol == IPPROTO_TCP) {
		if (!load(skb, at, &tcp, 14))
			return;
		p->tcp_flags = tcp.flags;
		header = (tcp.offset >> 4) * 4;
	} else if (protocol != IPPROTO_UDP || !load(skb, at, &tcp, 8)) {
		return;
	}
	p->sport = tcp.sport;
	p->dport = tcp.dport;
	p->protocol = protocol;
	at += ETHERNET_HEADER + header;
	p->payload = skb->len > at ? skb->len - at : 0;
}

INLINE void read_ipv4(struct packet *p, struct __sk_buff *skb)
{
	struct ipv4_header h;

	if (!load(skb, 0, &h, sizeof(h)))
		return;
	p->family = AF_INET;
	p->src[2] = p->dst[2] = MAPPED;
	p->src[3] = h.src;
	p->dst[3] = h.dst;
	if (h.fragment & htons(0x1fff))
		return;
	read_transport(p, skb, h.protocol, (h.version_ihl & 15) * 4);
}

INLINE int is_extension(__u8 next)
{
	return next == HOP_BY_HOP || next == ROUTING || next == FRAGMENT || next == AUTH || next == DESTINATION;
}

struct extensions {
	struct __sk_buff *skb;
	__u32 at;
	__u8 next;
};

/* Skips one extension header, and ends the loop where there is none. */
static int skip_extension(__u32 i, struct extensions *e)
{
	struct {
		__u8 next, len;
		__u16 fragment;
	} ext;

	if (!is_extension(e->next))
		return 1;
	if (!load(e->skb, e->at, &ext, sizeof(ext)) || (e->next == FRAGMENT && ext.fragment & htons(0xfff8))) {
		e->next = NO_HEADER;
		return 1;
	}
	e->at += e->next == FRAGMENT ? 8 : e->next == AUTH ? 8 + ext.len * 4 : 8 + ext.len * 8;
	e->next = ext.next;
	return 0;
}

INLINE void read_ipv6(struct packet *p, struct __sk_buff *skb)
{
	struct ipv6_header h;
	struct extensions e = { .skb = skb, .at = sizeof(h) };

	if (!load(skb, 0, &h, sizeof(h)))
		return;
	p->family = AF_INET6;
	__builtin_memcpy(p->src, h.src, sizeof(h.src));
	__builtin_memcpy(p->dst, h.dst, sizeof(h.dst));
	e.next = h.next;
	if (is_extension(e.next))
		bpf_loop(MAX_EXTENSIONS, skip_extension, &e, 0);
	read_transport(p, skb, e.next, e.at);
}

/* Reads the headers of any packet. */
GLOBAL int tap_read_packet(struct __sk_buff *skb, struct packet *p)
{
	if (!p)
		return 0;
	if (skb->protocol == htons(ETH_P_IP))
		read_ipv4(p, skb);
	else if (skb->protocol == htons(ETH_P_IPV6))
		read_ipv6(p, skb);
	return 0;
}

struct transport_header {
	__u16 sport, dport;
	__u32 seq, ack;
	__u8 offset, flags;
	__u16 window, checksum, urgent;
};

/* Reads headers without options, at once, or returns zero. */
INLINE int read_simple(struct packet *p, struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct transport_header *t;
	struct ipv4_header *h4 = data + ETHERNET_HEADER;
	struct ipv6_header *h6 = data + ETHERNET_HEADER;
	__u8 protocol;
	__u32 header;

	if (skb->protocol == htons(ETH_P_IP)) {
		t = (void *)(h4 + 1);
		if ((void *)(t + 1) > end || h4->version_ihl != 0x45 || h4->fragment & htons(0x1fff))
			return 0;
		protocol = h4->protocol;
		if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
			return 0;
		p->family = AF_INET;
		p->src[2] = p->dst[2] = MAPPED;
		p->src[3] = h4->src;
		p->dst[3] = h4->dst;
		header = ETHERNET_HEADER + sizeof(*h4);
	} else if (skb->protocol == htons(ETH_P_IPV6)) {
		t = (void *)(h6 + 1);
		if ((void *)(t + 1) > end)
			return 0;
		protocol = h6->next;
		if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
			return 0;
		p->family = AF_INET6;
		__builtin_memcpy(p->src, h6->src, sizeof(h6->src));
		__builtin_memcpy(p->dst, h6->dst, sizeof(h6->dst));
		header = ETHERNET_HEADER + sizeof(*h6);
	} else {
		return 0;
	}
	p->protocol = protocol;
	p->sport = t->sport;
	p->dport = t->dport;
	if (protocol == IPPROTO_TCP) {
		p->tcp_flags = t->flags;
		header += (t->offset >> 4) * 4;
	} else {
		header += 8;
	}
	p->payload = skb->len > header ? skb->len - header : 0;
	return 1;
}

/* An acknowledgement and nothing else. */
INLINE int is_pure_ack(const struct packet *p)
{
	return p->protocol == IPPROTO_TCP && !p->payload && !(p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST));
}

/* Several sockets may get it. */
INLINE int is_multicast(const struct packet *p)
{
	if (p->family == AF_INET)
		return (p->dst[3] & htonl(0xf0000000)) == htonl(0xe0000000) || p->dst[3] == 0xffffffff;
	return (p->dst[0] & htonl(0xff000000)) == htonl(0xff000000);
}
