package helperapi

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// FromFile makes a connection of an inherited socket. It closes f.
func FromFile(f *os.File) (*net.UnixConn, error) {
	c, err := net.FileConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("take over socket: %w", err)
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("take over socket: a %s socket, not a Unix one", c.LocalAddr().Network()), c.Close())
	}
	return conn, nil
}
