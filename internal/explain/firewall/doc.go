// Package firewall reads the packet filter of this network namespace, by
// nfnetlink (linux/netfilter/nf_tables.h) and, for the older iptables, from
// what iptables-save(8) prints, and says which rule would stop a connection.
//
// It changes nothing. It judges by what a rule says, so what it cannot know (a
// mark, a rate, a match that it has not learnt) makes a finding that is not
// sure, and never a verdict. It does not use a library for nftables: those
// leave out the expressions that they do not know, and a rule that lost one of
// its conditions is another rule.
package firewall
