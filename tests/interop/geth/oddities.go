package main

import (
	"bytes"
	"crypto/rand"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/golang/snappy"
)

// An oddity is something that no well-behaved client does, or that only few do. What counts is that our node does
// what geth's server does about it; `geth` notes what that is, so that a change in geth is noticed too.
type oddity struct {
	name string
	geth string
	act  func(c *client)
}

func oddityNames() []string {
	var names []string
	for _, o := range oddities {
		names = append(names, o.name)
	}
	return names
}

// The end of each act is a panic with the outcome; see client.
var oddities = []oddity{
	{"nothing odd", "pong", func(c *client) { c.arrive(); c.probe() }},
	{"every byte in a write of its own", "pong", func(c *client) {
		c.connect()
		c.socket.bytewise = true
		c.encrypt()
		c.greet(c.hello())
		c.probe()
	}},

	// Before there are keys.
	{"auth is random bytes", "closed", func(c *client) { c.sendAuth(append([]byte{1, 0x90}, noise(0x190)...)) }},
	{"auth of no bytes", "closed", func(c *client) { c.sendAuth([]byte{0, 0}) }},
	{"auth shorter than its overhead", "closed", func(c *client) { c.sendAuth(append([]byte{0, 112}, noise(112)...)) }},
	{"auth of 2049 bytes", "closed", func(c *client) { c.sendAuth(append([]byte{8, 1}, noise(2049)...)) }},
	{"auth of 65535 bytes promised", "closed", func(c *client) { c.sendAuth([]byte{0xFF, 0xFF}) }},
	{"auth half sent", "closed", func(c *client) { c.sendAuth(append([]byte{1, 0x90}, noise(0x100)...)) }},
	{"auth in the form before EIP-8", "closed", func(c *client) { c.sendAuth(append([]byte{4}, noise(306)...)) }},
	{"nothing sent at all", "closed", func(c *client) { c.sendAuth(nil) }},
	{"auth for another node", "closed", func(c *client) {
		c.connect()
		other, _ := crypto.GenerateKey()
		c.encryptTo(&other.PublicKey)
	}},

	// In place of hello.
	{"random bytes in place of hello", "closed", func(c *client) { c.first(func() { c.socket.Write(noise(64)) }) }},
	{"ping before hello", "closed", func(c *client) { c.first(func() { c.write(codePing, []byte{0xC0}) }) }},
	{"echo before hello", "closed", func(c *client) { c.first(func() { c.write(codeEcho, noise(32)) }) }},
	{"disconnect before hello", "closed", func(c *client) { c.first(func() { c.write(codeDisconnect, []byte{0xC1, 8}) }) }},
	{"disconnect as a bare byte before hello", "closed", func(c *client) {
		c.first(func() { c.write(codeDisconnect, []byte{8}) })
	}},
	{"hello that is no list", "closed", func(c *client) { c.first(func() { c.write(codeHello, noise(100)) }) }},
	{"hello of no bytes", "closed", func(c *client) { c.first(func() { c.write(codeHello, nil) }) }},
	{"hello cut short", "closed", func(c *client) {
		c.first(func() { whole := encode(c.hello()); c.write(codeHello, whole[:len(whole)-1]) })
	}},
	{"hello of 2049 bytes", "closed", func(c *client) { c.first(func() { c.write(codeHello, c.helloOf(2049)) }) }},
	{"hello compressed", "closed", func(c *client) {
		c.first(func() { c.write(codeHello, snappy.Encode(nil, encode(c.hello()))) })
	}},
	{"hello with an identity of zeros", "closed", func(c *client) {
		c.first(func() { h := c.hello(); h.ID = make([]byte, 64); c.write(codeHello, encode(h)) })
	}},
	{"hello with an identity of 63 bytes", "closed", func(c *client) {
		c.first(func() { h := c.hello(); h.ID = h.ID[:63]; c.write(codeHello, encode(h)) })
	}},
	{"hello with an identity of 65 bytes", "closed", func(c *client) {
		c.first(func() { h := c.hello(); h.ID = append(h.ID, 1); c.write(codeHello, encode(h)) })
	}},

	// Unusual hellos.
	{"hello of 2048 bytes", "pong", func(c *client) { c.greeted(c.helloOf(2048), 5); c.probe() }},
	{"hello with another node's identity", "disconnect c109 (unexpected identity)", func(c *client) {
		other, _ := crypto.GenerateKey()
		h := c.hello()
		h.ID = crypto.FromECDSAPub(&other.PublicKey)[1:]
		c.greeted(encode(h), 5)
		c.drain()
	}},
	{"hello without capabilities", "disconnect c103 (useless peer)", func(c *client) { c.capable() }},
	{"hello with another capability", "disconnect c103 (useless peer)", func(c *client) {
		c.capable(p2p.Cap{Name: "other", Version: 1})
	}},
	{"hello with another version of the capability", "disconnect c103 (useless peer)", func(c *client) {
		c.capable(p2p.Cap{Name: "echo", Version: 2})
	}},
	{"hello with the capability twice", "echo", func(c *client) {
		c.capable(p2p.Cap{Name: "echo", Version: 1}, p2p.Cap{Name: "echo", Version: 1})
	}},
	{"hello with more capabilities, unsorted", "echo", func(c *client) {
		c.capable(p2p.Cap{Name: "zebra", Version: 3}, p2p.Cap{Name: "echo", Version: 2}, p2p.Cap{Name: "echo", Version: 1},
			p2p.Cap{Name: "aardvark", Version: 1}, p2p.Cap{Name: "aCapabilityOfAVeryLongName", Version: 1 << 31})
	}},
	{"hello of version 4: no compression", "echo", func(c *client) { c.versioned(4) }},
	{"hello of version 0", "echo", func(c *client) { c.versioned(0) }},
	{"hello of version 6", "echo", func(c *client) { c.versioned(6) }},
	{"hello of the largest version", "echo", func(c *client) { c.versioned(1<<64 - 1) }},
	{"hello with more elements", "pong", func(c *client) {
		h := c.hello()
		h.Rest = []rlp.RawValue{{0x2A}, {0xC2, 0x01, 0x02}}
		c.greeted(encode(h), 5)
		c.probe()
	}},
	{"hello with bytes after the list", "pong", func(c *client) {
		c.greeted(append(encode(c.hello()), 1, 2, 3), 5)
		c.probe()
	}},
	{"hello with a name that is no text", "pong", func(c *client) {
		h := c.hello()
		h.Name = "\xff\x00\x1b[31m\n"
		c.greeted(encode(h), 5)
		c.probe()
	}},

	// Once admitted: the base protocol.
	{"second hello", "pong", func(c *client) { c.arrive(); c.write(codeHello, encode(c.hello())); c.probe() }},
	{"pong unasked", "pong, pong", func(c *client) {
		c.arrive()
		c.write(codePong, []byte{0xC0})
		c.pings(2, []byte{0xC0})
		end("pong, pong")
	}},
	{"base protocol code without a meaning", "pong", func(c *client) { c.arrive(); c.write(15, noise(10)); c.probe() }},
	{"ping of no bytes", "pong", func(c *client) { c.arrive(); c.pings(1, nil); end("pong") }},
	{"ping that is no list", "pong", func(c *client) { c.arrive(); c.pings(1, noise(100)); end("pong") }},
	{"ping of 100 KiB", "pong", func(c *client) { c.arrive(); c.pings(1, noise(100<<10)); end("pong") }},
	{"100 pings at once", "100 pongs", func(c *client) { c.arrive(); c.pings(100, []byte{0xC0}); end("100 pongs") }},
	{"silence for a while", "ping", func(c *client) {
		c.arrive()
		c.socket.SetDeadline(time.Now().Add(20 * time.Second))
		c.await(codePing, 1)
		end("ping")
	}},

	// Disconnect, and the reason sent back.
	{"disconnect: quitting", "disconnect c108 (client quitting)", func(c *client) { c.disconnect(0xC1, 8) }},
	{"disconnect: quitting, bare byte", "disconnect c108 (client quitting)", func(c *client) { c.disconnect(8) }},
	{"disconnect: requested", "disconnect c180 (disconnect requested)", func(c *client) { c.disconnect(0xC1, 0x80) }},
	{"disconnect: requested, bare", "disconnect c180 (disconnect requested)", func(c *client) { c.disconnect(0x80) }},
	{"disconnect: requested, bare zero byte", "disconnect c281ff (invalid disconnect reason)", func(c *client) {
		c.disconnect(0)
	}},
	{"disconnect: network error", "closed", func(c *client) { c.disconnect(0xC1, 1) }},
	{"disconnect: unknown reason", "disconnect c142 (unknown disconnect reason 66)", func(c *client) {
		c.disconnect(0xC1, 0x42)
	}},
	{"disconnect: unknown reason, bare byte", "disconnect c142 (unknown disconnect reason 66)", func(c *client) {
		c.disconnect(0x42)
	}},
	{"disconnect: unknown reason of 200", "disconnect c281c8 (unknown disconnect reason 200)", func(c *client) {
		c.disconnect(0xC2, 0x81, 0xC8)
	}},
	{"disconnect: reason of two bytes", "disconnect c281ff (invalid disconnect reason)", func(c *client) {
		c.disconnect(0xC3, 0x82, 1, 0)
	}},
	{"disconnect: two reasons", "disconnect c108 (client quitting)", func(c *client) { c.disconnect(0xC2, 8, 4) }},
	{"disconnect: a list in the list", "disconnect c281ff (invalid disconnect reason)", func(c *client) {
		c.disconnect(0xC2, 0xC1, 8)
	}},
	{"disconnect: empty list", "disconnect c281ff (invalid disconnect reason)", func(c *client) { c.disconnect(0xC0) }},
	{"disconnect: no bytes", "disconnect c281ff (invalid disconnect reason)", func(c *client) { c.disconnect() }},
	{"disconnect: bytes after the list", "disconnect c108 (client quitting)", func(c *client) {
		c.disconnect(0xC1, 8, 0xFF, 0xFF)
	}},
	{"disconnect: garbage", "disconnect c281ff (invalid disconnect reason)", func(c *client) {
		c.disconnect(bytes.Repeat([]byte{0xFE}, 200)...)
	}},

	// Capability messages.
	{"echo of no bytes", "echo", func(c *client) { c.arrive(); c.echo(nil) }},
	{"echo of what is no RLP", "echo", func(c *client) { c.arrive(); c.echo([]byte{0xFF, 0xFF}) }},
	{"first code beyond the capability", "closed", func(c *client) { c.arrive(); c.write(codeEcho+2, []byte{0xC0}); c.drain() }},
	{"code of two bytes", "closed", func(c *client) { c.arrive(); c.write(0x1234, []byte{0xC0}); c.drain() }},
	{"largest code", "closed", func(c *client) { c.arrive(); c.write(1<<64-1, []byte{0xC0}); c.drain() }},

	// Compression.
	{"snappy: garbage", "closed", func(c *client) { c.badSnappy(codeEcho, bytes.Repeat([]byte{0xFF}, 40)) }},
	{"snappy: garbage in a ping", "closed", func(c *client) { c.badSnappy(codePing, bytes.Repeat([]byte{0xFF}, 40)) }},
	{"snappy: no bytes", "closed", func(c *client) { c.badSnappy(codeEcho, nil) }},
	{"snappy: ping not compressed", "closed", func(c *client) { c.badSnappy(codePing, []byte{0xC0}) }},
	{"snappy: 16 MiB declared", "closed", func(c *client) { c.badSnappy(codeEcho, []byte{0x80, 0x80, 0x80, 8, 0, 1}) }},
	{"snappy: 4 GiB declared", "closed", func(c *client) { c.badSnappy(codeEcho, []byte{0xFF, 0xFF, 0xFF, 0xFF, 0xF, 0, 1}) }},
	{"snappy: more declared than there is", "closed", func(c *client) { c.badSnappy(codeEcho, []byte{10, 0, 1}) }},
	{"snappy: less declared than there is", "closed", func(c *client) { c.badSnappy(codeEcho, []byte{1, 4, 1, 2}) }},
	{"snappy: copy from before the start", "closed", func(c *client) { c.badSnappy(codeEcho, []byte{8, 0, 1, 0x0D, 9}) }},

	// Frames.
	{"a flipped bit in a header", "closed", func(c *client) { c.arrive(); c.spoiled(112); c.drain() }},
	{"a flipped bit in a header MAC", "closed", func(c *client) { c.arrive(); c.spoiled(96); c.drain() }},
	{"a flipped bit in a body", "closed", func(c *client) { c.arrive(); c.spoiled(80); c.drain() }},
	{"a flipped bit in a body MAC", "closed", func(c *client) { c.arrive(); c.spoiled(16); c.drain() }},
}

