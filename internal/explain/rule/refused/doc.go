// Package refused has the causes of a connection that no socket answers: at an
// address of this machine no socket listens.
package refused
