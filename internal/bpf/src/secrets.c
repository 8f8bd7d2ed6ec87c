/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What secrets of TLS are made of, taken where a library derives them: at the
 * entry of a function, by uprobes. Each program is for one function.
 *
 * No program may use more than 48 bytes of stack, in any of its functions. From
 * Linux 6.13 on a program of this type with 64 or more (rounded up to 16) gets a
 * private stack for each CPU, on which two of them that preempt each other write
 * over each other: https://github.com/open-telemetry/opentelemetry-ebpf-instrumentation/issues/3056.
 * So what is read goes into the record of the ring at once, and TestSecretsStack
 * looks at the object. They are sleepable, so that a page that is not there is
 * fetched, and there are no programs at a function's return: what a library makes
 * of the secret is computed by the reader.
 */
#include "kernel.h"
#include "secrets.h"

/* OSSL_PARAM of OpenSSL 3 (openssl/core.h), whose layout is a public interface. */
struct ossl_param {
	__u64 key;
	__u32 data_type, pad;
	__u64 data, data_size, return_size;
};

/* How many parameters a derivation has at most; OpenSSL's have seven. */
#define MAX_PARAMS 16

/* The first four bytes of the names of parameters (openssl/core_names.h). */
#define NAME_KEY 0x0079656b    /* "key" with its end */
#define NAME_DATA 0x61746164   /* "data" */
#define NAME_LABEL 0x6562616c  /* "label" */
#define NAME_SECRET 0x72636573 /* "secret" */
#define NAME_SEED 0x64656573   /* "seed" */

/* "key expansion", with which TLS 1.2 begins the seed of a connection's keys. */
#define KEY_EXPA 0x617078652079656bull
#define KEY_EXPANSION_SIZE 13
#define RANDOM_SIZE 32

/* The first four bytes of the labels of TLS 1.3 (RFC 8446, section 7.1) whose
 * secrets are wanted: "c e traffic", "c hs traffic", "s hs traffic",
 * "c ap traffic", "s ap traffic". */
INLINE int wanted(__u32 label)
{
	return label == 0x20652063 || label == 0x73682063 || label == 0x73682073 || label == 0x70612063 || label == 0x70612073;
}

/* Reading may wait for a page where wait says so: for a process of which nothing is
 * to be delivered it does not, since a program that waits holds up the end of all
 * probes of the machine. */
INLINE __u64 word_at(__u64 at, int wait)
{
	__u64 v = 0;

	if (bpf_probe_read_user(&v, sizeof(v), (void *)at) && wait)
		bpf_copy_from_user(&v, sizeof(v), (void *)at);
	return v;
}

INLINE __u32 half_at(__u64 at, int wait)
{
	__u32 v = 0;

	if (bpf_probe_read_user(&v, sizeof(v), (void *)at) && wait)
		bpf_copy_from_user(&v, sizeof(v), (void *)at);
	return v;
}

/* name_of returns the begin of the name of a parameter, zero at the end of the
 * list. */
INLINE __u32 name_of(__u64 param, int wait)
{
	__u64 name = word_at(param, wait);

	return name ? half_at(name, wait) : 0;
}

INLINE __u64 data_of(__u64 param, int wait) { return word_at(param + __builtin_offsetof(struct ossl_param, data), wait); }

INLINE __u64 size_of(__u64 param, int wait) { return word_at(param + __builtin_offsetof(struct ossl_param, data_size), wait); }

/* kind_of says which of the wanted derivations the parameters are of, zero for
 * any other. */
static __attribute__((noinline)) __u32 kind_of(__u64 params, int wait)
{
	for (int i = 0; i < MAX_PARAMS; i++, params += sizeof(struct ossl_param)) {
		__u32 name = name_of(params, wait);

		if (!name)
			break;
		if (name == NAME_LABEL)
			return wanted(half_at(data_of(params, wait), wait)) ? EXPAND_LABEL : 0;
		if (name == NAME_SEED)
			return size_of(params, wait) == KEY_EXPANSION_SIZE && word_at(data_of(params, wait), wait) == KEY_EXPA ? MASTER : 0;
	}
	return 0;
}

/* fill copies a parameter into its place in a record. */
static __attribute__((noinline)) int fill(struct secret *s, __u32 name, __u64 param)
{
	__u64 size = size_of(param, 1), from = data_of(param, 1);

	if (!s)
		return -1;
	switch (name) {
	case NAME_KEY:
	case NAME_SECRET:
		return copy_key(s, from, size);
	case NAME_DATA:
		return copy_context(s, from, size);
	case NAME_LABEL:
		return copy_label(s, from, size);
	case NAME_SEED: /* "key expansion", the server's random, the client's */
		if (s->seeds++ == 2 && size == RANDOM_SIZE)
			return copy_context(s, from, RANDOM_SIZE);
	}
	return 0;
}

