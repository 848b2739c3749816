package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"flag"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// The first capability's codes begin where the base protocol's end.
const (
	codeRequest = 16
	codeReply   = 17
)

// echo has a node send back messages over several connections, as fast as it does, and counts them. Each connection
// has some requests under way, so that neither side waits for the other. Every reply is compared to its request.
//
// What it sends is gathered before it is written: it must cost less than what it measures.
func echoLoad(arguments []string) {
	flags := flag.NewFlagSet("echo", flag.ExitOnError)
	count := flags.Int("connections", 16, "connections")
	size := flags.Int("size", 32, "bytes of each message, at random")
	window := flags.Int("window", 64, "requests under way on each connection")
	warm := flags.Duration("warm", 500*time.Millisecond, "time before it counts")
	length := flags.Duration("time", 2*time.Second, "time in which it counts")
	flags.Parse(arguments)
	if flags.NArg() != 1 {
		fail("echo: want one ENODE")
	}
	node, err := enode.ParseV4(flags.Arg(0))
	if err != nil {
		fail("echo: %v", err)
	}
	endpoint, ok := node.TCPEndpoint()
	if !ok {
		fail("echo: no TCP endpoint in %s", flags.Arg(0))
	}
	load := &echoing{target: &target{address: endpoint.String(), node: node}, payload: make([]byte, *size)}
	rand.Read(load.payload)

	visitors := make([]*visitor, *count)
	for i := range visitors {
		visitors[i] = &visitor{target: load.target, key: newKey()}
		if err := visitors[i].open(); err != nil {
			fail("echo: %v", err)
		}
		visitors[i].socket.gather()
	}
	var replies sync.WaitGroup
	for _, v := range visitors {
		tokens := make(chan struct{}, *window)
		for range *window {
			tokens <- struct{}{}
		}
		go load.request(v, tokens)
		replies.Add(1)
		go func() {
			defer replies.Done()
			load.receive(v, tokens)
		}()
	}

	time.Sleep(*warm)
	emit(map[string]any{"ready": true})
	before, begin := load.replies.Load(), time.Now()
	time.Sleep(*length)
	counted, spent := load.replies.Load()-before, time.Since(begin).Seconds()
	emit(map[string]any{"answered": counted, "per_second": float64(counted) / spent})
	load.leaving.Store(true)
	for _, v := range visitors {
		v.leave()
	}
	replies.Wait()
}

type echoing struct {
	*target
	payload []byte
	replies atomic.Int64
}

// request sends until the connection ends, and whenever a reply has made room.
func (e *echoing) request(v *visitor, tokens <-chan struct{}) {
	for range tokens {
		v.writes.Lock()
		_, err := v.conn.Write(codeRequest, e.payload)
		// There is more to send as long as there is room.
		if err == nil && len(tokens) == 0 {
			err = v.socket.flush()
		}
		v.writes.Unlock()
		if err != nil {
			e.ended(err)
			return
		}
	}
}

// receive counts replies until the connection ends.
func (e *echoing) receive(v *visitor, tokens chan<- struct{}) {
	defer close(tokens)
	for {
		code, data, _, err := v.conn.Read()
		switch {
		case err != nil || code == codeDisconnect:
			e.ended(err)
			return
		case code == codePing:
			v.write(codePong, emptyList)
		case code == codeReply && bytes.Equal(data, e.payload):
			e.replies.Add(1)
			tokens <- struct{}{}
		default:
			fail("echo: message %d of %d bytes in place of the reply", code, len(data))
		}
	}
}

func (e *echoing) ended(err error) {
	if !e.leaving.Load() {
		fail("echo: the connection ended: %v", err)
	}
}

// gathering is a socket that, once it gathers, writes when it is told to, or when it has a lot to write.
type gathering struct {
	net.Conn
	gathered *bufio.Writer
}

func (g *gathering) gather() { g.gathered = bufio.NewWriterSize(g.Conn, 64<<10) }

func (g *gathering) Write(data []byte) (int, error) {
	if g.gathered == nil {
		return g.Conn.Write(data)
	}
	return g.gathered.Write(data)
}

func (g *gathering) flush() error {
	if g.gathered == nil {
		return nil
	}
	return g.gathered.Flush()
}
