package dns

import (
	"cmp"
	"fmt"
	"slices"
)

// Types and operations that are treated on their own.
const (
	typeSOA  = 6
	typeOPT  = 41
	typeIXFR = 251
	typeAXFR = 252

	opQuery  = 0
	opStatus = 2
	opNotify = 4
	opUpdate = 5
)

type named struct {
	n    uint16
	name string
}

// typeNames has the types of
// https://www.iana.org/assignments/dns-parameters, in order.
var typeNames = [...]named{
	{1, "A"}, {2, "NS"}, {5, "CNAME"}, {6, "SOA"}, {11, "WKS"}, {12, "PTR"}, {13, "HINFO"}, {15, "MX"}, {16, "TXT"}, {17, "RP"},
	{18, "AFSDB"}, {24, "SIG"}, {25, "KEY"}, {28, "AAAA"}, {29, "LOC"}, {33, "SRV"}, {35, "NAPTR"}, {36, "KX"}, {37, "CERT"},
	{39, "DNAME"}, {41, "OPT"}, {42, "APL"}, {43, "DS"}, {44, "SSHFP"}, {45, "IPSECKEY"}, {46, "RRSIG"}, {47, "NSEC"},
	{48, "DNSKEY"}, {49, "DHCID"}, {50, "NSEC3"}, {51, "NSEC3PARAM"}, {52, "TLSA"}, {53, "SMIMEA"}, {55, "HIP"}, {59, "CDS"},
	{60, "CDNSKEY"}, {61, "OPENPGPKEY"}, {62, "CSYNC"}, {63, "ZONEMD"}, {64, "SVCB"}, {65, "HTTPS"}, {99, "SPF"}, {108, "EUI48"},
	{109, "EUI64"}, {249, "TKEY"}, {250, "TSIG"}, {251, "IXFR"}, {252, "AXFR"}, {255, "ANY"}, {256, "URI"}, {257, "CAA"},
	{32768, "TA"}, {32769, "DLV"},
}

// typeName returns the name of a type, or "TYPE" with its number.
func typeName(n uint16) string {
	i, ok := slices.BinarySearchFunc(typeNames[:], n, func(t named, n uint16) int { return cmp.Compare(t.n, n) })
	if ok {
		return typeNames[i].name
	}
	return fmt.Sprintf("TYPE%d", n)
}

func className(n uint16) string {
	switch n {
	case 1:
		return "IN"
	case 3:
		return "CH"
	case 4:
		return "HS"
	case 254:
		return "NONE"
	case 255:
		return "ANY"
	}
	return fmt.Sprintf("CLASS%d", n)
}

var rcodeNames = [...]string{
	"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE",
	11: "DSOTYPENI", 16: "BADVERS", 17: "BADKEY", 18: "BADTIME", 19: "BADMODE", 20: "BADNAME", 21: "BADALG", 22: "BADTRUNC", 23: "BADCOOKIE",
}

func rcodeName(n int) string {
	if n < len(rcodeNames) && rcodeNames[n] != "" {
		return rcodeNames[n]
	}
	return fmt.Sprintf("RCODE%d", n)
}

func opcodeName(n int) string {
	switch n {
	case opQuery:
		return "QUERY"
	case opStatus:
		return "STATUS"
	case opNotify:
		return "NOTIFY"
	case opUpdate:
		return "UPDATE"
	}
	return fmt.Sprintf("OPCODE%d", n)
}
