//go:build !linux

package ssh

import "net"

// promptly is a Linux matter.
func promptly(conn net.Conn) net.Conn { return conn }
