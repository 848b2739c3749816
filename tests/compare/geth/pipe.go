package main

import (
	"io"
	"net"
	"sync"
	"time"
)

// A pipe is a duplex connection in memory. Unlike net.Pipe, whose writes wait for a reader, it keeps what is written
// until it is read: the two ends of a connection can then be served in turn by one goroutine, and a benchmark times
// the protocol, one copy in and one copy out, and no hand-off between goroutines.
type pipe struct {
	in, out *queue
}

func newPipe() (net.Conn, net.Conn) {
	a, b := newQueue(), newQueue()
	return &pipe{a, b}, &pipe{b, a}
}

func (p *pipe) Read(data []byte) (int, error)  { return p.in.read(data) }
func (p *pipe) Write(data []byte) (int, error) { return p.out.write(data) }

func (p *pipe) Close() error {
	p.in.close()
	p.out.close()
	return nil
}

func (p *pipe) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (p *pipe) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (p *pipe) SetDeadline(time.Time) error      { return nil }
func (p *pipe) SetReadDeadline(time.Time) error  { return nil }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// queue is the bytes that travel one way. Its buffer is kept, so that only the first message pays for it.
type queue struct {
	lock    sync.Mutex
	arrived sync.Cond
	bytes   []byte
	from    int
	closed  bool
}

func newQueue() *queue {
	q := new(queue)
	q.arrived.L = &q.lock
	return q
}

func (q *queue) write(data []byte) (int, error) {
	q.lock.Lock()
	defer q.lock.Unlock()
	if q.closed {
		return 0, io.ErrClosedPipe
	}
	q.bytes = append(q.bytes, data...)
	q.arrived.Signal()
	return len(data), nil
}

func (q *queue) read(data []byte) (int, error) {
	q.lock.Lock()
	defer q.lock.Unlock()
	for q.from == len(q.bytes) {
		if q.closed {
			return 0, io.EOF
		}
		q.arrived.Wait()
	}
	n := copy(data, q.bytes[q.from:])
	q.from += n
	if q.from == len(q.bytes) {
		q.bytes, q.from = q.bytes[:0], 0
	}
	return n, nil
}

func (q *queue) close() {
	q.lock.Lock()
	defer q.lock.Unlock()
	q.closed = true
	q.arrived.Broadcast()
}