static __attribute__((noinline)) int fill_all(struct secret *s, __u64 params)
{
	if (!s)
		return -1;
	for (int i = 0; i < MAX_PARAMS; i++, params += sizeof(struct ossl_param)) {
		__u32 name = name_of(params, 1);

		if (!name)
			break;
		if (fill(s, name, params))
			return -1;
	}
	return 0;
}

/* EVP_KDF_derive(EVP_KDF_CTX *, unsigned char *key, size_t keylen, const OSSL_PARAM params[]),
 * which libssl calls with all parameters each time. */
SEC("uprobe.s/openssl")
int secrets_openssl(struct regs *ctx)
{
	__u64 params = C_ARGUMENT(ctx, 3);
	int ours = allowed();
	__u32 kind = kind_of(params, ours);
	struct secret *s;

	if (!kind)
		return 0;
	s = begin(kind, ours);
	if (s)
		end(s, fill_all(s, params));
	return 0;
}

/* Where nettle's contexts have their parts (nettle/hmac.h, nettle/sha2.h of libnettle.so.8):
 * that of an HMAC begins with the outer and the inner hash, each of which has taken one
 * block, made of the key. */
#define SHA256_STATE 32
#define SHA256_SIZE 112
#define SHA512_STATE 64
#define SHA512_SIZE 216

/* copy_states copies the states of the outer and the inner hash. */
static __attribute__((noinline)) int copy_states(struct secret *s, __u64 mac, __u64 digest)
{
	if (!s)
		return -1;
	if (digest == 32 && word_at(mac + SHA256_STATE, 1) == 1 && word_at(mac + SHA256_SIZE + SHA256_STATE, 1) == 1) {
		s->key_size = 2 * SHA256_STATE;
		return bpf_copy_from_user(s->key, SHA256_STATE, (void *)mac) ||
		       bpf_copy_from_user(s->key + SHA256_STATE, SHA256_STATE, (void *)(mac + SHA256_SIZE));
	}
	if (digest == 48 && word_at(mac + SHA512_STATE, 1) == 1 && word_at(mac + SHA512_SIZE + SHA512_STATE, 1) == 1) {
		s->key_size = 2 * SHA512_STATE;
		return bpf_copy_from_user(s->key, SHA512_STATE, (void *)mac) ||
		       bpf_copy_from_user(s->key + SHA512_STATE, SHA512_STATE, (void *)(mac + SHA512_SIZE));
	}
	return -1;
}

/* nettle_hkdf_expand(void *mac, update, digest, size_t digest_size, size_t info_size, const uint8_t *info, …),
 * which GnuTLS calls for TLS 1.3 with the key in mac. info is the HkdfLabel of RFC 8446: the
 * length of the output, that of the label, "tls13 ", the label. */
SEC("uprobe.s/gnutls")
int secrets_gnutls(struct regs *ctx)
{
	__u64 mac = C_ARGUMENT(ctx, 0), digest = C_ARGUMENT(ctx, 3);
	__u64 size = C_ARGUMENT(ctx, 4), info = C_ARGUMENT(ctx, 5);
	int ours = allowed(), bad;
	struct secret *s;

	if (!wanted(half_at(info + 9, ours)))
		return 0;
	s = begin(EXPAND_STATES, ours);
	if (!s)
		return 0;
	bad = copy_label(s, info, size);
	bad |= copy_states(s, mac, digest);
	end(s, bad);
	return 0;
}

/* (*crypto/tls.Config).writeKeyLog(label string, clientRandom, secret []byte),
 * which Go calls for each secret whether a log is wanted or not. */
SEC("uprobe.s/go")
int secrets_go(struct regs *ctx)
{
	__u64 label = GO_ARGUMENT(ctx, 1);
	int ours = allowed(), bad;
	struct secret *s;

	if (half_at(label, ours) == 0x4f505845) /* "EXPO", of EXPORTER_SECRET */
		return 0;
	s = begin(LINE, ours);
	if (!s)
		return 0;
	bad = copy_label(s, label, GO_ARGUMENT(ctx, 2));
	bad |= copy_context(s, GO_ARGUMENT(ctx, 3), GO_ARGUMENT(ctx, 4));
	bad |= copy_key(s, GO_ARGUMENT(ctx, 6), GO_ARGUMENT(ctx, 7));
	end(s, bad);
	return 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
