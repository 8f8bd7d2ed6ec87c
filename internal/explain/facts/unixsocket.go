package facts

// UnixSocket is what a path leads to, as the path of a Unix socket.
type UnixSocket struct {
	Path string `json:"path"`
	// Resolved is the path without symbolic links, where that is another one.
	Resolved string `json:"resolved,omitempty"`
	// Exists and Socket report whether there is a file, and whether it is a socket.
	// An abstract socket has none.
	Exists   bool `json:"exists"`
	Socket   bool `json:"is_socket"`
	Abstract bool `json:"abstract"`
	// Directory says that the path is one, LinkLoop that its symbolic links lead
	// back to themselves (ELOOP).
	Directory bool   `json:"is_directory,omitempty"`
	LinkLoop  bool   `json:"link_loop,omitempty"`
	Mode      string `json:"mode,omitempty"`
	User      string `json:"user,omitempty"`
	Group     string `json:"group,omitempty"`
	// MissingDirectory is the first directory of the path that there is not,
	// DeniedBy the file or directory that keeps this user out.
	MissingDirectory string `json:"missing_directory,omitempty"`
	DeniedBy         string `json:"denied_by,omitempty"`
	// DirectoryDenied reports that this user may not make a file in the directory.
	DirectoryDenied bool `json:"-"`
	// Same are the paths of listening sockets of the same name elsewhere.
	Same []string `json:"same_name_at,omitempty"`
}
