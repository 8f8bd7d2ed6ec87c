// Package name has the causes that lie with a host name: no address, or a service
// of lodge that does not answer by its name.
package name
