//go:build amd64 || arm64

package canary

import "unsafe"

// call calls the function with params as its fourth argument, as C does.
//
//go:noescape
func call(params unsafe.Pointer)

// address returns the address of the function.
func address() uintptr
