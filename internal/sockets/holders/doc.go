// Package holders finds the processes that hold sockets: by their descriptors in
// /proc ([Search]), or from a [Live] map that others keep. A socket is known here
// by its inode number in sockfs; what else it is, package sockets knows.
//
// An ordinary user may not read the descriptors of other users' processes, which
// are counted ([Result]) and make the holders of their sockets unknown.
package holders
