package mongodb

import (
	"math/big"
	"strconv"
	"strings"
)

// decimal returns a 128-bit decimal number in binary integer form (IEEE 754) as
// text.
//
// https://github.com/mongodb/specifications/blob/master/source/bson-decimal128/decimal128.md
func decimal(high, low uint64) string {
	sign := ""
	if high>>63 == 1 {
		sign = "-"
	}
	const bias = 6176
	exponent := int(high >> 49 & 0x3fff)
	digits := "0"
	switch {
	case high>>58&0x1f == 0x1f:
		return "NaN"
	case high>>58&0x1f == 0x1e:
		return sign + "Infinity"
	case high>>61&3 == 3:
		// The coefficient is larger than 34 digits, which counts as zero.
		exponent = int(high >> 47 & 0x3fff)
	default:
		n := new(big.Int).SetUint64(high & (1<<49 - 1))
		n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(low))
		if text := n.String(); len(text) <= 34 {
			digits = text
		}
	}
	exponent -= bias
	scientific := exponent + len(digits) - 1
	switch {
	case exponent > 0 || scientific < -6:
		if len(digits) > 1 {
			digits = digits[:1] + "." + digits[1:]
		}
		e := strconv.Itoa(scientific)
		if scientific >= 0 {
			e = "+" + e
		}
		return sign + digits + "E" + e
	case exponent == 0:
		return sign + digits
	}
	if point := len(digits) + exponent; point > 0 {
		return sign + digits[:point] + "." + digits[point:]
	}
	return sign + "0." + strings.Repeat("0", -exponent-len(digits)) + digits
}
