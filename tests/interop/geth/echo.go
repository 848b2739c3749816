package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
)

// Capability `echo` version 1: message 0 is a request with any payload, 1 the reply with the same payload.
const (
	echoLength  = 2
	echoRequest = 0
	echoReply   = 1
)

// maxFrame is the largest frame, message code included, and the largest uncompressed payload.
const maxFrame = 0xFFFFFF

// largestRandom is the longest random payload that is sent: 64 KiB short of 16 MiB. Snappy makes random bytes longer,
// by three for each 64 KiB and by a few more wherever four bytes happen to repeat, so how much fits a frame depends on
// the bytes and on the compressor; this fits always.
const largestRandom = 1<<24 - 1<<16

// fill makes a payload: random bytes, which snappy can only lengthen, or a text that it shortens.
func fill(kind string, size int) []byte {
	payload := make([]byte, size)
	switch kind {
	case "random":
		rand.Read(payload)
	case "text":
		for i := range payload {
			payload[i] = "echo echo, "[i%11]
		}
	default:
		fail("fill %q: want random or text", kind)
	}
	return payload
}

// echoer answers requests of every peer, and hands the first peer and all replies to whoever asks for echoes.
type echoer struct {
	started chan p2p.MsgReadWriter
	replies chan []byte
	ended   chan struct{}
	once    sync.Once
}

func newEchoer() *echoer {
	return &echoer{
		started: make(chan p2p.MsgReadWriter, 1),
		replies: make(chan []byte, 1),
		ended:   make(chan struct{}),
	}
}

func (e *echoer) run(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
	select {
	case e.started <- rw:
		defer e.once.Do(func() { close(e.ended) })
	default:
	}
	for {
		message, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		payload, err := io.ReadAll(message.Payload)
		if err != nil {
			return err
		}
		switch message.Code {
		case echoRequest:
			reply := p2p.Msg{Code: echoReply, Size: uint32(len(payload)), Payload: bytes.NewReader(payload)}
			if err := rw.WriteMsg(reply); err != nil {
				return err
			}
		case echoReply:
			select {
			case e.replies <- payload:
			default: // nobody asked
			}
		}
	}
}

// ask sends one request and waits for exactly its payload.
func (e *echoer) ask(rw p2p.MsgReadWriter, payload []byte, patience time.Duration) error {
	request := p2p.Msg{Code: echoRequest, Size: uint32(len(payload)), Payload: bytes.NewReader(payload)}
	if err := rw.WriteMsg(request); err != nil {
		return fmt.Errorf("request of %d bytes: %w", len(payload), err)
	}
	select {
	case reply := <-e.replies:
		if !bytes.Equal(reply, payload) {
			return fmt.Errorf("reply of %d bytes differs from the request of %d", len(reply), len(payload))
		}
		return nil
	case <-e.ended:
		return errors.New("connection ended before the reply")
	case <-time.After(patience):
		return fmt.Errorf("no reply within %v", patience)
	}
}

func dial(arguments []string) {
	var o options
	flags := flag.NewFlagSet("dial", flag.ExitOnError)
	o.register(flags)
	count := flags.Int("count", 1, "requests")
	size := flags.Int("size", 32, "bytes of payload in each")
	kind := flags.String("fill", "random", "payload: random or text")
	hold := flags.Bool("hold", false, "stay connected afterwards, until asked to quit or disconnected")
	patience := flags.Duration("timeout", 30*time.Second, "for the connection, and for each reply")
	flags.Parse(arguments)
	if flags.NArg() != 1 {
		fail("dial: want one ENODE")
	}
	node, err := enode.ParseV4(flags.Arg(0))
	if err != nil {
		fail("dial: %v", err)
	}

	// The first thing that goes wrong ends the program, in geth's words.
	wrong := make(chan string, 16)
	echoes := newEchoer()
	end := asked(o.byStdin)
	server := o.start(echoes, false, func(line map[string]any) {
		emit(line)
		if line["event"] != "connected" {
			select {
			case wrong <- fmt.Sprint(line["error"]):
			default:
			}
		}
	})
	leave := func(status int, why string) {
		if why != "" {
			fmt.Fprintln(os.Stderr, "dial:", why)
		}
		server.Stop()
		os.Exit(status)
	}
	emit(map[string]any{"event": "dialing", "id": server.Self().ID().String()})
	server.AddPeer(node)

	var rw p2p.MsgReadWriter
	select {
	case rw = <-echoes.started:
	case why := <-wrong:
		leave(1, why)
	case <-end:
		leave(1, "asked to quit before the connection")
	case <-time.After(*patience):
		leave(1, "no connection")
	}
	begin := time.Now()
	for range *count {
		if err := echoes.ask(rw, fill(*kind, *size), *patience); err != nil {
			select { // the server knows better why
			case why := <-wrong:
				leave(1, why)
			case <-time.After(time.Second):
				leave(1, err.Error())
			}
		}
	}
	emit(map[string]any{"event": "echoed", "count": *count, "size": *size, "seconds": time.Since(begin).Seconds()})
	if *hold {
		select {
		case <-end:
		case why := <-wrong:
			leave(1, why)
		}
	}
	leave(0, "")
}
