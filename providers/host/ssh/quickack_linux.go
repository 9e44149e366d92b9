package ssh

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// promptConn acknowledges what it receives at once. sshd has Nagle's algorithm on
// during a login: what it says after its host keys, that our session is open, would
// wait for our kernel's delayed acknowledgement. That is 40 ms of every connection,
// half of what reading a node costs.
type promptConn struct {
	*net.TCPConn
	raw syscall.RawConn
}

func promptly(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	return &promptConn{tcp, raw}
}

// Read sets the option each time: the kernel takes it back when it likes.
func (c *promptConn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	c.raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
	return n, err
}
