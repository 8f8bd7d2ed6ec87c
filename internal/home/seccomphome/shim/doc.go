// Package shim is what a program's process is before the program: it sets the home's filter on
// itself, hands the filter's descriptor to the keeper, and becomes the program. The protocol between
// the two is here for both sides.
package shim
