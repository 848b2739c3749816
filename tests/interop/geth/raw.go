package main

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/rlpx"
	"github.com/ethereum/go-ethereum/rlp"
)

// Message codes of the base protocol, and of echo when it is the only shared capability.
const (
	codeHello      = 0
	codeDisconnect = 1
	codePing       = 2
	codePong       = 3
	codeEcho       = 16
)

// patience is longer than the 5 s that an encryption handshake may take.
const patience = 8 * time.Second

// hello is the base protocol's first message.
type hello struct {
	Version    uint64
	Name       string
	Caps       []p2p.Cap
	ListenPort uint64
	ID         []byte
	Rest       []rlp.RawValue `rlp:"tail"`
}

// client is one end of one connection, with nothing of a server that would keep it from misbehaving.
type client struct {
	node   *enode.Node
	key    *ecdsa.PrivateKey
	socket *socket
	conn   *rlpx.Conn
	theirs *hello
}

// socket is a TCP connection that can cut its writes to pieces or spoil one of their bytes.
type socket struct {
	net.Conn
	bytewise bool
	spoil    int // index from the end of the next write, plus one; 0 for none
}

func (s *socket) Write(data []byte) (int, error) {
	if s.spoil > 0 {
		data = bytes.Clone(data)
		data[len(data)-s.spoil] ^= 1
		s.spoil = 0
	}
	if !s.bytewise {
		return s.Conn.Write(data)
	}
	for i := range data {
		if _, err := s.Conn.Write(data[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(data), nil
}

// An ended is the end of the connection as this side saw it; it travels as a panic through the oddities, whose code
// is then free of error handling.
type ended string

func end(format string, values ...any) { panic(ended(fmt.Sprintf(format, values...))) }

// lost says how a read failed.
func lost(err error) {
	var timeout net.Error
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE):
		end("closed")
	case errors.As(err, &timeout) && timeout.Timeout():
		end("silence")
	default:
		end("unreadable: %v", err)
	}
}

func (c *client) connect() {
	endpoint, ok := c.node.TCPEndpoint()
	if !ok {
		fail("raw: %v has no TCP endpoint", c.node)
	}
	connection, err := net.DialTimeout("tcp", endpoint.String(), patience)
	if err != nil {
		fail("raw: %v", err)
	}
	connection.SetDeadline(time.Now().Add(patience))
	c.socket = &socket{Conn: connection}
}

// encrypt runs the encryption handshake with the key that the enode URL names.
func (c *client) encrypt() { c.encryptTo(c.node.Pubkey()) }

func (c *client) encryptTo(key *ecdsa.PublicKey) {
	c.conn = rlpx.NewConn(c.socket, key)
	if _, err := c.conn.Handshake(c.key); err != nil {
		lost(err)
	}
}

func (c *client) hello() hello {
	return hello{
		Version: 5,
		Name:    "raw",
		Caps:    []p2p.Cap{{Name: "echo", Version: 1}},
		ID:      crypto.FromECDSAPub(&c.key.PublicKey)[1:],
	}
}

func encode(value any) []byte {
	data, err := rlp.EncodeToBytes(value)
	if err != nil {
		fail("raw: %v", err)
	}
	return data
}

// write does not fail: what matters is what the other side does, and that is read.
func (c *client) write(code uint64, payload []byte) { c.conn.Write(code, payload) }

// uncompressed writes a payload as it is, on a connection that otherwise compresses.
func (c *client) uncompressed(code uint64, payload []byte) {
	c.conn.SetSnappy(false)
	c.write(code, payload)
	c.conn.SetSnappy(true)
}

// read takes the next message; a disconnect is the end, and shown byte for byte, since its encoding matters too.
func (c *client) read() (uint64, []byte) {
	code, payload, _, err := c.conn.Read()
	if err != nil {
		lost(err)
	}
	if code == codeDisconnect {
		what := fmt.Sprintf("disconnect %x", payload)
		var list struct{ Reason p2p.DiscReason }
		if rlp.DecodeBytes(payload, &list) == nil {
			what += fmt.Sprintf(" (%v)", list.Reason)
		}
		if _, _, _, err := c.conn.Read(); err == nil {
			end("%s, then more", what)
		}
		end("%s", what)
	}
	return code, payload
}

// greet says hello and reads theirs.
func (c *client) greet(ours hello) { c.greetWith(encode(ours), ours.Version) }

func (c *client) greetWith(payload []byte, version uint64) {
	c.write(codeHello, payload)
	code, data := c.read()
	if code != codeHello {
		end("message %d in place of hello", code)
	}
	c.theirs = new(hello)
	if err := rlp.DecodeBytes(data, c.theirs); err != nil {
		end("undecodable hello: %v", err)
	}
	c.conn.SetSnappy(c.theirs.Version >= 5 && version >= 5)
}

// arrive is everything up to the point where applications may speak.
func (c *client) arrive() {
	c.connect()
	c.encrypt()
	c.greet(c.hello())
}

// probe sees whether the connection is alive.
func (c *client) probe() {
	c.write(codePing, []byte{0xC0})
	c.await(codePong, 1)
	end("pong")
}

// await reads past everything else.
func (c *client) await(code uint64, count int) {
	for seen := 0; seen < count; {
		if got, _ := c.read(); got == code {
			seen++
		}
	}
}

// echo sees whether echo works, and where its codes begin.
func (c *client) echo(payload []byte) {
	c.write(codeEcho, payload)
	for {
		code, reply := c.read()
		if code == codeEcho+1 {
			if !bytes.Equal(reply, payload) {
				end("another echo")
			}
			end("echo")
		}
	}
}

// drain reads whatever comes until the connection ends.
func (c *client) drain() {
	for {
		c.read()
	}
}

// unencrypted reads on the bare socket until the connection ends.
func (c *client) unencrypted() {
	var answer [1]byte
	if _, err := io.ReadFull(c.socket, answer[:]); err != nil {
		lost(err)
	}
	end("an answer")
}

func play(o oddity, node *enode.Node, key *ecdsa.PrivateKey) (outcome string, theirs *hello) {
	c := &client{node: node, key: key}
	defer func() {
		if c.socket != nil {
			c.socket.Close()
		}
		if what := recover(); what != nil {
			how, ok := what.(ended)
			if !ok {
				panic(what)
			}
			outcome, theirs = string(how), c.theirs
		}
	}()
	o.act(c)
	return "unfinished", c.theirs
}

func raw(arguments []string) {
	flags := flag.NewFlagSet("raw", flag.ExitOnError)
	keyFile := flags.String("nodekey", "", "node key file (default: a new key)")
	list := flags.Bool("list", false, "print the names of all oddities, each with what geth does")
	flags.Parse(arguments)
	if *list {
		for _, o := range oddities {
			fmt.Printf("%s\t%s\n", o.name, o.geth)
		}
		return
	}
	if flags.NArg() != 2 {
		fail("raw: want CASE ENODE")
	}
	node, err := enode.ParseV4(flags.Arg(1))
	if err != nil {
		fail("raw: %v", err)
	}
	for _, o := range oddities {
		if o.name == flags.Arg(0) {
			outcome, theirs := play(o, node, (&options{keyFile: *keyFile}).key())
			line := map[string]any{"case": o.name, "outcome": outcome}
			if theirs != nil {
				line["name"], line["id"] = theirs.Name, fmt.Sprintf("%x", theirs.ID)
			}
			emit(line)
			return
		}
	}
	fmt.Fprintln(os.Stderr, "raw: no such case; there are", strings.Join(oddityNames(), ", "))
	os.Exit(2)
}
