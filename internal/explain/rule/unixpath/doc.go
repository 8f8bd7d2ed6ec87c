// Package unixpath has the causes that lie with the path of a Unix socket.
package unixpath
