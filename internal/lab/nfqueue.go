//go:build linux

package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Of linux/netfilter/nfnetlink_queue.h, in the words used there.
const (
	nfqPacket       = unix.NFNL_SUBSYS_QUEUE << 8
	nfqConfig       = unix.NFNL_SUBSYS_QUEUE<<8 | 2
	nfqVerdictBatch = unix.NFNL_SUBSYS_QUEUE<<8 | 3

	attrPacketHeader, attrVerdictHeader                       = 1, 2
	configCommand, configParams, configLength                 = 1, 2, 3
	configMask, configFlags                                   = 4, 5
	commandBind, copyMeta, flagFailOpen, flagGSO, netfilterOK = 1, 1, 1, 4, 1
)

// delayer holds packets of one queue.
type delayer struct {
	sock int    // netlink, of the host's network namespace
	wake [2]int // a pipe: its other end closes to end the goroutine
	done chan struct{}
	hold time.Duration
}

// held is a packet that waits in the kernel.
type held struct {
	id  uint32
	due time.Time
}

// startDelayer binds the queue of a network namespace. The socket keeps to the
// namespace it was made in, so only its making needs a thread there.
func startDelayer(netns string, hold time.Duration) (*delayer, error) {
	d := &delayer{done: make(chan struct{}), hold: hold}
	err := inNetns(netns, func() (err error) {
		d.sock, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := d.bind(); err != nil {
		unix.Close(d.sock)
		return nil, fmt.Errorf("bind netfilter queue: %w", err)
	}
	if err := unix.Pipe2(d.wake[:], unix.O_CLOEXEC); err != nil {
		unix.Close(d.sock)
		return nil, err
	}
	go d.serve()
	return d, nil
}

func (d *delayer) bind() error {
	if err := unix.Bind(d.sock, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	be := binary.BigEndian
	params := append(be.AppendUint32(nil, 0), copyMeta) // copying none would drop all
	flags := be.AppendUint32(nil, flagFailOpen|flagGSO) // a full queue lets pass; big segments stay whole
	for _, attrs := range [][]byte{
		attr(configCommand, []byte{commandBind, 0, 0, unix.AF_INET}),
		attr(configParams, params),
		attr(configLength, be.AppendUint32(nil, 1<<16)),
		append(attr(configMask, flags), attr(configFlags, flags)...),
	} {
		if err := d.ask(attrs); err != nil {
			return err
		}
	}
	// A burst must not fill the socket; if it does, lost notices are no error.
	return errors.Join(unix.SetsockoptInt(d.sock, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20),
		unix.SetsockoptInt(d.sock, unix.SOL_NETLINK, unix.NETLINK_NO_ENOBUFS, 1),
		unix.SetNonblock(d.sock, true))
}

// ask sends one configuration message and waits for the kernel's answer.
func (d *delayer) ask(attrs []byte) error {
	if err := d.send(nfqConfig, unix.NLM_F_REQUEST|unix.NLM_F_ACK, attrs); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	n, _, err := unix.Recvfrom(d.sock, buf, 0)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(buf[4:]) != unix.NLMSG_ERROR {
		return errors.New("the kernel's answer is none")
	}
	if code := int32(binary.NativeEndian.Uint32(buf[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}

func (d *delayer) send(kind, flags uint16, attrs []byte) error {
	ne := binary.NativeEndian
	msg := ne.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+4+len(attrs)))
	msg = ne.AppendUint16(msg, kind)
	msg = ne.AppendUint16(msg, flags)
	msg = append(msg, make([]byte, 8)...) // sequence and port: the kernel fills in
	msg = append(msg, unix.AF_UNSPEC, 0)
	msg = binary.BigEndian.AppendUint16(msg, queue)
	return unix.Sendto(d.sock, append(msg, attrs...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// attr is a netlink attribute, padded to four bytes.
func attr(kind uint16, value []byte) []byte {
	a := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	a = append(binary.NativeEndian.AppendUint16(a, kind), value...)
	return append(a, make([]byte, (4-len(value)%4)%4)...)
}

// serve holds packets until it is told to stop; then it lets all go at once.
func (d *delayer) serve() {
	defer close(d.done)
	var waiting []held
	buf := make([]byte, 1<<20)
	for {
		fds := []unix.PollFd{{Fd: int32(d.sock), Events: unix.POLLIN}, {Fd: int32(d.wake[0]), Events: unix.POLLIN}}
		var timeout *unix.Timespec
		if len(waiting) > 0 {
			ts := unix.NsecToTimespec(max(0, time.Until(waiting[0].due).Nanoseconds()))
			timeout = &ts
		}
		if _, err := unix.Ppoll(fds, timeout, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		for {
			n, _, err := unix.Recvfrom(d.sock, buf, 0)
			if err != nil {
				break
			}
			waiting = d.note(waiting, buf[:n])
		}
		stop := fds[1].Revents != 0
		waiting = d.release(waiting, stop)
		if stop {
			return
		}
	}
}

// note adds the packets the kernel tells of.
func (d *delayer) note(waiting []held, msgs []byte) []held {
	due := time.Now().Add(d.hold)
	for len(msgs) >= unix.SizeofNlMsghdr+4 {
		size := int(binary.NativeEndian.Uint32(msgs))
		if size < unix.SizeofNlMsghdr+4 || size > len(msgs) {
			break
		}
		if binary.NativeEndian.Uint16(msgs[4:]) == nfqPacket {
			if id, ok := packetID(msgs[unix.SizeofNlMsghdr+4 : size]); ok {
				waiting = append(waiting, held{id, due})
			}
		}
		msgs = msgs[min(len(msgs), (size+3)&^3):]
	}
	return waiting
}

func packetID(attrs []byte) (uint32, bool) {
	for len(attrs) >= 8 {
		size := int(binary.NativeEndian.Uint16(attrs))
		if binary.NativeEndian.Uint16(attrs[2:])&0x3fff == attrPacketHeader {
			return binary.BigEndian.Uint32(attrs[4:]), true
		}
		if size < 4 {
			break
		}
		attrs = attrs[min(len(attrs), (size+3)&^3):]
	}
	return 0, false
}

// release gives back the packets that are due, or all. One verdict does for all
// up to a number: they came in order and are held equally long.
func (d *delayer) release(waiting []held, all bool) []held {
	now, n := time.Now(), 0
	for n < len(waiting) && (all || !waiting[n].due.After(now)) {
		n++
	}
	if n == 0 {
		return waiting
	}
	verdict := binary.BigEndian.AppendUint32(nil, netfilterOK)
	verdict = binary.BigEndian.AppendUint32(verdict, waiting[n-1].id)
	// An error here is that of a host which just lost its power.
	_ = d.send(nfqVerdictBatch, unix.NLM_F_REQUEST, attr(attrVerdictHeader, verdict))
	return waiting[n:]
}

// stop ends the goroutine and frees the queue.
func (d *delayer) stop(context.Context) error {
	err := unix.Close(d.wake[1])
	<-d.done
	return errors.Join(err, unix.Close(d.wake[0]), unix.Close(d.sock))
}
