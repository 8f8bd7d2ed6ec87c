// Package lodge is the root of the module. It holds no code: the program is
// cmd/lodge, and house_test.go holds the rules of docs/design/architecture.md.
package lodge