func noise(size int) []byte {
	bytes := make([]byte, size)
	rand.Read(bytes)
	return bytes
}

func (c *client) sendAuth(data []byte) {
	c.connect()
	c.socket.Write(data)
	c.unencrypted()
}

// first does something in place of our hello, and reads past theirs.
func (c *client) first(act func()) {
	c.connect()
	c.encrypt()
	act()
	c.drain()
}

func (c *client) greeted(payload []byte, version uint64) {
	c.connect()
	c.encrypt()
	c.greetWith(payload, version)
}

func (c *client) capable(caps ...p2p.Cap) {
	h := c.hello()
	h.Caps = caps
	c.greeted(encode(h), 5)
	c.echo([]byte("capable"))
}

func (c *client) versioned(version uint64) {
	h := c.hello()
	h.Version = version
	c.greeted(encode(h), version)
	c.echo([]byte("versioned"))
}

// helloOf is a hello of exactly that many bytes, made up by its name.
func (c *client) helloOf(size int) []byte {
	h := c.hello()
	for length := size; ; length-- {
		h.Name = string(bytes.Repeat([]byte{'n'}, length))
		if data := encode(h); len(data) == size {
			return data
		}
	}
}

func (c *client) pings(count int, payload []byte) {
	go func() { // the other side may stop reading while it writes
		for range count {
			c.write(codePing, payload)
		}
	}()
	c.await(codePong, count)
}

func (c *client) disconnect(payload ...byte) {
	c.arrive()
	c.write(codeDisconnect, payload)
	c.drain()
}

func (c *client) badSnappy(code uint64, data []byte) {
	c.arrive()
	c.uncompressed(code, data)
	c.drain()
}

// spoiled sends a frame of 112 bytes (header 16, MAC 16, body 64, MAC 16) with a bit flipped that far from its end.
func (c *client) spoiled(fromEnd int) {
	c.socket.spoil = fromEnd
	c.uncompressed(codeEcho, snappy.Encode(nil, noise(58)))
}
